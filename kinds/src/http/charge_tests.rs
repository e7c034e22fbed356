//! What is charged, by which route, and what makes it single use.

use super::{
    tests::{by, message, parse, with_header},
    *,
};
use crate::fixture::{
    body, catalog, cents, charge, charges_route, extractor, get, grant, listed, moment, post,
    route, whole,
};
use claviger_shared::{
    amount::Amount,
    catalog::{Media, Route, Source},
    effect::{Charge, Verb},
};

#[test]
fn an_unreadable_amount_never_leads_to_a_cheaper_route() {
    let free = HttpRoute {
        charge: Vec::new(),
        verb: Some(Verb::Delete),
        ..charges_route()
    };
    let catalog = catalog(vec![
        ("a", vec![Route::Http(charges_route())]),
        ("b", vec![Route::Http(free)]),
    ]);
    let grant = grant(&[], &["a", "b"], &[]);
    let input = charge(r#"{"amount":"1.5","currency":"usd"}"#);
    let denial = HttpCall::parse(&input, None, &catalog, &grant).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/body/amount"));
}

#[test]
fn an_amount_is_an_unsigned_integer_or_digits() {
    for (text, amount) in [
        ("0", Some(0)),
        ("5", Some(5)),
        ("18446744073709551615", Some(u128::from(u64::MAX))),
        ("\"7\"", Some(7)),
        (
            "\"340282366920938463463374607431768211455\"",
            Some(u128::MAX),
        ),
        ("\"340282366920938463463374607431768211456\"", None),
        ("18446744073709551616", None),
        ("-1", None),
        ("-0", None),
        ("1.0", None),
        ("1e3", None),
        ("\"\"", None),
        ("\"07\"", None),
        ("\"+7\"", None),
        ("\" 7\"", None),
        ("null", None),
        ("true", None),
        ("[1]", None),
        ("{}", None),
    ] {
        let input = charge(&format!(r#"{{"amount":{text},"currency":"usd"}}"#));
        let charged = parse(&input).map(|call| call.effects().first.charges.clone());
        match amount {
            Some(amount) => assert_eq!(charged.unwrap(), [cents(amount)], "{text}"),
            None => assert_eq!(charged.unwrap_err().code, Code::UnparsableContent, "{text}"),
        }
    }
}

#[test]
fn every_source_reads_its_own_place() {
    let with = |from: Source, require: &[(&str, &str)]| HttpRoute {
        query: listed(&["n", "q"]),
        headers: listed(&["x-n", "x-q"]),
        body: body(Media::Json, &["/n", "/q"]),
        charge: vec![extractor(from, require)],
        ..route("/p", &["POST"])
    };
    let input = || {
        let json = br#"{"n":1,"q":"body"}"#;
        let input = post(
            "https://api.example.com/p?n=22&q=query",
            "application/json",
            json,
        );
        with_header(with_header(input, "x-n", "333"), "x-q", "header")
    };
    for (from, member, value, amount) in [
        (Source::Json("/n".into()), "/q", "body", 1),
        (Source::Query("n".into()), "q", "query", 22),
        (Source::Header("x-n".into()), "x-q", "header", 333),
        (Source::Const(Amount(4444)), "/q", "body", 4444),
        (Source::Len, "/q", "body", 18),
    ] {
        let call = by(vec![with(from.clone(), &[(member, value)])], &input()).unwrap();
        assert_eq!(call.effects().first.charges, [cents(amount)], "{from:?}");
        let denial = by(vec![with(from.clone(), &[(member, "other")])], &input()).unwrap_err();
        assert_eq!(denial.code, Code::PermissionDenied, "{from:?}");
    }
    let denial = by(vec![with(Source::Query("q".into()), &[])], &input()).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/url?q"));
    let denial = by(vec![with(Source::Header("x-q".into()), &[])], &input()).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/headers/x-q"));
}

#[test]
fn every_extractor_charges_and_a_get_has_its_price() {
    let priced = HttpRoute {
        query: listed(&["max_tokens"]),
        charge: vec![
            extractor(Source::Const(Amount(3)), &[]),
            extractor(Source::Query("max_tokens".into()), &[]),
        ],
        ..route("/p", &["GET"])
    };
    let call = by(vec![priced], &get("https://api.example.com/p?max_tokens=9")).unwrap();
    let charges: &[Charge] = &call.effects().first.charges;
    assert_eq!(charges, [cents(3), cents(9)]);
    assert!(call.replay(&moment()).single_use);
}

#[test]
fn a_charge_is_bound_by_the_calls_own_key_or_by_the_moments_nonce() {
    let (catalog, grant) = whole();
    let input = charge(r#"{"amount":5,"currency":"usd"}"#);
    let bound = |key: Option<&str>| HttpCall::parse(&input, key, &catalog, &grant);
    let own = message(&bound(Some("order 7")).unwrap(), &moment());
    assert!(own.contains("\n\"idempotency-key\": order 7\n"), "{own}");
    let nonce = message(&bound(None).unwrap(), &moment());
    assert!(
        nonce.contains("\n\"idempotency-key\": AAECAwQFBgcICQoLDA0ODw\n"),
        "{nonce}"
    );
    assert!(bound(None).unwrap().replay(&moment()).single_use);
    for bad in ["", " a", "a ", "a\nb", "ü"] {
        let denial = bound(Some(bad)).unwrap_err();
        assert_eq!(denial.code, Code::InvalidRequest);
        assert_eq!(denial.param.as_deref(), Some("/idempotency_key"));
    }
}

#[test]
fn a_replayable_or_free_call_gets_no_idempotency_key() {
    let replayable = HttpRoute {
        replayable: true,
        ..charges_route()
    };
    let input = charge(r#"{"amount":5,"currency":"usd"}"#);
    let call = by(vec![replayable], &input).unwrap();
    assert!(!message(&call, &moment()).contains("idempotency-key"));
    let replay = call.replay(&moment());
    assert_eq!((replay.single_use, replay.window_s), (false, 60));
    assert_eq!(call.effects().first.charges, [cents(5)]);
}

#[test]
fn two_routes_of_one_path_are_told_apart_by_what_they_require() {
    let priced = |currency: &str| HttpRoute {
        charge: vec![extractor(
            Source::Json("/amount".into()),
            &[("/currency", currency)],
        )],
        ..charges_route()
    };
    let routes = || vec![priced("usd"), priced("eur")];
    let call = by(routes(), &charge(r#"{"amount":5,"currency":"eur"}"#)).unwrap();
    assert_eq!(call.effects().first.route, 1);
    let denial = by(routes(), &charge(r#"{"amount":5,"currency":"gbp"}"#)).unwrap_err();
    assert_eq!(denial.code, Code::PermissionDenied);
}
