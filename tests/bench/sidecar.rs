//! Calls by plain HTTP on a sidecar, as an agent's own program makes them.

use crate::{
    asks, between,
    cell::Plan,
    child::Kept,
    deployment::{Deployment, beside, wait},
    http::{authority, request},
    load, primitives,
    run::Run,
};
use anyhow::{Context, bail};
use claviger_client::{
    receipt::{self, Notes},
    render,
};
use claviger_shared::{
    call::{IssuedWithReceipt, Reply},
    codec::cbor,
    wire::call::{MAX_ANSWER_ITEMS, MAX_SEALED_ANSWER},
};
use serde_json::{Value, json};
use std::{hint::black_box, process::Stdio};

/// Connections and the depth of each.
const SHAPES: [(usize, usize); 4] = [(1, 1), (8, 1), (64, 1), (8, 16)];

/// The reference call in every shape, by one sidecar of one agent.
pub fn measure(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (token, ready) = (dir.path().join("token"), dir.path().join("ready"));
    let mut command = Kept::command(beside("claviger")?)?;
    command
        .arg("sidecar")
        .arg("--no-renew")
        .stdout(Stdio::null());
    command.arg("--key-file").arg(deployment.key_file(0)?);
    command.arg("--token-file").arg(&token);
    command.arg("--ready-file").arg(&ready);
    let mut sidecar = Kept::start(&mut command)?;
    sidecar.wait_until("ready file", || ready.exists())?;
    let told: Value = serde_json::from_slice(&std::fs::read(&ready)?)?;
    let url = told.get("url").and_then(Value::as_str).context("no url")?;
    let token = std::fs::read_to_string(&token)?;
    let body =
        json!({ "method": "GET", "url": "https://api.example.com/v1/orders/ord_17?expand=items" });
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
        token.trim()
    );
    let authority = authority(url)?;
    let body = body.to_string();
    let request = request(
        "POST /v1/credentials/http",
        authority,
        &headers,
        body.as_bytes(),
    );
    let connect = || load::http::connect(authority, request.clone(), b"sig1=:");
    between::measure(run, deployment, connect()?)?;
    for (callers, depth) in SHAPES {
        let lanes = (0..callers).map(|_| connect());
        let lanes = lanes.collect::<anyhow::Result<_>>()?;
        let mut pids = deployment.pids()?;
        pids.push(("sidecar", sidecar.pid()));
        let plan = Plan {
            name: format!("{} sidecar", deployment.mode()),
            depth,
            length: run.length,
            pids,
            log: Some(deployment.log()),
        };
        run.keep(plan.run(lanes)?);
    }
    run.handled_us = handled(deployment)?;
    println!(
        "an answer read, its receipt's signature known, and written as JSON: {:.2} µs",
        run.handled_us
    );
    Ok(())
}

/// CPU of what must be done with one answer besides verifying its checkpoint's signature, in microseconds: it is read, its
/// receipt is checked, and it is written as JSON.
fn handled(deployment: &Deployment) -> anyhow::Result<f64> {
    let answered = wait(async {
        let agents = deployment.connect(1).await?;
        Ok(agents[0].answered(asks::sign(asks::get())).await?)
    })?;
    let Reply::Issued(issued) = answered.reply else {
        bail!("not issued: {:?}", answered.reply)
    };
    let bytes = cbor::encode(&*issued)?;
    let notes = Notes::new(deployment.trusted.log_key.clone());
    let grant = &deployment.agents[0].grant;
    primitives::least(|_| {
        let read: IssuedWithReceipt =
            cbor::decode_many(black_box(&bytes), MAX_SEALED_ANSWER, MAX_ANSWER_ITEMS)?;
        let checked = receipt::check_with(&read, grant, &notes)?;
        black_box(render::issued_text(&read, Some(&checked), true)?);
        Ok(())
    })
}
