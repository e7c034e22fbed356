//! A catalog changes names beside the grants that live by them, and freely beside those that have ended.

use super::history::{History, grant};
use crate::{
    ledger::Violation,
    sample::{self, DUTY, with},
    time::UnixMs,
};
use serde_json::{Value, json};

/// Another host for a name that the sample grant has.
fn moved(touches: Value) -> Value {
    let catalog = with(
        sample::catalog(),
        "/resources/invoices/0/host",
        json!("other.example"),
    );
    json!({"type": "catalog.set", "catalog": catalog, "touches": touches})
}

#[track_caller]
fn needs_touches(result: Result<(), Violation>) {
    let Err(Violation::Command(denied)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(denied.pointer(), Some("/action/touches"));
}

#[test]
fn a_grant_that_has_ended_needs_no_mention() {
    let mut history = History::ready();
    let end = history
        .state
        .grant(history.slot())
        .unwrap()
        .grant
        .expires_at;
    history.now = UnixMs(end.0 - 1);
    needs_touches(history.clone().widen(moved(json!([]))));
    history.now = end;
    history.widen(moved(json!([]))).unwrap();
}

#[test]
fn a_revoked_grant_needs_no_mention_and_a_suspended_one_does() {
    let mut history = History::ready();
    let narrow = |action: &str| json!({"type": action, "grant": "gr_1"});
    history.narrow(narrow("grant.suspend"), DUTY).unwrap();
    needs_touches(history.clone().widen(moved(json!([]))));
    history.narrow(narrow("grant.revoke"), DUTY).unwrap();
    history.widen(moved(json!([]))).unwrap();
}

#[test]
fn a_grant_whose_names_stay_needs_no_mention() {
    let named = json!({"read": ["order_history"], "write": [], "delete": []});
    let mut history = History::with_grant(&with(grant(), "/permissions", named));
    history.widen(moved(json!([]))).unwrap();
}

#[test]
fn a_grant_names_only_what_the_catalog_has_wherever_it_names_it() {
    let history = History::ready();
    for (pointer, value) in [
        ("/permissions/write", json!(["invoices", "unlisted"])),
        ("/allow_outliving", json!(["unlisted"])),
        ("/allow_identity_only", json!(["unlisted"])),
    ] {
        let grant = with(grant(), pointer, value);
        let action = json!({"type": "grant.amend", "grant": grant});
        let Err(Violation::Command(denied)) = history.clone().widen(action) else {
            panic!("{pointer}")
        };
        assert_eq!(denied.pointer(), Some("/action/grant/permissions"));
    }
}

#[test]
fn an_asset_is_never_redefined_nor_taken_out() {
    let set = |assets: Value| {
        let catalog = with(sample::catalog(), "/assets", assets);
        json!({"type": "catalog.set", "catalog": catalog})
    };
    let coin =
        |cap: &str| json!({"chain": 8453, "native": true, "decimals": 18, "extra_fee_max": cap});
    let token = |decimals: u8| json!({"chain": 8453, "contract": format!("0x{}", "11".repeat(20)), "decimals": decimals});
    let mut history = History::ready();
    history
        .widen(set(json!({"eth": coin("1"), "usd": token(6)})))
        .unwrap();
    for assets in [
        json!({"eth": coin("1"), "usd": token(2)}),
        json!({"eth": coin("1")}),
        json!({"eth": token(6), "usd": coin("1")}),
        json!({}),
    ] {
        let Err(Violation::Command(denied)) = history.clone().widen(set(assets.clone())) else {
            panic!("{assets} was taken")
        };
        assert_eq!(denied.pointer(), Some("/action/catalog/assets"));
    }
    let more = json!({"eth": coin("2"), "usd": token(6), "more": {"chain": 1, "native": true, "decimals": 18}});
    history.widen(set(more)).unwrap();
}
