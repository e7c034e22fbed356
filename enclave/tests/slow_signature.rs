//! A signature that takes long holds up nobody else's entry. Which signatures are slow the algorithms say; how slow is not known here.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test: it may stop, it reads the clock"
)]

#[path = "../benches/hot_path/deployment.rs"]
mod deployment;
#[path = "../benches/hot_path/play.rs"]
mod play;

use claviger_shared::owner::command::Alg;
use deployment::Deployment;
use std::{
    io::Write,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Entries that are begun beside the slow signature.
const ENTRIES: u64 = 8;
/// Calls of one agent: fewer than begin an entry by their number.
const CALLS: u64 = 60;

/// The clock of this deployment stands still, so no call can find that the entry has waited long enough: only the journal's
/// thread, woken because a slow signature is under way, begins an entry before its second is over.
#[test]
fn a_slow_signature_holds_up_nobody_elses_entry() {
    let deployment = Deployment::new(2, (Alg::Ed25519, "ed25519"));
    let hub = Arc::clone(&deployment.hub);
    let (agents, mut here) = play::serve(deployment);
    // Somebody is at work, and stays at it.
    hub.arriving.fetch_add(1, Ordering::AcqRel);
    let slow = hub.press.slow(&hub);
    let start = Instant::now();
    for round in 0..ENTRIES {
        let asked = play::frames(&agents, round, 1);
        here.write_all(&asked).expect("written");
        let received = [play::answer(&mut here), play::answer(&mut here)];
        play::check(&agents, &received);
    }
    let took = start.elapsed();
    drop(slow);
    assert!(
        took < Duration::from_secs(ENTRIES / 2),
        "{ENTRIES} entries took {took:?}"
    );
}

/// Entries of sixty calls of one agent while somebody else stays at work, on a clock that stands still.
fn entries(alg: (Alg, &str)) -> u64 {
    let deployment = Deployment::new(1, alg);
    let hub = Arc::clone(&deployment.hub);
    let (agents, mut here) = play::serve(deployment);
    hub.arriving.fetch_add(1, Ordering::AcqRel);
    let asked = play::frames(&agents, 0, CALLS);
    here.write_all(&asked).expect("written");
    let received: Vec<_> = (0..CALLS).map(|_| play::answer(&mut here)).collect();
    play::check(&agents, &received);
    hub.counters.entries.load(Ordering::Relaxed)
}

/// Whoever signs with a slow key says so, and entries are begun meanwhile. With another key nobody is woken: the journal's second
/// begins the only one, or the last of two.
#[test]
fn entries_are_begun_while_slow_signatures_are_made() {
    let (quick, slow) = (
        entries((Alg::Ed25519, "ed25519")),
        entries((Alg::Ps512, "ps512")),
    );
    assert!(slow > 2 * quick, "{slow} entries beside {quick}");
}
