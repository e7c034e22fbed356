//! One cell: so many callers, each with one call under way, for so long.

use crate::{cpu, deployment::Deployment};
use anyhow::bail;
use claviger_client::Agent;
use claviger_shared::call::{Ask, HttpInput, Input, Reply, Sign};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Time before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// What was measured; times in microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// `durable` or `volatile`.
    pub mode: &'static str,
    /// Closed-loop callers.
    pub callers: usize,
    /// Calls that were answered with a credential.
    pub calls: usize,
    /// Of them in a second.
    pub calls_per_s: f64,
    /// Half of the callers' waits were at most this.
    pub p50_us: f64,
    /// 99 of 100 were at most this.
    pub p99_us: f64,
    /// CPU of the enclave process for one call.
    pub enclave_us: f64,
    /// CPU of the host process for one call.
    pub host_us: f64,
    /// CPU of the callers' process for one call: client, AEAD, receipt check.
    pub client_us: f64,
    /// Resident memory of the enclave at the end.
    pub enclave_kib: u64,
}

/// This machine's clock.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a benchmark's own clock")]
    Instant::now()
}

/// Measures a cell.
pub async fn measure(
    deployment: &Deployment,
    callers: usize,
    length: Duration,
) -> anyhow::Result<Cell> {
    let (enclave, host) = deployment.pids;
    drive(deployment, callers, WARM_UP).await?;
    let pids = [enclave, host, std::process::id()];
    let before = pids.map(cpu::used);
    let start = now();
    let mut waits = drive(deployment, callers, length).await?;
    let took = start.elapsed();
    let after = pids.map(cpu::used);
    waits.sort_unstable();
    let calls = waits.len();
    let each = |place: usize| (after[place] - before[place]).as_secs_f64() * 1e6 / calls as f64;
    let at = |share: f64| waits[((calls - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(Cell {
        mode: if deployment.volatile {
            "volatile"
        } else {
            "durable"
        },
        callers,
        calls,
        calls_per_s: calls as f64 / took.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        enclave_us: each(0),
        host_us: each(1),
        client_us: each(2),
        enclave_kib: cpu::resident_kib(enclave),
    })
}

async fn drive(
    deployment: &Deployment,
    callers: usize,
    length: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let end = now() + length;
    let tasks: Vec<_> = (0..callers)
        .map(|number| {
            let agent = Arc::clone(&deployment.agents[number % deployment.agents.len()]);
            tokio::spawn(caller(agent, number, end))
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.append(&mut task.await??);
    }
    if waits.is_empty() {
        bail!("no call was answered")
    } else {
        Ok(waits)
    }
}

async fn caller(agent: Arc<Agent>, number: usize, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while now() < end {
        let start = now();
        match agent.ask(Ask::Sign(get(number))).await? {
            Reply::Issued(_) => waits.push(start.elapsed()),
            other => bail!("not issued: {other:?}"),
        }
    }
    Ok(waits)
}

/// The reference call: a GET without a body.
pub fn get(number: usize) -> Sign {
    let url = format!("https://api.example.com/v1/orders/ord_{number}?expand=items");
    let input = HttpInput {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: None,
    };
    Sign {
        input: Input::Http(input),
        idempotency_key: None,
    }
}
