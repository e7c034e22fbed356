//! The operators' face over a whole deployment: the trail, its receipts and tiles, followers, metrics, the page.
//!
//! What proves itself is checked by code that is not the host's: receipts by the verifying crate's library, tiles by
//! `tests/relying_party/read_tiles.py`, answers against `/openapi.json` by validators of others.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::audit::record;
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, HttpInput, Input, Reply, Sign},
    log::{checkpoint::LogKey, receipt::Receipt, record::Record},
};
use claviger_verify::ring_verifier::RingVerifier;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use stage::{Stage, answered, get, grant};
use std::{path::Path, process::Command, time::Duration};

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

/// Every record by the command's own reading of the stored entries.
async fn known(stage: &Stage) -> anyhow::Result<Vec<Value>> {
    let operator = stage.profile()?.operator()?;
    let mut all = Vec::new();
    let mut next = 0;
    loop {
        let entries = operator.entries(next).await?;
        let Some(last) = entries.last() else {
            return Ok(all);
        };
        next = last.index + 1;
        for entry in entries {
            for (place, bytes) in entry.records.iter().enumerate() {
                let (kind, members) = record::members(&Record::decode(bytes)?.body);
                let mut value = json!({"id": format!("{}.{place}", entry.index), "index": entry.index, "place": place, "kind": kind});
                value
                    .as_object_mut()
                    .context("no object")?
                    .extend(members.as_object().context("no members")?.clone());
                all.push(value);
            }
        }
    }
}

async fn pages(face: &Face, query: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut next) = (Vec::new(), "0".to_owned());
    loop {
        let page = face
            .json(&format!("/v1/audit?limit={limit}&from={next}{query}"))
            .await?;
        let records = page["records"].as_array().context("no records")?;
        ensure!(records.len() <= limit);
        all.extend(records.iter().cloned());
        next = page["next"].as_str().context("no next")?.to_owned();
        if page["end"] == true {
            return Ok(all);
        }
    }
}

async fn trail(face: &Face, stage: &Stage, grant: &str) -> anyhow::Result<Vec<Value>> {
    let known = known(stage).await?;
    for limit in [1000, 37] {
        let shown = pages(face, "", limit).await?;
        ensure!(
            shown.len() == known.len(),
            "{} of {}",
            shown.len(),
            known.len()
        );
        for (mut shown, known) in shown.into_iter().zip(&known) {
            shown.as_object_mut().context("no object")?.remove("time");
            ensure!(shown == *known, "{shown} is not {known}");
        }
    }
    let of = |test: &dyn Fn(&Value) -> bool| known.iter().filter(|record| test(record)).count();
    let first = "first-agent";
    for (query, count) in [
        (
            "&kind=call".to_owned(),
            of(&|record| record["kind"] == "call"),
        ),
        (
            "&decision=issued".to_owned(),
            of(&|record| record["outcome"] == "issued"),
        ),
        (
            "&decision=denied&code=budget_exceeded".to_owned(),
            of(&|record| record["code"] == "budget_exceeded"),
        ),
        (
            format!("&grant={grant}&kind=denied"),
            of(&|record| record["grant"] == grant && record["kind"] == "denied"),
        ),
        (
            format!("&agent={first}&kind=call"),
            of(&|record| record["kind"] == "call"),
        ),
        ("&agent=nobody".to_owned(), 0),
        ("&since=2999-01-01T00:00:00Z".to_owned(), 0),
        ("&since=2020-01-01T00:00:00Z".to_owned(), known.len()),
    ] {
        let found = pages(face, &query, 500).await?.len();
        ensure!(found == count, "{query}: {found}, not {count}");
    }
    ensure!(of(&|record| record["code"] == "budget_exceeded") > 0);
    for limit in ["1", "1000"] {
        face.json(&format!("/v1/audit?limit={limit}")).await?;
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "from=-1",
        "from=01",
        "from=1.",
        "grant=x",
        "agent=a%20b",
        "kind=calls",
        "decision=no",
        "code=nothing",
        "since=yesterday",
        "follow=perhaps",
        "other=1",
        "limit=1&limit=2",
    ] {
        let code = face.refused(&format!("/v1/audit?{bad}")).await?;
        ensure!(code == "malformed", "{bad}: {code}");
    }
    Ok(known)
}

async fn lists(face: &Face, grant: &str) -> anyhow::Result<()> {
    let grants = face.json("/v1/grants").await?;
    let own = grants["grants"].as_array().context("no grants")?;
    let shown = own
        .iter()
        .find(|one| one["id"] == grant)
        .context("not listed")?;
    ensure!(
        shown["purpose"] == MARKUP,
        "kept as it was written: {shown}"
    );
    let budgets = shown["budgets"].as_array().context("no budgets")?;
    let of = |unit: &str, window: &str| {
        budgets
            .iter()
            .find(|one| one["unit"] == unit && one["window"] == window)
    };
    let calls = of("call", "grant").context("no budget of calls")?;
    ensure!(calls["spent"] == json!((CALLS + 1).to_string()), "{calls}");
    let cents = of("usd-cents", "rolling:P1D").context("no budget of cents")?;
    ensure!(
        cents["spent"] == "900" && cents["remaining"] == "100",
        "{cents}"
    );
    let whole = face.json(&format!("/v1/grants/{grant}")).await?;
    ensure!(
        whole["grant"]["permissions"]["read"] == json!(["order_history"]),
        "{whole}"
    );
    ensure!(
        whole["outstanding"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        "{whole}"
    );
    for list in ["grants", "keys"] {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = face.json(&format!("/v1/{list}?limit=1{after}")).await?;
            all.extend(page[list].as_array().context("no list")?.iter().cloned());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        let whole = face.json(&format!("/v1/{list}?limit=500")).await?;
        ensure!(whole[list] == json!(all) && all.len() > 1, "{list}");
        for bad in ["limit=0", "limit=501", "after=%20", "x=1"] {
            ensure!(
                face.refused(&format!("/v1/{list}?{bad}")).await? == "malformed",
                "{list} {bad}"
            );
        }
    }
    let catalog = face.json("/v1/catalog").await?;
    let written: Value = serde_json::from_str(include_str!("../../sim/src/up/catalog.json"))?;
    ensure!(catalog["catalog"] == written, "{catalog}");
    for absent in [
        "/v1/grants/gr_none",
        "/v1/grants/%20",
        "/v1/receipts/0",
        "/v1/receipts/0.9",
        "/v1/receipts/999999.0",
    ] {
        ensure!(face.refused(absent).await? == "not_found", "{absent}");
    }
    Ok(())
}

async fn receipts(face: &Face, stage: &Stage, known: &[Value]) -> anyhow::Result<()> {
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
        let (kind, members) = record::members(&proved.record.body);
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

/// The next record that a follower gets.
async fn event(stream: &mut Response) -> anyhow::Result<(String, Value)> {
    let mut text = String::new();
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await??;
        text.push_str(std::str::from_utf8(&chunk.context("the stream ends")?)?);
        if let Some((id, data)) = text
            .split_once("id: ")
            .and_then(|(_, rest)| rest.split_once("\nevent: record\ndata: "))
        {
            let (data, _) = data.split_once("\n\n").context("half an event")?;
            return Ok((id.to_owned(), serde_json::from_str(data)?));
        }
    }
}

async fn followers(face: &Face, agent: &Agent) -> anyhow::Result<()> {
    let follow = "/v1/audit?follow=true&kind=call";
    let mut stream = face.get(follow).await?;
    ensure!(stream.headers()["content-type"] == "text/event-stream");
    let mut seen = Vec::new();
    for n in 0..3 {
        issued(
            agent,
            get(&format!("https://api.example.com/v1/orders/live_{n}")),
        )
        .await?;
        let (id, record) = event(&mut stream).await?;
        ensure!(
            record["id"] == id.as_str() && record["kind"] == "call",
            "{record}"
        );
        seen.push(id);
    }
    let resume = face
        .client
        .get(format!("{}{follow}", face.base))
        .header("Last-Event-ID", &seen[0]);
    let (id, _) = event(&mut resume.send().await?).await?;
    ensure!(id == seen[1], "resumed behind the first: {id}");
    let bad = face
        .client
        .get(format!("{}{follow}", face.base))
        .header("Last-Event-ID", "x")
        .send()
        .await?;
    ensure!(bad.status() == 400);
    drop(stream);
    // Those that left are noticed when the host next writes to them.
    let mut held = Vec::new();
    for _ in 0..400 {
        let one = face.get(follow).await?;
        if one.status() == 200 {
            held.push(one);
        } else if held.len() == 16 {
            let problem: Value = one.json().await?;
            ensure!(problem["code"] == "busy", "{problem}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(
        held.len() == 16,
        "sixteen follow at once, not {}",
        held.len()
    );
    let metrics = face.get("/metrics").await?.text().await?;
    ensure!(
        metrics.contains("claviger_audit_followers 16\n"),
        "{metrics}"
    );
    drop(held);
    for _ in 0..400 {
        if face.get(follow).await?.status() == 200 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("a place is not given back")
}

async fn metrics(face: &Face) -> anyhow::Result<()> {
    let text = face.get("/metrics").await?.text().await?;
    for line in [
        format!(
            "claviger_calls_total{{kind=\"http\",outcome=\"issued\"}} {}",
            CALLS + 1
        ),
        "claviger_denials_total{code=\"budget_exceeded\"} 1".to_owned(),
        "claviger_denials_total{code=\"per_call_exceeded\"} 1".to_owned(),
        "claviger_denials_total{code=\"destination_denied\"} 1".to_owned(),
        "claviger_simulated_total 1".to_owned(),
        "claviger_budgets_high 1".to_owned(),
        "claviger_budgets_exhausted 0".to_owned(),
        "claviger_frozen 0".to_owned(),
    ] {
        ensure!(
            text.contains(&format!("{line}\n")),
            "{line} is not in {text}"
        );
    }
    let documented = include_str!("../../docs/spec/http.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().context("no name")?;
        ensure!(
            documented.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
    }
    ensure!(
        !text.contains("gr_") && !text.contains("first-agent"),
        "names stand in metrics"
    );
    Ok(())
}

/// Every documented answer to a GET, and some refusals, against the document.
async fn document(face: &Face, agents: &Face, dir: &Path, grant: &str) -> anyhow::Result<()> {
    let document = face.json("/openapi.json").await?;
    let file = dir.join("openapi.json");
    std::fs::write(&file, document.to_string())?;
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let Some(operation) = methods.get("get") else {
            continue;
        };
        if path == "/v1/channel/stream" {
            continue;
        }
        let tags = operation["tags"].as_array().context("no tags")?;
        let place = path
            .replace("{level}", "0")
            .replace("entries/{tile}", "entries/000.p/1")
            .replace("{tile}", "000.p/1")
            .replace("receipts/{id}", "receipts/1.0")
            .replace("grants/{id}", &format!("grants/{grant}"));
        for tag in tags {
            let face = if tag == "agents" { agents } else { face };
            for (at, code) in [
                (place.clone(), None),
                (format!("{place}?unheard=of"), Some(400)),
            ] {
                let answer = face.get(&at).await?;
                let status = answer.status().as_u16();
                if code.is_none() && status != 200 && path != "/.well-known/openid-configuration" {
                    bail!("{at}: {status}");
                }
                let media = answer.headers()["content-type"].to_str()?.to_owned();
                let body = answer.bytes().await?;
                let body: Value = if media.contains("json") {
                    serde_json::from_slice(&body)?
                } else {
                    Value::Null
                };
                lines.push(json!({"path": path, "method": "get", "status": status, "media": media, "body": body}));
            }
        }
    }
    for page in [
        "/v1/audit?limit=1000",
        "/v1/audit?limit=1000&from=1.0",
        "/v1/audit?kind=denied",
        "/v1/audit?kind=command",
    ] {
        let body = face.json(page).await?;
        lines.push(json!({"path": "/v1/audit", "method": "get", "status": 200, "media": "application/json", "body": body}));
    }
    let mut wrong = lines.last().context("no lines")?.clone();
    wrong["body"]["records"][0]["surprise"] = json!(1);
    lines.push(wrong);
    let script = "check_openapi.py";
    let mut said = python::ask_with(script, &[file.as_os_str()], &lines)?;
    let last = said.pop().context("no answer")?;
    ensure!(last != "ok", "the validator takes anything");
    for (said, line) in said.iter().zip(&lines) {
        ensure!(said == "ok", "{}: {said}", line["path"]);
    }
    ensure!(said.len() > 50, "{}", said.len());
    Ok(())
}

/// The page in a browser, where this machine has one: what the log holds stays text.
async fn page(face: &Face) -> anyhow::Result<()> {
    let answer = face.get("/").await?;
    let policy = answer.headers()["content-security-policy"]
        .to_str()?
        .to_owned();
    ensure!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await?;
    ensure!(
        !page.contains("first-agent"),
        "the page itself holds no data"
    );
    let grants = face.get("/v1/grants").await?;
    ensure!(grants.headers()["x-content-type-options"] == "nosniff");
    let browsers = ["chromium-headless-shell", "chromium", "google-chrome"];
    let found = browsers.iter().find(|name| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|done| done.status.success())
    });
    let Some(browser) = found else {
        println!("skipped: no Chromium on this machine; the page was not looked at in a browser");
        return Ok(());
    };
    let dump = tokio::process::Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=4000",
            "--timeout=15000",
            "--dump-dom",
        ])
        .arg(&face.base)
        .kill_on_drop(true)
        .output();
    let dump = tokio::time::timeout(Duration::from_secs(60), dump).await??;
    let dom = String::from_utf8(dump.stdout)?;
    ensure!(
        dom.contains("first-agent"),
        "the page shows no grant: {dom}"
    );
    ensure!(
        dom.contains("&lt;img src=x onerror=alert(1)&gt;"),
        "the purpose is not shown as text"
    );
    ensure!(!dom.contains("<img"), "a purpose became markup");
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
    let client = Client::new();
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
    let known = trail(&face, &stage, &id).await?;
    lists(&face, &id).await?;
    receipts(&face, &stage, &known).await?;
    metrics(&face).await?;
    document(&face, &agents, dir.path(), &id).await?;
    page(&face).await?;
    followers(&face, &agent).await?;
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}
