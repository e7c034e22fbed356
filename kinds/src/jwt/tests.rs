//! What is accepted, what is refused and with which code, the layout, and the JOSE forms against what others published.
//!
//! Data: `tests/vectors/jose`; its source and licence stand beside it.

use super::*;
use crate::fixture::{catalog, grant, jwt_route, key, moment, token, whole};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    crypto::{AwsLc, Scheme, Verifier},
    grant::CredentialRule,
    owner::command::Alg,
    time::UnixMs,
};
use proptest::prelude::*;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::Value;

const JOSE: &str = include_str!("../../../tests/vectors/jose/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-jwt.md");
const AUDIENCE: &str = "https://idp.example.com/token";

fn parse(input: &JwtInput) -> Result<JwtCall, Denial> {
    let (catalog, grant) = whole();
    JwtCall::parse(input, None, &catalog, &grant)
}

fn message(call: &JwtCall, alg: Alg, moment: &Moment) -> String {
    let bytes = call
        .to_sign(&key(Kind::Jwt, alg), moment)
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    String::from_utf8(bytes).unwrap()
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn base64url(value: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(value[name].as_str().unwrap())
        .unwrap()
}

#[test]
fn an_assertion_says_its_whole_effect() {
    let call = parse(&token(None)).unwrap();
    let effect = &call.effects().first;
    assert_eq!(effect.kind, Kind::Jwt);
    assert_eq!(
        (effect.verb, effect.resource.as_str()),
        (Verb::Write, "tokens")
    );
    assert_eq!(effect.destination, AUDIENCE);
    assert_eq!(
        (effect.method.as_str(), effect.path_template.as_str()),
        ("issue", "")
    );
    assert!(effect.mints && !effect.identity_only && effect.charges.is_empty());
    assert_eq!(effect.max_lifetime, Millis(300_000));
    let replay = call.replay(&moment());
    assert_eq!((replay.single_use, replay.window_s), (false, 60));
}

#[test]
fn every_refusal_names_its_code_and_place() {
    let input = |profile: &str, audience: &str, ttl_s| JwtInput {
        profile: profile.into(),
        audience: audience.into(),
        ttl_s,
        ..token(None)
    };
    for (given, code, param) in [
        (input("oidc", AUDIENCE, None), Code::Unsupported, "/profile"),
        (input("", AUDIENCE, None), Code::Unsupported, "/profile"),
        (
            input("assertion", AUDIENCE, Some(0)),
            Code::InvalidRequest,
            "/ttl_s",
        ),
        (
            input("assertion", AUDIENCE, Some(301)),
            Code::Outliving,
            "/ttl_s",
        ),
        (
            input("assertion", AUDIENCE, Some(u64::MAX)),
            Code::Outliving,
            "/ttl_s",
        ),
        (
            input("assertion", "https://idp.example.com/token/", None),
            Code::DestinationDenied,
            "/audience",
        ),
        (
            input("assertion", "https://idp.example.com", None),
            Code::DestinationDenied,
            "/audience",
        ),
        (
            input("assertion", "HTTPS://idp.example.com/token", None),
            Code::DestinationDenied,
            "/audience",
        ),
        (
            input("assertion", "", None),
            Code::DestinationDenied,
            "/audience",
        ),
    ] {
        let denial = parse(&given).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(param)),
            "{given:?}"
        );
    }
}

#[test]
fn a_ttl_can_only_shorten() {
    let rule = |profile: Option<&str>, ms| CredentialRule {
        profile: profile.map(str::to_owned),
        signature_agent: None,
        ttl: Some(Millis(ms)),
    };
    let (catalog, mut grant) = whole();
    let mut lifetime = |rule, ttl_s| {
        grant.credentials.insert(Kind::Jwt, rule);
        let call = JwtCall::parse(&token(ttl_s), None, &catalog, &grant);
        call.map(|call| call.effects().first.max_lifetime.0)
            .map_err(|denial| denial.code)
    };
    assert_eq!(lifetime(rule(None, 60_000), None), Ok(60_000));
    assert_eq!(lifetime(rule(None, 60_000), Some(60)), Ok(60_000));
    assert_eq!(lifetime(rule(None, 60_000), Some(1)), Ok(1000));
    assert_eq!(lifetime(rule(None, 60_000), Some(61)), Err(Code::Outliving));
    assert_eq!(lifetime(rule(None, 900_000), None), Ok(300_000));
    assert_eq!(
        lifetime(rule(Some("assertion"), 900_000), Some(300)),
        Ok(300_000)
    );
    assert_eq!(
        lifetime(rule(Some("assertion"), 900_000), Some(301)),
        Err(Code::Outliving)
    );
    assert_eq!(
        lifetime(rule(Some("oidc"), 900_000), None),
        Err(Code::Unsupported)
    );
}

#[test]
fn only_named_assertion_routes_are_audiences_and_two_are_none() {
    let routes = |audience: &str| vec![Route::Jwt(jwt_route(audience))];
    let two = catalog(vec![("a", routes(AUDIENCE)), ("b", routes(AUDIENCE))]);
    let by = |read: &[&str], write: &[&str]| {
        let call = JwtCall::parse(&token(None), None, &two, &grant(read, write, &[]));
        call.map(|call| call.effects().first.resource.to_string())
            .map_err(|denial| denial.code)
    };
    assert_eq!(by(&[], &["a"]), Ok("a".into()));
    assert_eq!(by(&["a"], &["b"]), Ok("b".into()));
    assert_eq!(by(&[], &["a", "b"]), Err(Code::DestinationDenied));
    assert_eq!(by(&["a", "b"], &[]), Err(Code::PermissionDenied));
    assert_eq!(by(&[], &["c"]), Err(Code::DestinationDenied));
    let other = JwtRoute {
        profile: "oidc".into(),
        ..jwt_route(AUDIENCE)
    };
    let denial = JwtCall::parse(
        &token(None),
        None,
        &catalog(vec![("a", vec![Route::Jwt(other)])]),
        &grant(&[], &["a"], &[]),
    );
    assert_eq!(denial.unwrap_err().code, Code::DestinationDenied);
}

#[test]
fn header_and_claims_are_exactly_these() {
    for (alg, name) in [(Alg::Ed25519, "EdDSA"), (Alg::P256, "ES256")] {
        let message = message(&parse(&token(Some(60))).unwrap(), alg, &moment());
        let (header, claims) = message.split_once('.').unwrap();
        let expected = serde_json::json!({
            "alg": name, "typ": "JWT", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        });
        assert_eq!(decoded(header), expected);
        let expected = serde_json::json!({
            "iss": "client-7", "sub": "client-7", "aud": AUDIENCE,
            "iat": 1_795_424_400_u64, "exp": 1_795_424_460_u64, "jti": "AAECAwQFBgcICQoLDA0ODw"
        });
        assert_eq!(decoded(claims), expected);
    }
}

#[test]
fn a_moment_or_key_that_does_not_fit_is_refused() {
    let call = parse(&token(Some(60))).unwrap();
    let at = |now: u64, end: u64| Moment {
        now: UnixMs(now),
        expires_at: UnixMs(end),
        nonce: [0; 16],
    };
    let jwt = key(Kind::Jwt, Alg::P256);
    call.to_sign(&jwt, &at(0, 60_000)).unwrap();
    for bad in [at(0, 61_000), at(1000, 1000), at(5000, 1000)] {
        assert_eq!(call.to_sign(&jwt, &bad).unwrap_err().code, Code::Outliving);
    }
    let http = key(Kind::Http, Alg::P256);
    assert_eq!(
        call.to_sign(&http, &moment()).unwrap_err().code,
        Code::KeyDenied
    );
    assert_eq!(
        call.assemble(&moment(), &ToSign::Message(b"e30.e30".to_vec()), &[0; 70])
            .unwrap_err()
            .code,
        Code::KeyDenied
    );
}

#[test]
fn canonical_bytes_differ_for_different_inputs_and_only_then() {
    let canonical = |ttl_s| parse(&token(ttl_s)).unwrap().canonical();
    assert_eq!(canonical(Some(60)), canonical(Some(60)));
    assert_ne!(canonical(Some(60)), canonical(Some(61)));
    assert_ne!(canonical(Some(300)), canonical(None));
}

/// RFC 8037 appendix A.4 and A.5.
#[test]
fn rfc8037_is_built_and_signed_to_the_byte() {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let case = &vectors["rfc8037-a"];
    let text = |name: &str| case[name].as_str().unwrap();
    let input = jws::encoded(text("header").as_bytes(), text("payload").as_bytes());
    assert_eq!(input, text("signing_input"));
    let (seed, public) = (base64url(&case["jwk"], "d"), base64url(&case["jwk"], "x"));
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).unwrap();
    let token = jws::compact(&input, pair.sign(input.as_bytes()).as_ref());
    assert_eq!(token, format!("{input}.{}", text("signature")));
    AwsLc
        .verify(
            Scheme::Ed25519,
            &public,
            input.as_bytes(),
            &base64url(case, "signature"),
        )
        .unwrap();
}

/// RFC 7515 appendix A.3.
#[test]
fn rfc7515_a3_is_built_and_verifies() {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let case = &vectors["rfc7515-a3"];
    let text = |name: &str| case[name].as_str().unwrap();
    let input = jws::encoded(text("header").as_bytes(), text("payload").as_bytes());
    assert_eq!(input, text("signing_input"));
    let public = [
        vec![4],
        base64url(&case["jwk"], "x"),
        base64url(&case["jwk"], "y"),
    ]
    .concat();
    let signature = base64url(case, "signature");
    AwsLc
        .verify(Scheme::P256, &public, input.as_bytes(), &signature)
        .unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public)
        .verify(input.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn the_specs_example_is_what_is_made() {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let seed = base64url(&vectors["rfc8037-a"]["jwk"], "d");
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let call = parse(&token(Some(60))).unwrap();
    let input = message(&call, Alg::Ed25519, &moment());
    let signature = pair.sign(input.as_bytes());
    let Credential::Jwt { jwt } = call
        .assemble(
            &moment(),
            &ToSign::Message(input.clone().into_bytes()),
            signature.as_ref(),
        )
        .unwrap()
    else {
        panic!("header fields");
    };
    let (signed, _) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref())
        .verify(signed.as_bytes(), signature.as_ref())
        .unwrap();
    assert!(SPEC.contains(&format!("```\n{jwt}\n```")), "{jwt}");
    let claims = URL_SAFE_NO_PAD
        .decode(input.split_once('.').unwrap().1)
        .unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(
        SPEC.contains(&format!("```json\n{claims}\n```")),
        "{claims}"
    );
}

proptest! {
    /// Whatever the owner wrote as issuer, subject and audience is what a JSON reader finds; nothing breaks out.
    #[test]
    fn claims_read_back_whatever_their_text(issuer in any::<String>(), subject in any::<String>(), audience in any::<String>()) {
        let route = JwtRoute { issuer: issuer.clone(), subject: subject.clone(), ..jwt_route(&audience) };
        let catalog = catalog(vec![("a", vec![Route::Jwt(route)])]);
        let input = JwtInput { audience: audience.clone(), ..token(None) };
        let call = JwtCall::parse(&input, None, &catalog, &grant(&[], &["a"], &[])).unwrap();
        let message = message(&call, Alg::P256, &moment());
        let claims = decoded(message.split_once('.').unwrap().1);
        prop_assert_eq!(claims.as_object().unwrap().len(), 6);
        prop_assert_eq!(&claims["iss"], &Value::from(issuer));
        prop_assert_eq!(&claims["sub"], &Value::from(subject));
        prop_assert_eq!(&claims["aud"], &Value::from(audience));
    }

    /// Another time or nonce is another message; the same is the same.
    #[test]
    fn time_and_nonce_are_in_the_message(shift in 0_u64..1000, nonce in any::<[u8; 16]>()) {
        let call = parse(&token(None)).unwrap();
        let later = Millis::from_secs(shift);
        let other = Moment { now: moment().now.plus(later), expires_at: moment().expires_at.plus(later), nonce };
        let same = message(&call, Alg::P256, &moment()) == message(&call, Alg::P256, &other);
        prop_assert_eq!(same, shift == 0 && nonce == moment().nonce);
    }

    /// Any input ends in an answer.
    #[test]
    fn any_input_ends_in_an_answer(profile in "(assertion|oidc|.{0,9})", audience in ".{0,40}", nonce in any::<Option<String>>(), ttl_s in any::<Option<u64>>()) {
        let _ = parse(&JwtInput { profile, audience, nonce, ttl_s, ..token(None) });
    }
}
