//! Calls by plain HTTP on a sidecar, as an agent's own program makes them.

use crate::{
    cell::Plan,
    child::Kept,
    deployment::{Deployment, beside},
    http::{authority, request},
    load,
    run::Run,
};
use anyhow::Context;
use serde_json::{Value, json};
use std::process::Stdio;

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
    crate::between::measure(run, deployment)?;
    for (callers, depth) in SHAPES {
        let lanes =
            (0..callers).map(|_| load::http::connect(authority, request.clone(), b"sig1=:"));
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
    Ok(())
}
