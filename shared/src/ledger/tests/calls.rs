//! Calls in the log: charges, budgets, activity, ends.

use super::history::{History, at, call, effect, genesis, grant, id};
use crate::{
    amount::Amount,
    denial::Code,
    effect::Verb,
    id::{Digest, GrantId, KeyId, ResourceName, Unit},
    ledger::{Violation, state::Outstanding},
    log::record::{Body, Denied, Outcome, Renewed, RevokedSelf, Simulated, Warned},
    sample::{DUTY, with},
    time::Millis,
};
use serde_json::{Value, json};

fn overspent() -> Result<(), Violation> {
    Err(Violation::Overspent(id()))
}

fn inactive() -> Result<(), Violation> {
    Err(Violation::Inactive(id()))
}

fn budgets(budgets: Value) -> History {
    History::with_grant(&with(grant(), "/budgets", budgets))
}

#[test]
fn the_last_call_of_a_budget_fits_and_the_next_overspends() {
    let mut history = budgets(json!([{"unit": "call", "max": "2", "window": "grant"}]));
    history.call(call(0, 0)).unwrap();
    history.call(call(1, 0)).unwrap();
    assert_eq!(history.call(call(2, 0)), overspent());
}

#[test]
fn an_amount_fits_up_to_what_is_left() {
    let mut history = History::ready();
    history.call(call(0, 60)).unwrap();
    assert_eq!(history.clone().call(call(1, 41)), overspent());
    history.call(call(1, 40)).unwrap();
    assert_eq!(history.call(call(2, 1)), overspent());
}

#[test]
fn a_budget_per_call_is_met_by_each_call() {
    let mut history = budgets(json!([
        {"unit": "call", "max": "9", "window": "grant"},
        {"unit": "usd-cents", "max": "5", "window": "call"},
    ]));
    history.call(call(0, 5)).unwrap();
    history.call(call(1, 5)).unwrap();
    assert_eq!(history.call(call(2, 6)), overspent());
}

#[test]
fn a_unit_without_a_budget_overspends() {
    let mut history = budgets(json!([{"unit": "call", "max": "9", "window": "grant"}]));
    history.call(call(0, 0)).unwrap();
    assert_eq!(history.call(call(1, 1)), overspent());
}

#[test]
fn a_charge_is_kept_whatever_became_of_the_call() {
    for outcome in [Outcome::Failed, Outcome::Withdrawn] {
        let mut history = History::ready();
        let mut lost = call(0, 100);
        lost.outcome = outcome;
        history.call(lost).unwrap();
        assert_eq!(history.call(call(1, 1)), overspent());
    }
}

#[test]
fn charges_follow_from_effects() {
    let mut history = History::ready();
    let charges = Err(Violation::Charges(id()));
    let mut less = call(0, 10);
    less.charges[1].amount = Amount(9);
    assert_eq!(history.call(less), charges);
    let mut none = call(0, 10);
    none.charges.pop();
    assert_eq!(history.call(none), charges);
    let mut more = call(0, 10);
    more.charges[0].amount = Amount(2);
    assert_eq!(history.call(more), charges);
    let mut empty = call(0, 0);
    empty.effects.clear();
    assert_eq!(history.call(empty), charges);
    let mut huge = call(0, 10);
    huge.effects = vec![effect(u128::MAX), effect(1)];
    assert_eq!(history.call(huge), charges);
    let mut other = call(0, 10);
    other.charges[1].unit = Unit::parse("eur-cents").unwrap();
    assert_eq!(history.call(other), charges);
}

#[test]
fn nothing_is_issued_after_a_revocation_and_what_was_withdrawn_is_still_charged() {
    let mut history = History::ready();
    history.call(call(0, 1)).unwrap();
    history
        .narrow(json!({"type": "grant.revoke", "grant": "gr_1"}), DUTY)
        .unwrap();
    assert_eq!(history.call(call(1, 1)), inactive());
    let mut withdrawn = call(1, 1);
    withdrawn.outcome = Outcome::Withdrawn;
    history.call(withdrawn).unwrap();
}

#[test]
fn nothing_is_issued_after_an_agent_revoked_itself() {
    let mut history = History::ready();
    let revoked = RevokedSelf {
        grant: id(),
        agent: crate::id::AgentId::parse("billing-bot").unwrap(),
        leaked: true,
        at: at(0),
    };
    history.apply(Body::RevokedSelf(revoked)).unwrap();
    assert_eq!(history.call(call(1, 1)), inactive());
}

#[test]
fn a_stop_holds_until_it_is_lifted() {
    let stops = [
        (json!({"type": "freeze"}), json!({"type": "thaw"})),
        (
            json!({"type": "grant.suspend", "grant": "gr_1"}),
            json!({"type": "grant.resume", "grant": "gr_1"}),
        ),
    ];
    for (stop, lift) in stops {
        let mut history = History::ready();
        history.narrow(stop, DUTY).unwrap();
        assert_eq!(history.clone().call(call(1, 1)), inactive());
        let signer = crate::sample::Signer::new(DUTY).public().fingerprint();
        let lifts = json!([history.state.narrow_head(&signer).digest.to_string()]);
        let head = history.state.widen_head();
        let command = crate::sample::command("widen", head.seq + 1, &head.digest, &lift);
        let owners = [crate::sample::ANA, crate::sample::BEN];
        let without = history.clone().command(&command, &owners, None);
        assert!(matches!(without, Err(Violation::Command(_))), "{without:?}");
        history
            .command(&with(command, "/lifts", lifts), &owners, None)
            .unwrap();
        history.call(call(1, 1)).unwrap();
    }
}

#[test]
fn a_grant_is_active_from_its_first_to_its_last_millisecond() {
    // The grant begins an hour before and ends seven hours after.
    let hours = |n: u64| n * 3_600_000;
    let mut history = History::ready();
    let mut last = call(hours(7) - 1, 0);
    last.expires_at = last.decided_at.plus(Millis(1));
    history.call(last.clone()).unwrap();
    last.decided_at = last.expires_at;
    assert_eq!(history.call(last), inactive());
    let mut first = call(0, 0);
    first.decided_at.0 -= hours(1);
    history.call(first.clone()).unwrap();
    first.decided_at.0 -= 1;
    assert_eq!(history.call(first), inactive());
}

#[test]
fn a_credential_outlives_its_grant_only_by_the_grants_word() {
    let outliving = |mut history: History| {
        let mut call = call(0, 0);
        call.expires_at = at(7 * 3600);
        history.call(call.clone()).unwrap();
        call.expires_at.0 += 1;
        history.call(call)
    };
    assert_eq!(outliving(History::ready()), Err(Violation::Outlives(id())));
    let allowed = with(grant(), "/allow_outliving", json!(["invoices"]));
    outliving(History::with_grant(&allowed)).unwrap();
    let other = with(grant(), "/allow_outliving", json!(["order_history"]));
    assert_eq!(
        outliving(History::with_grant(&other)),
        Err(Violation::Outlives(id()))
    );
}

#[test]
fn an_issued_call_is_within_the_scope_and_by_the_grants_own_key() {
    let mut history = History::ready();
    let mut verb = call(0, 0);
    verb.effects[0].verb = Verb::Delete;
    assert_eq!(history.call(verb), inactive());
    let mut resource = call(0, 0);
    resource.effects[0].resource = ResourceName::parse("charges").unwrap();
    assert_eq!(history.call(resource), inactive());
    let mut key = call(0, 0);
    key.key = KeyId::parse("k_other").unwrap();
    assert_eq!(history.call(key), inactive());
    history
        .widen(json!({"type": "key.retire", "key": "k_http"}))
        .unwrap();
    assert_eq!(history.call(call(1, 0)), inactive());
}

#[test]
fn a_record_is_of_a_known_grant() {
    let mut history = History::ready();
    let other = GrantId::parse("gr_2").unwrap();
    let mut unknown = call(0, 0);
    unknown.grant = other.clone();
    let (first, last) = (at(0), at(1));
    let bodies = |grant: GrantId| {
        let denied = Denied {
            grant: grant.clone(),
            code: Code::Frozen,
            count: 1,
            first,
            last,
        };
        let simulated = Simulated {
            grant: grant.clone(),
            count: 1,
            first,
            last,
        };
        [
            Body::Denied(denied),
            Body::Simulated(simulated),
            warned(grant, 10, 8),
        ]
    };
    for body in bodies(other.clone())
        .into_iter()
        .chain([Body::Call(Box::new(unknown))])
    {
        assert_eq!(
            history.clone().apply(body),
            Err(Violation::UnknownGrant(other.clone()))
        );
    }
    for body in bodies(id()) {
        history.apply(body).unwrap();
    }
}

fn warned(grant: GrantId, max: u128, spent: u128) -> Body {
    Body::Warned(Warned {
        grant,
        unit: Unit::call(),
        window: "grant".to_owned(),
        max: Amount(max),
        spent: Amount(spent),
        at: at(0),
    })
}

/// 80 % of a budget, rounded up, and not more than there is.
#[test]
fn a_warning_is_of_a_budget_near_its_end() {
    let mut history = History::ready();
    let refused = Err(Violation::Warning(id()));
    for (max, spent) in [
        (10, 8),
        (10, 10),
        (1, 1),
        (4, 4),
        (11, 9),
        (u128::MAX, u128::MAX),
    ] {
        assert_eq!(
            history.apply(warned(id(), max, spent)),
            Ok(()),
            "{spent} of {max}"
        );
    }
    for (max, spent) in [
        (10, 7),
        (10, 11),
        (1, 0),
        (4, 3),
        (11, 8),
        (u128::MAX, u128::MAX / 2),
    ] {
        assert_eq!(
            history.apply(warned(id(), max, spent)),
            refused,
            "{spent} of {max}"
        );
    }
}

#[test]
fn a_call_is_not_newer_than_its_entry() {
    let mut history = History::ready();
    let record = super::history::record(Body::Call(Box::new(call(1000, 0))));
    let verifier = crate::crypto::AwsLc;
    assert_eq!(
        history.clone().state.apply(&record, at(0), &verifier),
        Err(Violation::Time)
    );
    history.state.apply(&record, at(1), &verifier).unwrap();
}

#[test]
fn a_renewal_gives_exactly_the_first_length() {
    let mut history = History::ready();
    // The grant was made an hour into its time: seven hours are its first length.
    let renewed = |end: u64| {
        Body::Renewed(Renewed {
            grant: id(),
            expires_at: at(end),
            at: at(60),
        })
    };
    for bad in [7 * 3600, 7 * 3600 + 59, 7 * 3600 + 61] {
        assert_eq!(history.clone().apply(renewed(bad)), inactive(), "{bad}");
    }
    history.apply(renewed(7 * 3600 + 60)).unwrap();
    history.call(call(7 * 3_600_000 + 30_000, 0)).unwrap_err();
    let mut late = call(7 * 3_600_000 + 30_000, 0);
    late.expires_at = at(7 * 3600 + 60);
    history.call(late).unwrap();
}

#[test]
fn a_renewal_moves_the_end_or_is_refused() {
    let history = History::ready();
    let renewal = |history: &History, now| history.state.renewal(history.slot(), now);
    // Made at this very moment for seven hours, it would end when it ends.
    let denied = renewal(&history, at(0)).unwrap_err();
    assert_eq!(denied.code, Code::PermissionDenied);
    let later = at(0).plus(Millis(1));
    assert_eq!(renewal(&history, later), Ok(at(7 * 3600).plus(Millis(1))));
    for until in [Value::Null, json!("2026-11-23T17:00:00Z")] {
        let history = History::with_grant(&with(grant(), "/renew_until", until));
        let denied = renewal(&history, at(3600)).unwrap_err();
        assert_eq!(denied.code, Code::PermissionDenied);
    }
}

#[test]
fn what_is_still_alive_outside_is_told_until_it_dies() {
    let mut history = History::ready();
    history.call(call(0, 0)).unwrap();
    let grant = |history: &History| history.state.grant(history.slot()).unwrap().clone();
    let expected = Outstanding {
        kind: crate::effect::Kind::Http,
        destination: "api.stripe.com".to_owned(),
        dies_at: at(60),
    };
    assert_eq!(grant(&history).outstanding(at(59)), [expected]);
    assert_eq!(grant(&history).outstanding(at(60)), []);
}

#[test]
fn genesis_is_the_first_record_and_stands_once() {
    let mut history = History::unborn();
    let genesis = genesis(&history.state);
    assert_eq!(history.call(call(0, 0)), Err(Violation::Genesis));
    let changed: [fn(&mut crate::log::record::Genesis); 3] = [
        |genesis| genesis.g0 = Digest([0; 32]),
        |genesis| genesis.bundle = Digest([0; 32]),
        |genesis| genesis.vkey.push('x'),
    ];
    for change in changed {
        let mut other = genesis.clone();
        change(&mut other);
        assert_eq!(
            history.clone().apply(Body::Genesis(Box::new(other))),
            Err(Violation::Genesis)
        );
    }
    history
        .apply(Body::Genesis(Box::new(genesis.clone())))
        .unwrap();
    assert_eq!(
        history.apply(Body::Genesis(Box::new(genesis))),
        Err(Violation::Genesis)
    );
}

#[test]
fn a_boot_names_a_manifest_of_the_chain_and_never_an_older_one() {
    let mut history = History::booted();
    let boot = |history: &History, generation| super::history::boot(&history.state, generation);
    for generation in [0, 2, u64::MAX] {
        let body = Body::Boot(Box::new(boot(&history, generation)));
        assert_eq!(
            history.clone().apply(body),
            Err(Violation::Boot),
            "{generation}"
        );
    }
    let mut other = boot(&history, 1);
    other.manifest = Digest([0; 32]);
    assert_eq!(
        history.clone().apply(Body::Boot(Box::new(other))),
        Err(Violation::Boot)
    );
    let again = boot(&history, 1);
    history.apply(Body::Boot(Box::new(again))).unwrap();
}
