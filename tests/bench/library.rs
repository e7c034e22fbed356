//! The same calls by the client library, so that its own cost is known: `load` is then the library, its runtime included.

use crate::{
    asks,
    cell::{Cell, Meter, waits},
    clock::now,
    deployment::{Deployment, wait},
    run::Run,
};
use anyhow::{bail, ensure};
use claviger_client::Agent;
use claviger_shared::call::Reply;
use std::{sync::Arc, time::Duration};

/// Closed-loop callers, each an agent of its own.
const CALLERS: usize = 8;

/// One cell.
pub fn measure(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let cell = wait(async {
        let agents = deployment.connect(CALLERS).await?;
        drive(&agents, Duration::from_millis(300)).await?;
        let mut meter = Meter::start(deployment.pids()?);
        let all = drive(&agents, run.length).await?;
        let took = meter.stop();
        ensure!(!all.is_empty(), "nothing was answered");
        let answers = all.len();
        Ok(Cell {
            records_in_entry: None,
            name: format!("{} client library", deployment.mode()),
            callers: CALLERS,
            depth: 1,
            per_s: answers as f64 / took,
            issued: waits(all),
            denied: waits(Vec::new()),
            refused: waits(Vec::new()),
            cpu_us: meter.cpu_us(answers),
            pss_kib: meter.pss_kib(),
            others: meter.others(),
        })
    })?;
    run.keep(cell);
    Ok(())
}

async fn drive(agents: &[Arc<Agent>], length: Duration) -> anyhow::Result<Vec<u64>> {
    let end = now() + length;
    let tasks: Vec<_> = agents
        .iter()
        .map(|agent| tokio::spawn(caller(Arc::clone(agent), end)))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.append(&mut task.await??);
    }
    Ok(all)
}

async fn caller(agent: Arc<Agent>, end: std::time::Instant) -> anyhow::Result<Vec<u64>> {
    let mut waits = Vec::new();
    while now() < end {
        let start = now();
        match agent.ask(asks::sign(asks::get())).await? {
            Reply::Issued(_) => waits.push(u64::try_from(start.elapsed().as_nanos())?),
            other => bail!("not issued: {other:?}"),
        }
    }
    Ok(waits)
}
