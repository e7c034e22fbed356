//! What a refused call is told: which rule, what was asked, what is left, and when to come again.

use super::history::{History, NOW, at, call, grant};
use crate::{
    amount::Amount,
    denial::{Code, Denial},
    effect::Charge,
    id::Unit,
    sample::with,
};
use serde_json::json;

fn charge(unit: &str, amount: u128) -> Charge {
    Charge {
        unit: Unit::parse(unit).unwrap(),
        amount: Amount(amount),
    }
}

fn ready(budgets: serde_json::Value) -> History {
    History::with_grant(&with(grant(), "/budgets", budgets))
}

#[track_caller]
fn refused(history: &History, charges: &[Charge], at: crate::time::UnixMs) -> Denial {
    history
        .state
        .check_budgets(history.slot(), charges, at)
        .unwrap_err()
}

#[test]
fn a_budget_that_refuses_says_which_how_much_and_when() {
    let mut history = ready(json!([
        {"unit": "call", "max": "1000000", "window": "grant"},
        {"unit": "usd-cents", "max": "70", "window": "call"},
        {"unit": "usd-cents", "max": "100", "window": "rolling:PT10S"},
    ]));
    history.call(call(0, 60)).unwrap();
    let fine = [charge("call", 1), charge("usd-cents", 40)];
    history
        .state
        .check_budgets(history.slot(), &fine, NOW)
        .unwrap();
    let denial = refused(&history, &[charge("call", 1), charge("usd-cents", 41)], NOW);
    assert_eq!(denial.code, Code::BudgetExceeded);
    let requested = denial.requested.unwrap();
    assert_eq!(
        (requested.unit.as_str(), requested.amount),
        ("usd-cents", Amount(41))
    );
    let left = denial.remaining.unwrap();
    assert_eq!((left.unit.as_str(), left.amount), ("usd-cents", Amount(40)));
    let resets = left.resets_at.unwrap();
    assert_eq!(denial.retry_after_ms, Some(resets.since(NOW).0));
    assert!(resets > at(9), "{resets}");

    // More than one call may ever spend: there is nothing to wait for.
    let denial = refused(&history, &[charge("usd-cents", 71)], NOW);
    assert_eq!(denial.code, Code::PerCallExceeded);
    assert_eq!(denial.remaining.unwrap().amount, Amount(70));
    assert_eq!(denial.retry_after_ms, None);

    let denial = refused(&history, &[charge("eur-cents", 1)], NOW);
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::UnbudgetedUnit, Some("eur-cents"))
    );
}

#[test]
fn a_rate_that_refuses_says_when_there_is_room() {
    let rated = with(grant(), "/rate", json!([{"max": 2, "per_s": 60}]));
    let mut history = History::with_grant(&rated);
    let slot = history.slot();
    for ms in 0..2 {
        history.state.check_rate(slot, NOW).unwrap();
        history.call(call(ms, 1)).unwrap();
    }
    let denial = history.state.check_rate(slot, at(1)).unwrap_err();
    assert_eq!(denial.code, Code::RateLimited);
    let wait = denial.retry_after_ms.unwrap();
    assert!((58_000..=62_000).contains(&wait), "{wait}");
    let then = at(1).plus(crate::time::Millis(wait));
    history.state.check_rate(slot, then).unwrap();
}
