//! Crashes at random moments: what was acknowledged stays, what was spent stays spent, what was revoked stays revoked.
//!
//! A deployment in processes of its own, several agents calling all the while, and kill -9 of one process after the other, the
//! supervisor included. Afterwards the stored log is audited offline and compared with every receipt an agent was given.
//! The seed is printed; `CRASH_SEED` repeats one.

#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

#[path = "crash/acknowledged.rs"]
mod acknowledged;

use acknowledged::{Given, caller, check_budgets, check_receipts, read, recorded};
use anyhow::{Context, ensure};
use claviger_cli::owner::Desk;
use claviger_client::{Agent, AgentKey};
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
};
use stage::{Stage, answered, get, grant, is_alive};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Agents, each with a budget of its own; the odd ones are soon spent.
const AGENTS: usize = 4;
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 60;
/// What dies, in this order; when, is random.
const VICTIMS: [&str; 6] = ["enclave", "host", "up", "kms", "enclave", "host"];

/// SplitMix64 (Steele, Lea, Flood 2014), for moments alone.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Kills one process and waits until the deployment serves again.
async fn strike(mut stage: Stage, victim: &str) -> anyhow::Result<Stage> {
    if victim != "up" {
        stage.kill(victim).await?;
        return Ok(stage);
    }
    let (dir, pids) = (stage.dir.clone(), stage.pids()?);
    stage.kill_up().await?;
    let stage = Stage::start(&dir).await?;
    for pid in pids {
        ensure!(!is_alive(pid), "process {pid} outlived its `up`");
    }
    Ok(stage)
}

async fn is_revoked(agent: &Agent) -> anyhow::Result<()> {
    let sign = get("https://api.example.com/v1/orders/ord_1");
    let answer = answered(agent, Ask::Sign(sign)).await;
    let denied = matches!(&answer, Ok(Reply::Denied(denial)) if denial.code == Code::GrantRevoked);
    ensure!(denied, "a revoked grant was answered with {answer:?}");
    Ok(())
}

/// Revokes a new grant, has the deployment killed, and asks again.
async fn round(stage: Stage, desk: &mut Desk, place: usize, victim: &str) -> anyhow::Result<Stage> {
    let doomed = stage
        .agent_by(
            desk,
            &format!("doomed-{place}"),
            &grant(LARGE, 5000, 20_000),
        )
        .await?;
    let AgentKey { grant, .. } = doomed.key();
    desk.revoke_grant(grant).await?;
    let stage = strike(stage, victim).await?;
    is_revoked(&doomed).await?;
    Ok(stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_spent_comes_back() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of this test")]
    let set = std::env::var("CRASH_SEED");
    let seed = match set {
        Ok(text) => text.parse()?,
        Err(_) => claviger_client::session::wall_clock_ms(),
    };
    println!("CRASH_SEED={seed}");
    let mut random = Random(seed);
    let dir = tempfile::tempdir()?;
    let mut stage = Stage::start(dir.path()).await?;
    let mut desk = stage.desk().await?;
    let (given, mut callers) = (Arc::new(Given::default()), Vec::new());
    let mut budgets = BTreeMap::new();
    for number in 0..AGENTS {
        let calls = if number % 2 == 0 { LARGE } else { SMALL };
        let agent = stage
            .agent_by(
                &mut desk,
                &format!("agent-{number}"),
                &grant(calls, 5000, 20_000),
            )
            .await?;
        budgets.insert(agent.key().grant.clone(), calls);
        let agent = Arc::new(agent);
        // Several calls of one agent are under way at once.
        callers.extend((0..2).map(|_| caller(Arc::clone(&agent), Arc::clone(&given))));
    }
    for (place, victim) in VICTIMS.into_iter().enumerate() {
        let pause = random.below(900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let before = given.receipts.lock().unwrap().len();
        println!("{before} credentials, then kill -9 of {victim} after {pause} ms");
        stage = round(stage, &mut desk, place, victim)
            .await
            .with_context(|| format!("after kill -9 of {victim}"))?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    given.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await?;
    }
    let entries = read(dir.path())?;
    let issued = recorded(&stage, &entries)?;
    let given = std::mem::take(&mut *given.receipts.lock().unwrap());
    let acknowledged = check_receipts(&stage, &entries, &given)?;
    check_budgets(&budgets, &acknowledged, &issued)?;
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_every_process_with_exit_code_0() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let pids = stage.pids()?;
    let status = stage.stop().await?;
    ensure!(status.code() == Some(0), "ended with {status}");
    for pid in pids {
        ensure!(!is_alive(pid), "process {pid} is left behind");
    }
    Ok(())
}
