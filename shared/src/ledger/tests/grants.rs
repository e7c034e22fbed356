//! Grants amended and reissued: what may change, and that nothing spent is ever given back.

use super::history::{History, NOW, at, call, grant, id};
use crate::{
    amount::Amount,
    denial::Code,
    id::{Digest, GrantId, X25519Public},
    ledger::{CommandDenied, GrantState, Slot, State, Status, Violation},
    log::record::{Call, Outcome},
    sample::{DUTY, Signer, with},
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};

const OLD_END: &str = "2026-11-23T17:00:00Z";

fn amend(change: impl FnOnce(Value) -> Value) -> Value {
    json!({"type": "grant.amend", "grant": change(grant())})
}

fn budgets(budgets: Value) -> Value {
    amend(|grant| with(grant, "/budgets", budgets))
}

fn cents(max: &str, window: &str) -> Value {
    json!([
        {"unit": "call", "max": "1000000", "window": "grant"},
        {"unit": "usd-cents", "max": max, "window": window},
    ])
}

fn reissue(old: &str, new: &str, key: u8) -> Value {
    let key = X25519Public([key; 32]).to_string();
    json!({"type": "grant.reissue", "old": old, "new": new, "agent_key": key, "expires_at": OLD_END})
}

fn state<'a>(history: &'a History, id: &str) -> &'a GrantState {
    let slot = history.state.slot(&GrantId::parse(id).unwrap()).unwrap();
    history.state.grant(slot).unwrap()
}

fn of(id: &str, mut call: Call) -> Call {
    call.grant = GrantId::parse(id).unwrap();
    call
}

#[track_caller]
fn refused_at(result: Result<(), Violation>) -> (&'static str, String) {
    match result {
        Err(Violation::Command(denied)) => {
            let pointer = denied.pointer().unwrap_or_default().to_owned();
            (denied.code(), pointer)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn inapplicable(result: Result<(), Violation>, pointer: &str) {
    assert_eq!(refused_at(result), ("not_applicable", pointer.to_owned()));
}

fn stops(history: &mut History) -> Vec<Digest> {
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

#[test]
fn a_reissue_refills_nothing_and_ends_the_old_grant() {
    let mut history = History::with_grant(&with(grant(), "/budgets", cents("100", "grant")));
    history.call(call(0, 60)).unwrap();
    history.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    let new = state(&history, "gr_2");
    assert_eq!(new.remaining(at(1))[1].amount, Amount(40));
    assert_eq!(
        new.outstanding(at(1)),
        state(&history, "gr_1").outstanding(at(1))
    );
    assert_eq!(new.outstanding(at(1)).len(), 1);
    let slot = |key: u8| {
        history
            .state
            .slot_of_agent(&X25519Public([key; 32]))
            .unwrap()
    };
    let active = |key: u8| history.state.check_active(slot(key), at(1));
    assert_eq!(active(9).unwrap_err().code, Code::GrantRevoked);
    assert_eq!(active(10).unwrap().grant.id.as_str(), "gr_2");
    let over = GrantId::parse("gr_2").unwrap();
    assert_eq!(
        history.clone().call(of("gr_2", call(1, 41))),
        Err(Violation::Overspent(over))
    );
    history.call(of("gr_2", call(1, 40))).unwrap();
    assert_eq!(history.call(call(2, 1)), Err(Violation::Inactive(id())));
}

#[test]
fn a_line_has_one_newest_grant() {
    let mut history = History::ready();
    history.call(call(0, 60)).unwrap();
    history.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    history.widen(reissue("gr_2", "gr_3", 11)).unwrap();
    for old in ["gr_1", "gr_2"] {
        inapplicable(
            history.clone().widen(reissue(old, "gr_4", 12)),
            "/action/old",
        );
    }
    let told = history
        .clone()
        .widen(reissue("gr_1", "gr_4", 12))
        .unwrap_err();
    assert!(told.to_string().contains("`gr_3`"), "{told}");
    // What the first one had under way counts in the last one.
    let mut late = call(1, 30);
    late.outcome = Outcome::Withdrawn;
    history.call(late).unwrap();
    assert_eq!(
        state(&history, "gr_3").remaining(at(1))[1].amount,
        Amount(10)
    );
    assert_eq!(history.replayed().unwrap(), history.state);
}

/// No log makes such a line; a snapshot could say it, and it must end all the same.
#[test]
fn a_line_that_leads_back_ends() {
    let mut history = History::ready();
    history.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    for (from, to) in [(0, 0), (1, 1), (1, 0)] {
        let mut data = history.state.data().clone();
        data.grants.get_mut(Slot(from)).unwrap().successor = Some(Slot(to));
        let chain = history.state.chain().clone();
        let mut state = State::restore(chain, data);
        let charges = call(0, 30).charges;
        state.take(Slot(from), &charges, at(0));
        let left = state.grant(Slot(from)).unwrap().remaining(at(0))[1].amount;
        assert_eq!(left, Amount(70), "{from} {to}");
        let name = format!("gr_{}", from + 1);
        let mut back = history.clone();
        back.state = state;
        inapplicable(back.widen(reissue(&name, "gr_4", 12)), "/action/old");
    }
}

#[test]
fn a_reissue_keeps_an_end_of_renewals_that_is_not_before_its_own() {
    let until = |time: &str| with(grant(), "/renew_until", json!(time));
    for (renew, end) in [
        ("2026-11-23T17:00:00Z", OLD_END),
        ("2026-11-23T17:00:00Z", "2026-11-23T16:00:00Z"),
        ("2026-11-30T00:00:00Z", OLD_END),
    ] {
        let mut history = History::with_grant(&until(renew));
        let reissue = with(reissue("gr_1", "gr_2", 10), "/expires_at", json!(end));
        history.widen(reissue).unwrap();
        let until = state(&history, "gr_2").grant.renew_until;
        assert!(until.is_some(), "{renew} {end}");
    }
    // It ended at 17:00 for good; what continues it at 18:00 ends later than any renewal could.
    let mut history = History::with_grant(&until("2026-11-23T17:30:00Z"));
    history.now = at(8 * 3600);
    let late = with(
        reissue("gr_1", "gr_2", 10),
        "/expires_at",
        json!("2026-11-23T19:00:00Z"),
    );
    history.widen(late).unwrap();
    assert_eq!(state(&history, "gr_2").grant.renew_until, None);
}

#[test]
fn a_grant_that_ends_now_has_ended() {
    let mut history = History::ready();
    history.now = state(&history, "gr_1").grant.expires_at;
    let later = json!("2026-11-24T00:00:00Z");
    let longer = with(reissue("gr_1", "gr_2", 10), "/expires_at", later);
    let mut before = history.clone();
    before.now = UnixMs(history.now.0 - 1);
    inapplicable(before.widen(longer.clone()), "/action/expires_at");
    history.widen(longer).unwrap();
}

#[test]
fn a_reissue_names_what_no_grant_has_ever_had() {
    let history = History::ready();
    let refuse = |action: Value, at: &str| inapplicable(history.clone().widen(action), at);
    refuse(reissue("gr_9", "gr_2", 10), "/action/old");
    refuse(reissue("gr_1", "gr_2", 9), "/action/agent_key");
    let mut two = history.clone();
    two.widen(reissue("gr_1", "gr_2", 10)).unwrap();
    inapplicable(
        two.clone().widen(reissue("gr_2", "gr_1", 11)),
        "/action/new",
    );
    inapplicable(two.widen(reissue("gr_2", "gr_3", 9)), "/action/agent_key");
}

#[test]
fn a_reissue_ends_no_later_than_what_it_continues() {
    let until = |time: &str| with(reissue("gr_1", "gr_2", 10), "/expires_at", json!(time));
    let mut history = History::ready();
    let refuse = |history: &History, time: &str| {
        inapplicable(history.clone().widen(until(time)), "/action/expires_at");
    };
    refuse(&history, "2026-11-23T17:00:01Z");
    refuse(&history, "2026-11-23T10:00:00Z");
    history
        .clone()
        .widen(until("2026-11-23T10:00:01Z"))
        .unwrap();
    history.clone().widen(until(OLD_END)).unwrap();
    // It was created at 10:00 and ended at 17:00: seven hours, and now it is 18:00.
    history.now = at(8 * 3600);
    refuse(&history, "2026-11-24T01:00:01Z");
    refuse(&history, "2026-11-23T18:00:00Z");
    history.widen(until("2026-11-24T01:00:00Z")).unwrap();
    assert_eq!(
        state(&history, "gr_2").first_length,
        Millis::from_secs(7 * 3600)
    );
}

#[test]
fn a_reissue_works_from_any_state_and_lifts_what_is_in_force() {
    let mut history = History::ready();
    let stops = stops(&mut history);
    let reissue = reissue("gr_1", "gr_2", 10);
    let denied = history.clone().widen(reissue.clone());
    assert_eq!(
        denied,
        Err(Violation::Command(CommandDenied::Lifts(stops.clone())))
    );
    history.clone().lift(&reissue, &stops).unwrap();
    history
        .narrow(json!({"type": "grant.revoke", "grant": "gr_1"}), DUTY)
        .unwrap();
    let lifts = history.clone().lift(&reissue, &stops);
    assert_eq!(refused_at(lifts), ("lifts", "/lifts".to_owned()));
    history.widen(reissue).unwrap();
    assert_eq!(state(&history, "gr_2").status, Status::Active);
    assert_eq!(state(&history, "gr_1").status, Status::Revoked);
}

#[test]
fn a_reissue_survives_what_is_gone_but_not_a_change_of_environment() {
    let mut history = History::ready();
    history
        .widen(json!({"type": "key.retire", "key": "k_http"}))
        .unwrap();
    let none =
        json!({"type": "catalog.set", "touches": ["gr_1"], "catalog": {"v": 1, "resources": {}}});
    history.widen(none).unwrap();
    history.clone().widen(reissue("gr_1", "gr_2", 10)).unwrap();
    let routes = crate::sample::catalog()["resources"]["invoices"].clone();
    let moved = json!({"v": 1, "resources": {"invoices": {"env": "sandbox", "routes": routes}}});
    let moved = json!({"type": "catalog.set", "touches": ["gr_1"], "catalog": moved});
    history.widen(moved).unwrap();
    inapplicable(history.widen(reissue("gr_1", "gr_2", 10)), "/action/old");
}

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
