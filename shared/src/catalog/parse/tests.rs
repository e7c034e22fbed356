//! Every rule of a catalog, on both sides.

use super::*;
use crate::{
    amount::Amount,
    catalog::{BodyRule, Extractor, HttpRoute, Media, Members, Segment, Source},
    effect::Verb,
    id::Unit,
    sample::{self, catalog as base, with},
};
use serde_json::{Value, json};

pub(super) fn parse(document: &Value) -> Result<Catalog, Error> {
    Catalog::parse(&sample::bytes(document))
}

/// A catalog with one name and one route: GET on a path, changed by these members.
fn one(members: Value) -> Value {
    let mut route = json!({"kind": "http", "host": "api.example.com", "path": "/a"});
    for (name, value) in members.as_object().unwrap() {
        route = with(route, &format!("/{name}"), value.clone());
    }
    json!({"v": 1, "resources": {"r": [route]}})
}

#[track_caller]
pub(super) fn route(members: Value) -> HttpRoute {
    let catalog = parse(&one(members)).unwrap();
    match &catalog.resources[&ResourceName::parse("r").unwrap()].routes[0] {
        Route::Http(route) => route.clone(),
        Route::Jwt(_)
        | Route::Aws(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Evm(_)
        | Route::Template(_)
        | Route::Solana(_) => {
            panic!("another kind")
        }
    }
}

#[track_caller]
pub(super) fn refused(members: Value, at: &str, code: &str) {
    let error = parse(&one(members)).unwrap_err();
    let at = format!("/resources/r/0{at}");
    assert_eq!(
        (error.pointer(), error.code()),
        (at.as_str(), code),
        "{error}"
    );
}

#[track_caller]
pub(super) fn invalid(members: Value, at: &str) {
    refused(members, at, Error::INVALID);
}

fn listed(names: &[&str]) -> Members {
    Members::Listed(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn the_catalog_of_the_design_is_read_in_full() {
    let catalog = parse(&base()).unwrap();
    let routes = |name: &str| &catalog.resources[&ResourceName::parse(name).unwrap()].routes[..];
    let [Route::Http(orders)] = routes("order_history") else {
        panic!()
    };
    assert_eq!(
        (orders.host.as_str(), orders.port),
        ("api.example.com", 443)
    );
    let literal = |text: &str| Segment::Literal(text.to_owned());
    assert_eq!(
        orders.path,
        [
            literal("v1"),
            literal("orders"),
            Segment::Parameter("id".to_owned())
        ]
    );
    assert_eq!(orders.template, "/v1/orders/{id}");
    assert_eq!(orders.methods, ["GET", "HEAD"]);
    assert_eq!(
        (&orders.query, &orders.headers),
        (&listed(&["expand"]), &listed(&[]))
    );
    assert!(orders.probe && !orders.mints && !orders.replayable && orders.body.is_none());
    let [Route::Http(invoices)] = routes("invoices") else {
        panic!()
    };
    let members = listed(&["amount", "currency", "customer"]);
    assert_eq!(
        invoices.body,
        Some(BodyRule {
            media: Media::Form,
            members
        })
    );
    let [Route::Http(charges)] = routes("charges") else {
        panic!()
    };
    let extractor = Extractor {
        unit: Unit::parse("usd-cents").unwrap(),
        from: Source::Json("/amount".to_owned()),
        require: BTreeMap::from([("/currency".to_owned(), "usd".to_owned())]),
        per: None,
        times: None,
    };
    assert_eq!(charges.charge, [extractor]);
    assert_eq!(charges.body.as_ref().unwrap().media, Media::Json);
    let [Route::Jwt(token)] = routes("tokens") else {
        panic!()
    };
    assert!(token.mints && !token.probe);
    assert_eq!(token.audience, "https://idp.example.com/token");
}

#[test]
fn what_is_not_built_or_not_known_is_refused() {
    let at = |document: &Value| {
        let error = parse(document).unwrap_err();
        (error.pointer().to_owned(), error.code())
    };
    refused(json!({"kind": "teapot"}), "/kind", Error::UNSUPPORTED);
    refused(json!({"hosts": []}), "/hosts", Error::MALFORMED);
    refused(json!({"audience": "a"}), "/audience", Error::MALFORMED);
    assert_eq!(at(&with(base(), "/v", json!(2))).1, Error::UNSUPPORTED);
    assert_eq!(at(&with(base(), "/more", json!(2))).1, Error::MALFORMED);
    let name = json!({"v": 1, "resources": {"a b": []}});
    assert_eq!(at(&name), ("/resources/a b".to_owned(), Error::INVALID));
}

#[test]
fn a_name_is_live_unless_it_says_sandbox() {
    let routes = base()["resources"]["charges"].clone();
    let document = |env: &str| {
        with(
            base(),
            "/resources/charges",
            json!({"env": env, "routes": routes}),
        )
    };
    let env = |document: &Value| {
        parse(document).unwrap().resources[&ResourceName::parse("charges").unwrap()].env
    };
    assert_eq!(env(&base()), Env::Live);
    assert_eq!(env(&document("live")), Env::Live);
    assert_eq!(env(&document("sandbox")), Env::Sandbox);
    parse(&document("test")).unwrap_err();
    parse(&with(
        document("live"),
        "/resources/charges/routes",
        json!([]),
    ))
    .unwrap_err();
}

#[test]
fn numbers_of_names_routes_and_bytes_are_limited_on_both_sides() {
    let names = |n: usize| {
        let token = base()["resources"]["tokens"].clone();
        let all: serde_json::Map<_, _> = (0..n).map(|i| (format!("r{i}"), token.clone())).collect();
        let mut text = json!({"v": 1, "resources": all}).to_string();
        // The limit in bytes is met first; only names and routes are counted here.
        text = text
            .replace("https://idp.example.com/token", "a")
            .replace("client-7", "c");
        Catalog::parse(text.as_bytes())
    };
    names(4096).unwrap();
    assert_eq!(names(4097).unwrap_err().pointer(), "/resources");
    let routes = |n: usize| {
        let all: Vec<Value> = (0..n)
            .map(|i| json!({"kind": "http", "host": "a.example", "path": format!("/{i}")}))
            .collect();
        parse(&json!({"v": 1, "resources": {"r": all}}))
    };
    routes(MAX_ROUTES).unwrap();
    assert_eq!(
        routes(MAX_ROUTES + 1).unwrap_err().pointer(),
        "/resources/r"
    );
    let mut bytes = sample::bytes(&base());
    bytes.resize(MAX_BYTES, b' ');
    Catalog::parse(&bytes).unwrap();
    bytes.push(b' ');
    Catalog::parse(&bytes).unwrap_err();
}

#[test]
fn a_directory_has_a_host_and_nothing_that_a_caller_could_say() {
    let document = |members: Value| {
        let mut way = json!({"kind": "http", "directory": true, "host": "agents.example.com"});
        for (name, value) in members.as_object().unwrap() {
            way = with(way, &format!("/{name}"), value.clone());
        }
        parse(&json!({"v": 1, "resources": {"r": [way]}}))
    };
    let read = |members: Value| {
        let catalog = document(members).unwrap();
        let Route::Http(route) = &catalog.resources[&ResourceName::parse("r").unwrap()].routes[0]
        else {
            panic!("another")
        };
        route.clone()
    };
    let plain = read(json!({}));
    assert!(plain.directory && plain.methods == ["GET"] && plain.body.is_none());
    assert_eq!(plain.template, crate::catalog::DIRECTORY);
    let parts = |route: &HttpRoute| {
        let literal = |part: &Segment| match part {
            Segment::Literal(text) => text.clone(),
            Segment::Parameter(_) => panic!("a parameter"),
        };
        route.path.iter().map(literal).collect::<Vec<_>>()
    };
    assert_eq!(
        parts(&plain),
        [".well-known", "http-message-signatures-directory"]
    );
    assert_eq!((plain.verb, plain.port), (Some(Verb::Write), 443));
    assert_eq!(read(json!({"verb": "read", "port": 8443})).port, 8443);
    for more in [
        "path",
        "methods",
        "query",
        "headers",
        "body",
        "media",
        "charge",
        "replayable",
        "probe",
        "mints",
    ] {
        let value = match more {
            "path" | "media" => json!("/a"),
            "replayable" | "probe" | "mints" => json!(true),
            _ => json!(["a"]),
        };
        let error = document(json!({ more: value })).unwrap_err();
        assert_eq!(error.pointer(), format!("/resources/r/0/{more}"), "{error}");
    }
    assert!(!route(json!({})).directory && !route(json!({"directory": false})).directory);
    refused(json!({"directory": 1}), "/directory", Error::MALFORMED);
}

#[test]
fn a_host_is_exact_and_a_port_is_one() {
    for bad in [
        "API.example.com",
        "api.example.com:443",
        "*.example.com",
        "a.",
        "",
        "[::1]",
    ] {
        invalid(json!({"host": bad}), "/host");
    }
    assert_eq!(route(json!({"port": 1})).port, 1);
    assert_eq!(route(json!({"port": 65535})).port, 65535);
    invalid(json!({"port": 0}), "/port");
    invalid(json!({"port": 65536}), "/port");
}

#[test]
fn a_path_is_in_normal_form_with_whole_parameters() {
    for (good, segments) in [
        ("/", 0),
        ("/a", 1),
        ("/{id}", 1),
        ("/a/{b}/{c-d_1}", 3),
        ("/a%20b", 1),
    ] {
        assert_eq!(route(json!({"path": good})).path.len(), segments, "{good}");
    }
    for bad in [
        "", "a", "//", "/a/", "/a//b", "/.", "/a/../b", "/%2e", "/%2F", "/a;b", "/{}", "/{a",
        "/a}", "/x{a}", "/{a}x", "/{a}{b}", "/{a}/{a}", "/{a b}", "/a?b", "/a#b", "/a\\b", "/ü",
        "/{a}/",
    ] {
        invalid(json!({"path": bad}), "/path");
    }
    let long = |n: usize| format!("/{}", "a".repeat(n - 1));
    route(json!({"path": long(http::MAX_TEMPLATE)}));
    invalid(json!({"path": long(http::MAX_TEMPLATE + 1)}), "/path");
}

#[test]
fn methods_follow_the_body_unless_stated() {
    assert_eq!(route(json!({})).methods, ["GET", "HEAD"]);
    assert_eq!(route(json!({"body": ["a"]})).methods, ["POST"]);
    assert_eq!(
        route(json!({"methods": ["PUT", "PATCH"]})).methods,
        ["PUT", "PATCH"]
    );
    invalid(json!({"methods": []}), "/methods");
    for bad in ["get", "TRACE", "CONNECT", "", "G T"] {
        invalid(json!({"methods": [bad]}), "/methods/0");
    }
    invalid(json!({"methods": ["GET", "GET"]}), "/methods/1");
    assert_eq!(route(json!({"verb": "delete"})).verb, Some(Verb::Delete));
    invalid(json!({"verb": "admin"}), "/verb");
}

#[test]
fn query_and_headers_are_lists_of_names_or_any() {
    assert_eq!(route(json!({"query": "any"})).query, Members::Any);
    assert_eq!(route(json!({"headers": "any"})).headers, Members::Any);
    assert_eq!(
        route(json!({"query": ["expand[]", "b"]})).query,
        listed(&["expand[]", "b"])
    );
    invalid(json!({"query": "all"}), "/query");
    for bad in ["", "a/b", "a%b", "a;b", "a\n"] {
        invalid(json!({"query": [bad]}), "/query/0");
    }
    invalid(json!({"query": ["a", "a"]}), "/query/1");
    assert_eq!(route(json!({"headers": ["x-a"]})).headers, listed(&["x-a"]));
    for bad in [
        "X-A",
        "host",
        "signature",
        "connection",
        "content-digest",
        "x-original-url",
        "",
        "a b",
    ] {
        invalid(json!({"headers": [bad]}), "/headers/0");
    }
}

#[test]
fn a_body_has_one_media_type() {
    let media = |members: Value| route(members).body.unwrap().media;
    assert_eq!(media(json!({"body": ["a"]})), Media::Form);
    assert_eq!(media(json!({"body": ["/a"]})), Media::Json);
    assert_eq!(media(json!({"body": "any", "media": "json"})), Media::Json);
    assert_eq!(media(json!({"body": "any", "media": "form"})), Media::Form);
    assert_eq!(media(json!({"body": [], "media": "json"})), Media::Json);
    assert_eq!(media(json!({"body": "opaque"})), Media::Opaque);
    let opaque = route(json!({"body": "any", "media": "opaque"}))
        .body
        .unwrap();
    assert_eq!(opaque.members, listed(&[]));
    for bad in [
        json!({"body": "any"}),
        json!({"body": []}),
        json!({"body": ["a", "/b"]}),
        json!({"body": ["a"], "media": "json"}),
        json!({"body": ["/a"], "media": "form"}),
        json!({"body": ["a"], "media": "opaque"}),
        json!({"body": "opaque", "media": "json"}),
    ] {
        invalid(bad, "/body");
    }
    invalid(json!({"body": ["/a~2"]}), "/body/0");
    invalid(json!({"media": "json"}), "/media");
    invalid(json!({"body": "any", "media": "xml"}), "/media");
}

fn charge(from: Value) -> Value {
    let mut extractor = json!({"unit": "usd-cents"});
    for (name, value) in from.as_object().unwrap() {
        extractor = with(extractor, &format!("/{name}"), value.clone());
    }
    json!([extractor])
}

#[test]
fn every_source_of_an_amount_is_read() {
    let from = |members: Value| route(members).charge[0].from.clone();
    let field = "amount".to_owned();
    let form = charge(json!({"from": "form", "field": "amount"}));
    assert_eq!(
        from(json!({"body": ["amount"], "charge": form})),
        Source::Form(field.clone())
    );
    let query = charge(json!({"from": "query", "field": "amount"}));
    assert_eq!(
        from(json!({"query": ["amount"], "charge": query})),
        Source::Query(field.clone())
    );
    let header = charge(json!({"from": "header", "field": "amount"}));
    assert_eq!(
        from(json!({"headers": ["amount"], "charge": header})),
        Source::Header(field)
    );
    let price = charge(json!({"from": "const", "amount": "5"}));
    assert_eq!(from(json!({"charge": price})), Source::Const(Amount(5)));
    let len = charge(json!({"from": "len"}));
    assert_eq!(from(json!({"body": "opaque", "charge": len})), Source::Len);
}

#[test]
fn a_charged_field_is_listed_exactly_where_it_is_read() {
    for (from, members, at) in [
        ("form", json!({"body": ["total"]}), "/charge/0/field"),
        (
            "json",
            json!({"body": ["/amount/value"]}),
            "/charge/0/field",
        ),
        ("query", json!({"query": "any"}), "/charge/0/field"),
        ("header", json!({"headers": "any"}), "/charge/0/field"),
        ("query", json!({"headers": ["amount"]}), "/charge/0/field"),
        ("form", json!({}), "/charge/0/field"),
        ("json", json!({"body": ["amount"]}), "/body"),
        ("json", json!({"body": "opaque"}), "/body"),
        ("form", json!({"body": "opaque"}), "/body"),
        ("form", json!({"body": "any"}), "/body"),
        ("form", json!({"body": "any", "media": "form"}), "/body"),
    ] {
        let field = if from == "json" { "/amount" } else { "amount" };
        let charge = charge(json!({"from": from, "field": field}));
        invalid(with(members, "/charge", charge), at);
    }
}

#[test]
fn no_open_list_stands_in_a_body_that_is_charged_for() {
    let price = charge(json!({"from": "const", "amount": "5"}));
    invalid(
        json!({"body": "any", "media": "json", "charge": price}),
        "/body",
    );
    route(json!({"body": "opaque", "charge": price}));
}

#[test]
fn an_extractor_is_complete_and_says_no_more_than_it_reads() {
    let fine = json!({"from": "form", "field": "a", "require": {"b": "usd"}});
    let with_body = |charge: Value| json!({"body": ["a", "b"], "charge": charge});
    route(with_body(charge(fine.clone())));
    let changed =
        |pointer: &str, value: Value| with_body(charge(with(fine.clone(), pointer, value)));
    invalid(changed("/unit", json!("call")), "/charge/0/unit");
    invalid(changed("/from", json!("body")), "/charge/0/from");
    invalid(
        changed("/require", json!({"c": "usd"})),
        "/charge/0/require/c",
    );
    refused(
        changed("/require", json!({"b": 1})),
        "/charge/0/require/b",
        Error::MALFORMED,
    );
    refused(
        changed("/amount", json!("1")),
        "/charge/0/amount",
        Error::MALFORMED,
    );
    refused(
        changed("/field", Value::Null),
        "/charge/0/field",
        Error::MALFORMED,
    );
    invalid(with_body(json!([])), "/charge");
    let mut twice = charge(fine.clone());
    let first = twice[0].clone();
    twice.as_array_mut().unwrap().push(first);
    invalid(with_body(twice), "/charge/1");
    for bad in [
        json!({"from": "const", "amount": "0"}),
        json!({"from": "const", "amount": "-1"}),
    ] {
        invalid(json!({"charge": charge(bad)}), "/charge/0/amount");
    }
    let priced = json!({"from": "const", "amount": "1", "require": {"a": "b"}});
    invalid(with_body(charge(priced)), "/charge/0/require/a");
    invalid(
        json!({"charge": charge(json!({"from": "len"}))}),
        "/charge/0/from",
    );
}

#[test]
fn no_two_routes_of_a_name_match_the_same_calls() {
    let routes = |second: Value| {
        let first = json!({"kind": "http", "host": "a.example", "path": "/a/{id}", "methods": ["GET", "PUT"]});
        parse(&json!({"v": 1, "resources": {"r": [first, second]}}))
    };
    let second = |path: &str, method: &str| json!({"kind": "http", "host": "a.example", "path": path, "methods": [method]});
    for bad in [second("/a/{id}", "GET"), second("/a/{other}", "PUT")] {
        assert_eq!(routes(bad).unwrap_err().pointer(), "/resources/r/1");
    }
    for good in [
        second("/a/{id}", "POST"),
        second("/a/x", "GET"),
        second("/a", "GET"),
        with(second("/a/{id}", "GET"), "/host", json!("b.example")),
        with(second("/a/{id}", "GET"), "/port", json!(8443)),
    ] {
        routes(good).unwrap();
    }
    let token = base()["resources"]["tokens"][0].clone();
    parse(&with(base(), "/resources/tokens", json!([token, token]))).unwrap_err();
}

#[test]
fn a_catalog_that_was_stored_before_identities_reads_back_the_same() {
    use crate::codec::cbor;
    let catalog = parse(&base()).unwrap();
    let bytes = cbor::encode(&catalog).unwrap();
    assert!(
        !bytes.windows(6).any(|six| six == b"enonce"),
        "absent means absent"
    );
    assert_eq!(cbor::decode::<Catalog>(&bytes, MAX_BYTES), Ok(catalog));
}
