//! Credentials checked by somebody else's libraries: `tests/relying_party`, whose README says how to set it up.

use crate::{
    Call, Moment, SigningKeyInfo,
    fixture::{charge, get, key, moment, post, token, whole},
    http::{self, HttpCall},
    jwt::JwtCall,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::{
    call::HttpInput,
    credential::Credential,
    crypto::sha256,
    effect::Kind,
    grant::{CredentialRule, profile},
    owner::command::Alg,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/relying_party");

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Pair {
    fn both() -> [Self; 2] {
        let random = SystemRandom::new();
        let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(alg, &random).unwrap();
        [
            Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()),
            Self::P256(EcdsaKeyPair::from_pkcs8(alg, document.as_ref(), &random).unwrap()),
        ]
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).unwrap();
                signature.as_ref().to_vec()
            }
        }
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                json!({"crv": "Ed25519", "kty": "OKP", "x": x})
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                json!({"crv": "P-256", "kty": "EC", "x": x, "y": y})
            }
        }
    }

    fn info(&self, kind: Kind) -> SigningKeyInfo {
        let alg = match self {
            Self::Ed25519(_) => Alg::Ed25519,
            Self::P256(_) => Alg::P256,
        };
        // The members above stand in the order of RFC 7638, without white space.
        let digest = sha256(&[self.jwk().to_string().as_bytes()]);
        SigningKeyInfo {
            thumbprint: URL_SAFE_NO_PAD.encode(digest.0),
            ..key(kind, alg)
        }
    }

    fn credential<C: Call>(&self, call: &C, moment: &Moment) -> Credential {
        let info = self.info(C::KIND);
        let to_sign = call.to_sign(&info, moment).unwrap();
        let signature = self.sign(to_sign.message().unwrap());
        call.assemble(moment, &to_sign, &signature).unwrap()
    }
}

/// What one script answers to these lines.
fn answers(script: &str, lines: &[Value]) -> Vec<String> {
    let mut child = Command::new(format!("{HERE}/../.venv/bin/python"))
        .arg("-B")
        .arg(format!("{HERE}/{script}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().map(str::to_owned).collect()
}

fn requests() -> Vec<HttpInput> {
    let mut order = get("https://api.example.com/v1/orders/a%20b:1?expand=x%2By/z&limit");
    order.headers.push(("x-tenant".into(), "t \"7\"".into()));
    let mut file = post(
        "https://api.example.com/v1/files/a",
        "text/plain",
        b"\0\xff",
    );
    file.method = "PUT".into();
    let mut empty = file.clone();
    empty.body = Some(Vec::new().into());
    let mut delete = get("https://api.example.com/v1/files/a");
    delete.method = "DELETE".into();
    let form = "application/x-www-form-urlencoded";
    let url = "https://api.example.com/v1/payment_intents";
    let form = post(url, form, b"amount=5&currency=usd&customer=%C3%BC+1");
    let json = charge(r#"{"amount":1250,"currency":"usd"}"#);
    vec![
        get("https://api.example.com/v1/orders/1"),
        order,
        file,
        empty,
        delete,
        form,
        json,
    ]
}

/// A line for the verifier: the request with the credential's fields added.
fn line(input: &HttpInput, pair: &Pair, profile: &str) -> Value {
    let (catalog, mut grant) = whole();
    let is_bot = profile == profile::WEB_BOT_AUTH;
    let rule = CredentialRule {
        profile: Some(profile.to_owned()),
        signature_agent: is_bot.then(|| "https://agents.example.com".to_owned()),
        ttl: None,
    };
    grant.credentials.insert(Kind::Http, rule);
    let call = HttpCall::parse(input, None, &catalog, &grant).unwrap();
    let Credential::Http { headers } = pair.credential(&call, &moment()) else {
        panic!("a token");
    };
    let all: Vec<_> = input.headers.iter().chain(&headers).collect();
    json!({
        "method": input.method, "url": input.url, "headers": all, "jwk": pair.jwk(),
        "body_b64": input.body.as_ref().map(|body| STANDARD.encode(body)),
        "now": moment().now.secs(), "tag": if is_bot { http::WEB_BOT_AUTH_TAG } else { http::TAG },
    })
}

/// The line as a thief or a careless hop would change it.
fn changed(good: &Value) -> Vec<Value> {
    let with = |name: &str, value: Value| {
        let mut line = good.clone();
        line[name] = value;
        line
    };
    let url = good["url"].as_str().unwrap();
    let mut all = vec![
        with("method", json!("PATCH")),
        with("url", json!(format!("{url}/x"))),
        with(
            "url",
            json!(format!(
                "{url}{}y=1",
                if url.contains('?') { '&' } else { '?' }
            )),
        ),
        with("url", json!(url.replace("api.", "apj."))),
        with("now", json!(moment().expires_at.secs())),
        with("now", json!(moment().now.secs().saturating_sub(6))),
        with(
            "jwk",
            Pair::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap()).jwk(),
        ),
    ];
    if good["body_b64"].is_string() {
        all.push(with("body_b64", json!("eA==")));
    }
    for at in 0..good["headers"].as_array().unwrap().len() {
        let mut line = good.clone();
        line["headers"][at][1] = json!(format!("{}x", line["headers"][at][1].as_str().unwrap()));
        all.push(line);
    }
    all
}

#[test]
#[ignore = "needs tests/.venv"]
fn a_relying_party_accepts_every_request_and_no_changed_one() {
    let both = [profile::GENERIC, profile::WEB_BOT_AUTH].into_iter();
    for (pair, profile) in both.flat_map(|profile| Pair::both().map(|pair| (pair, profile))) {
        let requests = requests();
        let good = requests.iter().map(|input| line(input, &pair, profile));
        let good: Vec<_> = good.collect();
        for (answer, line) in answers("verify_http.py", &good).iter().zip(&good) {
            assert_eq!(answer, "ok", "{line}");
        }
        let bad: Vec<_> = good.iter().flat_map(changed).collect();
        let refused = answers("verify_http.py", &bad);
        assert_eq!(refused.len(), bad.len());
        for (answer, line) in refused.iter().zip(&bad) {
            assert_ne!(answer, "ok", "{line}");
        }
        assert!(bad.len() > good.len() * 9);
    }
}

#[test]
#[ignore = "needs tests/.venv"]
fn a_relying_party_accepts_every_assertion_once_and_no_changed_one() {
    let (catalog, grant) = whole();
    let call = JwtCall::parse(&token(Some(60)), None, &catalog, &grant).unwrap();
    for pair in Pair::both() {
        let Credential::Jwt { jwt } = pair.credential(&call, &moment()) else {
            panic!("header fields");
        };
        let good = json!({
            "jwt": jwt, "jwk": pair.jwk(), "audience": "https://idp.example.com/token",
            "issuer": "client-7", "now": moment().now.secs(),
        });
        let with = |name: &str, value: Value| {
            let mut line = good.clone();
            line[name] = value;
            line
        };
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        let lines = [
            with("audience", json!("https://idp.example.com/")),
            with("issuer", json!("client-8")),
            with("now", json!(moment().expires_at.secs())),
            with("jwk", Pair::Ed25519(other).jwk()),
            with("jwt", json!(jwt.replacen(".eyJ", ".eyI", 1))),
            good.clone(),
            good.clone(),
        ];
        let given = answers("verify_jwt.py", &lines);
        let ok: Vec<_> = given.iter().map(|answer| answer == "ok").collect();
        assert_eq!(
            ok,
            [false, false, false, false, false, true, false],
            "{given:?}"
        );
    }
}
