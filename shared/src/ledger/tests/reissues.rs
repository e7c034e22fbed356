//! Grants reissued: one newest of a line, and nothing refilled, forgotten or longer.

use super::{
    grants::{OLD_END, cents, inapplicable, of, refused_at, reissue, state, stops},
    history::{History, at, call, grant, id},
};
use crate::{
    amount::Amount,
    denial::Code,
    id::{GrantId, X25519Public},
    ledger::{CommandDenied, Slot, State, Status, Violation},
    log::record::Outcome,
    sample::{DUTY, with},
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};

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
