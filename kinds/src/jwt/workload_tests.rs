//! Profile `wpt`: what a proof says, whose key signs it, what is refused, and the draft's own sample.
//!
//! Data: `tests/vectors/wimse`; its sources and licence stand beside it.

use super::*;
use crate::fixture::{catalog, grant, jwt_route, key, moment};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    call::MAX_SHOWN_TOKEN, crypto::sha256, grant::CredentialRule, jwk, owner::command::Alg,
    time::UnixMs,
};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/wimse/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-jwt.md");
const REQUESTS: &str = include_str!("../../../docs/spec/credential-http.md");
const BILLING: &str = "wimse://example.com/billing";
const LEDGER: &str = "https://ledger.example.com/entries";
/// RFC 9449 §7.1: the hash of its access token.
const ATH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

fn route(audience: &str, subject: &str) -> JwtRoute {
    JwtRoute {
        profile: "wpt".into(),
        issuer: String::new(),
        subject: subject.into(),
        mints: false,
        ..jwt_route(audience)
    }
}

fn under(route: JwtRoute, input: &JwtInput) -> Result<JwtCall, Denial> {
    let catalog = catalog(vec![("ledger", vec![Route::Jwt(route)])]);
    let mut grant = grant(&[], &["ledger"], &[]);
    let rule = CredentialRule {
        profile: Some("wpt".into()),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Jwt, rule);
    JwtCall::parse(input, None, &catalog, &grant)
}

fn of_key(alg: Alg, public: Vec<u8>) -> SigningKeyInfo {
    SigningKeyInfo {
        thumbprint: jwk::thumbprint(alg, &public).unwrap(),
        public,
        ..key(Kind::Jwt, alg)
    }
}

fn own() -> SigningKeyInfo {
    of_key(Alg::Ed25519, vec![7; 32])
}

fn claims() -> Value {
    let key = jwk::jwk(Alg::Ed25519, &own().public).unwrap();
    json!({"sub": BILLING, "exp": moment().expires_at.secs(), "cnf": {"jwk": key}})
}

fn token(claims: &Value) -> String {
    let parts = [json!({"alg": "ES256", "typ": "wit+jwt"}), claims.clone()];
    let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

fn input(wit: Option<String>, ath: Option<&str>) -> JwtInput {
    JwtInput {
        profile: "wpt".into(),
        audience: LEDGER.into(),
        nonce: None,
        ttl_s: None,
        method: None,
        url: None,
        ath: ath.map(str::to_owned),
        wit,
    }
}

fn good() -> JwtInput {
    input(Some(token(&claims())), None)
}

fn parse(input: &JwtInput) -> Result<JwtCall, Denial> {
    under(route(LEDGER, BILLING), input)
}

fn denied(input: &JwtInput) -> (Code, Option<String>) {
    let denial = parse(input).unwrap_err();
    (denial.code, denial.param)
}

fn text(call: &JwtCall, key: &SigningKeyInfo, moment: &Moment) -> String {
    let signed = call.to_sign(key, moment).unwrap();
    String::from_utf8(signed.message().unwrap().to_vec()).unwrap()
}

fn parts(text: &str) -> (String, String) {
    let (header, claims) = text.split_once('.').unwrap();
    let read = |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

/// The bytes are ours but for `jti`, which is no word of ours; under the published key they are the published token.
#[test]
fn the_drafts_sample_is_what_is_made() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let sample = |name: &str| vectors["wpt"][name].as_str().unwrap();
    let (published, _) = sample("wpt").rsplit_once('.').unwrap();
    let (_, claims) = parts(published);
    let claims: Value = serde_json::from_str(&claims).unwrap();
    let audience = claims["aud"].as_str().unwrap();
    let seed = URL_SAFE_NO_PAD.decode(sample("d")).unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let own = of_key(Alg::Ed25519, public);
    let asked = JwtInput {
        audience: audience.into(),
        ..input(Some(sample("wit").into()), claims["ath"].as_str())
    };
    let workload = "wimse://example.com/specific-workload";
    let call = under(route(audience, workload), &asked).unwrap();
    let exp = claims["exp"].as_u64().unwrap().saturating_mul(1000);
    let then = Moment {
        now: UnixMs(exp.saturating_sub(60_000)),
        expires_at: UnixMs(exp),
        ..moment()
    };
    let (header, claims) = parts(&text(&call, &own, &then));
    let claims = claims.replace("AAECAwQFBgcICQoLDA0ODw", "__bwc4ESC3acc2LTC1-_x");
    let made = jws::encoded(header.as_bytes(), claims.as_bytes());
    assert_eq!(made, published);
    let signature = pair.sign(made.as_bytes());
    assert_eq!(jws::compact(&made, signature.as_ref()), sample("wpt"));
}

#[test]
fn a_proof_says_for_whom_which_token_and_until_when() {
    let wit = token(&claims());
    let wth = URL_SAFE_NO_PAD.encode(sha256(&[wit.as_bytes()]).0);
    let (header, claims) = parts(&text(&parse(&good()).unwrap(), &own(), &moment()));
    assert_eq!(header, r#"{"alg":"EdDSA","typ":"wpt+jwt"}"#);
    let expected = format!(
        r#"{{"aud":"{LEDGER}","exp":1795424460,"jti":"AAECAwQFBgcICQoLDA0ODw","wth":"{wth}"}}"#
    );
    assert_eq!(claims, expected);
    let call = parse(&input(Some(wit), Some(ATH))).unwrap();
    let (_, beside) = parts(&text(&call, &own(), &moment()));
    assert_eq!(
        beside,
        expected.replacen('{', &format!(r#"{{"ath":"{ATH}","#), 1)
    );
    let effect = &call.effects().first;
    assert!(effect.identity_only && !effect.mints && effect.charges.is_empty());
    assert_eq!(effect.destination, LEDGER);
    assert_eq!(effect.token.as_ref().unwrap().key, own().thumbprint);
}

/// The draft's verifier compares the two as texts.
#[test]
fn the_algorithm_is_called_what_the_token_calls_it() {
    let mut other = claims();
    other["cnf"]["jwk"]["alg"] = json!("Ed25519");
    let call = parse(&input(Some(token(&other)), None)).unwrap();
    let (header, _) = parts(&text(&call, &own(), &moment()));
    assert_eq!(header, r#"{"alg":"Ed25519","typ":"wpt+jwt"}"#);
    let p256 = of_key(Alg::P256, [vec![4], vec![7; 64]].concat());
    other["cnf"]["jwk"] = jwk::jwk(Alg::P256, &p256.public).unwrap();
    let call = parse(&input(Some(token(&other)), None)).unwrap();
    let (header, _) = parts(&text(&call, &p256, &moment()));
    assert_eq!(header, r#"{"alg":"ES256","typ":"wpt+jwt"}"#);
}

#[test]
fn no_other_key_signs_and_no_proof_outlives_its_token() {
    let call = parse(&good()).unwrap();
    let code = |key: &SigningKeyInfo, moment: &Moment| call.to_sign(key, moment).unwrap_err().code;
    let thief = of_key(Alg::Ed25519, vec![8; 32]);
    assert_eq!(code(&thief, &moment()), Code::KeyDenied);
    assert_eq!(code(&key(Kind::Jwt, Alg::P256), &moment()), Code::KeyDenied);
    assert_eq!(
        code(&key(Kind::Http, Alg::Ed25519), &moment()),
        Code::KeyDenied
    );
    let late = Moment {
        expires_at: UnixMs(moment().expires_at.0.saturating_add(1000)),
        ..moment()
    };
    assert_eq!(code(&own(), &late), Code::Outliving);
    let mut early = claims();
    early["nbf"] = json!(moment().now.secs().saturating_add(1));
    let call = parse(&input(Some(token(&early)), None)).unwrap();
    let denial = call.to_sign(&own(), &moment()).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::Outliving, Some("/wit"))
    );
}

#[test]
fn a_token_is_limited_on_both_sides() {
    let whole = token(&claims());
    let fits = |length: &usize| {
        let left = length.saturating_sub(whole.len());
        parse(&input(Some(format!("{whole}{}", "A".repeat(left))), None)).is_ok()
    };
    // Of four lengths of base64 one is none.
    let most = MAX_SHOWN_TOKEN;
    assert_eq!((most - 3..=most).filter(fits).count(), 3);
    assert_eq!((most + 1..=most + 4).filter(fits).count(), 0);
}

#[test]
fn what_is_no_token_of_the_workload_is_refused() {
    let at = |code, place: &str| (code, Some(place.to_owned()));
    let none = at(Code::InvalidRequest, "/wit");
    assert_eq!(denied(&input(None, None)), none);
    let whole = token(&claims());
    for bad in [String::new(), "a.b.c".into(), format!("{whole}=")] {
        assert_eq!(denied(&input(Some(bad), None)), none);
    }
    let mut symmetric = claims();
    symmetric["cnf"]["jwk"] = json!({"kty": "oct", "alg": "HS256", "k": "AA"});
    assert_eq!(denied(&input(Some(token(&symmetric)), None)), none);
    let mut other = claims();
    other["sub"] = json!("wimse://example.com/billing2");
    assert_eq!(
        denied(&input(Some(token(&other)), None)),
        at(Code::PermissionDenied, "/wit")
    );
    for bad in ["", "aGFzaA", &format!("{ATH}=")] {
        let input = input(Some(whole.clone()), Some(bad));
        assert_eq!(denied(&input), at(Code::InvalidRequest, "/ath"));
    }
}

#[test]
fn the_audience_is_the_catalogs_and_nothing_else_is_said() {
    let at = |code, place: &str| (code, Some(place.to_owned()));
    for other in [
        "",
        "https://ledger.example.com/entries/",
        "https://ledger.example.com",
    ] {
        let input = JwtInput {
            audience: other.into(),
            ..good()
        };
        assert_eq!(denied(&input), at(Code::DestinationDenied, "/audience"));
    }
    let text = || Some("GET".to_owned());
    for (input, place) in [
        (
            JwtInput {
                method: text(),
                ..good()
            },
            "/method",
        ),
        (
            JwtInput {
                url: text(),
                ..good()
            },
            "/url",
        ),
        (
            JwtInput {
                nonce: text(),
                ..good()
            },
            "/nonce",
        ),
    ] {
        assert_eq!(denied(&input), at(Code::UnlistedMember, place));
    }
    let zero = JwtInput {
        ttl_s: Some(0),
        ..good()
    };
    assert_eq!(denied(&zero), at(Code::InvalidRequest, "/ttl_s"));
    let other = JwtInput {
        profile: "assertion".into(),
        ..good()
    };
    assert_eq!(denied(&other), at(Code::Unsupported, "/profile"));
}

#[test]
fn two_tokens_are_two_inputs() {
    let mut other = claims();
    other["jti"] = json!("2");
    let of = |input: &JwtInput| parse(input).unwrap().canonical();
    let all = [
        of(&good()),
        of(&input(Some(token(&other)), None)),
        of(&input(Some(token(&claims())), Some(ATH))),
        of(&JwtInput {
            ttl_s: Some(60),
            ..good()
        }),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(
            all.iter()
                .skip(n.saturating_add(1))
                .all(|other| other != one)
        );
    }
}

/// The token is that of the other page, its key RFC 8037's.
#[test]
fn the_page_shows_what_is_made() {
    let line = "\"workload-identity-token\": ";
    let (_, rest) = REQUESTS.split_once(line).unwrap();
    let (token, _) = rest.split_once('\n').unwrap();
    let call = parse(&input(Some(token.to_owned()), None)).unwrap();
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let own = of_key(Alg::Ed25519, URL_SAFE_NO_PAD.decode(x).unwrap());
    let (_, claims) = parts(&text(&call, &own, &moment()));
    assert!(SPEC.contains(&claims), "{claims}");
}

proptest! {
    /// Whatever a caller writes, what is signed is for the catalog's audience and the very token that was shown.
    #[test]
    fn nothing_that_a_caller_writes_is_signed_but_hashes(
        exp in 1_795_424_300_u64..1_795_424_600, ath in prop::option::of("[A-Za-z0-9_-]{42,44}"), more in "[ -~]{0,12}",
    ) {
        let mut claims = claims();
        claims["exp"] = json!(exp);
        claims["more"] = json!(more);
        let wit = token(&claims);
        let Ok(call) = parse(&input(Some(wit.clone()), ath.as_deref())) else {
            let hash = ath.map(|ath| URL_SAFE_NO_PAD.decode(ath));
            prop_assert!(hash.is_some_and(|hash| hash.is_err() || hash.is_ok_and(|hash| hash.len() != 32)));
            return Ok(());
        };
        let Ok(_) = call.to_sign(&own(), &moment()) else {
            prop_assert!(exp < moment().expires_at.secs());
            return Ok(());
        };
        prop_assert!(exp >= moment().expires_at.secs());
        let (_, said) = parts(&text(&call, &own(), &moment()));
        let said: Value = serde_json::from_str(&said).unwrap();
        prop_assert_eq!(&said["aud"], LEDGER);
        prop_assert_eq!(&said["wth"], &json!(URL_SAFE_NO_PAD.encode(sha256(&[wit.as_bytes()]).0)));
        prop_assert_eq!(said["ath"].as_str(), ath.as_deref());
    }
}
