//! Whatever a record says of its own time, its entry is not older.

use super::history::{History, NOW, id, record};
use crate::{
    amount::Amount,
    crypto::AwsLc,
    id::Unit,
    ledger::Violation,
    log::record::{Body, Command, Renewed, Warned},
    sample::{self, ANA, BEN},
    time::{Millis, UnixMs},
};
use serde_json::json;

/// At its own time and later it stands; a millisecond before, it does not.
#[track_caller]
fn stands_from(own: UnixMs, body: Body, early: &Violation) {
    let history = History::ready();
    let record = record(body);
    let apply = |entry| history.state.clone().apply(&record, entry, &AwsLc);
    assert_eq!(apply(UnixMs(own.0 - 1)).as_ref(), Err(early));
    assert_eq!(apply(own), Ok(()));
    assert_eq!(apply(own.plus(Millis(1))), Ok(()));
}

#[test]
fn a_warning_is_not_newer_than_its_entry() {
    let warned = Warned {
        grant: id(),
        unit: Unit::call(),
        window: "grant".to_owned(),
        max: Amount(10),
        spent: Amount(9),
        at: NOW,
    };
    stands_from(NOW, Body::Warned(warned), &Violation::Time);
}

#[test]
fn a_command_is_not_newer_than_its_entry() {
    let head = History::ready().state.widen_head();
    let action = json!({"type": "key.retire", "key": "k_http"});
    let body = sample::bytes(&sample::command(
        "widen",
        head.seq + 1,
        &head.digest,
        &action,
    ));
    let command = Command {
        signatures: sample::command_signatures(&body, &[ANA, BEN]),
        body,
        applied_at: NOW,
        born: None,
    };
    stands_from(NOW, Body::Command(Box::new(command)), &Violation::Time);
}

#[test]
fn a_renewal_is_not_newer_than_its_entry() {
    let history = History::ready();
    let at = NOW.plus(Millis(60_000));
    let renewed = Renewed {
        grant: id(),
        expires_at: history.state.renewal(history.slot(), at).unwrap(),
        at,
    };
    stands_from(at, Body::Renewed(renewed), &Violation::Inactive(id()));
}

#[test]
fn the_newest_time_and_the_number_of_records_are_kept() {
    let mut state = History::ready().state;
    let records = state.records();
    let warned = |at| {
        record(Body::Warned(Warned {
            grant: id(),
            unit: Unit::call(),
            window: "grant".to_owned(),
            max: Amount(10),
            spent: Amount(9),
            at,
        }))
    };
    let newest = state.time().plus(Millis(5));
    for entry in [newest, NOW] {
        state.apply(&warned(NOW), entry, &AwsLc).unwrap();
        assert_eq!(state.time(), newest);
    }
    assert_eq!(state.records(), records + 2);
}
