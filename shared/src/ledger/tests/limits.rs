//! How many grants and keys a deployment may have, on both sides.

use super::history::{History, grant};
use crate::{
    id::{KeyId, X25519Public},
    ledger::{CommandDenied, Violation, command::MAX_KEYS, state::MAX_GRANTS},
    sample::with,
};
use serde_json::json;

#[track_caller]
fn refused(result: Result<(), Violation>) -> String {
    match result {
        Err(Violation::Command(denied @ CommandDenied::Action { .. })) => denied.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A second grant of its own name and agent key.
fn another() -> serde_json::Value {
    let key = X25519Public([44; 32]).to_string();
    let grant = with(grant(), "/id", json!("gr_another"));
    json!({"type": "grant.create", "grant": with(grant, "/agent/key", json!(key))})
}

fn reissued() -> serde_json::Value {
    let key = X25519Public([45; 32]).to_string();
    json!({"type": "grant.reissue", "old": "gr_1", "new": "gr_next", "agent_key": key,
        "expires_at": "2026-11-23T17:00:00Z"})
}

/// Filled with one grant's copies: what is limited is how many there are, ended ones included.
#[test]
fn grants_are_limited_on_both_sides() {
    let mut history = History::ready();
    let one = history.state.grant(history.slot()).unwrap().clone();
    while history.state.data.grants.len() < MAX_GRANTS - 1 {
        history.state.data.grants.push(one.clone());
    }
    for action in [another(), reissued()] {
        let mut full = history.clone();
        full.widen(action).unwrap();
        assert_eq!(full.state.data.grants.len(), MAX_GRANTS);
        let next = X25519Public([46; 32]).to_string();
        let grant = with(
            with(grant(), "/id", json!("gr_more")),
            "/agent/key",
            json!(next),
        );
        let created = full
            .clone()
            .widen(json!({"type": "grant.create", "grant": grant}));
        let mut again = reissued();
        again["new"] = json!("gr_more");
        again["agent_key"] = json!(next);
        if full.state.grant(full.slot()).unwrap().successor.is_some() {
            again["old"] = json!("gr_next");
        }
        for over in [created, full.clone().widen(again)] {
            let told = refused(over);
            assert!(told.contains("at most 100000 grants"), "{told}");
        }
    }
}

#[test]
fn keys_are_limited_on_both_sides() {
    let mut history = History::ready();
    let id = KeyId::parse("k_http").unwrap();
    let one = history.state.data.keys.get(&id).unwrap().clone();
    for number in history.state.data.keys.len()..MAX_KEYS - 1 {
        let id = KeyId::parse(&format!("k_{number:05}")).unwrap();
        history.state.data.keys.insert(id, one.clone());
    }
    history.create_key("k_last").unwrap();
    assert_eq!(history.state.data.keys.len(), MAX_KEYS);
    let told = refused(history.create_key("k_over"));
    assert!(told.contains("at most 10000 keys"), "{told}");
}
