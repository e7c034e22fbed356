//! Records stand in the order of their signing, decisions happen in another: an honest log fits in any order, and no
//! order hides an overspending.

use super::history::{History, NOW, call, grant};
use crate::{
    ledger::{Violation, reserve},
    log::record::Call,
    sample::with,
    time::Millis,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn windows() -> Value {
    json!([
        {"unit": "call", "max": "1000", "window": "grant"},
        {"unit": "call", "max": "4", "window": "rolling:PT1S"},
        {"unit": "usd-cents", "max": "50", "window": "call"},
        {"unit": "usd-cents", "max": "90", "window": "rolling:PT7S"},
        {"unit": "usd-cents", "max": "130", "window": "calendar:P1D"},
        {"unit": "usd-cents", "max": "600", "window": "calendar:P1M"},
    ])
}

fn history() -> History {
    let grant = with(grant(), "/budgets", windows());
    let grant = with(grant, "/renew_until", Value::Null);
    History::with_grant(&with(grant, "/expires_at", json!("2026-12-23T17:00:00Z")))
}

/// What the live path reserves out of these wishes: milliseconds since the wish before, and cents.
fn live(history: &mut History, wishes: &[(u64, u128)], start: u64) -> Vec<Call> {
    let mut ms = start;
    let mut reserved = Vec::new();
    for (advance, cents) in wishes {
        ms += advance;
        let call = call(ms, *cents);
        let charges = reserve::charges(call.effects.iter()).unwrap();
        let (slot, now) = (history.slot(), call.decided_at);
        let state = &mut history.state;
        if state.check_budgets(slot, &charges, now).is_ok() {
            state.take(slot, &charges, now);
            reserved.push(call);
        }
    }
    reserved
}

/// Advances that stay in one bucket, cross buckets, cross windows.
fn advance() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..20, 0_u64..300, 0_u64..3000, 5_000_u64..20_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_honest_log_fits_in_any_order(
        wishes in prop::collection::vec((advance(), 0_u128..60), 1..80),
        places in prop::collection::vec(any::<u32>(), 80),
        // Up to two minutes before midnight, so that a day ends in most runs.
        before_midnight in 0_u64..120_000,
    ) {
        let start = 14 * 3_600_000 - before_midnight;
        let (mut decided, mut applied) = (history(), history());
        let mut calls: Vec<_> = live(&mut decided, &wishes, start).into_iter().zip(places).collect();
        let newest = calls.iter().map(|(call, _)| call.decided_at).max().unwrap_or(NOW);
        calls.sort_by_key(|(_, place)| *place);
        for (call, _) in calls {
            prop_assert_eq!(applied.call(call), Ok(()));
        }
        let left = |history: &History, later: u64| {
            history.state.grant(history.slot()).unwrap().remaining(newest.plus(Millis(later)))
        };
        for later in [0, 1, 500, 1000, 6999, 7000, 8000] {
            prop_assert_eq!(left(&applied, later), left(&decided, later));
        }
    }

    #[test]
    fn an_order_that_is_nearly_that_of_decisions_never_hides_an_overspending(
        wishes in prop::collection::vec((0_u64..2000, 1_u128..50), 2..40),
        swaps in prop::collection::vec(0_usize..40, 0..20),
    ) {
        let mut ms = 0;
        let mut calls: Vec<Call> = Vec::new();
        for (advance, cents) in &wishes {
            ms += advance;
            calls.push(call(ms, *cents));
        }
        let times: Vec<(u64, u128)> = calls
            .iter()
            .map(|call| (call.decided_at.0, call.charges[1].amount.0))
            .collect();
        // Over a window's exact length, without any bucket.
        let overspends = times.iter().any(|(end, _)| {
            let inside = times.iter().filter(|(at, _)| at <= end && at + 10_000 > *end);
            inside.map(|(_, cents)| cents).sum::<u128>() > 100
        });
        for at in swaps {
            if at + 1 < calls.len() {
                calls.swap(at, at + 1);
            }
        }
        let mut history = History::ready();
        let refused = calls.into_iter().map(|call| history.call(call)).any(|result| result.is_err());
        prop_assert!(refused || !overspends);
    }
}

#[test]
fn an_overspending_is_not_hidden_by_writing_the_later_call_first() {
    let mut history = History::ready();
    history.call(call(5_000, 60)).unwrap();
    let overspent = Err(Violation::Overspent(call(0, 0).grant));
    assert_eq!(history.call(call(0, 41)), overspent);
    history = History::ready();
    history.call(call(5_000, 60)).unwrap();
    history.call(call(0, 40)).unwrap();
}

#[test]
fn a_late_record_of_a_window_that_has_passed_does_not_count_in_the_next() {
    let mut history = History::ready();
    history.call(call(30_000, 100)).unwrap();
    history.call(call(0, 100)).unwrap();
    history.call(call(45_000, 100)).unwrap();
}
