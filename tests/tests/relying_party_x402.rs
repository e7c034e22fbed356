//! What a whole deployment pays by HTTP, a facilitator over the x402 reference library verifies, and eth-account knows the payer:
//! through the sidecar and the command, in both versions of the protocol.
//!
//! Without Python the test says so and passes, except in continuous integration.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::owner::key::NewKey;
use claviger_client::{Agent, x402};
use claviger_shared::{
    call::{Ask, Input, Reply, Sign},
    credential::Credential,
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use claviger_tests::x402::{OTHER, PAYEE, TOKEN, catalog, requirements};
use serde_json::{Value, json};
use stage::{Stage, grant, program};
use std::process::Command;

/// Enough for every payment here.
const BALANCE: u64 = 1_000_000;

async fn set_up(stage: &Stage) -> anyhow::Result<(Agent, String)> {
    let mut desk = stage.desk().await?;
    let mut all: Value = serde_json::from_str(include_str!("../../sim/src/up/catalog.json"))?;
    let ours = catalog();
    all["resources"]["data"] = ours["resources"]["data"].clone();
    all["assets"] = ours["assets"].clone();
    desk.set_catalog(all.to_string().as_bytes(), &[]).await?;
    let key = NewKey {
        name: KeyId::parse("k_evm").ok(),
        kind: Kind::Evm,
        alg: Alg::Secp256k1,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    let shown = desk.create_key(&key).await?;
    let payer = shown["address"].as_str().context("no address")?.to_owned();
    let mut grant = grant(1000, 5000, 20_000);
    grant["keys"] = json!(["k_evm"]);
    grant["permissions"] = json!({"read": [], "write": ["data"], "delete": []});
    grant["allow_minting"] = json!([]);
    grant["budgets"] = json!([
        {"unit": "call", "max": "1000", "window": "grant"},
        {"unit": "usdc.base-sepolia", "max": "1000000", "window": "grant"},
    ]);
    Ok((stage.agent("payer", &grant).await?, payer))
}

fn demand(version: u64) -> Value {
    let resource = json!({"url": "https://api.example.com/data", "description": "d", "mimeType": "application/json"});
    if version == 2 {
        let info = json!({"info": {"n": 1, "text": "ü"}, "schema": {"type": "object"}});
        return json!({
            "x402Version": 2, "error": "PAYMENT-SIGNATURE header is required", "resource": resource,
            "accepts": [requirements("10000")], "extensions": {"example": info},
        });
    }
    json!({"x402Version": 1, "error": "X-PAYMENT header is required", "accepts": [{
        "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "10000", "resource": "https://api.example.com/data",
        "description": "d", "mimeType": "application/json", "payTo": PAYEE, "maxTimeoutSeconds": 120, "asset": TOKEN,
        "extra": {"name": "USDC", "version": "2"},
    }]})
}

/// The header field that an agent gets for a demand.
async fn paid(agent: &Agent, demand: &Value) -> anyhow::Result<(String, String)> {
    let input = x402::input(&STANDARD.encode(demand.to_string()), None, None)?;
    let sign = Sign {
        input: Input::X402(input),
        idempotency_key: None,
    };
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => match issued.issued.credential {
            Some(Credential::X402 { mut headers, .. }) => headers.pop().context("no field"),
            other => bail!("not a payment: {other:?}"),
        },
        other => bail!("not issued: {other:?}"),
    }
}

fn line(demand: &Value, (name, value): (String, String), payer: &str) -> Value {
    json!({
        "name": name, "value": value, "payment_required": demand, "accept": 0, "payer": payer, "balance": BALANCE,
    })
}

/// A payment with one text of its JSON changed.
fn changed(good: &Value, from: &str, to: &str) -> anyhow::Result<Value> {
    let value = good["value"].as_str().context("no value")?;
    let text = String::from_utf8(STANDARD.decode(value)?)?;
    let other = text.replacen(from, to, 1);
    ensure!(other != text, "`{from}` is not in {text}");
    let mut line = good.clone();
    line["value"] = json!(STANDARD.encode(other));
    Ok(line)
}

/// What does not verify, then the honest line, then that again.
fn wrong(good: &Value) -> anyhow::Result<Vec<Value>> {
    let mut lines = vec![
        changed(good, r#""value":"10000""#, r#""value":"10001""#)?,
        changed(good, r#""nonce":"0x"#, r#""nonce":"0x00"#)?,
        changed(good, r#""validBefore":"1"#, r#""validBefore":"2"#)?,
        changed(good, r#""signature":"0x"#, r#""signature":"0x1"#)?,
    ];
    for (pointer, value) in [
        ("/payer", json!(OTHER)),
        ("/balance", json!(9999)),
        ("/payment_required/accepts/0/payTo", json!(OTHER)),
        ("/payment_required/accepts/0/asset", json!(OTHER)),
        ("/payment_required/accepts/0/extra/name", json!("USD Coin")),
    ] {
        let mut line = good.clone();
        *line.pointer_mut(pointer).context("no such place")? = value;
        lines.push(line);
    }
    Ok(lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facilitator_verifies_what_is_paid() -> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let (agent, payer) = set_up(&stage).await?;
    for version in [1, 2] {
        let demand = demand(version);
        let good = line(&demand, paid(&agent, &demand).await?, &payer);
        let mut lines = wrong(&good)?;
        let bad = lines.len();
        lines.extend([good.clone(), good]);
        let said = python::ask("verify_x402.py", &lines)?;
        let (refused, honest) = said.split_at(bad);
        ensure!(
            refused.iter().all(|word| word != "ok"),
            "{version}: {said:?}"
        );
        ensure!(honest[0] == "ok", "{version}: {said:?}");
        ensure!(honest[1] != "ok", "a nonce is taken once: {said:?}");
    }
    by_command(&stage, &payer)?;
    stage.stop().await?;
    Ok(())
}

/// As an agent does by hand: `claviger sign x402 --requirements F`.
fn by_command(stage: &Stage, payer: &str) -> anyhow::Result<()> {
    let file = stage.dir.join("demand");
    let demand = demand(2);
    std::fs::write(&file, STANDARD.encode(demand.to_string()))?;
    let key = stage.dir.join("payer.key");
    let run = |verb: &str, accept: &str| {
        let mut command = Command::new(program("claviger")?);
        command.args(["--json", verb, "--key-file"]).arg(&key);
        command.args(["x402", "--accept", accept, "--requirements"]);
        Ok::<_, anyhow::Error>(command.arg(&file).output()?)
    };
    let out = run("sign", "0")?;
    ensure!(out.status.success(), "{out:?}");
    let shown: Value = serde_json::from_slice(&out.stdout)?;
    let credential = &shown["credential"];
    ensure!(credential["kind"] == "x402", "{shown}");
    let accepted = &credential["payload"]["accepted"];
    ensure!(accepted == &requirements("10000"), "{shown}");
    let value = credential["headers"]["payment-signature"].as_str();
    let field = (
        "payment-signature".to_owned(),
        value.context("no field")?.to_owned(),
    );
    let said = python::ask("verify_x402.py", &[line(&demand, field, payer)])?;
    ensure!(said == ["ok"], "{said:?}");
    let simulated = run("simulate", "0")?;
    let shown: Value = serde_json::from_slice(&simulated.stdout)?;
    ensure!(shown["credential"].is_null(), "{shown}");
    ensure!(shown["charged"][1]["amount"] == "10000", "{shown}");
    let none = run("sign", "1")?;
    ensure!(none.status.code() == Some(2), "{none:?}");
    Ok(())
}
