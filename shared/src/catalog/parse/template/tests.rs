//! Nothing that matters goes unsigned: each rule with a route that keeps it and one that does not.

use crate::{
    catalog::{
        Catalog, Route, TemplateRoute,
        template::{Encoding, Hash, Part, Slot, Spelling, Uncovered},
    },
    codec::cbor,
    owner::Error,
};
use serde_json::{Value, json};

/// Everything of the request signed, and a time.
fn whole() -> Value {
    json!({
        "kind": "template", "host": "api.example.com", "path": "/v1/{thing}", "methods": ["GET", "POST"],
        "query": ["a"], "headers": ["x-a"], "body": ["n"], "alg": "hs256",
        "sign": "{method} {host} {path} {query} {body} {header:x-a} {header:content-type} {timestamp}",
        "signature": "hex", "add": {"headers": {"x-time": "{timestamp}", "x-sig": "{signature}"}}, "window_s": 30,
    })
}

/// One method, a fixed path, and nothing else to send.
fn bare() -> Value {
    json!({
        "kind": "template", "host": "api.example.com", "path": "/v1/balance", "methods": ["GET"], "alg": "hs256",
        "sign": "{timestamp}", "signature": "hex",
        "add": {"headers": {"x-time": "{timestamp}", "x-sig": "{signature}"}}, "window_s": 30,
        "uncovered": ["host", "method", "path", "query", "body"],
    })
}

fn read(route: &Value) -> Result<TemplateRoute, Error> {
    let text = json!({"v": 1, "resources": {"things": [route]}}).to_string();
    let catalog = Catalog::parse(text.as_bytes())?;
    let encoded = cbor::encode(&catalog).unwrap();
    let again: Catalog = cbor::decode(&encoded, encoded.len()).unwrap();
    assert_eq!(again, catalog, "as it was written");
    match catalog
        .resources
        .into_values()
        .next()
        .unwrap()
        .routes
        .remove(0)
    {
        Route::Template(route) => Ok(*route),
        other @ (Route::Http(_)
        | Route::Jwt(_)
        | Route::Aws(_)
        | Route::Ssh(_)
        | Route::X402(_)
        | Route::Solana(_)
        | Route::Evm(_)) => panic!("{other:?}"),
    }
}

fn with(mut route: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let members = route.pointer_mut(parent).unwrap();
        if value.is_null() {
            members.as_object_mut().unwrap().remove(name);
        } else {
            members[name] = value.clone();
        }
    }
    route
}

#[track_caller]
fn refused(route: &Value, place: &str) {
    let told = read(route).unwrap_err();
    assert_eq!(
        told.pointer(),
        format!("/resources/things/0{place}"),
        "{told}: {route}"
    );
}

#[test]
fn what_is_written_is_what_is_read() {
    let route = read(&with(
        whole(),
        &[(
            "/sign",
            json!([
                "{method} {host} {target} {header:x-a} {header:content-type}",
                {"sha256": "{timestamp}{body}"},
                {"sha512": "{body}", "as": "base64"},
            ]),
        )],
    ))
    .unwrap();
    let parts = route.sign.iter().map(|part| match part {
        Part::Text(text) => (None, text.to_string()),
        Part::Hash(hash, spelling, text) => (Some((*hash, *spelling)), text.to_string()),
    });
    let parts: Vec<_> = parts.collect();
    assert_eq!(
        parts[1],
        (
            Some((Hash::Sha256, Spelling::Raw)),
            "{timestamp}{body}".to_owned()
        )
    );
    assert_eq!(parts[2].0, Some((Hash::Sha512, Spelling::Base64)));
    assert_eq!((route.signature, route.window_s), (Encoding::Hex, 30));
    assert!(route.signed_slots().any(|slot| *slot == Slot::Target));
    assert!(!route.is_bound() && route.uncovered.is_empty());
    let route = read(&bare()).unwrap();
    assert_eq!(route.uncovered.len(), 5);
    assert!(!route.uncovered.contains(&Uncovered::ContentType));
}

#[test]
fn every_member_is_needed_and_no_other_is_taken() {
    for name in [
        "alg",
        "sign",
        "signature",
        "add",
        "window_s",
        "host",
        "path",
    ] {
        refused(
            &with(whole(), &[(&format!("/{name}"), Value::Null)]),
            &format!("/{name}"),
        );
    }
    refused(&with(whole(), &[("/more", json!(1))]), "/more");
    refused(&with(whole(), &[("/add/more", json!({}))]), "/add/more");
    for (place, bad) in [
        ("/alg", json!("ps512")),
        ("/alg", json!("sigv4")),
        ("/signature", json!("der")),
        ("/window_s", json!(0)),
        ("/window_s", json!(301)),
        ("/window_s", json!("30")),
        ("/sign", json!(1)),
        ("/sign", json!([])),
        ("/sign", json!("")),
        ("/sign", json!("{nothing}")),
        ("/sign", json!("{signature}")),
        ("/sign", json!("{header:x-b}")),
        ("/add", json!([])),
        ("/key_id", json!("a b")),
        ("/protected", json!({"kid": "{key_id}"})),
        ("/uncovered", json!({})),
    ] {
        refused(&with(whole(), &[(place, bad)]), place);
    }
    refused(
        &with(whole(), &[("/uncovered", json!(["scheme"]))]),
        "/uncovered/0",
    );
    refused(
        &with(bare(), &[("/uncovered", json!(["host", "host"]))]),
        "/uncovered/1",
    );
    read(&with(whole(), &[("/window_s", json!(1))])).unwrap();
    read(&with(whole(), &[("/window_s", json!(300))])).unwrap();
    for bad in [
        json!([{"sha256": "a", "sha512": "a"}]),
        json!([{}]),
        json!([{"md5": "a"}]),
    ] {
        read(&with(whole(), &[("/sign", bad)])).unwrap_err();
    }
}

/// Each part left out of what is signed, in a route that does not fix it: stated or not, it is refused.
#[test]
fn what_a_route_does_not_fix_is_signed() {
    for (slot, word) in [
        ("{method} ", "method"),
        ("{path} ", "path"),
        ("{query} ", "query"),
        ("{body} ", "body"),
        ("{header:x-a} ", "x-a"),
    ] {
        let sign = whole()["sign"].as_str().unwrap().replace(slot, "");
        refused(&with(whole(), &[("/sign", json!(sign))]), "/sign");
        if word != "x-a" {
            let stated = [("/sign", json!(sign)), ("/uncovered", json!([word]))];
            refused(&with(whole(), &stated), "/sign");
        }
    }
    // What any caller may bring cannot be in it.
    refused(&with(whole(), &[("/headers", json!("any"))]), "/sign");
    // Of bytes that nothing is read from, the type is signed too.
    let sign = whole()["sign"]
        .as_str()
        .unwrap()
        .replace("{header:content-type} ", "");
    let opaque = [
        ("/sign", json!(sign)),
        ("/body", json!("opaque")),
        ("/uncovered", json!(["content-type"])),
    ];
    refused(&with(whole(), &opaque), "/sign");
    read(&with(whole(), &[("/body", json!("opaque"))])).unwrap();
}

/// What a route does fix may go unsigned, but never unsaid, and nothing is said to be unsigned that is not.
#[test]
fn what_goes_unsigned_is_stated() {
    for part in ["host", "method", "path", "query", "body"] {
        let rest: Vec<_> = ["host", "method", "path", "query", "body"]
            .into_iter()
            .filter(|other| *other != part)
            .collect();
        refused(&with(bare(), &[("/uncovered", json!(rest))]), "/sign");
        let sign = format!("{{{part}}} {{timestamp}}");
        refused(&with(bare(), &[("/sign", json!(sign))]), "/sign");
        read(&with(
            bare(),
            &[("/sign", json!(sign)), ("/uncovered", json!(rest))],
        ))
        .unwrap();
    }
    refused(
        &with(
            bare(),
            &[(
                "/uncovered",
                json!(["host", "method", "path", "query", "body", "content-type"]),
            )],
        ),
        "/sign",
    );
    let sign = whole()["sign"]
        .as_str()
        .unwrap()
        .replace("{header:content-type} ", "");
    refused(&with(whole(), &[("/sign", json!(sign))]), "/sign");
    read(&with(
        whole(),
        &[
            ("/sign", json!(sign)),
            ("/uncovered", json!(["content-type"])),
        ],
    ))
    .unwrap();
    // Two methods, a parameter, a query or a body: no longer fixed.
    for change in [
        ("/methods", json!(["GET", "HEAD"])),
        ("/path", json!("/v1/{id}")),
        ("/query", json!(["a"])),
        ("/body", json!(["a"])),
    ] {
        refused(&with(bare(), &[change]), "/sign");
    }
}

#[test]
fn a_time_or_nonce_is_signed_and_sent() {
    refused(
        &with(whole(), &[("/add/headers/x-time", Value::Null)]),
        "/add",
    );
    refused(
        &with(whole(), &[("/add/headers/x-n", json!("{nonce_hex}"))]),
        "/sign",
    );
    refused(
        &with(whole(), &[("/add/headers/x-n", json!("{idempotency_key}"))]),
        "/sign",
    );
    let sign = whole()["sign"]
        .as_str()
        .unwrap()
        .replace("{timestamp}", "x");
    let timeless = [("/sign", json!(sign)), ("/add/headers/x-time", Value::Null)];
    refused(&with(whole(), &timeless), "/sign");
    // Undated, it is at least single use.
    refused(
        &with(with(whole(), &timeless), &[("/undated", json!(true))]),
        "/sign",
    );
    let sign = format!("{sign} {{nonce_hex}}");
    let undated = [
        ("/sign", json!(sign)),
        ("/add/headers/x-time", json!("{nonce_hex}")),
        ("/undated", json!(true)),
    ];
    read(&with(whole(), &undated)).unwrap();
    refused(&with(whole(), &[("/undated", json!(true))]), "/sign");
}

#[test]
fn a_signature_stands_once() {
    for add in [
        json!({"headers": {"x-time": "{timestamp}"}}),
        json!({"headers": {"x-time": "{timestamp}", "x-s": "{signature}", "x-t": "{signature}"}}),
        json!({"headers": {"x-time": "{timestamp}", "x-s": "{signature}"}, "query": {"s": "{signature}"}}),
        json!({}),
    ] {
        refused(&with(whole(), &[("/add", add)]), "/add");
    }
    let add = json!({"headers": {"x-time": "{timestamp}"}, "query": {"s": "{signature}"}});
    read(&with(whole(), &[("/add", add)])).unwrap();
}

#[test]
fn what_the_enclave_writes_no_caller_brings() {
    for name in [
        "x-a",
        "host",
        "content-type",
        "content-length",
        "connection",
        "X-B",
        "x b",
        "x-http-method-override",
    ] {
        let place = format!("/add/headers/{name}");
        refused(&with(whole(), &[(&place, json!("1"))]), &place);
    }
    for name in ["authorization", "signature", "digest"] {
        read(&with(
            whole(),
            &[(&format!("/add/headers/{name}"), json!("1"))],
        ))
        .unwrap();
    }
    for bad in [
        "{body}",
        "{path}",
        "{header:x-a}",
        " a",
        "a ",
        "a{newline}b",
    ] {
        refused(
            &with(whole(), &[("/add/headers/x-b", json!(bad))]),
            "/add/headers/x-b",
        );
    }
    for name in ["a", "a b", "a%20b", ""] {
        let place = format!("/add/query/{name}");
        let add = json!({name: "1"});
        refused(&with(whole(), &[("/add/query", add)]), &place);
    }
    let insert = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    for part in ["query", "body"] {
        let place = format!("/insert/{part}");
        let insert = |list: Value| with(whole(), &[("/insert", json!({part: list}))]);
        read(&insert(
            json!([{"name": "t", "value": "{timestamp}", "first": true}]),
        ))
        .unwrap();
        refused(
            &insert(json!([{"name": "t", "value": "{timestamp_iso}"}])),
            &format!("{place}/0/value"),
        );
        refused(
            &insert(json!([{"name": "t", "value": "a&b"}])),
            &format!("{place}/0/value"),
        );
        refused(
            &insert(json!([{"name": "t", "value": "{key_id}"}])),
            &format!("{place}/0/value"),
        );
        refused(
            &insert(json!([{"name": "t", "value": "{idempotency_key}"}])),
            &format!("{place}/0/value"),
        );
        let own = if part == "query" { "a" } else { "n" };
        refused(
            &insert(json!([{"name": own, "value": "1"}])),
            &format!("{place}/0/name"),
        );
        refused(
            &insert(json!([{"name": "t", "value": "1"}, {"name": "t", "value": "2"}])),
            &format!("{place}/1/name"),
        );
        refused(&insert(json!([])), &place);
        let open = [
            ("/insert", json!({part: [{"name": "t", "value": "1"}]})),
            (&*format!("/{part}"), json!("any")),
            ("/media", json!("form")),
        ];
        refused(&with(whole(), &open), &place);
    }
    // Into JSON nothing is written, and what is inserted is not appended again.
    let json = [
        ("/insert", json!({"body": insert("t", "1")})),
        ("/body", json!(["/n"])),
    ];
    refused(&with(whole(), &json), "/insert/body");
    let twice = [
        ("/insert", json!({"query": insert("t", "1")})),
        ("/add/query", json!({"t": "1"})),
    ];
    refused(&with(whole(), &twice), "/add/query/t");
    // An inserted member of a query that is not signed is not signed either.
    let unsigned = [("/insert", json!({"query": insert("t", "1")}))];
    refused(&with(bare(), &unsigned), "/sign");
}

#[test]
fn no_byte_passes_from_one_part_to_the_next() {
    for (from, to) in [
        ("{path} {query}", "{path}{query}"),
        ("{body} {header:x-a}", "{body}{header:x-a}"),
        (
            "{header:x-a} {header:content-type}",
            "{header:x-a}{header:content-type}",
        ),
        ("{query} {body}", "{header:x-a}{body}"),
    ] {
        let sign = whole()["sign"].as_str().unwrap().replace(from, to);
        refused(&with(whole(), &[("/sign", json!(sign))]), "/sign");
    }
    let sign = whole()["sign"]
        .as_str()
        .unwrap()
        .replace("{query} {body}", "{query}{body}");
    read(&with(whole(), &[("/sign", json!(sign))])).unwrap();
    refused(
        &with(
            whole(),
            &[("/sign", json!(sign)), ("/body", json!("opaque"))],
        ),
        "/sign",
    );
    let parts = json!([
        "{method} {host} {header:x-a} {header:content-type} {timestamp} {path}",
        "{query} {body}"
    ]);
    refused(&with(whole(), &[("/sign", parts)]), "/sign");
    let parts = json!(["{method} {host} {header:x-a} {header:content-type} {timestamp} {path}", {"sha256": "{query} {body}"}]);
    read(&with(whole(), &[("/sign", parts)])).unwrap();
}

#[test]
fn what_is_charged_is_single_use_or_said_not_to_be() {
    let charge = (
        "/charge",
        json!([{"unit": "cent", "from": "form", "field": "n"}]),
    );
    refused(&with(whole(), std::slice::from_ref(&charge)), "/charge");
    read(&with(
        whole(),
        &[charge.clone(), ("/replayable", json!(true))],
    ))
    .unwrap();
    refused(
        &with(whole(), &[charge.clone(), ("/single_use", json!(true))]),
        "/single_use",
    );
    let sign = whole()["sign"]
        .as_str()
        .unwrap()
        .replace("{timestamp}", "{nonce_ms}");
    let nonce = [
        ("/sign", json!(sign)),
        ("/add/headers/x-time", json!("{nonce_ms}")),
    ];
    let once = with(
        with(whole(), &nonce),
        &[("/single_use", json!(true)), charge.clone()],
    );
    read(&once).unwrap();
    refused(&with(once, &[("/replayable", json!(true))]), "/replayable");
    refused(
        &with(with(whole(), &nonce), std::slice::from_ref(&charge)),
        "/charge",
    );
    let sign = format!("{} {{idempotency_key}}", whole()["sign"].as_str().unwrap());
    let bound = [
        ("/sign", json!(sign)),
        ("/add/headers/idempotency-key", json!("{idempotency_key}")),
        charge,
    ];
    assert!(read(&with(whole(), &bound)).unwrap().is_bound());
}

#[test]
fn a_protected_header_is_of_a_jws_and_changes_nothing_that_is_signed() {
    let jws = |protected: Value| {
        with(
            whole(),
            &[("/signature", json!("jws")), ("/protected", protected)],
        )
    };
    let route = read(&jws(json!({"b": "{key_id}", "a": "x"}))).unwrap();
    assert_eq!(route.protected.len(), 2);
    for name in ["alg", "crit", "b64", ""] {
        refused(&jws(json!({name: "x"})), &format!("/protected/{name}"));
    }
    refused(&jws(json!({"a": "{body}"})), "/protected/a");
    read(&with(
        whole(),
        &[("/alg", json!("ed25519")), ("/key_id", json!("k"))],
    ))
    .unwrap();
    for bad in ["", "a b", &"x".repeat(129)] {
        refused(
            &with(
                whole(),
                &[("/alg", json!("ed25519")), ("/key_id", json!(bad))],
            ),
            "/key_id",
        );
    }
}

#[test]
fn two_routes_never_match_the_same_call() {
    let text = json!({"v": 1, "resources": {"things": [whole(), whole()]}}).to_string();
    let told = Catalog::parse(text.as_bytes()).unwrap_err();
    assert_eq!(told.pointer(), "/resources/things/1");
}
