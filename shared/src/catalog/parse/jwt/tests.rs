//! Routes of tokens, on both sides of each rule: whose claims, for whom, and what a caller never says.

use super::{super::tests::parse, *};
use crate::{
    catalog::Route,
    sample::{catalog as base, with},
};
use serde_json::{Value, json};

#[test]
fn an_assertion_names_all_of_its_claims_and_always_mints() {
    let at = |pointer: &str, value: Value| {
        let document = with(base(), &format!("/resources/tokens/0{pointer}"), value);
        parse(&document).map_err(|error| error.code())
    };
    for pointer in ["/audience", "/issuer", "/subject"] {
        assert_eq!(at(pointer, Value::Null), Err(Error::MALFORMED));
        for bad in ["", "a\nb", "ü"] {
            assert_eq!(at(pointer, json!(bad)), Err(Error::INVALID));
        }
        at(pointer, json!("a".repeat(MAX_CLAIM))).unwrap();
        assert_eq!(
            at(pointer, json!("a".repeat(MAX_CLAIM + 1))),
            Err(Error::INVALID)
        );
    }
    assert_eq!(at("/profile", json!("id_token")), Err(Error::UNSUPPORTED));
    assert_eq!(at("/nonce", json!(true)), Err(Error::MALFORMED));
    assert_eq!(at("/mints", json!(false)), Err(Error::INVALID));
    at("/mints", Value::Null).unwrap();
    assert_eq!(at("/host", json!("a.example")), Err(Error::MALFORMED));
}

fn oidc(issuer: &str, audience: &str) -> Value {
    json!({"kind": "jwt", "profile": "oidc", "audience": audience, "issuer": issuer})
}

#[test]
fn an_identity_has_one_issuer_and_no_subject_of_its_own() {
    let with_routes = |routes: Value| parse(&json!({"v": 1, "resources": {"a": routes}}));
    let issuer = "https://id.acme.example/claviger";
    let catalog = with_routes(json!([oidc(issuer, "sts.example.com")])).unwrap();
    assert_eq!(catalog.issuer(), Some(issuer));
    let Route::Jwt(route) = &catalog.resources.values().next().unwrap().routes[0] else {
        panic!("another kind");
    };
    assert!(route.mints && !route.nonce && route.subject.is_empty());
    assert_eq!(
        parse(&base()).unwrap().issuer(),
        None,
        "an assertion's issuer is its own"
    );
    let two = |other: &str| with_routes(json!([oidc(issuer, "a"), oidc(other, "b")]));
    two(issuer).unwrap();
    let error = two("https://id.acme.example").unwrap_err();
    assert_eq!(
        (error.pointer(), error.code()),
        ("/resources/a/1/issuer", Error::INVALID)
    );
    for bad in [
        "http://id.example",
        "https://id.example/",
        "https://id.example/a/",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://ID.example",
        "",
    ] {
        let error = with_routes(json!([oidc(bad, "a")])).unwrap_err();
        assert_eq!(
            (error.pointer(), error.code()),
            ("/resources/a/0/issuer", Error::INVALID),
            "{bad}"
        );
    }
    for (member, value, at) in [
        ("subject", json!("me"), "/resources/a/0/subject"),
        ("mints", json!(false), "/resources/a/0/mints"),
        ("nonce", json!("yes"), "/resources/a/0/nonce"),
        ("scope", json!("openid"), "/resources/a/0/scope"),
    ] {
        let mut route = oidc(issuer, "a");
        route[member] = value;
        assert_eq!(with_routes(json!([route])).unwrap_err().pointer(), at);
    }
}

pub(in crate::catalog::parse) fn token_routes(
    routes: Value,
) -> Result<JwtRoute, (String, &'static str)> {
    let parsed = parse(&json!({"v": 1, "resources": {"a": routes}}));
    let catalog = parsed.map_err(|error| (error.pointer().to_owned(), error.code()))?;
    match &catalog.resources.values().next().unwrap().routes[0] {
        Route::Jwt(route) => Ok(route.clone()),
        other @ (Route::Http(_)
        | Route::Aws(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Evm(_)
        | Route::Template(_)
        | Route::Solana(_)) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn an_app_has_an_id_and_no_subject() {
    let app = json!({"kind": "jwt", "profile": "github-app", "audience": "https://api.github.com", "issuer": "123456"});
    let route = token_routes(json!([app])).unwrap();
    assert!(route.mints && route.subject.is_empty() && route.http.is_none());
    for (member, value, code) in [
        ("issuer", json!(""), Error::INVALID),
        ("issuer", json!("12 34"), Error::INVALID),
        ("issuer", json!("1".repeat(65)), Error::INVALID),
        ("subject", json!("me"), Error::MALFORMED),
        ("mints", json!(false), Error::INVALID),
        ("nonce", json!(true), Error::MALFORMED),
        ("scope", json!("s"), Error::MALFORMED),
        ("key_id", json!("k"), Error::MALFORMED),
        ("token_endpoint", json!(true), Error::MALFORMED),
    ] {
        let mut bad = app.clone();
        bad[member] = value;
        assert_eq!(
            token_routes(json!([bad])).unwrap_err(),
            (format!("/resources/a/0/{member}"), code)
        );
    }
}

#[test]
fn an_account_says_its_key_and_at_a_token_endpoint_its_scope() {
    let account = json!({
        "kind": "jwt", "profile": "gcp", "audience": "https://storage.googleapis.com/",
        "issuer": "bot@acme.iam.gserviceaccount.com", "key_id": "1f2e3d",
    });
    let with = |members: Value| {
        let mut route = account.clone();
        for (name, value) in members.as_object().unwrap() {
            route[name] = value.clone();
        }
        token_routes(json!([route]))
    };
    let route = with(json!({})).unwrap();
    assert!(!route.mints && !route.token_endpoint && route.subject.is_empty());
    assert!(with(json!({"mints": true})).unwrap().mints);
    assert_eq!(with(json!({"scope": "a b"})).unwrap().scope.unwrap(), "a b");
    let endpoint = with(json!({"token_endpoint": true, "scope": "a", "subject": "ann"})).unwrap();
    assert!(endpoint.mints && endpoint.token_endpoint);
    assert_eq!(endpoint.subject, "ann");
    for (members, place, code) in [
        (json!({"subject": "ann"}), "/subject", Error::MALFORMED),
        (json!({"issuer": "bot"}), "/issuer", Error::INVALID),
        (json!({"key_id": ""}), "/key_id", Error::INVALID),
        (json!({"token_endpoint": true}), "", Error::MALFORMED),
        (
            json!({"token_endpoint": true, "scope": "a", "mints": false}),
            "/mints",
            Error::INVALID,
        ),
    ] {
        let (at, found) = with(members).unwrap_err();
        assert_eq!(found, code, "{at}");
        assert!(at.starts_with(&format!("/resources/a/0{place}")), "{at}");
    }
}

#[test]
fn a_proof_names_requests_and_nothing_of_them_that_is_not_signed() {
    let proof = json!({"kind": "jwt", "profile": "dpop", "host": "api.example.com", "path": "/v1/orders/{id}"});
    let route = token_routes(json!([proof])).unwrap();
    let http = route.http.unwrap();
    assert_eq!(http.methods, ["GET", "HEAD"]);
    assert_eq!(
        (http.port, http.template.as_str()),
        (443, "/v1/orders/{id}")
    );
    assert!(!route.mints && route.audience.is_empty());
    let mut endpoint = proof.clone();
    endpoint["token_endpoint"] = json!(true);
    assert!(token_routes(json!([endpoint])).unwrap().mints);
    for member in [
        "audience", "issuer", "subject", "query", "headers", "body", "charge", "probe", "nonce",
    ] {
        let mut bad = proof.clone();
        bad[member] = json!("any");
        let refused = (format!("/resources/a/0/{member}"), Error::MALFORMED);
        assert_eq!(token_routes(json!([bad])).unwrap_err(), refused);
    }
    let (at, _) = token_routes(json!([proof, proof])).unwrap_err();
    assert_eq!(at, "/resources/a/1");
}
