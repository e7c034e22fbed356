//! Idempotency keys: one charge while the first credential lives, room for so many, and nothing kept of what has ended.

use super::history::{History, at, call, grant, id};
use crate::{
    denial::Code,
    id::{Digest, GrantId, KeyId, X25519Public},
    ledger::{
        Remembered, Slot, State, Violation,
        remember::{MAX_IN_ALL, MAX_PER_AGENT, MAX_PER_GRANT, Memory},
    },
    log::record::{Call, Outcome},
    sample::with,
    time::UnixMs,
};
use serde_json::json;

fn keyed(ms: u64, key: u8) -> Call {
    let mut call = call(ms, 1);
    call.idempotency = Some(Digest([key; 32]));
    call
}

/// The n-th of many keys.
fn key(number: usize) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Digest(digest)
}

fn entry(decided_at: UnixMs, expires_at: UnixMs) -> Remembered {
    Remembered {
        input: Digest([1; 32]),
        decided_at,
        expires_at,
        charges: Vec::new(),
        signed: None,
        replaces: false,
    }
}

/// Remembers keys of these numbers until a minute from now.
fn fill(state: &mut State, slot: Slot, numbers: std::ops::Range<usize>) {
    for number in numbers {
        state.remember(slot, key(number), entry(at(0), at(60)));
    }
}

/// Grants of one agent each, or of the same one.
fn grants(agents: [&str; 3]) -> (State, [Slot; 3]) {
    let mut history = History::ready();
    let slots = [0, 1, 2].map(|number| {
        let name = format!("gr_m{number}");
        let agent =
            json!({"id": agents[number], "key": X25519Public([50 + number as u8; 32]).to_string()});
        let own = format!("k_m{number}");
        history.create_key(&own).unwrap();
        let grant = with(with(grant(), "/id", json!(name)), "/agent", agent);
        let grant = with(grant, "/keys", json!([own]));
        history
            .widen(json!({"type": "grant.create", "grant": grant}))
            .unwrap();
        history.state.slot(&GrantId::parse(&name).unwrap()).unwrap()
    });
    (history.state, slots)
}

#[track_caller]
fn full(state: &mut State, slot: Slot, now: UnixMs) {
    let denial = state.check_memory(slot, now).unwrap_err();
    assert_eq!(denial.code, Code::IdempotencyFull);
}

#[test]
fn a_key_is_charged_once_while_its_credential_lives() {
    let mut history = History::ready();
    history.call(keyed(0, 7)).unwrap();
    history.call(keyed(1, 8)).unwrap();
    let twice = Err(Violation::Twice(id()));
    for ms in [0, 1, 59_999] {
        assert_eq!(history.clone().call(keyed(ms, 7)), twice, "{ms}");
    }
    history.call(keyed(60_000, 7)).unwrap();
    assert_eq!(history.call(keyed(60_001, 7)), twice);
}

#[test]
fn what_was_given_to_nobody_stands_under_no_key() {
    let mut history = History::ready();
    let mut failed = keyed(0, 7);
    failed.outcome = Outcome::Failed;
    history.call(failed).unwrap();
    history.call(keyed(1, 7)).unwrap();
}

#[test]
fn a_record_that_comes_late_was_charged_first_and_does_not_take_the_place_of_the_later_one() {
    let mut history = History::ready();
    history.call(keyed(1000, 7)).unwrap();
    history.call(keyed(0, 7)).unwrap();
    let known = history
        .state
        .remembered(history.slot(), &Digest([7; 32]), at(2));
    assert_eq!(known.unwrap().decided_at, at(1));
}

#[test]
fn of_two_decided_at_one_time_the_one_remembered_last_stands() {
    let mut history = History::ready();
    let slot = history.slot();
    for end in [60, 61] {
        history.state.remember(slot, key(0), entry(at(0), at(end)));
    }
    let known = history.state.remembered(slot, &key(0), at(60)).unwrap();
    assert_eq!(known.expires_at, at(61));
}

#[test]
fn a_key_is_remembered_until_its_credential_ends() {
    let mut history = History::ready();
    let slot = history.slot();
    history.state.remember(slot, key(0), entry(at(0), at(60)));
    assert!(history.state.remembered(slot, &key(0), at(59)).is_some());
    assert!(history.state.remembered(slot, &key(0), at(60)).is_none());
    assert!(history.state.remembered(slot, &key(1), at(0)).is_none());
}

#[test]
fn a_call_that_gave_nothing_is_forgotten_and_no_later_one_of_its_key() {
    let mut history = History::ready();
    let slot = history.slot();
    let empty = history.state.data.memory.clone();
    history.state.remember(slot, key(0), entry(at(1), at(60)));
    history.state.forget_call(slot, key(0), at(0));
    assert!(history.state.remembered(slot, &key(0), at(1)).is_some());
    history.state.forget_call(slot, key(0), at(1));
    assert!(history.state.remembered(slot, &key(0), at(1)).is_none());
    assert_eq!(history.state.data.memory, empty);
}

#[test]
fn what_a_call_was_signed_with_is_noted_of_that_call() {
    let mut history = History::ready();
    let slot = history.slot();
    let by = KeyId::parse("k_http").unwrap();
    history.state.remember(slot, key(0), entry(at(1), at(60)));
    let signed = |state: &State| {
        state
            .remembered(slot, &key(0), at(1))
            .unwrap()
            .signed
            .clone()
    };
    history.state.note_signed(slot, key(0), at(0), &by, [3; 16]);
    assert!(signed(&history.state).is_none());
    history.state.note_signed(slot, key(0), at(1), &by, [3; 16]);
    let (key, nonce) = signed(&history.state).unwrap();
    assert_eq!((key, nonce.0), (by, [3; 16]));
}

#[test]
fn keys_of_a_grant_are_limited_on_both_sides_and_what_ends_makes_room() {
    let (mut state, [one, other, _]) = grants(["bot-a", "bot-b", "bot-c"]);
    fill(&mut state, one, 1..MAX_PER_GRANT);
    state.check_memory(one, at(0)).unwrap();
    state.remember(one, key(0), entry(at(0), at(30)));
    full(&mut state, one, at(29));
    state.check_memory(other, at(29)).unwrap();
    state.check_memory(one, at(30)).unwrap();
    fill(&mut state, one, 0..1);
    full(&mut state, one, at(30));
    state.check_memory(one, at(60)).unwrap();
    assert_eq!(state.data.memory, Memory::default(), "nothing is left");
}

#[test]
fn keys_of_an_agent_are_limited_on_both_sides() {
    let (mut state, [one, two, three]) = grants(["bot-a", "bot-a", "bot-a"]);
    fill(&mut state, one, 0..1000);
    fill(&mut state, two, 0..MAX_PER_AGENT - 1000 - 1);
    state.check_memory(three, at(0)).unwrap();
    state.remember(three, key(0), entry(at(0), at(30)));
    full(&mut state, three, at(29));
    state.check_memory(three, at(30)).unwrap();
    fill(&mut state, three, 0..1);
    full(&mut state, three, at(30));
}

#[test]
fn keys_in_all_are_limited_on_both_sides() {
    let (mut state, [one, other, _]) = grants(["bot-a", "bot-b", "bot-c"]);
    fill(&mut state, one, 1..MAX_IN_ALL);
    state.check_memory(other, at(0)).unwrap();
    fill(&mut state, one, 0..1);
    full(&mut state, other, at(0));
    state.check_memory(other, at(60)).unwrap();
}

#[test]
fn an_unknown_grant_remembers_nothing() {
    let mut state = History::ready().state;
    let nobody = Slot(u32::MAX);
    let denial = state.check_memory(nobody, at(0)).unwrap_err();
    assert_eq!(denial.code, Code::GrantNotFound);
    fill(&mut state, nobody, 0..1);
    assert_eq!(state.data.memory, Memory::default());
}
