//! A model of the core: random histories of calls, commands, storage and crashes against an exact ledger.
//!
//! The ledger is a plain list of who spent what and when, with what became of it. After every action each `invariant_*`
//! function compares the core with it. Commands are signed and checked for real, and a crash replays exactly the records
//! that were stored. What is signed is not modelled: records stand for signatures.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a model knows the sizes it works with"
)]

mod actions;
mod deployment;
mod invariants;
mod limits;
mod world;

use proptest::prelude::*;
use world::World;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Action {
    /// A signature is not made and no record of it either: the platform failed.
    Abandon(usize),
    Ask {
        grant: usize,
        cents: u128,
    },
    Begin,
    /// Time passes.
    Clock(u64),
    Conflict,
    /// The process dies; whether the entry under way had reached the store.
    Crash {
        landed: bool,
    },
    Drain,
    /// Signing fails.
    Fail(usize),
    Freeze,
    Renew(usize),
    Resume(usize),
    RetireKey,
    Revoke(usize),
    RevokeSelf(usize),
    Sign(usize),
    Simulate {
        grant: usize,
        cents: u128,
    },
    StoreFailed,
    Stored,
    Suspend(usize),
    Thaw,
}

fn action() -> impl Strategy<Value = Action> {
    let grant = || 0_usize..deployment::TERMS.len();
    let cents = || prop_oneof![10 => 0_u128..14, 1 => 14_u128..130, 1 => Just(u128::MAX)];
    let time = prop_oneof![
        12 => 0_u64..300,
        4 => 300_u64..6000,
        1 => 6000_u64..70_000,
        1 => Just(86_400_000),
    ];
    prop_oneof![
        60 => (grant(), cents()).prop_map(|(grant, cents)| Action::Ask { grant, cents }),
        60 => (0_usize..8).prop_map(Action::Sign),
        2 => (0_usize..8).prop_map(Action::Fail),
        1 => (0_usize..8).prop_map(Action::Abandon),
        2 => (grant(), cents()).prop_map(|(grant, cents)| Action::Simulate { grant, cents }),
        40 => Just(Action::Begin),
        40 => Just(Action::Stored),
        3 => Just(Action::StoreFailed),
        20 => time.prop_map(Action::Clock),
        3 => any::<bool>().prop_map(|landed| Action::Crash { landed }),
        1 => prop_oneof![Just(Action::Conflict), Just(Action::Drain)],
        2 => grant().prop_map(Action::Suspend),
        2 => grant().prop_map(Action::Resume),
        1 => grant().prop_map(Action::Revoke),
        1 => grant().prop_map(Action::RevokeSelf),
        2 => grant().prop_map(Action::Renew),
        1 => Just(Action::Freeze),
        2 => Just(Action::Thaw),
        1 => Just(Action::RetireKey),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    /// No interleaving of calls, stops, storage, crashes and time spends more than a budget or brings a grant back.
    #[test]
    fn every_history_keeps_every_invariant(actions in proptest::collection::vec(action(), 1..150)) {
        let mut world = World::new();
        for action in actions {
            world.act(&action);
            world.check();
        }
        // Whatever happened, what is stored replays, and the next life goes on from it.
        world.act(&Action::Crash { landed: true });
        world.check();
    }
}

/// The strategy reaches what it is for: credentials leave, are withdrawn, are denied, and lives end.
#[test]
fn the_histories_are_not_idle() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut released, mut withdrawn, mut denied, mut lost) = (0, 0, 0, 0);
    for _ in 0..20 {
        let mut world = World::new();
        let actions = proptest::collection::vec(action(), 150..151);
        for action in actions.new_tree(&mut runner).unwrap().current() {
            world.act(&action);
        }
        let fates = world.fates();
        released += fates.released;
        withdrawn += fates.withdrawn;
        denied += fates.denied;
        lost += fates.lost;
    }
    assert!(released > 80, "{released} released");
    assert!(withdrawn > 10, "{withdrawn} withdrawn");
    assert!(denied > 100, "{denied} denied");
    assert!(lost > 20, "{lost} lost in crashes");
}
