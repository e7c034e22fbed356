//! How many grants and keys a deployment may have, on both sides.

use super::history::{History, at, call, grant};
use crate::{
    id::{KeyId, X25519Public},
    ledger::{
        CommandDenied, Violation,
        command::MAX_KEYS,
        state::{MAX_GRANTS, MAX_OUTSTANDING},
    },
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

/// Beyond so many destinations a further one is told as `other`, until some have ended.
#[test]
fn destinations_of_a_grant_are_limited_on_both_sides() {
    let mut history = History::ready();
    let slot = history.slot();
    let mut note = |destination: &str, dies_at: u64, now: u64| {
        let mut effect = call(0, 1).effects[0].clone();
        effect.destination = destination.to_owned();
        history
            .state
            .note_issued(slot, &effect, at(dies_at), at(now));
        let told = history.state.grant(slot).unwrap().outstanding(at(now));
        told.into_iter()
            .map(|one| one.destination)
            .collect::<Vec<_>>()
    };
    for number in 1..MAX_OUTSTANDING {
        note(&format!("{number}.example.com"), 60, 0);
    }
    let full = note("last.example.com", 60, 0);
    assert_eq!(full.len(), MAX_OUTSTANDING);
    assert!(full.contains(&"last.example.com".to_owned()));
    assert!(!full.contains(&"other".to_owned()));
    // One that is known keeps its name.
    assert_eq!(note("last.example.com", 61, 1), full);
    let over = note("over.example.com", 62, 1);
    assert_eq!(over.len(), MAX_OUTSTANDING + 1);
    assert!(over.contains(&"other".to_owned()));
    // All but three end at this very moment.
    let ended = note("over.example.com", 70, 60);
    assert_eq!(ended, ["last.example.com", "other", "over.example.com"]);
}
