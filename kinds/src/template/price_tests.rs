//! Prices on a template's route: by a body's member, and by the path.

use super::*;
use crate::fixture::grant;
use serde_json::{Value, json};

fn route(charge: Value) -> Value {
    json!({
        "kind": "template", "host": "api.example.com", "path": "/v1/{model}/chat", "methods": ["POST"],
        "body": ["/messages", "/tier", "/max_tokens"], "charge": charge, "alg": "hs256",
        "sign": "{method}|{host}|{target}|{timestamp}|{idempotency_key}|{body}", "signature": "hex",
        "uncovered": ["content-type"], "window_s": 60,
        "add": {"headers": {"x-time": "{timestamp}", "idempotency-key": "{idempotency_key}", "x-sig": "{signature}"}},
    })
}

fn ask(charge: Value, url: &str, body: &str) -> Result<Vec<u128>, (Code, Option<String>)> {
    let text = json!({"v": 1, "resources": {"a": [route(charge)]}}).to_string();
    let catalog = Catalog::parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {text}"));
    let input = HttpInput {
        method: "POST".into(),
        url: format!("https://api.example.com{url}"),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(body.as_bytes().to_vec().into()),
    };
    let call = TemplateCall::parse(&input, None, &catalog, &grant(&[], &["a"], &[]));
    let call = call.map_err(|denial| (denial.code, denial.param))?;
    let charges = call.effects().first.charges.iter();
    Ok(charges.map(|charge| charge.amount.0).collect())
}

#[test]
fn a_template_charges_by_its_factors_and_tables() {
    let charge = json!([
        {"unit": "usd-micros", "from": "len", "per": "4", "times": "3"},
        {"unit": "usd-micros", "from": "json", "field": "/max_tokens",
            "prices": {"field": "/tier", "table": {"slow": "2", "fast": "5"}, "version": "2026-11-01"}},
        {"unit": "usd-micros", "from": "json", "field": "/max_tokens",
            "prices": {"field": "path.model", "table": {"large": "7"}, "version": "2026-11-01"}},
    ]);
    let body = r#"{"messages":[1],"tier":"fast","max_tokens":9}"#;
    assert_eq!(body.len(), 45);
    let at = |code, place: &str| Err((code, Some(place.to_owned())));
    let ask = |url: &str, body: &str| ask(charge.clone(), url, body);
    assert_eq!(ask("/v1/large/chat", body), Ok(vec![36, 45, 63]));
    assert_eq!(
        ask("/v1/small/chat", body),
        at(Code::PermissionDenied, "/url")
    );
    let other = body.replace("fast", "free");
    assert_eq!(
        ask("/v1/large/chat", &other),
        at(Code::PermissionDenied, "/body/tier")
    );
    let none = body.replace("\"fast\"", "7");
    assert_eq!(
        ask("/v1/large/chat", &none),
        at(Code::UnparsableContent, "/body/tier")
    );
    let missing = body.replace(",\"max_tokens\":9", "");
    assert_eq!(
        ask("/v1/large/chat", &missing),
        at(Code::UnparsableContent, "/body/max_tokens")
    );
    let over = body.replace(":9", &format!(":\"{}\"", u128::MAX / 5 + 1));
    assert_eq!(
        ask("/v1/large/chat", &over),
        at(Code::PerCallExceeded, "/body/max_tokens")
    );
}
