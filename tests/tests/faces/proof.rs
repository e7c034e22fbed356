//! What proves itself: receipts and tiles.

use super::{Face, python, stage::Stage};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::log::show;
use claviger_shared::log::{checkpoint::LogKey, receipt::Receipt};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};

pub async fn receipts(face: &Face, stage: &Stage, known: &[Value]) -> anyhow::Result<()> {
    let chain = stage.profile()?.chain()?;
    let running = chain.newest().running.as_ref();
    let vkey = &running.context("not running")?.log_vkey;
    let key = LogKey::parse(vkey)?;
    let other = LogKey {
        public: [9; 32],
        ..key.clone()
    };
    for record in known.iter().step_by(29).chain(known.last()) {
        let id = record["id"].as_str().context("no id")?;
        let answer = face.json(&format!("/v1/receipts/{id}")).await?;
        let encoded = answer["receipt"]["encoded"]
            .as_str()
            .context("no receipt")?;
        let receipt = Receipt::decode(&STANDARD.decode(encoded)?)?;
        let proved = receipt.verify(&key, &RingVerifier)?;
        ensure!(format!("{}.{}", proved.leaf.index, receipt.place) == id);
        let (kind, members) = show::members(&proved.record.body);
        ensure!(record["kind"] == kind && receipt.simulation);
        for (name, value) in members.as_object().context("no members")? {
            ensure!(record[name] == *value, "{name} of {record}");
        }
        ensure!(
            receipt.verify(&other, &RingVerifier).is_err(),
            "another log's key"
        );
        let mut changed = receipt;
        changed.record[20] ^= 1;
        ensure!(changed.verify(&key, &RingVerifier).is_err());
    }
    let size = face.json("/v1/status").await?["stored"]
        .as_u64()
        .context("no size")?;
    ensure!(size > 256, "the log has a full tile: {size}");
    let line = json!({ "log": format!("{}/log", face.base), "vkey": vkey, "levels": 2 });
    let said = python::ask("read_tiles.py", &[line])?;
    ensure!(said == ["ok"], "{said:?}");
    for absent in [
        "/log/tile/8/000",
        "/log/tile/00/000",
        "/log/tile/0/0",
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/256",
        "/log/tile/entries/900",
    ] {
        ensure!(face.refused(absent).await? == "not_found", "{absent}");
    }
    let full = face.get("/log/tile/0/000").await?;
    ensure!(
        full.headers()["cache-control"]
            .to_str()?
            .contains("immutable")
    );
    ensure!(full.bytes().await?.len() == 8192);
    Ok(())
}
