//! Fairness: what a flooding agent leaves to the others. The flood comes from a process of its own, over every channel that
//! one agent may have; the others ask at a steady pace, as agents under a rate do.

use crate::{
    cell::{get, now},
    deployment::Deployment,
};
use anyhow::{Context, bail, ensure};
use claviger_client::{Agent, AgentKey};
use claviger_shared::call::{Ask, Reply};
use serde::Serialize;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{process::Command, task::JoinSet};

/// Calls a second that each of the others makes.
const PACE: u32 = 25;
/// Channels of the flooder: as many as one agent key may have.
const CHANNELS: usize = 4;
/// Calls that it has under way on each: as many as a channel may have.
const DEPTH: usize = 64;
/// How long a call of the others may take to be counted.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the others got; times in microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Fair {
    /// `durable` or `volatile`.
    pub mode: &'static str,
    /// Calls a second that the others offered together.
    pub offered_per_s: f64,
    /// Answered of them without the flooder.
    pub alone_per_s: f64,
    /// Answered of them beside it.
    pub beside_per_s: f64,
    /// The second over the first.
    pub ratio: f64,
    /// Half of the others' waits were at most this, without it.
    pub alone_p50_us: f64,
    /// The same beside it.
    pub beside_p50_us: f64,
    /// 99 of 100 were at most this, without it.
    pub alone_p99_us: f64,
    /// The same beside it.
    pub beside_p99_us: f64,
    /// What the flooder got itself, a second: credentials and denials.
    pub flood_per_s: f64,
}

/// Measures what agent 0 leaves to the others.
pub async fn measure(deployment: &Deployment, length: Duration) -> anyhow::Result<Fair> {
    let alone = paced(deployment, length).await?;
    let program = std::env::current_exe()?;
    let key = deployment.key_file(0);
    let flood = Command::new(program)
        .arg("flood")
        .arg(key)
        .arg(length.as_secs().saturating_add(2).to_string())
        .kill_on_drop(true)
        .output();
    let flood = tokio::spawn(flood);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = paced(deployment, length).await?;
    let flood = flood.await??;
    ensure!(flood.status.success(), "{flood:?}");
    let flood: f64 = String::from_utf8_lossy(&flood.stdout).trim().parse()?;
    let secs = length.as_secs_f64();
    let per_s = |waits: &[Duration]| waits.len() as f64 / secs;
    let at = |waits: &[Duration], share: f64| {
        waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6
    };
    Ok(Fair {
        mode: if deployment.volatile {
            "volatile"
        } else {
            "durable"
        },
        offered_per_s: f64::from(PACE) * (deployment.agents.len() - 1) as f64,
        alone_per_s: per_s(&alone),
        beside_per_s: per_s(&beside),
        ratio: beside.len() as f64 / alone.len() as f64,
        alone_p50_us: at(&alone, 0.5),
        beside_p50_us: at(&beside, 0.5),
        alone_p99_us: at(&alone, 0.99),
        beside_p99_us: at(&beside, 0.99),
        flood_per_s: flood,
    })
}

/// The others' calls at their pace: the waits of those that were answered with a credential, in order of length.
async fn paced(deployment: &Deployment, length: Duration) -> anyhow::Result<Vec<Duration>> {
    let mut calls = JoinSet::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1) / PACE);
    let end = now() + length;
    while now() < end {
        beat.tick().await;
        for agent in deployment.agents.iter().skip(1).map(Arc::clone) {
            calls.spawn(async move {
                let start = now();
                let asked = tokio::time::timeout(PATIENCE, agent.ask(Ask::Sign(get(0)))).await;
                matches!(asked, Ok(Ok(Reply::Issued(_)))).then(|| start.elapsed())
            });
        }
    }
    let all = calls.join_all().await;
    let mut waits: Vec<_> = all.into_iter().flatten().collect();
    if waits.is_empty() {
        bail!("no call was answered")
    }
    waits.sort_unstable();
    Ok(waits)
}

/// The flooder: asks as fast as it is let, and prints how many answers a second it got.
pub async fn flood(key: &Path, seconds: u64) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(key).context("agent key")?;
    let length = Duration::from_secs(seconds);
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
                    if agent.ask(Ask::Sign(get(1))).await.is_ok() {
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
}
