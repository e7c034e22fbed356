//! Grants amended: what may change, and that nothing spent is ever given back. What reissues have in common with them.

use super::history::{History, NOW, at, call, grant, id};
use crate::{
    amount::Amount,
    id::{Digest, GrantId, X25519Public},
    ledger::{CommandDenied, GrantState, State, Status, Violation},
    log::record::{Call, Outcome},
    sample::{DUTY, Signer, with},
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};

pub(super) const OLD_END: &str = "2026-11-23T17:00:00Z";

fn amend(change: impl FnOnce(Value) -> Value) -> Value {
    json!({"type": "grant.amend", "grant": change(grant())})
}

fn budgets(budgets: Value) -> Value {
    amend(|grant| with(grant, "/budgets", budgets))
}

pub(super) fn cents(max: &str, window: &str) -> Value {
    json!([
        {"unit": "call", "max": "1000000", "window": "grant"},
        {"unit": "usd-cents", "max": max, "window": window},
    ])
}

pub(super) fn reissue(old: &str, new: &str, key: u8) -> Value {
    let key = X25519Public([key; 32]).to_string();
    json!({"type": "grant.reissue", "old": old, "new": new, "agent_key": key, "expires_at": OLD_END})
}

pub(super) fn state<'a>(history: &'a History, id: &str) -> &'a GrantState {
    let slot = history.state.slot(&GrantId::parse(id).unwrap()).unwrap();
    history.state.grant(slot).unwrap()
}

pub(super) fn of(id: &str, mut call: Call) -> Call {
    call.grant = GrantId::parse(id).unwrap();
    call
}

#[track_caller]
pub(super) fn refused_at(result: Result<(), Violation>) -> (&'static str, String) {
    match result {
        Err(Violation::Command(denied)) => {
            let pointer = denied.pointer().unwrap_or_default().to_owned();
            (denied.code(), pointer)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn inapplicable(result: Result<(), Violation>, pointer: &str) {
    assert_eq!(refused_at(result), ("not_applicable", pointer.to_owned()));
}

pub(super) fn stops(history: &mut History) -> Vec<Digest> {
    let suspend = json!({"type": "grant.suspend", "grant": "gr_1"});
    history.narrow(suspend, DUTY).unwrap();
    let signer = Signer::new(DUTY).public().fingerprint();
    vec![history.state.narrow_head(&signer).digest]
}

#[test]
fn an_amended_budget_counts_what_was_spent_before() {
    let mut history = History::ready();
    history.call(call(0, 60)).unwrap();
    history.widen(budgets(cents("60", "grant"))).unwrap();
    let over = Err(Violation::Overspent(id()));
    assert_eq!(history.clone().call(call(1, 1)), over);
    history.widen(budgets(cents("61", "grant"))).unwrap();
    assert_eq!(history.clone().call(call(1, 2)), over);
    history.call(call(1, 1)).unwrap();
}

#[test]
fn a_unit_that_is_budgeted_again_begins_with_its_whole_life() {
    let mut history = History::ready();
    history.call(call(0, 60)).unwrap();
    history
        .widen(budgets(
            json!([{"unit": "call", "max": "9", "window": "grant"}]),
        ))
        .unwrap();
    assert_eq!(
        history.clone().call(call(1, 1)),
        Err(Violation::Overspent(id()))
    );
    history.now = at(60);
    history
        .widen(budgets(cents("100", "rolling:PT1H")))
        .unwrap();
    let left = state(&history, "gr_1").remaining(at(61))[1].amount;
    assert_eq!(left, Amount(40));
    assert_eq!(
        state(&history, "gr_1").remaining(at(60 + 3600 + 120))[1].amount,
        Amount(100),
        "the new window ends"
    );
}

#[test]
fn a_window_that_stays_keeps_what_it_counted() {
    let mut history = History::ready();
    history.call(call(0, 60)).unwrap();
    history.now = at(60);
    history
        .widen(budgets(cents("70", "rolling:PT10S")))
        .unwrap();
    let left = state(&history, "gr_1").remaining(at(60))[1].amount;
    assert_eq!(left, Amount(70), "the ten seconds are over");
}

#[test]
fn a_rate_that_is_new_never_begins_emptier_than_the_calls_that_may_lie_in_its_time() {
    let rated = |rate: Value| amend(|grant| with(grant, "/rate", rate));
    let free =
        |history: &History, now: UnixMs| history.state.check_rate(history.slot(), now).is_ok();
    let mut history = History::ready();
    for ms in 0..3 {
        history.call(call(ms, 1)).unwrap();
    }
    history.now = at(1);
    // Nothing looks a minute back but the grant's life: three calls.
    history
        .widen(rated(json!([{"max": 3, "per_s": 60}])))
        .unwrap();
    assert!(!free(&history, at(1)));
    assert!(free(&history, at(63)));
    // The same time, another number: what it counted stays.
    history
        .widen(rated(json!([{"max": 4, "per_s": 60}])))
        .unwrap();
    assert!(free(&history, at(1)));
    history.call(call(1100, 1)).unwrap();
    assert!(!free(&history, at(2)));
    // A shorter one begins with what the longer one counts.
    history
        .widen(rated(json!([{"max": 4, "per_s": 10}])))
        .unwrap();
    assert!(!free(&history, at(2)));
    assert!(free(&history, at(12)));
}

#[test]
fn an_amendment_keeps_id_agent_key_and_environment() {
    let history = History::ready();
    let other_key = json!(X25519Public([8; 32]).to_string());
    for (pointer, value, at) in [
        ("/id", json!("gr_2"), "/action/grant/id"),
        ("/agent/id", json!("other-bot"), "/action/grant/agent/id"),
        ("/agent/key", other_key, "/action/grant/agent/key"),
        ("/env", json!("sandbox"), "/action/grant/env"),
        ("/keys", json!(["k_none"]), "/action/grant/keys"),
        (
            "/permissions/read",
            json!(["none"]),
            "/action/grant/permissions",
        ),
    ] {
        let change = amend(|grant| with(with(grant, "/only", Value::Null), pointer, value));
        inapplicable(history.clone().widen(change), at);
    }
    let ended = amend(|grant| with(grant, "/expires_at", json!("2026-11-23T10:00:00Z")));
    inapplicable(history.clone().widen(ended), "/action/grant/expires_at");
    let mut last = history;
    last.now = UnixMs(NOW.0 - 1);
    let ended = amend(|grant| with(grant, "/expires_at", json!("2026-11-23T10:00:00Z")));
    last.widen(ended).unwrap();
}

#[test]
fn an_amendment_withdraws_calls_under_way_and_charges_them_whatever_the_new_budgets_are() {
    let mut history = History::ready();
    history.call(call(0, 50)).unwrap();
    let epoch = state(&history, "gr_1").epoch;
    history.now = at(1);
    history.widen(budgets(cents("60", "grant"))).unwrap();
    assert_ne!(state(&history, "gr_1").epoch, epoch);
    let mut late = call(500, 40);
    let issued = late.clone();
    assert_eq!(
        history.clone().call(issued),
        Err(Violation::Overspent(id())),
        "what left is within the budgets in force"
    );
    late.outcome = Outcome::Withdrawn;
    history.call(late.clone()).unwrap();
    let left = state(&history, "gr_1").remaining(at(1))[1].amount;
    assert_eq!(left, Amount(0));
    late.decided_at = at(1).plus(Millis(1));
    assert_eq!(
        history.call(late),
        Err(Violation::Overspent(id())),
        "decided under the new terms"
    );
}

#[test]
fn a_renewal_adds_the_length_that_owners_set_last() {
    let mut history = History::ready();
    let first = state(&history, "gr_1").first_length;
    let slot = history.slot();
    history.now = at(3600);
    let renewed = state(&history, "gr_1").grant.expires_at.plus(Millis(7));
    history.state.renew(slot, renewed);
    history
        .widen(amend(|grant| with(grant, "/purpose", json!("other"))))
        .unwrap();
    assert_eq!(state(&history, "gr_1").first_length, first);
    let longer = amend(|grant| with(grant, "/expires_at", json!("2026-11-23T13:00:00Z")));
    history.widen(longer).unwrap();
    let set = state(&history, "gr_1").first_length;
    assert_eq!(set, Millis::from_secs(2 * 3600));
    let end = history.state.renewal(slot, at(2 * 3600)).unwrap();
    assert_eq!(end, at(4 * 3600));
}

#[test]
fn amending_a_suspended_grant_lifts_all_of_it_and_a_revoked_one_is_never_amended() {
    let mut history = History::ready();
    let same = || amend(|grant| grant);
    let lifts = history.clone().lift(&same(), &[Digest([1; 32])]);
    assert_eq!(refused_at(lifts), ("lifts", "/lifts".to_owned()));
    let stops = stops(&mut history);
    let denied = history.clone().widen(same());
    assert_eq!(
        denied,
        Err(Violation::Command(CommandDenied::Lifts(stops.clone())))
    );
    history.lift(&same(), &stops).unwrap();
    assert_eq!(state(&history, "gr_1").status, Status::Active);
    history
        .narrow(json!({"type": "grant.revoke", "grant": "gr_1"}), DUTY)
        .unwrap();
    inapplicable(history.widen(same()), "/action/grant/id");
}

/// No log makes such a line; a snapshot could say it, and it must end all the same.
#[test]
fn a_snapshot_holds_lines_and_terms() {
    let mut history = History::ready();
    history.widen(budgets(cents("60", "grant"))).unwrap();
    history.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    let bytes = crate::codec::cbor::encode(history.state.data()).unwrap();
    let data = crate::codec::cbor::decode(&bytes, bytes.len()).unwrap();
    let restored = State::restore(history.state.chain().clone(), data);
    assert_eq!(restored, history.state);
}

/// Snapshots outlive releases. The digests are of what was written when every grant held all of its own, counters included.
#[test]
fn a_snapshot_is_written_as_it_always_was() {
    let digest = |history: &History| {
        let bytes = crate::codec::cbor::encode(history.state.data()).unwrap();
        crate::crypto::sha256(&[&bytes]).to_string()
    };
    let mut history = History::ready();
    let unspent = digest(&history);
    history.widen(budgets(cents("60", "grant"))).unwrap();
    history.call(call(1_000, 40)).unwrap();
    let spent = digest(&history);
    history.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    let reissued = digest(&history);
    let written = [
        "sha256:ee799b4af727548869871a5beef559d6135a75e16e70d55ab2fc36efb63088f4",
        "sha256:0ddc131ad11121165a38ba7b2339e59b453c304cc38f898d87d3ad35b7510607",
        "sha256:610696137706b67c7cbc5e6f7795ee9abf1953a016a29fd89a8293bee701cf16",
    ];
    assert_eq!([unspent, spent, reissued], written);
}
