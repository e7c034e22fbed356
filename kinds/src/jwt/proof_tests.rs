//! Proofs of possession: what they name, what they refuse, and that the published ones are read as they are meant.

use super::*;
use crate::fixture::{catalog, grant, jwt_route, key, listed, moment, route};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    call::http::Url,
    catalog::HttpRoute,
    crypto::{AwsLc, Scheme, Verifier, sha256},
    grant::CredentialRule,
    owner::command::Alg,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const JOSE: &str = include_str!("../../../tests/vectors/jose/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-jwt.md");
/// RFC 9449 §7.1: the hash of its access token.
const ATH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

fn proved(http: HttpRoute) -> JwtRoute {
    JwtRoute {
        profile: "dpop".into(),
        issuer: String::new(),
        subject: String::new(),
        mints: false,
        http: Some(Box::new(http)),
        ..jwt_route("")
    }
}

fn whole() -> (Catalog, Grant) {
    let endpoint = JwtRoute {
        token_endpoint: true,
        mints: true,
        ..proved(route("/token", &["POST"]))
    };
    let catalog = catalog(vec![
        (
            "orders",
            vec![Route::Jwt(proved(route(
                "/v1/orders/{id}",
                &["GET", "DELETE"],
            )))],
        ),
        ("tokens", vec![Route::Jwt(endpoint)]),
        // What an HTTP route of the same place allows is nothing to a proof.
        (
            "pages",
            vec![Route::Http(HttpRoute {
                query: listed(&["q"]),
                ..route("/v1/pages", &["GET"])
            })],
        ),
    ]);
    let mut grant = grant(&["orders", "pages"], &["tokens"], &[]);
    let rule = CredentialRule {
        profile: Some("dpop".into()),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Jwt, rule);
    (catalog, grant)
}

fn input(method: &str, url: &str, ath: Option<&str>) -> JwtInput {
    JwtInput {
        profile: "dpop".into(),
        audience: String::new(),
        nonce: None,
        ttl_s: None,
        method: Some(method.into()),
        url: Some(url.into()),
        ath: ath.map(str::to_owned),
        wit: None,
    }
}

fn order() -> JwtInput {
    input("GET", "https://api.example.com/v1/orders/ord_1", Some(ATH))
}

fn parse(input: &JwtInput) -> Result<JwtCall, Denial> {
    let (catalog, grant) = whole();
    JwtCall::parse(input, None, &catalog, &grant)
}

fn message(call: &JwtCall, alg: Alg, moment: &Moment) -> String {
    let signed = call.to_sign(&key(Kind::Jwt, alg), moment).unwrap();
    String::from_utf8(signed.message().unwrap().to_vec()).unwrap()
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_proof_names_its_request_its_token_and_its_key() {
    let call = parse(&order()).unwrap();
    let text = message(&call, Alg::Ed25519, &moment());
    let (header, claims) = text.split_once('.').unwrap();
    let x = URL_SAFE_NO_PAD.encode([7; 32]);
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    assert_eq!(
        read(header),
        json!({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": jwk})
    );
    let expected = json!({
        "iat": 1_795_424_400_u64, "jti": "AAECAwQFBgcICQoLDA0ODw", "htm": "GET",
        "htu": "https://api.example.com/v1/orders/ord_1", "ath": ATH
    });
    assert_eq!(read(claims), expected);
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(
        SPEC.contains(&format!("```json\n{claims}\n```")),
        "{claims}"
    );
    let effect = &call.effects().first;
    assert_eq!(
        (
            effect.verb,
            effect.destination.as_str(),
            effect.method.as_str()
        ),
        (Verb::Read, "api.example.com", "GET")
    );
    assert_eq!(effect.path_template, "/v1/orders/{id}");
    assert_eq!(effect.parameters, [("path.id".into(), "ord_1".into())]);
    assert!(!effect.mints && !effect.identity_only && effect.fixed);
    assert_eq!(effect.max_lifetime, MAX_PROOF);
}

#[test]
fn a_token_endpoint_has_no_token_yet_and_mints() {
    let mut asked = input("POST", "https://api.example.com/token", None);
    asked.nonce = Some("eyJ7S_zG.eyJH0-Z.HX4w-7v".into());
    let call = parse(&asked).unwrap();
    let effect = &call.effects().first;
    assert!(effect.mints && effect.verb == Verb::Write);
    let text = message(&call, Alg::P256, &moment());
    let (header, claims) = text.split_once('.').unwrap();
    assert_eq!(read(header)["jwk"]["crv"], "P-256");
    assert_eq!(read(header)["jwk"].as_object().unwrap().len(), 4);
    assert_eq!(read(claims)["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    assert_eq!(read(claims).get("ath"), None);
}

#[test]
fn every_refusal_names_its_code_and_place() {
    let with = |change: fn(&mut JwtInput)| {
        let mut input = order();
        change(&mut input);
        input
    };
    for (input, code, place) in [
        (
            with(|one| one.audience = "a".into()),
            Code::UnlistedMember,
            "/audience",
        ),
        (
            with(|one| one.ttl_s = Some(1)),
            Code::UnlistedMember,
            "/ttl_s",
        ),
        (
            with(|one| one.method = None),
            Code::InvalidRequest,
            "/method",
        ),
        (
            with(|one| one.method = Some("get".into())),
            Code::InvalidRequest,
            "/method",
        ),
        (
            with(|one| one.method = Some("POST".into())),
            Code::MethodDenied,
            "/method",
        ),
        (with(|one| one.url = None), Code::InvalidRequest, "/url"),
        (
            with(|one| one.url = Some("http://api.example.com/v1/orders/1".into())),
            Code::InvalidRequest,
            "/url",
        ),
        (
            with(|one| one.url = Some("https://api.example.com/v1/orders/../x".into())),
            Code::NotNormalForm,
            "/url",
        ),
        (
            with(|one| one.url = Some("https://api.example.com/v1/orders/1?a=1".into())),
            Code::UnlistedMember,
            "/url?a",
        ),
        (
            with(|one| one.url = Some("https://api.example.com/v1/pages".into())),
            Code::DestinationDenied,
            "/url",
        ),
        (
            with(|one| one.url = Some("https://api.example.com:8443/v1/orders/1".into())),
            Code::DestinationDenied,
            "/url",
        ),
        (with(|one| one.ath = None), Code::InvalidRequest, "/ath"),
        (
            with(|one| one.ath = Some("aGFzaA".into())),
            Code::InvalidRequest,
            "/ath",
        ),
        (
            with(|one| one.ath = Some(format!("{ATH}="))),
            Code::InvalidRequest,
            "/ath",
        ),
        (
            with(|one| one.nonce = Some(String::new())),
            Code::InvalidRequest,
            "/nonce",
        ),
        (
            with(|one| one.nonce = Some("a b".into())),
            Code::InvalidRequest,
            "/nonce",
        ),
        (
            with(|one| one.profile = "assertion".into()),
            Code::Unsupported,
            "/profile",
        ),
        (
            JwtInput {
                ath: Some(ATH.into()),
                wit: None,
                ..input("POST", "https://api.example.com/token", None)
            },
            Code::UnlistedMember,
            "/ath",
        ),
    ] {
        let denial = parse(&input).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(place)),
            "{input:?}"
        );
    }
    let call = parse(&order()).unwrap();
    let denial = call.to_sign(&key(Kind::Jwt, Alg::Rs256), &moment());
    assert_eq!(denial.unwrap_err().code, Code::KeyDenied);
}

/// RFC 9449, figures 2 and 12: under their own keys, over the names this module writes.
#[test]
fn the_published_proofs_verify_and_have_the_same_members() {
    let vectors: Value = serde_json::from_str(JOSE).unwrap();
    let case = &vectors["rfc9449"];
    let token = case["access_token"].as_str().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(sha256(&[token.as_bytes()]).0), ATH);
    let (catalog, mut grant) = whole();
    for (name, members) in [
        ("token_request", vec!["htm", "htu", "iat", "jti"]),
        ("resource_request", vec!["ath", "htm", "htu", "iat", "jti"]),
    ] {
        let (signed, signature) = case[name].as_str().unwrap().rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let (header, claims) = (read(header), read(claims));
        let point = |at: &str| {
            let text = header["jwk"][at].as_str().unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let public = [vec![4], point("x"), point("y")].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        AwsLc
            .verify(Scheme::P256, &public, signed.as_bytes(), &signature)
            .unwrap();
        let url = Url::parse(claims["htu"].as_str().unwrap()).unwrap();
        let method = claims["htm"].as_str().unwrap();
        let http = HttpRoute {
            host: url.host.clone(),
            ..route(&url.path, &[method])
        };
        let ours = JwtRoute {
            token_endpoint: name == "token_request",
            ..proved(http)
        };
        let mut catalog = catalog.clone();
        for resource in catalog.resources.values_mut() {
            resource.routes = vec![Route::Jwt(ours.clone())];
        }
        catalog
            .resources
            .retain(|name, _| name.as_str() == "tokens");
        grant.scope = Arc::new(claviger_shared::grant::Scope {
            permissions: claviger_shared::grant::Permissions {
                write: vec![crate::fixture::name("tokens")],
                read: vec![crate::fixture::name("tokens")],
                delete: Vec::new(),
            },
            ..(*grant.scope).clone()
        });
        let asked = input(
            method,
            claims["htu"].as_str().unwrap(),
            claims["ath"].as_str(),
        );
        let call = JwtCall::parse(&asked, None, &catalog, &grant).unwrap();
        let info = SigningKeyInfo {
            public,
            ..key(Kind::Jwt, Alg::P256)
        };
        let made = call.to_sign(&info, &moment()).unwrap();
        let made = String::from_utf8(made.message().unwrap().to_vec()).unwrap();
        let (own_header, own) = made.split_once('.').unwrap();
        assert_eq!(read(own_header), header, "{name}");
        let own = read(own);
        let names: Vec<_> = own
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, members, "{name}");
        for name in ["htm", "htu", "ath"] {
            assert_eq!(own.get(name), claims.get(name), "{name}");
        }
    }
}

proptest! {
    /// What a proof says of a request is what was asked, to the byte; another nonce of the enclave is another `jti`.
    #[test]
    fn method_and_url_are_those_asked(id in "[A-Za-z0-9._~-]{1,20}", delete in any::<bool>(), nonce in any::<[u8; 16]>()) {
        prop_assume!(id != "." && id != "..");
        let (method, url) = (if delete { "DELETE" } else { "GET" }, format!("https://api.example.com/v1/orders/{id}"));
        let call = parse(&input(method, &url, Some(ATH))).unwrap();
        let text = message(&call, Alg::P256, &Moment { nonce, ..moment() });
        let claims = read(text.split_once('.').unwrap().1);
        prop_assert_eq!(&claims["htm"], &Value::from(method));
        prop_assert_eq!(&claims["htu"], &Value::from(url));
        prop_assert_eq!(&claims["jti"], &Value::from(URL_SAFE_NO_PAD.encode(nonce)));
    }

    /// Canonical bytes are as different as the inputs.
    #[test]
    fn canonical_bytes_differ(ath in any::<[u8; 32]>(), nonce in "[a-z]{1,8}") {
        let plain = parse(&order()).unwrap().canonical();
        let ath = URL_SAFE_NO_PAD.encode(ath);
        let other = parse(&JwtInput { ath: Some(ath.clone()), ..order() }).unwrap().canonical();
        prop_assert_eq!(plain == other, ath == ATH);
        let told = parse(&JwtInput { nonce: Some(nonce), ..order() }).unwrap().canonical();
        prop_assert_ne!(plain, told);
    }

    /// Any input ends in an answer.
    #[test]
    fn any_input_ends_in_an_answer(method in any::<Option<String>>(), url in "https://api.example.com/.{0,30}", ath in any::<Option<String>>(), nonce in any::<Option<String>>()) {
        let _ = parse(&JwtInput { method, url: Some(url), ath, nonce, ..order() });
    }
}
