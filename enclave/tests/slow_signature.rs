//! A signature that takes long holds up nobody else's entry.
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

use deployment::Deployment;
use std::{
    io::Write,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Entries that are begun beside the slow signature.
const ENTRIES: u64 = 8;

/// The clock of this deployment stands still, so no call can find that the entry has waited long enough: only the journal's
/// thread, woken because a slow signature is under way, begins an entry before its second is over.
#[test]
fn a_slow_signature_holds_up_nobody_elses_entry() {
    let deployment = Deployment::new(2);
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
