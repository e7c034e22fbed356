//! Followers of the trail, and the page in a browser.

use super::{Face, issued, stage::get};
use anyhow::{Context, bail, ensure};
use claviger_client::Agent;
use reqwest::Response;
use serde_json::Value;
use std::{process::Command, time::Duration};

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

pub async fn followers(face: &Face, agent: &Agent) -> anyhow::Result<()> {
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

/// The page in a browser, where this machine has one: what the log holds stays text.
pub async fn page(face: &Face) -> anyhow::Result<()> {
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
