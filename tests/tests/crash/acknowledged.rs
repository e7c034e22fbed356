//! What agents were given while things died, and whether the stored log agrees: callers, the audit, the receipts.
//!
//! Shared by every crash test. It believes the files of the store and the receipts, and nobody's word.

use crate::stage::{Stage, get};
use anyhow::{Context, ensure};
use claviger_client::Agent;
use claviger_host::store::local::Reader;
use claviger_shared::{
    call::{Ask, Reply},
    id::GrantId,
    log::{
        receipt::Receipt,
        record::{Body, Outcome},
    },
    wire::storage::StoredEntry,
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
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

/// Pause of a caller that was served: an audit without optimisation has to keep up.
const BREATH: Duration = Duration::from_millis(30);

/// What agents were given.
#[derive(Default)]
pub struct Given {
    /// Receipts and whose grant they were for.
    pub receipts: Mutex<Vec<(GrantId, Vec<u8>)>>,
    /// Ends the callers.
    pub stop: AtomicBool,
}

/// Calls until told to stop; whatever fails is asked again as a new call.
pub fn caller(agent: Arc<Agent>, given: Arc<Given>) -> JoinHandle<()> {
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

/// The stored entries of a deployment's directory.
pub fn read(dir: &Path) -> anyhow::Result<Vec<StoredEntry>> {
    let entries = Reader::open(&dir.join("host/log"))?.entries();
    Ok(entries.collect::<Result<_, _>>()?)
}

/// Audits the stored log; credentials recorded per grant.
pub fn recorded(stage: &Stage, entries: &[StoredEntry]) -> anyhow::Result<BTreeMap<GrantId, u64>> {
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
pub fn check_receipts(
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

/// Every grant of these was served, and nobody was given more than is recorded, nor was more recorded than there was.
pub fn check_budgets(
    budgets: &BTreeMap<GrantId, u64>,
    acknowledged: &BTreeMap<GrantId, u64>,
    issued: &BTreeMap<GrantId, u64>,
) -> anyhow::Result<()> {
    for (grant, budget) in budgets {
        let of = |counts: &BTreeMap<GrantId, u64>| counts.get(grant).copied().unwrap_or_default();
        let (acknowledged, issued) = (of(acknowledged), of(issued));
        println!("{grant}: {acknowledged} acknowledged <= {issued} recorded <= {budget}");
        ensure!(acknowledged > 0, "{grant} was never served");
        ensure!(
            acknowledged <= issued && issued <= *budget,
            "{grant} is overspent"
        );
    }
    Ok(())
}
