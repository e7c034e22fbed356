//! Snapshots: a boot reads on from the newest one that the log itself names, and believes nothing of one that is not ours.

use claviger_enclave::boot::start::SNAPSHOT_EVERY;
use claviger_shared::{call::Ask, log::record::Body};
use claviger_tests::{
    agent::{Agent, issued, read_order, sign},
    deployment::{Deployment, Enclave},
    owner::Granted,
};

/// Calls under way on one channel at most.
const AT_ONCE: usize = 64;

/// A deployment whose log is just long enough for a snapshot, its instance gone.
fn long() -> (Deployment, Granted, Vec<u128>) {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["budgets"][0]["max"] = serde_json::json!("1000000");
        grant.as_object_mut().unwrap().remove("rate");
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let ask: Ask = sign(read_order("1"));
    let rounds = usize::try_from(SNAPSHOT_EVERY).unwrap() / AT_ONCE + 1;
    for _ in 0..rounds {
        let sent: Vec<_> = (0..AT_ONCE).map(|_| agent.send(&ask)).collect();
        for one in sent {
            issued(agent.wait(one)).unwrap();
        }
    }
    let left = agent.left();
    end(&enclave, &agent);
    (deployment, granted, left)
}

fn end(enclave: &Enclave, agent: &Agent) {
    enclave.crash();
    agent.link.close();
}

/// Boots, looks, and ends again: where it began to read, and what was left.
fn boot(deployment: &Deployment, granted: &Granted) -> (u64, Vec<u128>) {
    let _before = deployment.store.take_reads();
    let enclave = deployment.boot();
    let first = *deployment.store.take_reads().last().unwrap();
    let agent = Agent::connect(deployment, &enclave, granted);
    let left = agent.left();
    end(&enclave, &agent);
    (first, left)
}

/// Where a boot's reading began that settled on a snapshot: the last stretch of reads from one place upwards.
fn began(reads: &[u64]) -> u64 {
    let restart = reads.windows(2).rfind(|two| two[1] < two[0]);
    restart.map_or_else(|| reads[0], |two| two[1])
}

fn began_at(deployment: &Deployment) -> u64 {
    let _before = deployment.store.take_reads();
    let enclave = deployment.boot();
    enclave.crash();
    began(&deployment.store.take_reads())
}

#[test]
fn a_boot_reads_on_from_a_snapshot_that_the_log_names_and_from_no_other() {
    let (deployment, granted, left) = long();
    // A boot that finds no room for a snapshot serves without one, and names none.
    deployment.store.snapshots(|kept| kept.1 = true);
    assert_eq!(boot(&deployment, &granted).1, left);
    let is_snapshot = |body: &Body| matches!(body, Body::Snapshot(_));
    assert!(!deployment.store.records().iter().any(is_snapshot));
    deployment.store.snapshots(|kept| kept.1 = false);
    // The first with room reads everything, and leaves a snapshot that its own entry names.
    assert_eq!(began_at(&deployment), 0);
    let mut taken = 0;
    deployment
        .store
        .snapshots(|kept| taken = kept.newest().unwrap().size);
    let named = |body: &Body| matches!(body, Body::Snapshot(named) if named.size == taken);
    assert!(deployment.store.records().iter().any(named));
    // The next begins there, and knows the same.
    assert_eq!(began_at(&deployment), taken);
    assert_eq!(boot(&deployment, &granted).1, left);
    // A bit changed, and it is nobody's: everything is read.
    let mut genuine = None;
    deployment.store.snapshots(|kept| {
        genuine = Some(kept.clone());
        kept.0.last_mut().unwrap().bytes[100] ^= 1;
    });
    assert_eq!(began_at(&deployment), 0);
    assert_eq!(boot(&deployment, &granted).1, left);
    // Genuine again, but the log is cut before the entry that names it: it is not used.
    deployment.store.snapshots(|kept| *kept = genuine.unwrap());
    deployment.store.keep(usize::try_from(taken).unwrap());
    assert_eq!(began_at(&deployment), 0);
    assert_eq!(boot(&deployment, &granted).1, left);
    let _state = deployment.audited();
}
