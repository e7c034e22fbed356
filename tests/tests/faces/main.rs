//! The operators' face over a whole deployment: the trail, its receipts and tiles, followers, metrics, the page.
//!
//! What proves itself is checked by code that is not the host's: receipts by the verifying crate's library, tiles by
//! `tests/relying_party/read_tiles.py`, answers against `/openapi.json` by validators of others.

mod document;
mod live;
mod proof;
#[path = "../../relying_party/python.rs"]
mod python;
#[path = "../../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;
mod trail;

use anyhow::{Context, bail, ensure};
use claviger_client::Agent;
use claviger_shared::call::{Ask, HttpInput, Input, Reply, Sign};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use stage::{Stage, answered, get, grant};
use std::time::Duration;

/// A purpose that would be markup where text is not kept text.
const MARKUP: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";
/// Calls that make more entries than a full tile holds.
const CALLS: u32 = 270;

struct Face {
    base: String,
    client: Client,
}

impl Face {
    async fn get(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await?)
    }

    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        ensure!(answer.status() == 200, "{path}: {}", answer.text().await?);
        Ok(answer.json().await?)
    }

    async fn refused(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.get(path).await?;
        let media = answer.headers()["content-type"].to_str()?.to_owned();
        ensure!(media == "application/problem+json", "{path}: {media}");
        let problem: Value = answer.json().await?;
        Ok(problem["code"].as_str().context("no code")?.to_owned())
    }
}

fn charge(cents: u64) -> Sign {
    Sign {
        input: Input::Http(HttpInput {
            method: "POST".to_owned(),
            url: "https://pay.example.com/v1/charges".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(
                format!(r#"{{"amount":{cents},"currency":"usd"}}"#)
                    .into_bytes()
                    .into(),
            ),
        }),
        idempotency_key: None,
    }
}

async fn issued(agent: &Agent, sign: Sign) -> anyhow::Result<()> {
    match answered(agent, Ask::Sign(sign)).await? {
        Reply::Issued(_) => Ok(()),
        other => bail!("not issued: {other:?}"),
    }
}

/// Calls of every sort, one entry or more each.
async fn work(agent: &Agent) -> anyhow::Result<()> {
    for n in 0..CALLS {
        issued(
            agent,
            get(&format!("https://api.example.com/v1/orders/ord_{n}")),
        )
        .await?;
    }
    issued(agent, charge(900)).await?;
    for sign in [charge(5001), charge(900), get("https://evil.example.com/")] {
        match answered(agent, Ask::Sign(sign)).await? {
            Reply::Denied(_) => {}
            other => bail!("not denied: {other:?}"),
        }
    }
    let order = get("https://api.example.com/v1/orders/ord_1");
    let Reply::Issued(_) = answered(agent, Ask::Simulate(order)).await? else {
        bail!("not simulated")
    };
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_the_log_says_and_can_prove_it() -> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let mut terms = grant(1000, 5000, 1000);
    terms["purpose"] = json!(MARKUP);
    let agent = stage.agent("busy", &terms).await?;
    let id = agent.key().grant.to_string();
    work(&agent).await?;
    let profile = stage.profile()?;
    let client = claviger_client::web::builder(false, &[])?.build()?;
    let face = Face {
        base: profile.operator_api.clone(),
        client: client.clone(),
    };
    let agents = Face {
        base: profile.api.clone(),
        client,
    };
    // Denials are recorded together, some time after they were given.
    for _ in 0..200 {
        let denied = face.json("/v1/audit?kind=denied").await?;
        let simulated = face.json("/v1/audit?kind=simulated").await?;
        let count = |page: &Value| page["records"].as_array().map_or(0, Vec::len);
        if count(&denied) >= 3 && count(&simulated) >= 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let known = trail::trail(&face, &stage, &id).await?;
    trail::lists(&face, &id).await?;
    proof::receipts(&face, &stage, &known).await?;
    document::metrics(&face).await?;
    document::document(&face, &agents, dir.path(), &id).await?;
    live::page(&face).await?;
    live::followers(&face, &agent).await?;
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}
