//! For any body, table and factors: what is charged is what a plain reading of the same bytes adds up to, or nothing is signed.

use super::*;
use crate::fixture::{grant, post};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::Cell;

const MODELS: [&str; 3] = ["a", "bb", "c 1"];

/// Digits of a number, now and then one near the end of 128 bits.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (1_u128..1000).prop_map(|n| n.to_string()),
        2 => (1_u128..=u128::MAX).prop_map(|n| n.to_string()),
        1 => Just(u128::MAX.to_string()),
    ]
}

/// Prices of some of the models; or one factor, or none.
fn multiplier() -> impl Strategy<Value = Value> {
    let table = prop::collection::btree_map(prop::sample::select(&MODELS[..]), number(), 1..=3);
    prop_oneof![
        3 => table.prop_map(|table| json!({"prices": {"field": "/model", "table": table, "version": "1"}})),
        2 => number().prop_map(|times| json!({"times": times})),
        1 => Just(json!({})),
    ]
}

fn extractor() -> impl Strategy<Value = Value> {
    let from = prop_oneof![
        Just(json!({"from": "len"})),
        Just(json!({"from": "json", "field": "/n"})),
    ];
    let per = prop::option::of(number());
    (from, per, multiplier(), "[uv]").prop_map(|(mut all, per, times, unit)| {
        all["unit"] = json!(unit);
        if let Some(per) = per {
            all["per"] = json!(per);
        }
        for (name, value) in times.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    })
}

/// Mostly a model and a number, now and then something else in their places.
fn body() -> impl Strategy<Value = String> {
    let model = prop_oneof![
        8 => prop::sample::select(&MODELS[..]).prop_map(|name| format!("\"model\":{}", json!(name))),
        1 => "\"model\":(\"d\"|1|null|\\[\"a\"\\])",
        1 => Just("\"messages\":1".to_owned()),
    ];
    let n = prop_oneof![
        8 => number().prop_map(|n| format!("\"n\":\"{n}\"")),
        1 => (0_u64..).prop_map(|n| format!("\"n\":{n}")),
        1 => "\"n\":(1\\.0|-1|\"01\"|null)",
    ];
    let pad = "[a-z ]{0,40}";
    (model, n, pad).prop_map(|(model, n, pad)| format!("{{{model},{n},\"text\":\"{pad}\"}}"))
}

/// Long division and multiplication digit by digit, in base ten: nothing of the code under test.
#[expect(clippy::arithmetic_side_effects, reason = "of a few digits")]
fn digits_times(a: &str, b: &str) -> Vec<u32> {
    let mut sum = vec![0_u32; a.len() + b.len()];
    for (i, x) in a.bytes().rev().enumerate() {
        let mut carry = 0;
        for (j, y) in b.bytes().rev().enumerate() {
            let all = sum[i + j] + u32::from(x - b'0') * u32::from(y - b'0') + carry;
            sum[i + j] = all % 10;
            carry = all / 10;
        }
        sum[i + b.len()] += carry;
    }
    sum
}

fn written(digits: &[u32]) -> String {
    let text: String = digits
        .iter()
        .rev()
        .map(|d| char::from_digit(*d, 10).unwrap())
        .collect();
    let text = text.trim_start_matches('0');
    if text.is_empty() { "0" } else { text }.to_owned()
}

/// One extractor's charge as the specification's sentence says it; nothing where it says that the call is denied.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "never more than what is read, and one"
)]
fn plainly(extractor: &Value, text: &str, body: &Value) -> Option<u128> {
    let read = match extractor["from"].as_str().unwrap() {
        "len" => u128::try_from(text.len()).unwrap(),
        _ => match &body["n"] {
            Value::String(digits) => {
                let fine = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty();
                (fine && (digits == "0" || !digits.starts_with('0'))).then_some(())?;
                digits.parse().ok()?
            }
            Value::Number(number) => u128::from(number.as_u64()?),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        },
    };
    let per: u128 = extractor["per"]
        .as_str()
        .map_or(1, |per| per.parse().unwrap());
    let mut parts = read / per;
    if parts * per < read {
        parts += 1;
    }
    let times = match (&extractor["times"], &extractor["prices"]) {
        (Value::String(times), _) => times.clone(),
        (_, Value::Object(prices)) => {
            let name = body["model"].as_str()?;
            prices["table"].get(name)?.as_str()?.to_owned()
        }
        _ => "1".to_owned(),
    };
    written(&digits_times(&parts.to_string(), &times))
        .parse()
        .ok()
}

#[test]
fn a_price_is_never_less_than_a_plain_reading_says() {
    let (signed, denied) = (Cell::new(0), Cell::new(0));
    let strategy = (prop::collection::vec(extractor(), 1..=3), body());
    let config = ProptestConfig::with_cases(3000);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let grant = grant(&["a"], &["a"], &["a"]);
    let run = runner.run(&strategy, |(extractors, text)| {
        let mut once: Vec<Value> = Vec::new();
        for one in extractors {
            if !once.contains(&one) {
                once.push(one);
            }
        }
        let document = json!({"v": 1, "resources": {"a": [{"kind": "http", "host": "api.example.com", "path": "/p",
            "body": ["/model", "/n", "/text", "/messages"], "media": "json", "charge": once}]}});
        let catalog = Catalog::parse(document.to_string().as_bytes()).unwrap();
        let input = post("https://api.example.com/p", "application/json", text.as_bytes());
        let body: Value = serde_json::from_str(&text).unwrap();
        let wanted: Option<Vec<_>> = once.iter().map(|one| plainly(one, &text, &body)).collect();
        match (HttpCall::parse(&input, None, &catalog, &grant), wanted) {
            (Ok(call), Some(wanted)) => {
                let charges = &call.effects().first.charges;
                let charged: Vec<_> = charges.iter().map(|charge| charge.amount.0).collect();
                prop_assert_eq!(charged, wanted);
                signed.set(signed.get() + 1);
            }
            (Err(denial), None) => {
                let codes = [Code::UnparsableContent, Code::PermissionDenied, Code::PerCallExceeded];
                prop_assert!(codes.contains(&denial.code), "{:?}", denial);
                prop_assert!(denial.param.is_some());
                denied.set(denied.get() + 1);
            }
            (found, wanted) => prop_assert!(false, "{:?} where a plain reading says {:?}", found, wanted),
        }
        Ok(())
    });
    run.unwrap();
    assert!(
        signed.get() > 500 && denied.get() > 300,
        "{signed:?} {denied:?}"
    );
}
