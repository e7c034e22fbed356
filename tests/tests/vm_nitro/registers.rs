//! What the machine measures is what the image's own program computes, and what the enclave extends is locked.

use crate::guest::Guest;
use anyhow::{Context, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claviger_sim::clock::{SystemClock, WallClock as _};
use claviger_tests::vm::nitro;
use claviger_verify::attestation::{Root, verify};
use std::collections::BTreeMap;

/// Oldest document that would be taken.
const MAX_AGE_MS: u64 = 300_000;

/// Registers of a document that nobody signed.
fn registers(document: &[u8]) -> anyhow::Result<BTreeMap<u16, Vec<u8>>> {
    #[derive(serde::Deserialize)]
    struct Payload {
        pcrs: BTreeMap<u16, serde_bytes::ByteBuf>,
    }
    type Envelope = (
        serde::de::IgnoredAny,
        serde::de::IgnoredAny,
        serde_bytes::ByteBuf,
        serde::de::IgnoredAny,
    );
    let (_, _, payload, _): Envelope = serde_cbor::from_slice(document)?;
    let payload: Payload = serde_cbor::from_slice(&payload)?;
    Ok(payload
        .pcrs
        .into_iter()
        .map(|(index, value)| (index, value.into_vec()))
        .collect())
}

/// The exact bytes of a chain's first manifest.
fn first(chain: &[u8]) -> anyhow::Result<Vec<u8>> {
    let chain: serde_json::Value = serde_json::from_slice(chain)?;
    let body = chain
        .pointer("/manifests/0/body")
        .and_then(serde_json::Value::as_str);
    Ok(STANDARD.decode(body.context("no chain")?)?)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn registers_are_as_computed_and_locked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
    let (courier, measured) = (nitro.courier, nitro.measured);
    let guest = Guest::of(dir, nitro.vm, &nitro.address).await?;
    let documents = courier.documents();
    ensure!(
        documents.len() >= 2,
        "a birth and an unsealing need a document each"
    );
    let profile = guest.stage.profile()?;
    let g0 = first(&std::fs::read(&profile.manifest)?)?;
    for document in &documents {
        let found = registers(document)?;
        let image = [measured.pcr0, measured.pcr1, measured.pcr2];
        for (index, own) in (0..).zip(image) {
            ensure!(found.get(&index) == Some(&own.0.to_vec()), "PCR{index}");
        }
        let pcr16 = claviger_image::deployment(&g0).0.to_vec();
        ensure!(found.get(&16) == Some(&pcr16), "PCR16");
        // Only locked registers are in a document: all of them are.
        ensure!(found.len() == 32, "{} registers are locked", found.len());
        // Nobody takes it for a signed one.
        let now = SystemClock.now_ms();
        ensure!(verify(document, &Root::Aws, now, MAX_AGE_MS).is_err());
    }
    let newest = registers(documents.last().context("no document")?)?;
    ensure!(
        newest.get(&17) != Some(&vec![0; 48]),
        "PCR17 is the newest anchor"
    );
    guest.stop().await
}
