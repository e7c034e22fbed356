//! Tokens for GitHub and Google Cloud: what they say, for how long, and under which keys.

use super::*;
use crate::fixture::{catalog, grant, jwt_route, key, moment, token};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{grant::CredentialRule, owner::command::Alg, time::UnixMs};
use ring::{rand::SystemRandom, rsa::KeyPair as RsaKeyPair, signature::RSA_PKCS1_SHA256};
use serde_json::{Value, json};

const JOSE: &str = include_str!("../../../tests/vectors/jose/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-jwt.md");
const GITHUB: &str = "https://api.github.com";
const STORAGE: &str = "https://storage.googleapis.com/";
const TOKEN: &str = "https://oauth2.googleapis.com/token";
const ACCOUNT: &str = "bot@acme.iam.gserviceaccount.com";

fn app() -> JwtRoute {
    JwtRoute {
        profile: "github-app".into(),
        issuer: "Iv23liAbCdEf".into(),
        subject: String::new(),
        ..jwt_route(GITHUB)
    }
}

fn account(audience: &str) -> JwtRoute {
    JwtRoute {
        profile: "gcp".into(),
        issuer: ACCOUNT.into(),
        subject: String::new(),
        key_id: Some("1f2e3d".into()),
        mints: false,
        ..jwt_route(audience)
    }
}

fn assertion() -> JwtRoute {
    JwtRoute {
        token_endpoint: true,
        mints: true,
        scope: Some("https://www.googleapis.com/auth/devstorage.read_only".into()),
        ..account(TOKEN)
    }
}

fn ask(route: &JwtRoute, ttl_s: Option<u64>, rule: Option<u64>) -> Result<JwtCall, Denial> {
    let catalog = catalog(vec![("cloud", vec![Route::Jwt(route.clone())])]);
    let mut grant = grant(&[], &["cloud"], &[]);
    let rule = CredentialRule {
        profile: Some(route.profile.clone()),
        signature_agent: None,
        ttl: rule.map(Millis::from_secs),
    };
    grant.credentials.insert(Kind::Jwt, rule);
    let input = JwtInput {
        profile: route.profile.clone(),
        audience: route.audience.clone(),
        ..token(ttl_s)
    };
    JwtCall::parse(&input, None, &catalog, &grant)
}

fn said(call: &JwtCall, secs: u64) -> (Value, Value) {
    let moment = Moment {
        expires_at: UnixMs(
            moment()
                .now
                .secs()
                .saturating_add(secs)
                .saturating_mul(1000),
        ),
        ..moment()
    };
    let signed = call.to_sign(&key(Kind::Jwt, Alg::Rs256), &moment).unwrap();
    let text = std::str::from_utf8(signed.message().unwrap()).unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

#[test]
fn an_app_says_who_it_is_and_since_a_minute_ago() {
    let call = ask(&app(), Some(60), None).unwrap();
    let (header, claims) = said(&call, 60);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    let expected =
        json!({"iss": "Iv23liAbCdEf", "iat": 1_795_424_340_u64, "exp": 1_795_424_460_u64});
    assert_eq!(claims, expected);
    let effect = &call.effects().first;
    assert!(effect.mints && effect.identity_only && !effect.fixed);
    assert_eq!(effect.destination, GITHUB);
}

#[test]
fn an_app_lives_ten_minutes_from_its_iat_at_most() {
    let lives = |ttl_s, rule| {
        let call = ask(&app(), ttl_s, rule);
        call.map(|call| call.effects().first.max_lifetime.0 / 1000)
            .map_err(|denial| denial.code)
    };
    assert_eq!(lives(None, None), Ok(300));
    assert_eq!(lives(None, Some(3600)), Ok(540));
    assert_eq!(lives(Some(540), Some(3600)), Ok(540));
    assert_eq!(lives(Some(541), Some(3600)), Err(Code::Outliving));
    assert_eq!(lives(Some(301), None), Err(Code::Outliving));
    assert_eq!(lives(Some(0), None), Err(Code::InvalidRequest));
    let (_, claims) = said(&ask(&app(), None, Some(3600)).unwrap(), 540);
    let at = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(at("exp") - at("iat"), 600);
}

#[test]
fn an_account_speaks_for_itself_to_one_service() {
    let call = ask(&account(STORAGE), Some(60), None).unwrap();
    let (header, claims) = said(&call, 60);
    assert_eq!(
        header,
        json!({"alg": "RS256", "typ": "JWT", "kid": "1f2e3d"})
    );
    let (iat, exp) = (1_795_424_400_u64, 1_795_424_460_u64);
    let expected = json!({"iss": ACCOUNT, "sub": ACCOUNT, "aud": STORAGE, "iat": iat, "exp": exp});
    assert_eq!(claims, expected);
    let effect = &call.effects().first;
    assert!(!effect.mints && effect.identity_only);
    // AIP-4111: a scope instead of the audience, never both.
    let scoped = JwtRoute {
        scope: Some("https://www.googleapis.com/auth/pubsub".into()),
        ..account(STORAGE)
    };
    let (_, claims) = said(&ask(&scoped, Some(60), None).unwrap(), 60);
    let expected = json!({
        "iss": ACCOUNT, "sub": ACCOUNT, "scope": "https://www.googleapis.com/auth/pubsub", "iat": iat, "exp": exp
    });
    assert_eq!(claims, expected);
}

#[test]
fn an_accounts_assertion_has_audience_and_scope_and_mints() {
    let call = ask(&assertion(), Some(60), None).unwrap();
    let (_, claims) = said(&call, 60);
    let expected = json!({
        "iss": ACCOUNT, "aud": TOKEN, "scope": "https://www.googleapis.com/auth/devstorage.read_only",
        "iat": 1_795_424_400_u64, "exp": 1_795_424_460_u64
    });
    assert_eq!(claims, expected);
    assert!(call.effects().first.mints && call.effects().first.identity_only);
    let other = JwtRoute {
        subject: "ann@acme.example".into(),
        ..assertion()
    };
    let (_, claims) = said(&ask(&other, Some(60), None).unwrap(), 60);
    assert_eq!(claims["sub"], "ann@acme.example");
    let longest = ask(&assertion(), None, Some(86_400)).unwrap();
    assert_eq!(longest.effects().first.max_lifetime, MAX_GCP);
    let denial = ask(&assertion(), Some(3601), Some(86_400)).unwrap_err();
    assert_eq!(denial.code, Code::Outliving);
}

#[test]
fn no_other_key_no_other_profile_and_no_word_of_the_caller() {
    for route in [app(), account(STORAGE), assertion()] {
        let call = ask(&route, Some(60), None).unwrap();
        for alg in [Alg::Ed25519, Alg::P256, Alg::SigV4] {
            let denial = call.to_sign(&key(Kind::Jwt, alg), &moment()).unwrap_err();
            assert_eq!(denial.code, Code::KeyDenied);
        }
        let catalog = catalog(vec![("cloud", vec![Route::Jwt(route.clone())])]);
        let mut grant = grant(&[], &["cloud"], &[]);
        let input = JwtInput {
            profile: route.profile.clone(),
            audience: route.audience.clone(),
            ..token(Some(60))
        };
        let denied = |input: &JwtInput, grant: &Grant| {
            let denial = JwtCall::parse(input, None, &catalog, grant).unwrap_err();
            (denial.code, denial.param.unwrap())
        };
        let place = |text: &str| text.to_owned();
        assert_eq!(
            denied(&input, &grant),
            (Code::Unsupported, place("/profile")),
            "a grant that names no profile grants assertions"
        );
        let rule = CredentialRule {
            profile: Some(route.profile.clone()),
            signature_agent: None,
            ttl: None,
        };
        grant.credentials.insert(Kind::Jwt, rule);
        for (input, code, at) in [
            (
                JwtInput {
                    nonce: Some("n".into()),
                    ..input.clone()
                },
                Code::UnlistedMember,
                "/nonce",
            ),
            (
                JwtInput {
                    url: Some("https://a.example/".into()),
                    ..input.clone()
                },
                Code::UnlistedMember,
                "/url",
            ),
            (
                JwtInput {
                    method: Some("GET".into()),
                    ..input.clone()
                },
                Code::UnlistedMember,
                "/method",
            ),
            (
                JwtInput {
                    ath: Some("h".into()),
                    wit: None,
                    ..input.clone()
                },
                Code::UnlistedMember,
                "/ath",
            ),
            (
                JwtInput {
                    audience: format!("{}/x", route.audience),
                    ..input.clone()
                },
                Code::DestinationDenied,
                "/audience",
            ),
            (
                JwtInput {
                    audience: String::new(),
                    ..input.clone()
                },
                Code::DestinationDenied,
                "/audience",
            ),
        ] {
            assert_eq!(denied(&input, &grant), (code, place(at)));
        }
    }
}

/// RFC 7515 appendix A.2, to the byte: the signature is determined.
#[test]
fn rfc7515_a2_is_built_and_signed_to_the_byte() {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let case = &vectors["rfc7515-a2"];
    let text = |name: &str| case[name].as_str().unwrap();
    let input = jws::encoded(text("header").as_bytes(), text("payload").as_bytes());
    assert_eq!(input, text("signing_input"));
    let token = jws::compact(&input, &sign(&published(), input.as_bytes()));
    assert_eq!(token, format!("{input}.{}", text("signature")));
}

/// The key of RFC 7515 appendix A.2.
fn published() -> rsa::Private {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let jwk = &vectors["rfc7515-a2"]["jwk"];
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let [n, e, d, p, q, dp, dq, qi] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(number);
    let numbers = rsa::Numbers {
        n: &n,
        e: &e,
        private: [&d, &p, &q, &dp, &dq, &qi],
    };
    rsa::Private::from_numbers(&numbers).unwrap()
}

fn sign(key: &rsa::Private, message: &[u8]) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(key.expose()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
        .unwrap();
    signature
}

#[test]
fn the_specs_examples_are_what_is_made() {
    for route in [app(), account(STORAGE), assertion()] {
        let call = ask(&route, Some(60), None).unwrap();
        let signed = call
            .to_sign(&key(Kind::Jwt, Alg::Rs256), &moment())
            .unwrap();
        let text = std::str::from_utf8(signed.message().unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1);
        let claims = String::from_utf8(claims.unwrap()).unwrap();
        assert!(
            SPEC.contains(&format!("```json\n{claims}\n```")),
            "{claims}"
        );
        let signature = sign(&published(), text.as_bytes());
        let Credential::Jwt { jwt } = call.assemble(&moment(), &signed, &signature).unwrap() else {
            panic!("header fields");
        };
        assert_eq!(jwt.split('.').count(), 3);
        call.assemble(&moment(), &signed, &signature[1..])
            .unwrap_err();
    }
}
