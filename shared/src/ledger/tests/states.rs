//! What a state says of itself: equal only where all of it is, and each grant in one word.

use super::history::{History, NOW, at, call, grant, id};
use crate::{
    amount::Amount,
    effect::Env,
    id::X25519Public,
    ledger::{GrantState, Slot, State, Status},
    owner::manifest::chain::Chain,
    sample::{self, DUTY, with},
    time::{Millis, UnixMs},
};
use serde_json::json;
use std::sync::Arc;

fn own(history: &History) -> &GrantState {
    history.state.grant(history.slot()).unwrap()
}

#[test]
fn grants_are_equal_only_where_all_of_them_is() {
    let mut history = History::ready();
    let same = own(&history).clone();
    assert_eq!(*own(&history), same);
    let changes: [fn(&mut GrantState); 6] = [
        |state| Arc::make_mut(&mut state.grant).expires_at.0 += 1,
        |state| state.status = Status::Revoked,
        |state| state.epoch += 1,
        |state| state.first_length.0 += 1,
        |state| state.amended_at.0 += 1,
        |state| state.successor = Some(Slot(1)),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = same.clone();
        change(&mut other);
        assert_ne!(other, same, "{number}");
    }
    history.call(call(0, 1)).unwrap();
    assert_ne!(*own(&history), same);
}

#[test]
fn states_are_equal_only_under_one_chain_and_with_one_content() {
    let mut history = History::booted();
    let before = history.state.clone();
    assert_eq!(history.state, before);
    let only_g0 = &sample::links()[..1];
    let chain = Arc::new(Chain::verify(only_g0, &crate::crypto::AwsLc).unwrap());
    assert_ne!(State::restore(chain, before.data().clone()), before);
    history.create_key("k_1").unwrap();
    assert_ne!(history.state, before);
}

#[test]
fn a_grant_is_told_in_one_word() {
    let mut history = History::ready();
    let (begins, ends) = (
        own(&history).grant.not_before,
        own(&history).grant.expires_at,
    );
    let before = |time: UnixMs| UnixMs(time.0 - 1);
    let words = |history: &History, frozen: bool| {
        [before(begins), begins, before(ends), ends].map(|now| own(history).word(frozen, now))
    };
    assert_eq!(
        words(&history, false),
        ["not_yet_valid", "active", "active", "expired"]
    );
    assert_eq!(
        words(&history, true),
        ["frozen", "frozen", "frozen", "expired"]
    );
    for (action, word) in [("grant.suspend", "suspended"), ("grant.revoke", "revoked")] {
        let stop = json!({"type": action, "grant": "gr_1"});
        history.narrow(stop, DUTY).unwrap();
        assert_eq!(words(&history, true), [word; 4]);
    }
}

#[test]
fn a_sandbox_grant_is_known_as_one() {
    let mut history = History::ready();
    let slot = history.slot();
    assert!(!history.state.is_sandbox(slot));
    let state = history.state.grant_mut(slot).unwrap();
    Arc::make_mut(&mut state.grant).env = Env::Sandbox;
    assert!(history.state.is_sandbox(slot));
    assert!(!history.state.is_sandbox(Slot(9)));
}

#[test]
fn a_grant_knows_what_took_its_place() {
    let mut history = History::ready();
    assert_eq!(own(&history).successor(), None);
    let key = X25519Public([10; 32]).to_string();
    history
        .widen(
            json!({"type": "grant.reissue", "old": "gr_1", "new": "gr_2", "agent_key": key,
            "expires_at": "2026-11-23T17:00:00Z"}),
        )
        .unwrap();
    let next = history.state.slot_of_agent(&X25519Public([10; 32]));
    assert_eq!(own(&history).successor(), next);
    assert_ne!(next, Some(history.slot()));
    let listed = history.state.grants().map(|(id, _)| id.as_str());
    assert!(listed.eq(["gr_1", "gr_2"]));
    assert_eq!(id(), own(&history).grant.id);
}

/// A grant that nothing was spent under says of each budget what it would say if it held its counters.
#[test]
fn an_unspent_grant_has_all_of_each_budget_and_says_when_it_ends() {
    let budgets = json!([
        {"unit": "call", "max": "9", "window": "grant"},
        {"unit": "usd-cents", "max": "8", "window": "rolling:PT10S"},
        {"unit": "usd-cents", "max": "7", "window": "calendar:P1D"},
    ]);
    let mut history = History::with_grant(&with(grant(), "/budgets", budgets));
    let left = |history: &History| {
        let all = own(history).remaining(NOW).into_iter();
        all.map(|one| (one.amount.0, one.resets_at))
            .collect::<Vec<_>>()
    };
    let midnight = NOW.day_start().plus(Millis(86_400_000));
    let unspent = [(9, None), (8, None), (7, Some(midnight))];
    assert!(own(&history).spending.is_none());
    assert_eq!(left(&history), unspent);
    let slot = history.slot();
    history.state.grant_mut(slot).unwrap().spending_mut();
    assert_eq!(left(&history), unspent);
}

#[test]
fn nothing_spent_is_held_nowhere() {
    let mut history = History::ready();
    history
        .widen(json!({"type": "grant.amend", "grant": with(grant(), "/purpose", json!("other"))}))
        .unwrap();
    assert!(own(&history).spending.is_none());
    history.call(call(0, 1)).unwrap();
    history.now = at(1);
    history
        .widen(json!({"type": "grant.amend", "grant": grant()}))
        .unwrap();
    assert!(own(&history).spending.is_some());
    assert_eq!(own(&history).remaining(at(1))[1].amount, Amount(99));
}

#[test]
fn a_restored_state_holds_equal_scopes_once() {
    let mut history = History::ready();
    let key = X25519Public([10; 32]).to_string();
    let other = with(
        with(grant(), "/id", json!("gr_2")),
        "/agent/key",
        json!(key),
    );
    history
        .widen(json!({"type": "grant.create", "grant": other}))
        .unwrap();
    let bytes = crate::codec::cbor::encode(history.state.data()).unwrap();
    let data = crate::codec::cbor::decode(&bytes, bytes.len()).unwrap();
    let restored = State::restore(Arc::clone(history.state.chain()), data);
    let scopes: Vec<_> = restored
        .grants()
        .map(|(_, state)| &state.grant.scope)
        .collect();
    assert!(Arc::ptr_eq(scopes[0], scopes[1]));
}
