//! Properties of every template and request, against a second, plain reading of both.

use super::{
    tests::{catalog, half, parse, post, reader, route, signed},
    *,
};
use crate::fixture::key;
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use ring::digest;
use serde_json::{Value, json};

/// What is signed besides the whole request: slots that the enclave makes, and hashes.
const MORE: [&str; 12] = [
    "{target}",
    "{body_sha256_hex}",
    "{body_sha512_base64}",
    "{timestamp_ms}",
    "{timestamp_iso}",
    "{expires}",
    "{nonce_ms}",
    "{nonce_us}",
    "{nonce_hex}",
    "{key_id}",
    "{idempotency_key}",
    "{newline}",
];

/// A template as the page describes it, replaced word by word; nothing of the product's reader or renderer.
fn plain(template: &str, input: &HttpInput, inserts: bool, moment: &Moment) -> Vec<u8> {
    let rest = input.url.strip_prefix("https://").unwrap();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = place.split_once('/').unwrap();
    let ms = moment.now.0;
    let body = String::from_utf8(input.body.clone().unwrap().into_vec()).unwrap();
    let written = |own: &str, more: &str| match (inserts, own.is_empty()) {
        (false, _) => own.to_owned(),
        (true, true) => more.to_owned(),
        (true, false) => format!("{own}&{more}"),
    };
    let query = written(query, &format!("t={ms}"));
    let body = written(&body, "w=5");
    let target = if query.is_empty() {
        format!("/{path}")
    } else {
        format!("/{path}?{query}")
    };
    let header = |name: &str| {
        let found = input.headers.iter().find(|(own, _)| own == name);
        found.unwrap().1.clone()
    };
    let hash = |algorithm| digest::digest(algorithm, body.as_bytes());
    let random = u16::from_be_bytes([moment.nonce[0], moment.nonce[1]]) % 1000;
    let info = key(Kind::Template, Alg::Hs256);
    let own = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(moment.nonce);
    let words = [
        ("{method}", input.method.clone()),
        ("{host}", host.to_owned()),
        ("{path}", format!("/{path}")),
        ("{query}", query),
        ("{target}", target),
        ("{body}", body.clone()),
        ("{body_sha256_hex}", hex::encode(hash(&digest::SHA256))),
        (
            "{body_sha512_base64}",
            STANDARD.encode(hash(&digest::SHA512)),
        ),
        ("{timestamp}", (ms / 1000).to_string()),
        ("{timestamp_ms}", ms.to_string()),
        ("{timestamp_iso}", "2026-11-23T09:00:00.250Z".to_owned()),
        ("{expires}", (moment.expires_at.0 / 1000).to_string()),
        ("{nonce_ms}", ms.to_string()),
        ("{nonce_us}", format!("{ms}{random:03}")),
        ("{nonce_hex}", hex::encode(moment.nonce)),
        ("{key_id}", info.thumbprint),
        ("{idempotency_key}", own),
        ("{newline}", "\n".to_owned()),
        ("{header:x-a}", header("x-a")),
        ("{header:content-type}", header("content-type")),
    ];
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, more) = after.split_once('}').unwrap();
        let word = format!("{{{word}}}");
        out.push_str(before);
        out.push_str(&words.iter().find(|(known, _)| *known == word).unwrap().1);
        rest = more;
    }
    out.push_str(rest);
    out.into_bytes()
}

/// A route that signs more than it must, in some order, some of it hashed, with or without members of the enclave's.
fn routes() -> impl Strategy<Value = (Value, Vec<(bool, String)>, bool)> {
    let more = prop::collection::vec((0..MORE.len(), "[ -z|~]{1,3}", any::<bool>()), 0..6);
    (more, any::<bool>()).prop_map(|(more, inserts)| {
        let mut route = route();
        let whole = route["sign"].as_str().unwrap().to_owned();
        let mut parts = vec![(false, whole)];
        let mut sent = Vec::new();
        for (at, literal, hashed) in more {
            let literal = literal.replace(['{', '}'], "-");
            parts.push((hashed, format!("{literal}{}", MORE[at])));
            if !matches!(at, 0..=2 | 9 | 11) {
                sent.push(MORE[at]);
            }
        }
        let sign: Vec<_> = parts
            .iter()
            .map(|(hashed, text)| match hashed {
                true => json!({"sha256": text}),
                false => json!(text),
            })
            .collect();
        route["sign"] = json!(sign);
        if !sent.is_empty() {
            route["add"]["headers"]["x-more"] = json!(sent.join(" "));
        }
        if inserts {
            route["insert"] = json!({
                "query": [{"name": "t", "value": "{timestamp_ms}"}], "body": [{"name": "w", "value": "5"}],
            });
        }
        (route, parts, inserts)
    })
}

fn requests() -> impl Strategy<Value = HttpInput> {
    let query = prop_oneof![
        Just(String::new()),
        "[?]a=[a-z0-9.:/]{0,5}",
        "[?]b=[a-z]{0,3}&a=%20"
    ];
    let form = prop_oneof![
        Just(String::new()),
        "n=[a-z0-9+*]{0,5}",
        "m=%2F&n=[a-z]{0,3}"
    ];
    (any::<bool>(), "[a-z0-9_]{1,6}", query, form, "[!-~]{1,6}").prop_map(
        |(get, thing, query, form, header)| {
            let mut input = post(&format!("https://api.example.com/v1/{thing}{query}"), &form);
            if get {
                input.method = "GET".into();
            }
            input.headers[1].1 = header;
            input
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is signed is what a plain reading of template and request says.
    #[test]
    fn what_is_signed_is_what_the_template_says((route, parts, inserts) in routes(), input in requests()) {
        let call = parse(&route, &input).unwrap();
        let mut expected = Vec::new();
        for (hashed, text) in &parts {
            let text = plain(text, &input, inserts, &half());
            if *hashed {
                expected.extend_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
            } else {
                expected.extend(text);
            }
        }
        prop_assert_eq!(signed(&call, &half()).message, expected);
    }

    /// The request that goes out is the one that was asked for, with the enclave's members and nothing else.
    #[test]
    fn what_is_sent_is_what_was_asked_for_and_written((route, _, inserts) in routes(), input in requests()) {
        let call = parse(&route, &input).unwrap();
        let to_sign = call.to_sign(&key(Kind::Template, Alg::Hs256), &half()).unwrap();
        let Credential::Template { url, body, .. } = call.assemble(&half(), &to_sign, &[7; 32]).unwrap() else {
            panic!("another kind")
        };
        prop_assert_eq!(url.is_some(), inserts);
        if inserts {
            let sent = [plain("https://{host}{target}", &input, true, &half()), plain("{body}", &input, true, &half())];
            let [target, form] = sent.map(|bytes| String::from_utf8(bytes).unwrap());
            prop_assert_eq!((url.unwrap(), body.unwrap().into_vec()), (target, form.into_bytes()));
        }
    }

    /// Two requests that differ anywhere, or are made at other times, are signed differently.
    #[test]
    fn nothing_sent_goes_unsigned(one in requests(), two in requests(), shift in 0_u64..3) {
        let (first, second) = (parse(&route(), &one).unwrap(), parse(&route(), &two).unwrap());
        let life = Millis::from_secs(shift);
        let later = Moment { now: half().now.plus(life), expires_at: half().expires_at.plus(life), ..half() };
        let same = one == two && shift == 0;
        prop_assert_eq!(signed(&first, &half()).message == signed(&second, &later).message, same);
        prop_assert_eq!(first.canonical() == second.canonical(), one == two);
    }

    /// No bytes at all stop the parser, and what it accepts is of the one host and path.
    #[test]
    fn any_input_ends_in_an_answer(
        method in prop_oneof!["(GET|POST)", ".{0,8}"], url in "(https://api.example.com/v1/)?.{0,20}",
        headers in prop::collection::vec(("(x-a|content-type|.{0,6})", ".{0,8}"), 0..4),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), own in prop::option::of(".{0,8}"),
    ) {
        let catalog = catalog(&route());
        let input = HttpInput { method, url, headers, body: body.map(Into::into) };
        if let Ok(call) = TemplateCall::parse(&input, own.as_deref(), &catalog, &reader(&catalog)) {
            prop_assert_eq!(&call.effects().first.destination, "api.example.com");
            prop_assert!(input.url.starts_with("https://api.example.com/v1/"));
        }
    }
}
