//! The log's own costs: how long an enclave takes to serve again behind a log of some length, and how fast one is audited.

use crate::{
    asks,
    calls::streams,
    child::Kept,
    clock::now,
    deployment::{Deployment, beside},
    http::Http,
    load::Load,
    run::Run,
};
use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};
use serde::Serialize;
use serde_json::Value;
use std::{process::Stdio, time::Duration};

/// One length of a log.
#[derive(Debug, Clone, Serialize)]
pub struct Boot {
    /// Entries since the last snapshot.
    pub entries: u64,
    /// Records in them.
    pub records: u64,
    /// From the death of the enclave until the next serves, every entry replayed, in milliseconds.
    pub replay_ms: f64,
    /// The same once more, from the snapshot that the first of them wrote.
    pub snapshot_ms: f64,
}

/// How fast a stored log is audited.
#[derive(Debug, Clone, Serialize)]
pub struct Audited {
    /// Records in it.
    pub records: u64,
    /// Records a second of one core.
    pub per_s_and_core: f64,
}

/// Restarts behind logs of these numbers of records, and an audit of the whole log at the end.
pub fn measure(run: &mut Run, records: &[u64]) -> anyhow::Result<()> {
    let mut last = None;
    for records in records {
        // One of its own for each: whoever dies too often in a minute is not started again.
        let mut deployment = Deployment::start(false, 8)?;
        let boot = one(&mut deployment, *records)?;
        println!(
            "boot: {} entries, {} records: {:.0} ms replayed, {:.0} ms from the snapshot",
            boot.entries, boot.records, boot.replay_ms, boot.snapshot_ms
        );
        run.boots.push(boot);
        last = Some(deployment.stop());
    }
    audit(run, &last.context("no length of a log was asked for")?)
}

/// Makes calls until this boot has stored so many records, then kills the enclave twice.
fn one(deployment: &mut Deployment, records: u64) -> anyhow::Result<Boot> {
    let mut http = Http::connect(&deployment.profile.operator_api)?;
    let counter = |status: &Value, name: &str| {
        let found = status.pointer(name).and_then(Value::as_u64);
        found.context("no counter")
    };
    let lanes = streams(deployment, 8, &asks::sign(asks::get()))?;
    let mut load = Load::new(lanes, 16)?;
    while counter(&status(&mut http)?, "/counters/records_stored")? < records {
        load.run(Duration::from_millis(50))?;
    }
    load.drain()?;
    drop(load);
    let grown = status(&mut http)?;
    let boot = Boot {
        entries: counter(&grown, "/counters/entries_stored")?,
        records: counter(&grown, "/counters/records_stored")?,
        replay_ms: restart(deployment, &mut http)?,
        snapshot_ms: restart(deployment, &mut http)?,
    };
    deployment.attest()?;
    Ok(boot)
}

fn status(http: &mut Http) -> anyhow::Result<Value> {
    let (code, body) = http.ask("GET /v1/status", "", b"")?;
    ensure!(code == 200, "status {code}");
    Ok(serde_json::from_slice(&body)?)
}

/// Kills the enclave; milliseconds until its successor serves. The simulation's pause before it starts one is part of it.
fn restart(deployment: &Deployment, http: &mut Http) -> anyhow::Result<f64> {
    let instance = |status: &Value| status.get("instance").cloned();
    let old = instance(&status(http)?);
    let pid = Pid::from_raw(deployment.pid("enclave")?.try_into()?).context("no pid")?;
    let start = now();
    rustix::process::kill_process(pid, Signal::KILL)?;
    loop {
        std::thread::sleep(Duration::from_millis(2));
        ensure!(
            start.elapsed() < Duration::from_secs(120),
            "it does not boot"
        );
        let Ok(status) = status(http) else { continue };
        let serves = status.get("phase").and_then(Value::as_str) == Some("serving");
        if serves && instance(&status) != old {
            return Ok(start.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// Audits the log of a deployment that has stopped.
fn audit(run: &mut Run, stopped: &tempfile::TempDir) -> anyhow::Result<()> {
    let host = stopped.path().join("host");
    let mut command = Kept::command(beside("claviger")?)?;
    command
        .args(["--json", "audit", "verify"])
        .arg(host.join("log"));
    command.arg("--manifest").arg(host.join("manifests.json"));
    let told = command.stdin(Stdio::null()).output()?;
    ensure!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let records = told
        .get("records")
        .and_then(Value::as_u64)
        .context("no records")?;
    // Once more, for its cost: the files are in memory now.
    let seconds = Kept::start(command.stdout(Stdio::null()))?.finish()?;
    let audited = Audited {
        records,
        per_s_and_core: records as f64 / seconds,
    };
    println!(
        "audit: {records} records, {:.0} a second of one core",
        audited.per_s_and_core
    );
    run.audits.push(audited);
    Ok(())
}
