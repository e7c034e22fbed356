//! What a whole deployment signs for Solana, solders (over the Solana SDK) reads and verifies: by an agent and by the command, alone and
//! beside another's fee.
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
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Input, Reply, Sign},
    credential::Credential,
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use claviger_tests::solana::{self, OTHER, PAYEE, PAYER, build, catalog, create, input, key, usdc};
use serde_json::{Value, json};
use stage::{Stage, grant, program};
use std::process::Command;

const SYSTEM: &str = "11111111111111111111111111111111";
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

async fn set_up(stage: &Stage) -> anyhow::Result<(Agent, String)> {
    let mut desk = stage.desk().await?;
    let mut all: Value = serde_json::from_str(include_str!("../../sim/src/up/catalog.json"))?;
    let ours = catalog();
    for name in ["coins", "usdc", "sponsored"] {
        all["resources"][name] = ours["resources"][name].clone();
    }
    all["assets"] = ours["assets"].clone();
    desk.set_catalog(all.to_string().as_bytes(), &[]).await?;
    let key = NewKey {
        name: KeyId::parse("k_sol").ok(),
        kind: Kind::Solana,
        alg: Alg::Ed25519,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    let shown = desk.create_key(&key).await?;
    let account = shown["address"].as_str().context("no address")?.to_owned();
    let mut grant = grant(1000, 5000, 20_000);
    solana::grant(&mut grant);
    for budget in grant["budgets"].as_array_mut().context("budgets")? {
        budget["max"] = json!("10000000");
    }
    Ok((stage.agent("payer", &grant).await?, account))
}

/// The transaction and the signature that an agent gets.
async fn signed(agent: &Agent, input: Input) -> anyhow::Result<(String, String)> {
    let sign = Sign {
        input,
        idempotency_key: None,
    };
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => match issued.issued.credential {
            Some(Credential::Solana {
                signature,
                transaction,
            }) => Ok((transaction, signature)),
            other => bail!("not a transaction: {other:?}"),
        },
        other => bail!("not issued: {other:?}"),
    }
}

fn line((transaction, signature): (String, String), signer: &str, moves: &Value) -> Value {
    json!({"transaction": transaction, "signature": signature, "signer": signer, "moves": moves})
}

/// What does not verify.
fn wrong(good: &Value) -> anyhow::Result<Vec<Value>> {
    let bytes = STANDARD.decode(good["transaction"].as_str().context("transaction")?)?;
    let mut lines = Vec::new();
    // Of the signature, an account and the data's last byte.
    for at in [bytes.len() - 70, 70, bytes.len() - 2] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let mut line = good.clone();
        line["transaction"] = json!(STANDARD.encode(other));
        lines.push(line);
    }
    for (pointer, value) in [
        ("/signer", json!(OTHER)),
        ("/signature", json!("1".repeat(64))),
        ("/moves/0/2", json!(1)),
        ("/moves/0/1", json!(OTHER)),
    ] {
        let mut line = good.clone();
        *line.pointer_mut(pointer).context("no such place")? = value;
        lines.push(line);
    }
    Ok(lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_solana_sdk_reads_and_verifies_what_is_signed() -> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let (agent, account) = set_up(&stage).await?;
    let (me, payee) = (key(&account), key(PAYEE));
    let (coin, token) = (json!([SYSTEM, PAYEE, 1000]), json!([TOKEN, PAYEE, 25]));
    let transfer = || build::transfer(me, payee, 1000);
    for (payer, calls, moves) in [
        (me, vec![transfer()], json!([coin])),
        (
            me,
            vec![create(me, payee), usdc(me, payee, 25)],
            json!([token]),
        ),
        (
            me,
            vec![usdc(me, payee, 25), transfer()],
            json!([token, coin]),
        ),
        (key(PAYER), vec![usdc(me, payee, 25)], json!([token])),
    ] {
        let good = line(
            signed(&agent, input(payer, &calls)).await?,
            &account,
            &moves,
        );
        let mut lines = wrong(&good)?;
        lines.push(good);
        let mut said = python::ask("verify_solana.py", &lines)?;
        ensure!(said.pop().as_deref() == Some("ok"), "{lines:?}");
        ensure!(said.iter().all(|word| word != "ok"), "{said:?}");
    }
    by_command(&stage, &account)?;
    stage.stop().await?;
    Ok(())
}

/// As an agent does by hand: `claviger sign solana --message F`.
fn by_command(stage: &Stage, account: &str) -> anyhow::Result<()> {
    let (file, secret) = (stage.dir.join("message"), stage.dir.join("payer.key"));
    let me = key(account);
    let Input::Solana(input) = input(me, &[build::transfer(me, key(PAYEE), 1000)]) else {
        bail!("another kind")
    };
    let run = |verb: &str| {
        let mut command = Command::new(program("claviger")?);
        command.args(["--json", verb, "--key-file"]).arg(&secret);
        command.args(["solana", "--message"]).arg(&file);
        Ok::<_, anyhow::Error>(command.output()?)
    };
    std::fs::write(&file, format!("{}\n", STANDARD.encode(&input.message)))?;
    let out = run("sign")?;
    ensure!(out.status.success(), "{out:?}");
    let shown: Value = serde_json::from_slice(&out.stdout)?;
    let credential = &shown["credential"];
    ensure!(credential["kind"] == "solana", "{shown}");
    let text = |name: &str| {
        credential[name]
            .as_str()
            .context("no text")
            .map(str::to_owned)
    };
    let moves = json!([[SYSTEM, PAYEE, 1000]]);
    let made = line((text("transaction")?, text("signature")?), account, &moves);
    let said = python::ask("verify_solana.py", &[made])?;
    ensure!(said == ["ok"], "{said:?}");
    let simulated = run("simulate")?;
    let shown: Value = serde_json::from_slice(&simulated.stdout)?;
    ensure!(shown["credential"].is_null(), "{shown}");
    ensure!(shown["charged"][1]["amount"] == "6000", "{shown}");
    std::fs::write(&file, "not base64")?;
    let none = run("sign")?;
    ensure!(none.status.code() == Some(2), "{none:?}");
    Ok(())
}
