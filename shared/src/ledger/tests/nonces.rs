//! Numbers of transactions: what replaces what, in any order of records; and nothing of them where there are none.

use super::history::{History, call, effect};
use crate::{
    codec::cbor,
    effect::{ChainNonce, Effect},
    id::KeyId,
    ledger::{Violation, state::Data},
    log::record::Call,
    time::UnixMs,
};

fn transaction(chain: u64, nonce: u64) -> Effect {
    Effect {
        nonce: Some(ChainNonce { chain, nonce }),
        ..effect(0)
    }
}

fn key(id: &str) -> KeyId {
    KeyId::parse(id).unwrap()
}

#[test]
fn a_number_at_or_below_the_highest_is_a_replacement_of_its_key_and_chain() {
    let mut state = History::ready().state;
    let (a, b) = (key("k_a"), key("k_b"));
    let replaces = |state: &crate::ledger::State, key: &KeyId, chain, nonce| {
        state.replaces(key, [&transaction(chain, nonce)])
    };
    assert!(!replaces(&state, &a, 1, 0));
    state.take_nonces(&a, [&transaction(1, 5)], UnixMs(1));
    assert!(replaces(&state, &a, 1, 5) && replaces(&state, &a, 1, 4));
    assert!(
        !replaces(&state, &a, 1, 6) && !replaces(&state, &a, 2, 5) && !replaces(&state, &b, 1, 5)
    );
    state.take_nonces(&a, [&transaction(1, 3)], UnixMs(2));
    assert!(!replaces(&state, &a, 1, 6), "a lower one changes nothing");
    assert!(!state.replaces(&a, [&effect(0)]), "what has no number");
    state.take_nonces(&a, [&transaction(1, 8)], UnixMs(3));
    assert!(replaces(&state, &a, 1, 8) && replaces(&state, &a, 1, 6));
    assert!(!replaces(&state, &a, 1, 9), "a higher one is the highest");
}

#[test]
fn a_state_without_numbers_is_written_as_before_and_one_with_them_reads_back() {
    let mut state = History::ready().state;
    let plain = cbor::encode(state.data()).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"nonces");
    assert!(!holds(&plain));
    state.take_nonces(&key("k_a"), [&transaction(8453, 7)], UnixMs(3));
    let with = cbor::encode(state.data()).unwrap();
    assert!(holds(&with));
    let read: Data = cbor::decode(&with, with.len()).unwrap();
    assert_eq!(&read, state.data());
    assert_ne!(read, cbor::decode::<Data>(&plain, plain.len()).unwrap());
}

/// A record of a transaction, decided so many milliseconds from now.
fn record(nonce: u64, after: u64, replaces: bool) -> Call {
    Call {
        effects: vec![transaction(1, nonce)],
        replaces,
        ..call(after, 0)
    }
}

#[test]
fn a_log_that_does_not_tell_a_replacement_is_a_lie() {
    let applied = |records: &[(u64, u64, bool)]| {
        let mut history = History::ready();
        let mut last = Ok(());
        for (nonce, after, replaces) in records {
            last = history.call(record(*nonce, *after, *replaces));
        }
        last
    };
    applied(&[(5, 1, false), (6, 2, false), (6, 3, true)]).unwrap();
    let lie = applied(&[(5, 1, false), (5, 2, false)]);
    assert!(matches!(lie, Err(Violation::Replaces(_))), "{lie:?}");
    let lie = applied(&[(5, 1, false), (4, 2, false)]);
    assert!(matches!(lie, Err(Violation::Replaces(_))), "{lie:?}");
    // Recorded in another order than decided; and said once too often.
    applied(&[(5, 2, true), (5, 1, false)]).unwrap();
    applied(&[(5, 1, true), (5, 1, false)]).unwrap();
    applied(&[(6, 2, false), (5, 1, false)]).unwrap();
    applied(&[(5, 1, true)]).unwrap();
    // The first that had the highest number counts, in whatever order they were recorded.
    applied(&[(6, 5, false), (5, 1, false), (6, 3, false)]).unwrap();
    for records in [
        [(5, 1, false), (5, 9, true), (5, 5, false)],
        [(5, 5, false), (5, 1, false), (5, 3, false)],
        [(5, 1, false), (7, 2, false), (6, 3, false)],
    ] {
        let lie = applied(&records);
        assert!(matches!(lie, Err(Violation::Replaces(_))), "{lie:?}");
    }
    let mut history = History::ready();
    let plain = Call {
        replaces: true,
        ..call(0, 0)
    };
    let lie = history.call(plain);
    assert!(
        matches!(lie, Err(Violation::Replaces(_))),
        "nothing that could be replaced"
    );
}
