//! Keys: which one a grant signs with, and which a grant may name.

use super::history::{History, grant};
use crate::{
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    ledger::{KeyState, Violation},
    sample::with,
};
use serde_json::{Value, json};

/// How a key differs from a fresh one.
type Change = fn(&mut KeyState);

/// A history with these keys beside its own.
fn with_keys(keys: &[(&str, Change)]) -> History {
    let mut history = History::ready();
    let other = KeyId::parse("k_other").unwrap();
    let fresh = history.state.key(&other).unwrap().clone();
    for (name, change) in keys {
        let mut key = fresh.clone();
        change(&mut key);
        history
            .state
            .data
            .keys
            .insert(KeyId::parse(name).unwrap(), key);
    }
    history
}

#[test]
fn a_grant_signs_with_the_first_of_its_keys_that_fits() {
    let history = with_keys(&[
        ("k_jwt", |key| key.kind = Kind::Jwt),
        ("k_sandbox", |key| key.env = Env::Sandbox),
        ("k_retired", |key| key.retired = true),
        ("k_first", |_| ()),
        ("k_second", |_| ()),
    ]);
    let state = history.state.grant(history.slot()).unwrap();
    let mut grant = (*state.grant).clone();
    grant.keys = [
        "k_none",
        "k_jwt",
        "k_sandbox",
        "k_retired",
        "k_first",
        "k_second",
    ]
    .map(|id| KeyId::parse(id).unwrap())
    .to_vec();
    let of = |kind, env| {
        let found = history.state.key_of(&grant, kind, env, |_| true);
        found.map(|(id, key)| {
            assert_eq!(history.state.key(id), Some(key));
            id.as_str()
        })
    };
    assert_eq!(of(Kind::Http, Env::Live), Some("k_first"));
    assert_eq!(of(Kind::Jwt, Env::Live), Some("k_jwt"));
    assert_eq!(of(Kind::Http, Env::Sandbox), Some("k_sandbox"));
    assert_eq!(of(Kind::Jwt, Env::Sandbox), None);
}

#[test]
fn a_grant_names_keys_of_its_environment_and_agent_that_are_not_retired() {
    let history = with_keys(&[
        ("k_sandbox", |key| key.env = Env::Sandbox),
        ("k_retired", |key| key.retired = true),
        ("k_anothers", |key| {
            key.agent = AgentId::parse("another-bot").ok()
        }),
        ("k_own", |key| {
            key.agent = AgentId::parse("billing-bot").ok()
        }),
        ("k_free", |_| ()),
    ]);
    let amended = |keys: Value| {
        let grant = with(grant(), "/keys", keys);
        let action = json!({"type": "grant.amend", "grant": grant});
        history.clone().widen(action)
    };
    amended(json!(["k_http", "k_own", "k_free"])).unwrap();
    for key in ["k_sandbox", "k_retired", "k_anothers"] {
        let Err(Violation::Command(denied)) = amended(json!(["k_http", key])) else {
            panic!("{key}")
        };
        assert_eq!(denied.pointer(), Some("/action/grant/keys"));
        assert!(denied.expected().contains(key), "{denied}");
    }
}

#[test]
fn a_key_is_retired_once_and_only_where_it_exists() {
    let mut history = History::ready();
    let retire = |key: &str| json!({"type": "key.retire", "key": key});
    history.widen(retire("k_http")).unwrap();
    for key in ["k_http", "k_none"] {
        let Err(Violation::Command(denied)) = history.clone().widen(retire(key)) else {
            panic!("{key}")
        };
        assert_eq!(denied.pointer(), Some("/action/key"));
    }
}

#[test]
fn every_key_is_listed_by_name() {
    let history = History::ready();
    let listed = history.state.keys().map(|(id, key)| (id.as_str(), key));
    let expected = ["k_http", "k_other"].map(|id| {
        let key = history.state.key(&KeyId::parse(id).unwrap());
        (id, key.unwrap())
    });
    assert!(listed.eq(expected));
}
