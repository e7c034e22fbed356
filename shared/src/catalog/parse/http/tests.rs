//! Routes between workloads: whose, for whom, and nothing that only a caller could know.

use super::{
    super::{
        jwt::tests::token_routes,
        tests::{invalid, refused, route},
    },
    *,
};
use crate::{
    catalog::{Catalog, JwtRoute},
    codec::cbor,
    sample::with,
};
use serde_json::{Value, json};

const BILLING: &str = "wimse://example.com/billing";

fn between(more: &Value) -> Value {
    let mut way = json!({"profile": "wimse", "subject": BILLING});
    for (name, value) in more.as_object().unwrap() {
        way = with(way, &format!("/{name}"), value.clone());
    }
    way
}

#[test]
fn a_route_between_workloads_says_whose_token_and_which_audience() {
    let plain = route(between(&json!({})));
    let said = WimseRoute {
        audience: None,
        subject: BILLING.to_owned(),
        sign_response: false,
    };
    assert_eq!(plain.wimse.as_deref(), Some(&said));
    let more = json!({"audience": "https://b.example/?a", "sign_response": true, "probe": false});
    let full = route(between(&more)).wimse.unwrap();
    assert_eq!(full.audience.as_deref(), Some("https://b.example/?a"));
    assert!(full.sign_response);
    assert_eq!(route(json!({})).wimse, None);
}

#[test]
fn other_profiles_are_no_routes_and_its_members_stand_beside_it_alone() {
    for other in ["generic", "web-bot-auth", "WIMSE", ""] {
        refused(json!({"profile": other}), "/profile", Error::UNSUPPORTED);
    }
    refused(json!({"profile": 1}), "/profile", Error::MALFORMED);
    refused(json!({"profile": "wimse"}), "/subject", Error::MALFORMED);
    for (member, value) in [
        ("subject", json!(BILLING)),
        ("audience", json!("a")),
        ("sign_response", json!(true)),
    ] {
        refused(
            json!({ member: value }),
            &format!("/{member}"),
            Error::MALFORMED,
        );
    }
    let directory = json!({"v": 1, "resources": {"r": [
        {"kind": "http", "directory": true, "host": "a.example", "profile": "wimse", "subject": BILLING}
    ]}});
    let error = Catalog::parse(directory.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.pointer(), "/resources/r/0/profile");
}

#[test]
fn a_probe_would_need_a_token() {
    invalid(between(&json!({"probe": true})), "/probe");
}

#[test]
fn a_workload_is_a_uri_with_a_trust_domain() {
    for good in [
        BILLING,
        "spiffe://example.org/ns/prod/sa/billing",
        "wimse://example.com",
        "wimse+x://a/b;c=1",
    ] {
        route(between(&json!({"subject": good})));
    }
    for bad in [
        "",
        "billing",
        "://example.com/a",
        "1wimse://example.com/a",
        "Wimse://example.com/a",
        "wimse:///billing",
        "wimse://",
        "wimse://example.com/",
        "wimse://Example.com/a",
        "wimse://user@example.com/a",
        "wimse://example.com:1/a",
        "wimse://example.com/a?b",
        "wimse://example.com/a#b",
        "wimse://example.com/a b",
        "wimse://example.com/\u{fc}",
    ] {
        invalid(between(&json!({"subject": bad})), "/subject");
    }
    let long = |n: usize| format!("wimse://a/{}", "a".repeat(n - 10));
    route(between(&json!({"subject": long(MAX_CLAIM)})));
    invalid(
        between(&json!({"subject": long(MAX_CLAIM + 1)})),
        "/subject",
    );
}

#[test]
fn an_audience_is_visible_and_short() {
    for bad in ["", "a b", "\u{fc}", "a\n"] {
        invalid(between(&json!({"audience": bad})), "/audience");
    }
    route(between(&json!({"audience": "a".repeat(MAX_CLAIM)})));
    invalid(
        between(&json!({"audience": "a".repeat(MAX_CLAIM + 1)})),
        "/audience",
    );
}

/// Catalogs from before are the bytes they were.
#[test]
fn what_no_route_says_is_not_written() {
    let bytes = |route: &HttpRoute| cbor::encode(route).unwrap();
    let has = |bytes: &[u8]| bytes.windows(5).any(|five| five == b"wimse");
    assert!(!has(&bytes(&route(json!({})))));
    let written = bytes(&route(between(&json!({}))));
    assert!(has(&written));
    let read: HttpRoute = cbor::decode(&written, written.len()).unwrap();
    assert_eq!(read, route(between(&json!({}))));
}

fn proof(more: &Value) -> Result<JwtRoute, (String, &'static str)> {
    let mut way = json!({"kind": "jwt", "profile": "wpt", "subject": BILLING, "audience": "https://b.example/"});
    for (name, value) in more.as_object().unwrap() {
        way[name] = value.clone();
    }
    token_routes(json!([way]))
}

/// A proof beside a token is a route of kind `jwt`, of the same words.
#[test]
fn a_proof_of_a_workload_says_whose_token_and_which_audience() {
    let route = proof(&json!({})).unwrap();
    assert_eq!(
        (route.subject.as_str(), route.audience.as_str()),
        (BILLING, "https://b.example/")
    );
    assert!(!route.mints && !route.probe && route.issuer.is_empty() && route.http.is_none());
    assert!(proof(&json!({"mints": true})).unwrap().mints);
    for (member, value) in [
        ("subject", json!("billing")),
        ("subject", json!("")),
        ("audience", json!("")),
        ("audience", json!("a b")),
        ("audience", json!(null)),
        ("issuer", json!("a")),
        ("probe", json!(true)),
        ("nonce", json!(true)),
        ("token_endpoint", json!(true)),
        ("host", json!("b.example")),
        ("mints", json!(1)),
    ] {
        let (at, _) = proof(&json!({ member: value })).unwrap_err();
        assert_eq!(at, format!("/resources/a/0/{member}"));
    }
}
