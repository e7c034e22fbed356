//! Profile `oidc`: an identity that neither caller nor catalog can choose, with closed claims.

use super::*;
use crate::fixture::{catalog, grant, jwt_route, key, moment};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{grant::CredentialRule, owner::command::Alg};
use proptest::prelude::*;
use serde_json::{Value, json};

const SPEC: &str = include_str!("../../../docs/spec/credential-jwt.md");
const AUDIENCE: &str = "sts.example.com";
const ISSUER: &str = "https://id.acme.example/claviger";
const SUBJECT: &str = "acme-prod/claviger:billing-bot:gr_1";

fn route(nonce: bool) -> JwtRoute {
    JwtRoute {
        profile: profile::OIDC.into(),
        issuer: ISSUER.into(),
        subject: String::new(),
        nonce,
        ..jwt_route(AUDIENCE)
    }
}

fn input(nonce: Option<&str>) -> JwtInput {
    JwtInput {
        profile: profile::OIDC.into(),
        audience: AUDIENCE.into(),
        nonce: nonce.map(str::to_owned),
        ttl_s: Some(60),
        method: None,
        url: None,
        ath: None,
        wit: None,
    }
}

fn granted(named: Option<&str>) -> Grant {
    let mut grant = grant(&[], &["identity"], &[]);
    let rule = CredentialRule {
        profile: named.map(str::to_owned),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Jwt, rule);
    grant
}

fn parse_by(route: JwtRoute, input: &JwtInput, named: Option<&str>) -> Result<JwtCall, Denial> {
    let catalog = catalog(vec![("identity", vec![Route::Jwt(route)])]);
    JwtCall::parse(input, None, &catalog, &granted(named))
}

fn parse(nonce: Option<&str>) -> Result<JwtCall, Denial> {
    parse_by(route(true), &input(nonce), Some(profile::OIDC))
}

fn claims(call: &JwtCall) -> Value {
    let bytes = call
        .to_sign(&key(Kind::Jwt, Alg::P256), &moment())
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    let text = String::from_utf8(bytes).unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(text.split_once('.').unwrap().1)
        .unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn an_identity_says_who_it_is_and_nothing_else() {
    let mut expected = json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE,
        "iat": 1_795_424_400_u64, "exp": 1_795_424_460_u64, "jti": "AAECAwQFBgcICQoLDA0ODw",
    });
    assert_eq!(claims(&parse(None).unwrap()), expected);
    expected["nonce"] = json!("n-0S6_WzA2Mj");
    assert_eq!(claims(&parse(Some("n-0S6_WzA2Mj")).unwrap()), expected);
    let whole = JwtInput {
        ttl_s: None,
        ..input(None)
    };
    let call = parse_by(route(true), &whole, Some(profile::OIDC)).unwrap();
    let effect = &call.effects().first;
    assert!(effect.mints && effect.charges.is_empty());
    assert_eq!(
        (effect.verb, effect.destination.as_str()),
        (Verb::Write, AUDIENCE)
    );
    assert_eq!(effect.max_lifetime, Millis(300_000));
}

#[test]
fn a_nonce_stands_only_where_the_route_lets_it_and_within_its_bounds() {
    let long = "n".repeat(MAX_TOKEN_NONCE);
    parse(Some(&long)).unwrap();
    for bad in ["", &format!("{long}n"), "a b", "a\n", "\u{fc}"] {
        let denial = parse(Some(bad)).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (Code::InvalidRequest, Some("/nonce")),
            "{bad}"
        );
    }
    let denial = parse_by(route(false), &input(Some("n")), Some(profile::OIDC)).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::UnlistedMember, Some("/nonce"))
    );
    let assertion = JwtInput {
        profile: profile::ASSERTION.into(),
        ..input(Some("n"))
    };
    let denial = parse_by(jwt_route(AUDIENCE), &assertion, None).unwrap_err();
    assert_eq!(denial.code, Code::UnlistedMember);
}

#[test]
fn an_identity_is_given_only_where_grant_call_and_route_all_say_so() {
    let (oidc, assertion) = (Some(profile::OIDC), Some(profile::ASSERTION));
    let code = |route, input: &JwtInput, named| {
        parse_by(route, input, named).map(drop).map_err(|d| d.code)
    };
    let asks = |name: &str| JwtInput {
        profile: name.into(),
        ..input(None)
    };
    assert_eq!(code(route(false), &asks("oidc"), oidc), Ok(()));
    assert_eq!(
        code(route(false), &asks("oidc"), None),
        Err(Code::Unsupported)
    );
    assert_eq!(
        code(route(false), &asks("oidc"), assertion),
        Err(Code::Unsupported)
    );
    assert_eq!(
        code(route(false), &asks("assertion"), oidc),
        Err(Code::Unsupported)
    );
    assert_eq!(
        code(route(false), &asks("assertion"), assertion),
        Err(Code::DestinationDenied)
    );
    assert_eq!(
        code(jwt_route(AUDIENCE), &asks("oidc"), oidc),
        Err(Code::DestinationDenied)
    );
}

#[test]
fn a_subject_longer_than_openid_allows_is_refused() {
    let call = parse(None).unwrap();
    let mut info = key(Kind::Jwt, Alg::P256);
    let rest = SUBJECT.len() - info.deployment.len();
    info.deployment = "d".repeat(MAX_SUBJECT - rest).into();
    call.to_sign(&info, &moment()).unwrap();
    info.deployment = "d".repeat(MAX_SUBJECT - rest + 1).into();
    call.to_sign(&info, &moment()).unwrap_err();
}

#[test]
fn canonical_bytes_tell_nonces_and_profiles_apart() {
    let of = |nonce| parse(nonce).unwrap().canonical();
    assert_eq!(of(Some("a")), of(Some("a")));
    assert_ne!(of(Some("a")), of(Some("b")));
    assert_ne!(of(Some("a")), of(None));
}

#[test]
fn the_specs_example_is_what_is_made() {
    let bytes = parse(Some("n-0S6_WzA2Mj"))
        .unwrap()
        .to_sign(&key(Kind::Jwt, Alg::Ed25519), &moment())
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    let text = String::from_utf8(bytes).unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(text.split_once('.').unwrap().1)
        .unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(
        SPEC.contains(&format!("```json\n{claims}\n```")),
        "{claims}"
    );
}

proptest! {
    /// Claims are closed: whatever a caller writes as nonce is one text, or refused.
    #[test]
    fn a_nonce_never_writes_another_claim(nonce in prop_oneof![any::<String>(), "[!-~]{1,40}"]) {
        if let Ok(call) = parse(Some(&nonce)) {
            let claims = claims(&call);
            prop_assert_eq!(claims.as_object().unwrap().len(), 7);
            prop_assert_eq!(&claims["nonce"], &json!(nonce));
            prop_assert_eq!(&claims["sub"], SUBJECT);
        }
    }
}
