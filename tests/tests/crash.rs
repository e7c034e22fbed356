//! Crashes at random moments: what was acknowledged stays, what was spent stays spent, what was revoked stays revoked.
//!
//! A deployment in processes of its own, several agents calling all the while, and kill -9 of one process after the other, the
//! supervisor included. Afterwards the stored log is audited offline and compared with every receipt an agent was given.
//! The seed is printed; `CRASH_SEED` repeats one.

#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, ensure};
use claviger_cli::owner::Desk;
use claviger_client::{Agent, AgentKey};
use claviger_host::store::local::Reader;
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
    id::GrantId,
    log::{
        receipt::Receipt,
        record::{Body, Outcome},
    },
    wire::storage::StoredEntry,
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
use stage::{Stage, answered, get, grant, is_alive};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Agents, each with a budget of its own; the odd ones are soon spent.
const AGENTS: usize = 4;
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 60;
/// Pause of a caller that was served: an audit without optimisation has to keep up.
const BREATH: Duration = Duration::from_millis(30);
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

/// What agents were given.
#[derive(Default)]
struct Given {
    receipts: Mutex<Vec<(GrantId, Vec<u8>)>>,
    stop: AtomicBool,
}

/// Calls until told to stop; whatever fails is asked again as a new call.
fn caller(agent: Arc<Agent>, given: Arc<Given>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut number = 0_u64;
        while !given.stop.load(Ordering::Relaxed) {
            number += 1;
            let sign = get(&format!("https://api.example.com/v1/orders/ord_{number}"));
            match agent.ask(Ask::Sign(sign)).await {
                Ok(Reply::Issued(issued)) => {
                    let grant = agent.key().grant.clone();
                    given.receipts.lock().unwrap().push((grant, issued.receipt));
                    tokio::time::sleep(BREATH).await;
                }
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(_) => {
                    let _ = agent.reconnect().await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    })
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

fn read(dir: &Path) -> anyhow::Result<Vec<StoredEntry>> {
    let entries = Reader::open(&dir.join("host/log"))?.entries();
    Ok(entries.collect::<Result<_, _>>()?)
}

/// Audits the stored log; credentials recorded per grant.
fn recorded(stage: &Stage, entries: &[StoredEntry]) -> anyhow::Result<BTreeMap<GrantId, u64>> {
    let mut auditor = Auditor::new(stage.profile()?.chain()?)?;
    let mut issued = BTreeMap::new();
    for stored in entries {
        for record in auditor.entry(stored)?.records {
            if let Body::Call(call) = record.body
                && call.outcome == Outcome::Issued
            {
                *issued.entry(call.grant).or_insert(0) += 1;
            }
        }
    }
    Ok(issued)
}

/// Every receipt verifies, and its leaf and record stand in the stored log where it says.
fn check_receipts(
    stage: &Stage,
    entries: &[StoredEntry],
    given: &[(GrantId, Vec<u8>)],
) -> anyhow::Result<BTreeMap<GrantId, u64>> {
    let auditor = Auditor::new(stage.profile()?.chain()?)?;
    let mut acknowledged = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for (grant, bytes) in given {
        let receipt = Receipt::decode(bytes)?;
        let proved = receipt.verify(auditor.log_key(), &RingVerifier)?;
        let index = proved.leaf.index;
        let stored = entries.get(usize::try_from(index)?);
        let stored = stored.with_context(|| format!("acknowledged entry {index} is gone"))?;
        ensure!(stored.leaf == receipt.leaf, "entry {index} is another");
        let record = stored.records.get(usize::try_from(receipt.place)?);
        ensure!(
            record.is_some_and(|record| **record == *receipt.record),
            "record {} of entry {index} is another",
            receipt.place
        );
        ensure!(
            seen.insert((index, receipt.place)),
            "one record was acknowledged twice"
        );
        *acknowledged.entry(grant.clone()).or_insert(0) += 1;
    }
    Ok(acknowledged)
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
    for (grant, budget) in &budgets {
        let of = |counts: &BTreeMap<GrantId, u64>| counts.get(grant).copied().unwrap_or_default();
        println!(
            "{grant}: {} acknowledged <= {} recorded <= {budget}",
            of(&acknowledged),
            of(&issued)
        );
        ensure!(of(&acknowledged) > 0, "{grant} was never served");
        ensure!(
            of(&acknowledged) <= of(&issued) && of(&issued) <= *budget,
            "{grant} is overspent"
        );
    }
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
