//! The core's own limits, on both sides.

use super::{Action, world::World};
use crate::core::{
    COMMIT_RECORDS, Input, MAX_IN_FLIGHT, MAX_WAIT, Output, Standing, commit::Pace,
    input::ReleaseCheck,
};
use claviger_shared::{
    denial::Code,
    ledger::Slot,
    time::{Millis, UnixMs},
    wire::storage::{MAX_RECORD_BYTES, MAX_RECORDS},
};

#[test]
fn calls_in_flight_are_limited_on_both_sides() {
    let mut world = World::new();
    for _ in 0..MAX_IN_FLIGHT {
        world.ask(2, 0);
    }
    assert_eq!((world.held.len(), world.denied), (MAX_IN_FLIGHT, 0));
    world.ask(2, 0);
    assert_eq!((world.held.len(), world.denied), (MAX_IN_FLIGHT, 1));
    world.act(&Action::Fail(0));
    world.ask(2, 0);
    assert_eq!(world.denied, 2, "a record that waits is in flight");
    world.act(&Action::Begin);
    world.ask(2, 0);
    assert_eq!(world.denied, 3, "so is one that is being stored");
    world.act(&Action::Stored);
    world.ask(2, 0);
    assert_eq!((world.held.len(), world.denied), (MAX_IN_FLIGHT, 3));
}

#[test]
fn an_entry_begins_when_nobody_works_or_enough_wait() {
    let mut world = World::new();
    assert_eq!(world.core.pace(false), Pace::Wait);
    for _ in 0..=COMMIT_RECORDS {
        world.ask(2, 0);
    }
    for signed in 0..COMMIT_RECORDS {
        let wanted = if signed == 0 { Pace::Wait } else { Pace::Soon };
        assert_eq!(world.core.pace(false), wanted, "{signed} wait");
        world.act(&Action::Sign(0));
    }
    assert_eq!(world.core.pace(false), Pace::Begin, "enough wait");
    world.act(&Action::Begin);
    world.act(&Action::Stored);
    world.act(&Action::Sign(0));
    assert_eq!(world.core.pace(false), Pace::Begin, "nobody works");
    assert_eq!(world.core.pace(true), Pace::Soon, "frames are here already");
}

/// Many grants may be refused between two entries; what does not fit into one waits for the next.
#[test]
fn an_entry_never_holds_more_than_a_reader_takes() {
    let mut world = World::new();
    for code in Code::ALL {
        for grant in 0..3 {
            world.core.count_denial(world.slot(grant), *code);
        }
    }
    let big = vec![0; MAX_RECORD_BYTES - 1024];
    world
        .core
        .put(big, claviger_shared::id::Digest([0; 32]), None);
    let mut denied = 0;
    for _ in 0..3 {
        let mut out = Vec::new();
        world.core.step(world.now, Input::Begin, &mut out);
        let Some(Output::Commit(batch)) = out.pop() else {
            break;
        };
        let bytes: usize = batch.records.iter().map(|(bytes, _)| bytes.len()).sum();
        let tallies = batch.denied.len() + batch.simulated.len();
        assert!(batch.records.len() + tallies <= MAX_RECORDS);
        // A tally is at most 256 bytes.
        assert!(bytes + tallies * 256 <= MAX_RECORD_BYTES, "{tallies}");
        denied += batch.denied.len();
        let root = claviger_shared::id::Digest([1; 32]);
        world.core.step(world.now, Input::Stored { root }, &mut out);
    }
    assert_eq!(denied, Code::ALL.len() * 3, "none is forgotten");
    assert!(!world.core.has_tallies());
    assert!(world.core.state().grant(Slot(0)).is_some());
}

#[test]
fn a_credential_is_released_until_it_expires_and_has_waited_enough() {
    let world = World::new();
    let now = world.core.now;
    let check = |expires_at: UnixMs, decided_at: UnixMs| ReleaseCheck {
        slot: world.slot(2),
        epoch: world.core.state().grant(world.slot(2)).unwrap().epoch,
        decided_at,
        expires_at,
    };
    assert!(world.core.may_release(&check(now.plus(Millis(1)), now)));
    assert!(!world.core.may_release(&check(now, now)));
    let waited = |ms: u64| UnixMs(now.0 - MAX_WAIT.0 - ms);
    let later = now.plus(Millis(1000));
    assert!(world.core.may_release(&check(later, waited(0))));
    assert!(!world.core.may_release(&check(later, waited(1))));
    let mut other = check(later, now);
    other.epoch = other.epoch.wrapping_add(1);
    assert!(!world.core.may_release(&other), "amended meanwhile");
}

#[test]
fn storage_that_answers_ends_a_stall_and_its_root_is_remembered() {
    let mut world = World::new();
    world.ask(2, 0);
    world.act(&Action::Sign(0));
    world.act(&Action::Begin);
    let roots = world.core.roots.len();
    world.core.stall();
    assert!(matches!(world.core.standing, Standing::Stalled));
    world.act(&Action::Stored);
    assert!(matches!(world.core.standing, Standing::Serving));
    assert_eq!(world.core.roots.len(), roots + 1);
}
