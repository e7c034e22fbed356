//! Fairness: what a flooding agent leaves to the others. The flood comes from a process of its own, over every channel that
//! one agent may have; the others ask at a steady pace, as agents under a rate do.

use crate::{
    asks,
    cell::{Waits, waits},
    clock::now,
    deployment::{Deployment, wait},
};
use anyhow::{Context, bail, ensure};
use claviger_client::{Agent, AgentKey};
use claviger_shared::call::Reply;
use serde::Serialize;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{process::Command, task::JoinSet};

/// The others.
const AGENTS: usize = 8;
/// Calls a second that each of the others makes.
const PACE: u32 = 25;
/// Channels of the flooder: as many as one agent key may have.
const CHANNELS: usize = 4;
/// Calls that it has under way on each: as many as a channel may have.
const DEPTH: usize = 64;
/// How long a call of the others may take to be counted.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the others got.
#[derive(Debug, Clone, Serialize)]
pub struct Fair {
    /// `durable` or `volatile`.
    pub mode: &'static str,
    /// Calls a second that the others offered together.
    pub offered_per_s: f64,
    /// Answered with a credential of them, beside the flooder over without it.
    pub ratio: f64,
    /// How long they waited without it.
    pub alone: Waits,
    /// And beside it.
    pub beside: Waits,
    /// What the flooder got itself, a second: credentials and denials.
    pub flood_per_s: f64,
}

/// Measures what agent 0 leaves to the others.
pub fn measure(deployment: &Deployment, length: Duration) -> anyhow::Result<Fair> {
    let key = deployment.key_file(0)?;
    wait(async {
        let agents = deployment.connect(AGENTS + 1).await?;
        let others = &agents[1..];
        let alone = paced(others, length).await?;
        let flood = Command::new(std::env::current_exe()?)
            .arg("flood")
            .arg(key)
            .arg(length.as_secs().saturating_add(2).to_string())
            .kill_on_drop(true)
            .output();
        let flood = tokio::spawn(flood);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let beside = paced(others, length).await?;
        let flood = flood.await??;
        ensure!(flood.status.success(), "{flood:?}");
        let fair = Fair {
            mode: deployment.mode(),
            offered_per_s: f64::from(PACE) * AGENTS as f64,
            ratio: beside.len() as f64 / alone.len() as f64,
            alone: waits(alone),
            beside: waits(beside),
            flood_per_s: String::from_utf8_lossy(&flood.stdout).trim().parse()?,
        };
        println!(
            "{}: beside a flooding agent ({:.0} answers/s) the others got {:.3} of their {:.0} calls/s; p50 {:.0} -> {:.0} µs, p99 {:.0} -> {:.0} µs",
            fair.mode,
            fair.flood_per_s,
            fair.ratio,
            fair.offered_per_s,
            fair.alone.p50_us,
            fair.beside.p50_us,
            fair.alone.p99_us,
            fair.beside.p99_us,
        );
        Ok(fair)
    })
}

/// The others' calls at their pace: the waits of those that were answered with a credential.
async fn paced(others: &[Arc<Agent>], length: Duration) -> anyhow::Result<Vec<u64>> {
    let mut calls = JoinSet::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1) / PACE);
    let end = now() + length;
    while now() < end {
        beat.tick().await;
        for agent in others.iter().map(Arc::clone) {
            calls.spawn(async move {
                let start = now();
                let ask = agent.ask(asks::sign(asks::get()));
                let asked = tokio::time::timeout(PATIENCE, ask).await;
                let issued = matches!(asked, Ok(Ok(Reply::Issued(_))));
                issued
                    .then(|| u64::try_from(start.elapsed().as_nanos()).ok())
                    .flatten()
            });
        }
    }
    let all = calls.join_all().await;
    let waits: Vec<_> = all.into_iter().flatten().collect();
    if waits.is_empty() {
        bail!("no call was answered")
    }
    Ok(waits)
}

/// The flooder: asks as fast as it is let, and prints how many answers a second it got.
pub fn flood(key: &Path, seconds: u64) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(key).context("agent key")?;
    let length = Duration::from_secs(seconds);
    wait(async {
        let end = now() + length;
        let mut callers = JoinSet::new();
        for _ in 0..CHANNELS {
            let agent = Arc::new(Agent::connect(AgentKey::parse(&text)?).await?);
            for _ in 0..DEPTH {
                let agent = Arc::clone(&agent);
                callers.spawn(async move {
                    let mut answers = 0_u32;
                    while now() < end {
                        // Denied, refused or issued: a flooder asks again.
                        if agent.ask(asks::sign(asks::get())).await.is_ok() {
                            answers += 1;
                        }
                    }
                    answers
                });
            }
        }
        let answers: u32 = callers.join_all().await.into_iter().sum();
        println!("{:.0}", f64::from(answers) / length.as_secs_f64());
        Ok(())
    })
}
