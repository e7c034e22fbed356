//! Profiles besides the default, against other readings: requests between workloads, proofs beside their tokens, and a bot's key
//! directory.

use super::calls::told_of;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_kinds::{Moment, SigningKeyInfo, any::AnyCall};
use claviger_shared::{
    call::{HttpInput, Input, JwtInput, Sign},
    catalog::{Catalog, DIRECTORY},
    crypto::sha256,
    effect::{Effect, Kind, Verb},
    grant::Grant,
    id::KeyId,
    jwk,
    owner::command::Alg,
    time::UnixMs,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Who signs.
pub const BILLING: &str = "wimse://example.com/billing";
/// Whom the second route is for.
const LEDGER: &str = "wimse://example.com/ledger";
const AGENT: &str = "https://agents.example.com";
/// RFC 8037 appendix A.2: a published key.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Requests between workloads, by URL and by a name; and a directory.
#[must_use]
pub fn catalog_text() -> Value {
    json!({"v": 1, "resources": {
        "between": [{"kind": "http", "profile": "wimse", "subject": BILLING, "host": "api.example.com", "path": "/v2/orders/{id}",
            "query": ["expand"], "headers": ["authorization", "txn-token"], "methods": ["GET", "DELETE"], "verb": "read"}],
        "entries": [{"kind": "http", "profile": "wimse", "subject": BILLING, "audience": LEDGER, "sign_response": true,
            "host": "ledger.example.com", "path": "/entries", "body": ["/text"]}],
        "keys": [{"kind": "http", "directory": true, "host": "agents.example.com"}],
        "proofs": [{"kind": "jwt", "profile": "wpt", "subject": BILLING, "audience": LEDGER}],
    }})
}

fn grant_text(profile: Value, permissions: Value) -> Value {
    json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_http"],
        "permissions": permissions, "credentials": {"http": profile},
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    })
}

fn grant(profile: Value, permissions: Value) -> Grant {
    let text = grant_text(profile, permissions).to_string();
    Grant::parse(text.as_bytes()).unwrap()
}

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(catalog_text().to_string().as_bytes()).unwrap());
static WORKLOAD: LazyLock<Grant> = LazyLock::new(|| {
    let permissions = json!({"read": ["between"], "write": ["entries"]});
    grant(json!({"profile": "wimse"}), permissions)
});
static PROVER: LazyLock<Grant> = LazyLock::new(|| {
    let mut text = grant_text(json!({}), json!({"write": ["proofs"]}));
    text["credentials"] = json!({"jwt": {"profile": "wpt"}});
    text["allow_identity_only"] = json!(["proofs"]);
    Grant::parse(text.to_string().as_bytes()).unwrap()
});
static BOT: LazyLock<Grant> = LazyLock::new(|| {
    let profile = json!({"profile": "web-bot-auth", "signature_agent": AGENT});
    grant(profile, json!({"write": ["keys"]}))
});

/// A token of a workload, in its header `alg`, with these claims beside key and workload.
#[must_use]
pub fn token(alg: &str, subject: &str, more: &Value) -> String {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": PUBLIC});
    let mut claims = json!({"sub": subject, "exp": 1_795_424_460_u64, "cnf": {"jwk": key}});
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    let parts = [json!({"alg": alg, "typ": "wit+jwt"}), claims];
    let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

fn moment() -> Moment {
    Moment {
        now: UnixMs(1_795_424_400_250),
        expires_at: UnixMs(1_795_424_460_000),
        nonce: *b"0123456789abcdef",
    }
}

fn key(alg: Alg, public: Vec<u8>) -> SigningKeyInfo {
    of_kind(Kind::Http, alg, public)
}

fn of_kind(kind: Kind, alg: Alg, public: Vec<u8>) -> SigningKeyInfo {
    SigningKeyInfo {
        id: KeyId::parse("k_1").unwrap(),
        kind,
        alg,
        deployment: "acme-prod/claviger".into(),
        thumbprint: jwk::thumbprint(alg, &public).unwrap(),
        public,
        session_token: None,
    }
}

fn base(call: &AnyCall, key: &SigningKeyInfo) -> Option<String> {
    let signed = call.to_sign(key, &moment()).ok()?;
    let _credential = call.assemble(&moment(), &signed, &[7; 64]).unwrap();
    let text = String::from_utf8(signed.message().unwrap().to_vec());
    Some(text.expect("a signature base is text"))
}

/// One request under each of the two profiles, and the proof that could go with it.
pub(super) fn tried(sign: &Sign) {
    let Input::Http(input) = &sign.input else {
        return;
    };
    match AnyCall::parse(sign, &CATALOG, &WORKLOAD) {
        Ok(call) => between(&call, input),
        Err(denial) => told_of(&denial, &CATALOG),
    }
    proved(input);
    match AnyCall::parse(sign, &CATALOG, &BOT) {
        Ok(call) => directory(&call, input),
        Err(denial) => told_of(&denial, &CATALOG),
    }
}

/// What is accepted carries a token that a plain reader finds to be the workload's, and is signed by its key alone, within its
/// life, for the catalog's audience, over every part of the request.
fn between(call: &AnyCall, input: &HttpInput) {
    let effect = &call.effects().first;
    let tokens = input.headers.iter();
    let mut tokens = tokens.filter(|(name, _)| name == "workload-identity-token");
    let (_, token) = tokens.next().expect("a token");
    assert!(tokens.next().is_none());
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    let (header, claims) = (&parts[0], &parts[1]);
    let alg = header["alg"].as_str().unwrap();
    assert!(alg != "none" && !alg.starts_with("HS") && header["typ"] == "wit+jwt");
    assert_eq!(claims["sub"], BILLING);
    let (alg, public) = public(&claims["cnf"]["jwk"]);
    let bound = effect.token.as_ref().expect("it is bound");
    let key = key(alg, public);
    assert_eq!(bound.key, key.thumbprint);
    let lives = claims["exp"].as_u64().unwrap() >= moment().expires_at.secs()
        && claims["nbf"].as_u64().unwrap_or(0) * 1000 <= moment().now.0;
    let Some(base) = base(call, &key) else {
        assert!(!lives, "{claims}");
        return;
    };
    assert!(lives, "{claims}");
    let thief = self::key(Alg::Ed25519, vec![7; 32]);
    assert!(self::base(call, &thief).is_none() || thief.thumbprint == bound.key);
    let (lines, last) = base.rsplit_once('\n').unwrap();
    assert!(lines.starts_with(&format!("\"@method\": {}\n\"@path\": /", input.method)));
    for (name, value) in &input.headers {
        let line = format!("\"{name}\": {value}");
        assert!(lines.split('\n').any(|one| one == line), "{line}: {base}");
    }
    let audience = audience(effect, input);
    let end = format!(";tag=\"wimse-workload-to-workload\";wimse-aud=\"{audience}");
    assert!(last.ends_with(&end), "{base}");
    assert!(
        !last.contains(";keyid=") && !last.contains(";alg="),
        "{base}"
    );
}

/// What proves a request's token says nothing but the audience, an end, and the token's own hash, under the token's key alone.
fn proved(input: &HttpInput) {
    let field = |name: &str| input.headers.iter().find(|(own, _)| own == name);
    let value = |name| field(name).map(|(_, value)| value.clone());
    let (wit, ath) = (value("workload-identity-token"), value("authorization"));
    let sign = Sign {
        input: Input::Jwt(JwtInput {
            profile: "wpt".to_owned(),
            audience: LEDGER.to_owned(),
            nonce: None,
            ttl_s: None,
            method: None,
            url: None,
            ath: ath.clone().filter(|ath| ath.len() == 43),
            wit: wit.clone(),
        }),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &PROVER) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let wit = wit.expect("a token");
    let claims = wit.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let jwk = &claims["cnf"]["jwk"];
    let (alg, public) = public(jwk);
    let key = of_kind(Kind::Jwt, alg, public);
    let thief = of_kind(Kind::Jwt, Alg::Ed25519, vec![7; 32]);
    assert!(base(&call, &thief).is_none() || thief.thumbprint == key.thumbprint);
    let Some(signed) = base(&call, &key) else {
        return;
    };
    assert!(
        claims["sub"] == BILLING && claims["exp"].as_u64().unwrap() >= moment().expires_at.secs()
    );
    let read = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let (header, said) = signed.split_once('.').unwrap();
    assert_eq!(read(header), json!({"alg": jwk["alg"], "typ": "wpt+jwt"}));
    let mut said = read(said);
    let said = said.as_object_mut().unwrap();
    let wth = URL_SAFE_NO_PAD.encode(sha256(&[wit.as_bytes()]).0);
    assert_eq!(said.remove("wth"), Some(json!(wth)));
    assert_eq!(said.remove("aud"), Some(json!(LEDGER)));
    assert_eq!(said.remove("exp"), Some(json!(moment().expires_at.secs())));
    assert_eq!(
        said.remove("jti"),
        Some(json!(URL_SAFE_NO_PAD.encode(moment().nonce)))
    );
    let hash = said.remove("ath");
    assert!(hash.is_none() || hash == ath.map(|ath| json!(ath)));
    assert!(said.is_empty(), "{said:?}");
}

/// The audience and what stands behind it, by the route's own name.
fn audience(effect: &Effect, input: &HttpInput) -> String {
    match effect.resource.as_str() {
        "entries" => {
            assert_eq!(
                (effect.verb, effect.destination.as_str()),
                (Verb::Write, LEDGER)
            );
            format!("{LEDGER}\";wimse-sign-response")
        }
        "between" => {
            assert_eq!(
                (effect.verb, effect.destination.as_str()),
                (Verb::Read, "api.example.com")
            );
            let (url, _) = input.url.split_once('?').unwrap_or((&input.url, ""));
            format!("{}\"", url.replacen(":443", "", 1))
        }
        other => panic!("no such resource: {other}"),
    }
}

fn public(jwk: &Value) -> (Alg, Vec<u8>) {
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    assert!(jwk.get("d").is_none());
    match jwk["kty"].as_str().unwrap() {
        "OKP" => (Alg::Ed25519, decode("x")),
        "EC" => (Alg::P256, [vec![4], decode("x"), decode("y")].concat()),
        other => panic!("{other}"),
    }
}

/// What is accepted is the bare request of the bot's own directory, and what is signed is the directory of the key that signs.
fn directory(call: &AnyCall, input: &HttpInput) {
    let effect = &call.effects().first;
    assert_eq!(effect.resource.as_str(), "keys");
    let (url, port) = (
        format!("{AGENT}{DIRECTORY}"),
        format!("{AGENT}:443{DIRECTORY}"),
    );
    assert!(input.url == url || input.url == port, "{}", input.url);
    assert!(input.method == "GET" && input.headers.is_empty() && input.body.is_none());
    assert_eq!((effect.verb, effect.charges.len()), (Verb::Write, 0));
    let key = key(Alg::Ed25519, URL_SAFE_NO_PAD.decode(PUBLIC).unwrap());
    let base = base(call, &key).expect("it is signed");
    let body = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{}","x":"{PUBLIC}","use":"sig"}}]}}"#,
        key.thumbprint
    );
    let digest = STANDARD.encode(sha256(&[body.as_bytes()]).0);
    let lines = format!(
        "\"@authority\";req: agents.example.com\n\"content-digest\": sha-256=:{digest}:\n\"@signature-params\": "
    );
    assert!(base.starts_with(&lines), "{base}");
    assert!(
        base.ends_with(";tag=\"http-message-signatures-directory\""),
        "{base}"
    );
}
