//! The signature base, digests and credentials against what others published.
//!
//! Data: `tests/vectors/rfc9421`; its source and licence stand beside it.

use super::*;
use crate::fixture::{charge, key, moment, whole};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_shared::crypto::{AwsLc, Scheme, Verifier};
use ring::signature::{self as ring_signature, Ed25519KeyPair, KeyPair};
use serde_json::Value;

const RFC9421: &str = include_str!("../../../tests/vectors/rfc9421/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-http.md");

fn vectors() -> Value {
    serde_json::from_str(RFC9421).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The base of a published case, built by our builder from the case's components and parameters.
fn built(case: &Value) -> (Vec<u8>, String) {
    let components: Vec<_> = case["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| Component::new(pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    let mut parameters = vec![(
        "created",
        Parameter::Integer(case["created"].as_u64().unwrap()),
    )];
    parameters.push(("keyid", Parameter::Text(text(case, "keyid").into())));
    if let Some(nonce) = case["nonce"].as_str() {
        parameters.push(("nonce", Parameter::Text(nonce.to_owned().into())));
    }
    let base = base::base(&components, &parameters).unwrap();
    let input = base::signature_input(&base).unwrap().to_owned();
    (base, input)
}

#[test]
fn rfc9421_b26_is_built_and_signed_to_the_byte() {
    let vectors = vectors();
    let case = &vectors["b.2.6"];
    let (base, input) = built(case);
    assert_eq!(String::from_utf8(base.clone()).unwrap(), text(case, "base"));
    assert_eq!(input, text(case, "signature_input"));
    let jwk = &vectors["test-key-ed25519"];
    let (seed, public) = (base64url(text(jwk, "d")), base64url(text(jwk, "x")));
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).unwrap();
    assert_eq!(STANDARD.encode(pair.sign(&base)), text(case, "signature"));
    let published = STANDARD.decode(text(case, "signature")).unwrap();
    AwsLc
        .verify(Scheme::Ed25519, &public, &base, &published)
        .unwrap();
}

#[test]
fn rfc9421_b24_is_built_and_verifies() {
    let vectors = vectors();
    let case = &vectors["b.2.4"];
    let (base, input) = built(case);
    assert_eq!(String::from_utf8(base.clone()).unwrap(), text(case, "base"));
    assert_eq!(input, text(case, "signature_input"));
    let jwk = &vectors["test-key-ecc-p256"];
    let public = [
        vec![4],
        base64url(text(jwk, "x")),
        base64url(text(jwk, "y")),
    ]
    .concat();
    let published = STANDARD.decode(text(case, "signature")).unwrap();
    AwsLc
        .verify(Scheme::P256, &public, &base, &published)
        .unwrap();
    let other =
        ring_signature::UnparsedPublicKey::new(&ring_signature::ECDSA_P256_SHA256_FIXED, &public);
    other.verify(&base, &published).unwrap();
    let mut changed = base;
    changed[11] ^= 1;
    assert!(other.verify(&changed, &published).is_err());
}

/// Of ring, whose salt is as long as the hash, as RFC 9421 §3.3.1 demands.
#[test]
fn rfc9421_b21_to_b23_are_built_and_verify() {
    let vectors = vectors();
    let jwk = &vectors["test-key-rsa-pss"];
    let (n, e) = (base64url(text(jwk, "n")), base64url(text(jwk, "e")));
    let key = ring_signature::RsaPublicKeyComponents { n, e };
    let algorithm = &ring_signature::RSA_PSS_2048_8192_SHA512;
    for name in ["b.2.1", "b.2.2", "b.2.3"] {
        let case = &vectors[name];
        let mut base = text(case, "base").as_bytes().to_vec();
        if case["components"].is_array() {
            let (built, input) = built(case);
            assert_eq!(built, base, "{name}");
            assert_eq!(input, text(case, "signature_input"), "{name}");
        }
        let published = STANDARD.decode(text(case, "signature")).unwrap();
        key.verify(algorithm, &base, &published).unwrap();
        base[5] ^= 1;
        key.verify(algorithm, &base, &published).unwrap_err();
    }
}

#[test]
fn rfc9421_b25_is_built_and_signed_to_the_byte() {
    let vectors = vectors();
    let case = &vectors["b.2.5"];
    let (base, input) = built(case);
    assert_eq!(String::from_utf8(base.clone()).unwrap(), text(case, "base"));
    assert_eq!(input, text(case, "signature_input"));
    let secret = STANDARD
        .decode(text(&vectors, "test-shared-secret"))
        .unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    let tag = ring::hmac::sign(&key, &base);
    assert_eq!(STANDARD.encode(tag), text(case, "signature"));
}

/// RFC 9530 appendix B: sha-256 of the content of its examples.
#[test]
fn rfc9530_digests_are_reproduced() {
    for case in vectors()["rfc9530"].as_array().unwrap() {
        let digest = sha256(&[text(case, "content").as_bytes()]);
        assert_eq!(content_digest(&digest.0), text(case, "content-digest"));
    }
}

#[test]
fn a_base_never_holds_a_component_twice_or_a_second_line() {
    let fine = [Component::new("@method", "GET")];
    assert!(base::base(&fine, &[]).is_some());
    for bad in [
        vec![Component::new("x-a", "1"), Component::new("x-a", "2")],
        vec![Component::new("x-a", "1\n\"x-b\": 2")],
        vec![Component::new("x\na", "1")],
    ] {
        assert_eq!(base::base(&bad, &[]), None);
    }
    let keyid = |text: &str| [("keyid", Parameter::Text(text.to_owned().into()))];
    let base = base::base(&fine, &keyid("a\"b\\c")).unwrap();
    let input = base::signature_input(&base).unwrap();
    assert_eq!(input, "(\"@method\");keyid=\"a\\\"b\\\\c\"");
    assert_eq!(base::base(&fine, &keyid("a\nb")), None);
}

fn example() -> (HttpCall, Vec<u8>, Vec<(String, String)>) {
    let (catalog, grant) = whole();
    let input = charge(r#"{"amount":1250,"currency":"usd"}"#);
    let call = HttpCall::parse(&input, Some("order-7"), &catalog, &grant).unwrap();
    // RFC 8037 appendix A.1: a published key.
    let seed = base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let info = key(Kind::Http, Alg::Ed25519);
    let message = call
        .to_sign(&info, &moment())
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    let signature = pair.sign(&message);
    let public = pair.public_key().as_ref();
    AwsLc
        .verify(Scheme::Ed25519, public, &message, signature.as_ref())
        .unwrap();
    let to_sign = ToSign::Message(message.clone());
    let made = call.assemble(&moment(), &to_sign, signature.as_ref());
    let Credential::Http { headers } = made.unwrap() else {
        panic!("another kind")
    };
    (call, message, headers)
}

#[test]
fn the_specs_example_is_what_is_made() {
    let (_, message, headers) = example();
    let message = String::from_utf8(message).unwrap();
    assert!(SPEC.contains(&format!("```\n{message}\n```")), "{message}");
    let fields: String = headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
    assert!(SPEC.contains(&format!("```\n{fields}```")), "{fields}");
}

#[test]
fn the_last_line_of_what_is_signed_is_the_member_that_is_sent() {
    let (_, message, headers) = example();
    let message = String::from_utf8(message).unwrap();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "content-digest",
            "idempotency-key",
            "signature-input",
            "signature"
        ]
    );
    let member = headers[2].1.strip_prefix("sig1=").unwrap();
    assert_eq!(
        message.lines().last().unwrap(),
        format!("\"@signature-params\": {member}")
    );
    for (name, value) in &headers[..2] {
        assert!(message.contains(&format!("\n\"{name}\": {value}\n")));
    }
}
