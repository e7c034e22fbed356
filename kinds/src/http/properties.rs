//! Properties of every request, not of chosen ones.

use super::*;
use crate::fixture::{charge, get, key, moment, post, whole};
use claviger_shared::{
    amount::Amount,
    codec::json::{self, Value},
    time::UnixMs,
};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::{cell::Cell, collections::BTreeSet};

fn parse(input: &HttpInput) -> Result<HttpCall, Denial> {
    let (catalog, grant) = whole();
    HttpCall::parse(input, Some("key"), &catalog, &grant)
}

fn message(call: &HttpCall, moment: &Moment) -> Vec<u8> {
    call.to_sign(&key(Kind::Http, Alg::P256), moment)
        .unwrap()
        .message()
        .unwrap()
        .to_vec()
}

/// A name that some route lists, or seldom another.
fn name() -> impl Strategy<Value = String> {
    let listed = "(expand|limit|x-tenant|amount|currency|customer|items)";
    prop_oneof![6 => listed, 1 => "[a-z]{1,4}", 1 => "[ -~]{0,4}"]
}

/// A text that is mostly in normal form.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[a-z0-9_]{1,6}", 1 => "[ -~]{0,6}"]
}

fn pairs(longest: usize) -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), word()), 0..=longest)
}

/// Method, path, and content of requests to the routes of `whole()`, mostly complete.
fn shape() -> impl Strategy<Value = (String, String, Option<(String, Vec<u8>)>)> {
    let orders =
        ("(GET|HEAD)", word()).prop_map(|(method, id)| (method, format!("/v1/orders/{id}"), None));
    let files = (word(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(id, bytes)| {
        let content = ("text/plain".to_owned(), bytes);
        ("PUT".to_owned(), format!("/v1/files/{id}"), Some(content))
    });
    let form = pairs(2).prop_map(|more| {
        let paid =
            [("amount", "5"), ("currency", "usd")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let content = (
            "application/x-www-form-urlencoded".to_owned(),
            form_of(&[&paid[..], &more].concat()),
        );
        (
            "POST".to_owned(),
            "/v1/payment_intents".to_owned(),
            Some(content),
        )
    });
    let json = (name(), any::<u64>()).prop_map(|(name, n)| {
        let text = format!("{{\"amount\":{n},\"currency\":\"usd\",\"{name}\":1}}");
        let content = ("application/json".to_owned(), text.into_bytes());
        ("POST".to_owned(), "/v1/charges".to_owned(), Some(content))
    });
    prop_oneof![orders, files, form, json]
}

fn input() -> impl Strategy<Value = HttpInput> {
    let host = prop_oneof![19 => "api\\.example\\.com", 1 => "[a-z.:0-9]{0,12}"];
    let query = prop_oneof![1 => Just(Vec::new()), 1 => pairs(2)];
    let headers = prop_oneof![2 => Just(Vec::new()), 1 => pairs(1)];
    (host, shape(), query, headers).prop_map(
        |(host, (method, path, content), query, mut headers)| {
            let query = String::from_utf8(form_of(&query)).unwrap();
            let mark = if query.is_empty() { "" } else { "?" };
            let url = format!("https://{host}{path}{mark}{query}");
            let body = content.map(|(media, body)| {
                headers.push(("content-type".to_owned(), media));
                body.into()
            });
            HttpInput {
                method,
                url,
                headers,
                body,
            }
        },
    )
}

fn form_of(members: &[(String, String)]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(n, v)| format!("{n}={v}")).collect();
    members.join("&").into_bytes()
}

/// The lists of `whole()`, written down a second time: query, headers, body.
fn lists(
    resource: &str,
) -> (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
) {
    match resource {
        "orders" => (&["expand", "limit"], &["x-tenant"], &[]),
        "invoices" => (&[], &[], &["amount", "currency", "customer"]),
        "charges" => (&[], &[], &["amount", "currency", "items"]),
        _ => (&[], &[], &[]),
    }
}

/// A second, plain reading of a body's member names: top level only.
fn top_names(input: &HttpInput) -> Vec<String> {
    let body = input.body.as_ref().map_or(&[][..], |body| body.as_slice());
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::Object(members)) => members.keys().cloned().collect(),
        _ => String::from_utf8_lossy(body)
            .split('&')
            .filter_map(|member| member.split_once('='))
            .map(|(name, _)| name.to_owned())
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// No bytes at all stop the parser.
    #[test]
    fn any_input_ends_in_an_answer(
        method in ".{0,8}", url in "(https://api.example.com/v1/(orders|files|charges)/)?.{0,30}",
        headers in prop::collection::vec((".{0,8}", ".{0,8}"), 0..4),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..64)),
        idempotency in prop::option::of(".{0,8}"),
    ) {
        let (catalog, grant) = whole();
        let input = HttpInput { method, url, headers, body: body.map(Into::into) };
        let _ = HttpCall::parse(&input, idempotency.as_deref(), &catalog, &grant);
    }

    /// Any body of a charging route, well formed or not, ends in an answer.
    #[test]
    fn any_body_ends_in_an_answer(body in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"a0-9. ]{0,60}") {
        let _ = parse(&post("https://api.example.com/v1/charges", "application/json", &body));
        let _ = parse(&charge(&text));
        let _ = form::members(&body);
        let _ = form::members(text.as_bytes());
    }

    /// What is charged is what a plain reading of the body finds.
    #[test]
    fn the_charge_is_what_the_body_says(
        amount in prop_oneof!["[0-9]{1,25}", "-?[0-9]{1,3}(\\.[0-9])?(e[0-9])?", "\"[0-9]{0,40}\""],
        currency in "(usd|eur|USD)",
        first in any::<bool>(),
    ) {
        let text = if first {
            format!("{{\"amount\":{amount},\"currency\":\"{currency}\"}}")
        } else {
            format!(" {{ \"items\":[1.5,{{}}], \"currency\" : \"{currency}\",\"amount\": {amount}}}")
        };
        let plain = amount.trim_matches('"');
        let digits = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) && (plain == "0" || !plain.starts_with('0'));
        let fits = amount.starts_with('"') || plain.parse::<u64>().is_ok();
        let expected = if digits && fits && currency == "usd" { plain.parse::<u128>().ok() } else { None };
        let found = parse(&charge(&text)).ok().map(|call| call.effects().first.charges[0].amount);
        prop_assert_eq!(found, expected.map(Amount));
    }

    /// Every listed part of a request is in what is signed: two requests that differ anywhere are signed differently.
    #[test]
    fn a_change_of_any_covered_part_changes_the_message(
        id in "[a-z]{1,4}", expand in prop::option::of("[a-z]{0,4}"), tenant in prop::option::of("[a-z]{0,4}"),
        other_id in "[a-z]{1,4}", other_expand in prop::option::of("[a-z]{0,4}"), other_tenant in prop::option::of("[a-z]{0,4}"),
        head in any::<bool>(), other_head in any::<bool>(),
    ) {
        let build = |id: &str, expand: &Option<String>, tenant: &Option<String>, head: bool| {
            let query = expand.as_ref().map(|value| format!("?expand={value}")).unwrap_or_default();
            let mut input = get(&format!("https://api.example.com/v1/orders/{id}{query}"));
            if head { input.method = "HEAD".into(); }
            input.headers.extend(tenant.iter().map(|value| ("x-tenant".to_owned(), value.clone())));
            input
        };
        let one = build(&id, &expand, &tenant, head);
        let two = build(&other_id, &other_expand, &other_tenant, other_head);
        let (first, second) = (parse(&one).unwrap(), parse(&two).unwrap());
        prop_assert_eq!(one == two, message(&first, &moment()) == message(&second, &moment()));
        prop_assert_eq!(one == two, first.canonical() == second.canonical());
    }

    /// One flipped bit of the body, and any other time or nonce, changes what is signed.
    #[test]
    fn body_time_and_nonce_are_in_the_message(
        body in prop::collection::vec(any::<u8>(), 1..50), at in any::<prop::sample::Index>(), bit in 0_u32..8,
        shift in 1_u64..1_000_000, nonce in any::<[u8; 16]>(),
    ) {
        let put = |bytes: &[u8]| {
            let input = post("https://api.example.com/v1/files/a", "text/plain", bytes);
            parse(&HttpInput { method: "PUT".into(), ..input }).unwrap()
        };
        let mut flipped = body.clone();
        flipped[at.index(body.len())] ^= 1 << bit;
        let call = put(&body);
        let base = message(&call, &moment());
        prop_assert_ne!(&base, &message(&put(&flipped), &moment()));
        let shift = Millis::from_secs(shift);
        let later = Moment { now: moment().now.plus(shift), expires_at: moment().expires_at.plus(shift), ..moment() };
        prop_assert_ne!(&base, &message(&call, &later));
        let shorter = Moment { expires_at: UnixMs(1_795_424_459_000), ..moment() };
        prop_assert_ne!(&base, &message(&call, &shorter));
        prop_assert_eq!(nonce == moment().nonce, base == message(&call, &Moment { nonce, ..moment() }));
    }

    /// A form that was written by a careful encoder is read back as it was meant.
    #[test]
    fn a_careful_form_reads_back(members in prop::collection::btree_map("[a-z\\[\\] ü&=%]{1,6}", "[ -~ü]{0,8}", 0..4)) {
        let members: Vec<_> = members.into_iter().collect();
        let written: Vec<_> = members.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let read = form::members(written.join("&").as_bytes()).unwrap();
        let names: BTreeSet<_> = read.iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names.len(), read.len());
        prop_assert_eq!(read, members);
    }

    /// Every leaf of an accepted JSON body stands under a listed pointer.
    #[test]
    fn every_leaf_of_an_accepted_body_is_listed(
        name in "(items|amount2|item|x)", inner in "[a-z/~]{0,3}", deep in any::<bool>(),
    ) {
        let inner = inner.replace('"', "");
        let value = if deep { format!("{{\"{inner}\":[{{}},1]}}") } else { "[]".to_owned() };
        let text = format!("{{\"amount\":1,\"currency\":\"usd\",\"{name}\":{value}}}");
        let accepted = parse(&charge(&text)).is_ok();
        let mut listed = true;
        let read = json::parse(text.as_bytes()).unwrap();
        let Value::Object(members) = &read else { panic!("no object") };
        for (member, _) in members {
            listed &= ["amount", "currency", "items"].contains(&member.as_str());
        }
        prop_assert_eq!(accepted, listed);
    }
}

/// Whatever is accepted has every member of query, headers and body listed by its route, and much is accepted.
#[test]
fn whatever_is_accepted_is_listed() {
    let accepted = Cell::new(0_u32);
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::with_cases(4000),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let seen = runner.run(&input(), |input| {
        let Ok(call) = parse(&input) else {
            return Ok(());
        };
        accepted.set(accepted.get().saturating_add(1));
        let resource = call.effects().first.resource.clone();
        let (query, headers, body) = lists(resource.as_str());
        let given = input.url.split_once('?').map_or("", |(_, query)| query);
        for member in given.split('&').filter(|member| !member.is_empty()) {
            let name = member.split('=').next().unwrap();
            prop_assert!(query.contains(&name), "{name}");
        }
        for (name, _) in &input.headers {
            let known = name == "content-type" || headers.contains(&name.as_str());
            prop_assert!(known, "{name}");
        }
        if resource.as_str() != "files" {
            for name in top_names(&input) {
                prop_assert!(body.contains(&name.as_str()), "{name}");
            }
        }
        Ok(())
    });
    seen.unwrap();
    assert!((400..3600).contains(&accepted.get()), "{}", accepted.get());
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, b| match b {
        b' ' => out + "+",
        b if b.is_ascii_alphanumeric() || b"*-._~".contains(&b) => out + &char::from(b).to_string(),
        b => out + &format!("%{b:02X}"),
    })
}
