//! What services publish as examples of their own signing, under the templates of docs/templates.md.
//!
//! Data: `tests/vectors/templates`; its sources and licences stand beside it.

use super::{tests::reader, *};
use crate::fixture::{key, moment};
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::time::UnixMs;
use ring::hmac;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/templates/vectors.json");
const PAGE: &str = include_str!("../../../docs/templates.md");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// Every catalog of the page, as one.
pub(super) fn documented() -> Catalog {
    let mut all = Catalog::default();
    for block in PAGE.split("```json\n").skip(1) {
        let (json, _) = block.split_once("```").unwrap();
        let catalog = Catalog::parse(json.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {json}"));
        all.resources.extend(catalog.resources);
    }
    all
}

fn call(case: &Value) -> TemplateCall {
    let catalog = documented();
    let grant = reader(&catalog);
    let media = case["content_type"].as_str();
    let headers = media.map(|media| ("content-type".to_owned(), media.to_owned()));
    let body = case["body"].as_str();
    let input = HttpInput {
        method: text(case, "method").to_owned(),
        url: text(case, "url").to_owned(),
        headers: headers.into_iter().collect(),
        body: body.map(|body| body.as_bytes().to_vec().into()),
    };
    let own = case["idempotency_key"].as_str();
    TemplateCall::parse(&input, own, &catalog, &grant).unwrap()
}

/// The moment of a case: when it was signed, or when it ends.
fn at(case: &Value, call: &TemplateCall) -> Moment {
    let life = call.effects.first.max_lifetime;
    let now = match (case["now_ms"].as_u64(), case["expires_s"].as_u64()) {
        (Some(now), _) => UnixMs(now),
        (None, Some(end)) => UnixMs(Millis::from_secs(end).0.saturating_sub(life.0)),
        (None, None) => moment().now,
    };
    Moment {
        now,
        expires_at: UnixMs(Millis::from_secs(now.plus(life).secs()).0),
        ..moment()
    }
}

fn made(service: &Value, case: &Value) -> (Signing, Vec<(String, String)>, [Option<String>; 2]) {
    let call = call(case);
    let mut info = key(Kind::Template, call.route.alg);
    info.thumbprint = text(service, "key_id").to_owned();
    let moment = at(case, &call);
    let to_sign = call.to_sign(&info, &moment).unwrap();
    let ToSign::Template(signing) = to_sign.clone() else {
        panic!("another kind")
    };
    let secret = service["secret"].as_str().unwrap_or("no secret");
    let secret = match service["encoding"].as_str() {
        Some("base64") => STANDARD.decode(secret).unwrap(),
        _ => secret.as_bytes().to_vec(),
    };
    let hash = if signing.alg == Alg::Hs512 {
        hmac::HMAC_SHA512
    } else {
        hmac::HMAC_SHA256
    };
    let key = hmac::Key::new(hash, &secret);
    let tag = hmac::sign(&key, &signing.message);
    // What is randomised is not made here: bytes of its length stand for it.
    let tag = if signing.alg == Alg::P521 {
        vec![1; 132]
    } else {
        tag.as_ref().to_vec()
    };
    let credential = call.assemble(&moment, &to_sign, &tag).unwrap();
    let Credential::Template { headers, url, body } = credential else {
        panic!("another kind")
    };
    let body = body.map(|body| String::from_utf8(body.into_vec()).unwrap());
    (signing, headers, [url, body])
}

#[test]
fn published_signatures_are_made_to_the_byte() {
    let vectors = vectors();
    let mut count = 0;
    for name in ["binance", "kraken", "bitmex"] {
        let service = &vectors[name];
        for case in service["cases"].as_array().unwrap() {
            let (signing, headers, [url, body]) = made(service, case);
            if let Some(signed) = case["signed"].as_str() {
                assert_eq!(String::from_utf8(signing.message).unwrap(), signed);
            }
            assert_eq!(url.as_deref(), case["sent_url"].as_str(), "{name}");
            assert_eq!(body.as_deref(), case["sent_body"].as_str(), "{name}");
            let sent = headers.iter().map(|(_, value)| value.as_str());
            let sent: Vec<_> = sent.chain(url.as_deref()).collect();
            let key = text(service, "key_id");
            assert!(sent.contains(&key), "{name}: {sent:?}");
            let signature = text(case, "signature");
            assert!(
                sent.iter().any(|value| value.ends_with(signature)),
                "{name}: {sent:?}"
            );
            count += 1;
        }
    }
    assert_eq!(count, 5);
}

#[test]
fn a_published_jws_with_es512_verifies_over_what_is_built() {
    let vectors = vectors();
    let service = &vectors["truelayer"];
    let case = &service["cases"][0];
    let (signing, headers, _) = made(service, case);
    let published = text(case, "signature");
    let (header, signature) = published.split_once("..").unwrap();
    let own = headers
        .iter()
        .find(|(name, _)| name == "tl-signature")
        .unwrap();
    assert!(own.1.starts_with(&format!("{header}..")), "{own:?}");
    let point = |name| {
        URL_SAFE_NO_PAD
            .decode(text(&service["public"], name))
            .unwrap()
    };
    let public = [vec![4], point("x"), point("y")].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, &public);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verify(&signing.message, &signature).unwrap();
    key.verify(&signing.message[1..], &signature).unwrap_err();
    let once = (
        "idempotency-key".to_owned(),
        text(case, "idempotency_key").to_owned(),
    );
    assert!(headers.contains(&once), "{headers:?}");
    let charged = &call(case).effects.first.charges;
    assert_eq!(charged[0].amount.0, 5_000_000);
}

#[test]
fn every_catalog_of_the_page_is_read_and_says_what_it_leaves_open() {
    let catalog = documented();
    let open: Vec<_> = catalog
        .resources
        .iter()
        .filter_map(|(name, resource)| match &resource.routes[0] {
            Route::Template(route) => Some((name.as_str(), route.undated, route.single_use)),
            Route::Http(_)
            | Route::Jwt(_)
            | Route::Aws(_)
            | Route::Ssh(_)
            | Route::X402(_)
            | Route::Evm(_)
            | Route::Solana(_) => None,
        })
        .collect();
    assert_eq!(
        open,
        [
            ("binance-orders", false, false),
            ("bitmex-instruments", false, false),
            ("bitmex-orders", false, false),
            ("kraken-orders", false, true),
            ("okx-orders", false, false),
            ("truelayer-sweeping", true, false),
        ]
    );
}
