//! Prices by what a call names: what is charged, what is denied and where, on both sides of every limit.

use super::*;
use crate::fixture::{get, grant, post};
use claviger_shared::effect::Charge;
use serde_json::{Value, json};

/// A route for chats: what goes in is estimated by its bytes, what comes out is bounded by `max_tokens`.
fn chat() -> Value {
    let by_model = |large: &str, small: &str| json!({"field": "/model", "table": {"large": large, "small": small}, "version": "2026-11-01"});
    json!({
        "kind": "http", "host": "api.example.com", "path": "/v1/chat", "body": ["/messages", "/model", "/max_tokens"],
        "charge": [
            {"unit": "usd-micros", "from": "len", "per": "4", "prices": by_model("3", "1")},
            {"unit": "usd-micros", "from": "json", "field": "/max_tokens", "prices": by_model("15", "2")},
        ],
    })
}

fn parse(route: &Value, input: &HttpInput) -> Result<HttpCall, Denial> {
    let text = json!({"v": 1, "resources": {"a": [route]}}).to_string();
    let catalog = Catalog::parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {text}"));
    HttpCall::parse(input, None, &catalog, &grant(&["a"], &["a"], &["a"]))
}

#[track_caller]
fn charged(route: &Value, input: &HttpInput) -> Vec<u128> {
    let call = parse(route, input).unwrap();
    let charges: &[Charge] = &call.effects().first.charges;
    charges.iter().map(|charge| charge.amount.0).collect()
}

#[track_caller]
fn denied(route: &Value, input: &HttpInput, code: Code, at: &str) {
    let denial = parse(route, input).unwrap_err();
    assert_eq!((denial.code, denial.param.as_deref()), (code, Some(at)));
}

fn ask(body: &str) -> HttpInput {
    let url = "https://api.example.com/v1/chat";
    post(url, "application/json", body.as_bytes())
}

#[test]
fn a_chat_costs_what_goes_in_and_the_most_that_comes_out() {
    for (body, wanted) in [
        // 54 bytes are 14 parts of 4.
        (
            r#"{"model":"large","max_tokens":100,"messages":["0123"]}"#,
            [14 * 3, 100 * 15],
        ),
        (
            r#"{"model":"small","max_tokens":100,"messages":["0123"]}"#,
            [14, 100 * 2],
        ),
        (
            r#"{"model":"small","max_tokens":"7","messages":["012"]}"#,
            [14, 14],
        ),
        (
            r#"{"model":"small","max_tokens":7,"messages":["012"]}"#,
            [13, 14],
        ),
        (
            r#"{"model":"small","max_tokens":0,"messages":["012"]}"#,
            [13, 0],
        ),
        // The same text, spelt otherwise.
        (r#"{"model":"sm\u0061ll","max_tokens":9}"#, [10, 18]),
    ] {
        assert_eq!(charged(&chat(), &ask(body)), wanted, "{body}");
    }
}

#[test]
fn what_has_no_price_is_denied_where_it_stands() {
    let (content, permission) = (Code::UnparsableContent, Code::PermissionDenied);
    for (body, code, at) in [
        (
            r#"{"model":"huge","max_tokens":1}"#,
            permission,
            "/body/model",
        ),
        (
            r#"{"model":"Large","max_tokens":1}"#,
            permission,
            "/body/model",
        ),
        (
            r#"{"model":"large ","max_tokens":1}"#,
            permission,
            "/body/model",
        ),
        (r#"{"model":"","max_tokens":1}"#, permission, "/body/model"),
        (
            r#"{"model":"l\u0430rge","max_tokens":1}"#,
            permission,
            "/body/model",
        ),
        (r#"{"max_tokens":1}"#, content, "/body/model"),
        (r#"{"model":null,"max_tokens":1}"#, content, "/body/model"),
        (
            r#"{"model":["large"],"max_tokens":1}"#,
            content,
            "/body/model",
        ),
        (
            r#"{"model":{"large":1},"max_tokens":1}"#,
            content,
            "/body/model",
        ),
        (r#"{"model":true,"max_tokens":1}"#, content, "/body/model"),
        (r#"{"model":1,"max_tokens":1}"#, content, "/body/model"),
        (
            r#"{"model":"small","model":"large","max_tokens":1}"#,
            content,
            "/body/model",
        ),
        (
            r#"{"model":"small","max_tokens":1,"\u006dodel":"large"}"#,
            content,
            "/body/model",
        ),
        // What is charged by is there, and an integer.
        (r#"{"model":"small"}"#, content, "/body/max_tokens"),
        (
            r#"{"model":"small","max_tokens":null}"#,
            content,
            "/body/max_tokens",
        ),
        (
            r#"{"model":"small","max_tokens":1.5}"#,
            content,
            "/body/max_tokens",
        ),
        (
            r#"{"model":"small","max_tokens":1e3}"#,
            content,
            "/body/max_tokens",
        ),
        (
            r#"{"model":"small","max_tokens":-1}"#,
            content,
            "/body/max_tokens",
        ),
        (
            r#"{"model":"small","max_tokens":1,"max_tokens":9}"#,
            content,
            "/body/max_tokens",
        ),
        // Another spelling is another member, and no list has it.
        (
            r#"{"Model":"large","model":"small","max_tokens":1}"#,
            Code::UnlistedMember,
            "/body/Model",
        ),
        (
            r#"{"model":"small","max_tokens":1,"n":9}"#,
            Code::UnlistedMember,
            "/body/n",
        ),
        (
            r#"{"model":"small","max_completion_tokens":1}"#,
            Code::UnlistedMember,
            "/body/max_completion_tokens",
        ),
    ] {
        denied(&chat(), &ask(body), code, at);
    }
    // A name of something that a table inherits elsewhere is no price here.
    for name in ["__proto__", "constructor", "toString"] {
        let body = json!({"model": name, "max_tokens": 1}).to_string();
        denied(&chat(), &ask(&body), permission, "/body/model");
    }
}

#[test]
fn an_amount_and_its_price_fit_128_bits_or_nothing_is_signed() {
    let route = |per: Option<&str>, times: &str| {
        let mut extractor = json!({"unit": "u", "from": "json", "field": "/n", "times": times});
        if let Some(per) = per {
            extractor["per"] = json!(per);
        }
        json!({"kind": "http", "host": "api.example.com", "path": "/v1/chat", "body": ["/n"], "charge": [extractor]})
    };
    let n = |n: u128| ask(&format!(r#"{{"n":"{n}"}}"#));
    let most = u128::MAX;
    assert_eq!(charged(&route(None, "2"), &n(most / 2)), [most - 1]);
    denied(
        &route(None, "2"),
        &n(most / 2 + 1),
        Code::PerCallExceeded,
        "/body/n",
    );
    assert_eq!(charged(&route(None, &most.to_string()), &n(1)), [most]);
    denied(
        &route(None, &most.to_string()),
        &n(2),
        Code::PerCallExceeded,
        "/body/n",
    );
    assert_eq!(charged(&route(None, &most.to_string()), &n(0)), [0]);
    // Divided first: what would not fit before does after.
    assert_eq!(
        charged(&route(Some("4"), "3"), &n(most)),
        [(most / 4 + 1) * 3]
    );
    assert_eq!(charged(&route(Some("3"), "3"), &n(most)), [most]);
    denied(
        &route(Some("2"), "2"),
        &n(most),
        Code::PerCallExceeded,
        "/body/n",
    );
    assert_eq!(charged(&route(Some(&most.to_string()), "5"), &n(1)), [5]);
    for (read, wanted) in [(0, 0), (1, 3), (4, 3), (5, 6), (8, 6), (9, 9)] {
        assert_eq!(
            charged(&route(Some("4"), "3"), &n(read)),
            [wanted],
            "{read}"
        );
    }
}

#[test]
fn a_length_and_a_fixed_price_overflow_where_they_stand() {
    let most = u128::MAX.to_string();
    let mut route = chat();
    route["charge"] = json!([{"unit": "u", "from": "len", "times": most}]);
    denied(
        &route,
        &ask("{\"model\":\"a\"}"),
        Code::PerCallExceeded,
        "/body",
    );
    route["charge"] = json!([{"unit": "u", "from": "const", "amount": most,
        "prices": {"field": "/model", "table": {"a": "1", "b": "2"}, "version": "1"}}]);
    assert_eq!(charged(&route, &ask("{\"model\":\"a\"}")), [u128::MAX]);
    denied(
        &route,
        &ask("{\"model\":\"b\"}"),
        Code::PerCallExceeded,
        "/url",
    );
}

#[test]
fn every_place_can_name_a_price() {
    let priced = |members: Value, from: Value, field: &str| {
        let mut route = json!({"kind": "http", "host": "api.example.com", "path": "/v1/p", "methods": ["POST"]});
        for (name, value) in members.as_object().unwrap() {
            route[name] = value.clone();
        }
        let mut extractor = from;
        extractor["unit"] = json!("u");
        extractor["prices"] =
            json!({"field": field, "table": {"a": "7", "a b": "11", "1": "13"}, "version": "1"});
        route["charge"] = json!([extractor]);
        route
    };
    let field = |from: &str, field: &str| json!({"from": from, "field": field});
    let form = priced(json!({"body": ["n", "m"]}), field("form", "n"), "m");
    let form_of = |text: &str| {
        let url = "https://api.example.com/v1/p";
        post(url, "application/x-www-form-urlencoded", text.as_bytes())
    };
    assert_eq!(charged(&form, &form_of("n=2&m=a+b")), [22]);
    assert_eq!(charged(&form, &form_of("n=2&m=1")), [26]);
    denied(
        &form,
        &form_of("n=2&m=b"),
        Code::PermissionDenied,
        "/body/m",
    );
    denied(&form, &form_of("n=2"), Code::UnparsableContent, "/body/m");
    denied(
        &form,
        &form_of("n=2&m=a&m=a"),
        Code::UnparsableContent,
        "/body",
    );

    let mut query = priced(json!({"query": ["n", "m"]}), field("query", "n"), "m");
    query["methods"] = json!(["GET"]);
    let ask = |query: &str| get(&format!("https://api.example.com/v1/p?{query}"));
    assert_eq!(charged(&query, &ask("n=2&m=a%20b")), [22]);
    denied(&query, &ask("n=2&m=c"), Code::PermissionDenied, "/url?m");
    denied(&query, &ask("n=2"), Code::UnparsableContent, "/url?m");
    parse(&query, &ask("n=2&m=a&m=b")).unwrap_err();

    let mut header = priced(
        json!({"headers": ["x-n", "x-m"]}),
        field("header", "x-n"),
        "x-m",
    );
    header["methods"] = json!(["GET"]);
    let ask = |pairs: &[(&str, &str)]| {
        let mut input = get("https://api.example.com/v1/p");
        let pairs = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        input.headers = pairs.collect();
        input
    };
    assert_eq!(charged(&header, &ask(&[("x-n", "2"), ("x-m", "a")])), [14]);
    let other = ask(&[("x-n", "2"), ("x-m", "a, a")]);
    denied(&header, &other, Code::PermissionDenied, "/headers/x-m");
    denied(
        &header,
        &ask(&[("x-n", "2")]),
        Code::UnparsableContent,
        "/headers/x-m",
    );

    let path = json!({"path": "/v1/{k}/{m}", "body": "opaque"});
    let path = priced(path, json!({"from": "len"}), "path.m");
    let ask = |path: &str, bytes: &[u8]| {
        post(
            &format!("https://api.example.com{path}"),
            "audio/wav",
            bytes,
        )
    };
    assert_eq!(charged(&path, &ask("/v1/b/a", b"12345")), [35]);
    assert_eq!(charged(&path, &ask("/v1/b/a%20b", b"1")), [11]);
    // What has no length has no price.
    denied(
        &path,
        &ask("/v1/b/a", b""),
        Code::UnparsableContent,
        "/body",
    );
    denied(&path, &ask("/v1/a/b", b"1"), Code::PermissionDenied, "/url");

    let opaque = json!({"query": ["m"], "body": "opaque"});
    let opaque = priced(opaque, json!({"from": "const", "amount": "3"}), "m");
    assert_eq!(charged(&opaque, &ask("/v1/p?m=a", b"12345")), [21]);
    denied(
        &opaque,
        &ask("/v1/p?m=", b"1"),
        Code::PermissionDenied,
        "/url?m",
    );
}

/// What a charge reads never decides which route a call is: a dearer one does not fall through to a cheaper one.
#[test]
fn a_model_without_a_price_leads_to_no_other_route() {
    let free = json!({"kind": "http", "host": "api.example.com", "path": "/v1/chat", "verb": "delete",
        "body": ["/messages", "/model", "/max_tokens"]});
    let mut free = free;
    free["media"] = json!("json");
    let text = json!({"v": 1, "resources": {"a": [chat()], "b": [free]}}).to_string();
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    let input = ask(r#"{"model":"huge","max_tokens":1}"#);
    let grant = grant(&[], &["a", "b"], &[]);
    let denial = HttpCall::parse(&input, None, &catalog, &grant).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/body/model"));
}
