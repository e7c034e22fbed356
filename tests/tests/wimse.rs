//! Requests between workloads and proofs beside their tokens, end to end: of a grant's keys the token's own signs, others' code
//! verifies what it signed, and no signature outlives the token.
//!
//! The verifier is the crate `web-bot-auth` (Cloudflare, Apache-2.0), which reads RFC 9421 and has Ed25519 only; ring has P-256.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::{
    call::{HttpInput, Input, JwtInput},
    credential::Credential,
    crypto::sha256,
    denial::{Code, Denial},
    id::KeyId,
    jwk,
    owner::command::Alg,
};
use claviger_tests::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use web_bot_auth::{
    components::{CoveredComponent, DerivedComponent, HTTPField},
    keyring::{Algorithm, KeyRing},
    message_signatures::{MessageVerifier, SignedMessage},
};

const FIELD: &str = "workload-identity-token";
const BILLING: &str = "wimse://example.com/billing";
const LEDGER: &str = "wimse://example.com/ledger";
const ORDER: &str = "https://api.example.com/v1/orders/7?expand=items";

/// A deployment with three keys, and one of P-256, and two of tokens; the grant has all but `k_3`, `k_1` first.
fn serving() -> (Deployment, Enclave, Granted) {
    let (deployment, enclave) = Deployment::serving();
    let route = |host: &str, path: &str| json!({"kind": "http", "profile": "wimse", "subject": BILLING, "host": host, "path": path});
    let mut orders = route("api.example.com", "/v1/orders/{id}");
    orders["query"] = json!(["expand"]);
    let mut entries = route("ledger.example.com", "/entries");
    entries["body"] = json!(["/text"]);
    entries["audience"] = json!(LEDGER);
    entries["sign_response"] = json!(true);
    let proof = json!({"kind": "jwt", "profile": "wpt", "subject": BILLING, "audience": LEDGER});
    let catalog =
        json!({"v": 1, "resources": {"orders": [orders], "entries": [entries], "ledger": [proof]}});
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog}),
    );
    for (id, kind, alg) in [
        ("k_1", "http", "ed25519"),
        ("k_2", "http", "ed25519"),
        ("k_3", "http", "ed25519"),
        ("k_4", "http", "p256"),
        ("k_5", "jwt", "ed25519"),
        ("k_6", "jwt", "ed25519"),
    ] {
        let key = json!({"id": id, "kind": kind, "alg": alg, "env": "live", "agent": "bot"});
        deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    }
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["keys"] = json!(["k_1", "k_2", "k_4", "k_5", "k_6"]);
        grant["permissions"] = json!({"read": ["orders"], "write": ["entries", "ledger"]});
        let rule = |profile: &str| json!({"profile": profile, "ttl_s": 60});
        grant["credentials"] = json!({"http": rule("wimse"), "jwt": rule("wpt")});
        grant["allow_identity_only"] = json!(["ledger"]);
        grant.as_object_mut().unwrap().remove("allow_minting");
    });
    (deployment, enclave, granted)
}

fn public(deployment: &Deployment, id: &str) -> (Alg, Vec<u8>) {
    let state = deployment.audited();
    let key = state.key(&KeyId::parse(id).unwrap()).unwrap();
    (key.alg, key.public.clone())
}

/// A token of the workload for a key, which ends so many seconds from now.
fn token(deployment: &Deployment, id: &str, left: u64) -> String {
    let (alg, public) = public(deployment, id);
    let key = jwk::jwk(alg, &public).unwrap();
    let exp = deployment.clock.now().secs().saturating_add(left);
    let claims = json!({"sub": BILLING, "exp": exp, "cnf": {"jwk": key}});
    let parts = [json!({"alg": "ES256", "typ": "wit+jwt"}), claims];
    let [header, claims] = parts.map(|part: Value| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

fn order(token: String) -> HttpInput {
    HttpInput {
        method: "GET".to_owned(),
        url: ORDER.to_owned(),
        headers: vec![(FIELD.to_owned(), token)],
        body: None,
    }
}

fn entry(token: String) -> HttpInput {
    HttpInput {
        method: "POST".to_owned(),
        url: "https://ledger.example.com/entries".to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            (FIELD.to_owned(), token),
        ],
        body: Some(br#"{"text":"a"}"#.to_vec().into()),
    }
}

/// A request as the other workload receives it.
#[derive(Clone)]
struct Received {
    input: HttpInput,
    headers: Vec<(String, String)>,
}

impl Received {
    fn of(agent: &Agent, input: HttpInput) -> Result<Self, Denial> {
        let issued = agent.sign(Input::Http(input.clone()))?.issued;
        let Some(Credential::Http { headers }) = issued.credential else {
            panic!("no fields")
        };
        Ok(Self { input, headers })
    }

    fn field(&self, name: &str) -> Vec<String> {
        let all = self.input.headers.iter().chain(&self.headers);
        let found = all.filter(|(own, _)| own == name);
        found.map(|(_, value)| value.clone()).collect()
    }

    fn parsed(&self) -> MessageVerifier {
        MessageVerifier::parse(self, |_| true).unwrap()
    }

    /// The signature's parameters as they were sent.
    fn parameters(&self) -> String {
        let [input] = &self.field("signature-input")[..] else {
            panic!("one signature")
        };
        input.rsplit_once(')').unwrap().1.to_owned()
    }

    /// As the draft asks: with the key that the token names, whatever else there is.
    fn verifies(&self) -> bool {
        let (_, claims) = self
            .input
            .headers
            .iter()
            .find(|(name, _)| name == FIELD)
            .unwrap();
        let claims = URL_SAFE_NO_PAD
            .decode(claims.split('.').nth(1).unwrap())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let x = claims["cnf"]["jwk"]["x"].as_str().unwrap();
        let mut ring = KeyRing::default();
        let own = URL_SAFE_NO_PAD.decode(x).unwrap();
        assert!(ring.import_raw("own".to_owned(), Algorithm::Ed25519, own));
        let parsed = MessageVerifier::parse(self, |_| true);
        parsed.is_ok_and(|verifier| verifier.verify(&ring, Some("own".to_owned())).is_ok())
    }

    fn verifies_changed(&self, change: impl FnOnce(&mut Self)) -> bool {
        let mut other = self.clone();
        change(&mut other);
        other.verifies()
    }
}

impl SignedMessage for Received {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        let (_, rest) = self.input.url.split_once("://").unwrap();
        let target = &rest[rest.find('/').unwrap()..];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match component {
            CoveredComponent::Derived(DerivedComponent::Method { req: false }) => {
                vec![self.input.method.clone()]
            }
            CoveredComponent::Derived(DerivedComponent::Path { req: false }) => {
                vec![path.to_owned()]
            }
            CoveredComponent::Derived(DerivedComponent::Query { req: false }) => {
                vec![format!("?{query}")]
            }
            CoveredComponent::HTTP(HTTPField { name, parameters }) if parameters.0.is_empty() => {
                self.field(name)
            }
            CoveredComponent::Derived(_) | CoveredComponent::HTTP(_) => Vec::new(),
        }
    }
}

#[test]
fn of_a_grants_keys_the_tokens_own_signs_and_others_code_verifies_it() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let now = deployment.clock.now().secs();
    for (id, other) in [("k_1", "k_2"), ("k_2", "k_1")] {
        let token = token(&deployment, id, 300);
        let signed = Received::of(&agent, order(token.clone())).unwrap();
        assert!(signed.verifies());
        let said = signed.parsed().parsed.base.parameters.details;
        assert_eq!((said.keyid, said.algorithm), (None, None));
        assert_eq!(said.tag.as_deref(), Some("wimse-workload-to-workload"));
        assert_eq!(said.expires.unwrap(), i64::try_from(now + 60).unwrap());
        let end = ";wimse-aud=\"https://api.example.com/v1/orders/7\"";
        assert!(
            signed.parameters().ends_with(end),
            "{}",
            signed.parameters()
        );
        let thief = self::token(&deployment, other, 300);
        assert!(!signed.verifies_changed(|it| it.input.headers[0].1 = thief));
        assert!(!signed.verifies_changed(|it| it.input.method = "DELETE".to_owned()));
        assert!(!signed.verifies_changed(|it| it.input.url.push('1')));
        assert!(!signed.verifies_changed(|it| it.input.url = it.input.url.replace("/7", "/8")));
        let renamed = |it: &mut Received| {
            for (_, value) in &mut it.headers {
                *value = value.replace("api.example.com", "api.example.net");
            }
        };
        assert!(!signed.verifies_changed(renamed));
    }
}

#[test]
fn a_named_audience_and_a_body_are_signed_too() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let signed = Received::of(&agent, entry(token(&deployment, "k_2", 300))).unwrap();
    assert!(signed.verifies());
    let end = format!(";wimse-aud=\"{LEDGER}\";wimse-sign-response");
    assert!(
        signed.parameters().ends_with(&end),
        "{}",
        signed.parameters()
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, br#"{"text":"a"}"#);
    let digest = format!("sha-256=:{}:", STANDARD.encode(digest));
    assert_eq!(signed.field("content-digest"), [digest]);
    let other = |it: &mut Received| {
        for (_, value) in &mut it.headers {
            *value = value.replace("sha-256=:", "sha-256=:A");
        }
    };
    assert!(!signed.verifies_changed(other));
}

#[test]
fn a_key_of_p256_signs_what_ring_verifies() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let token = token(&deployment, "k_4", 300);
    let signed = Received::of(&agent, order(token.clone())).unwrap();
    let base = format!(
        "\"@method\": GET\n\"@path\": /v1/orders/7\n\"@query\": ?expand=items\n\"{FIELD}\": {token}\n\
         \"@signature-params\": (\"@method\" \"@path\" \"@query\" \"{FIELD}\"){}",
        signed.parameters()
    );
    let signature = signed.parsed().parsed.signature;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public(&deployment, "k_4").1);
    key.verify(base.as_bytes(), &signature).unwrap();
    let changed = base.replace("GET", "PUT");
    key.verify(changed.as_bytes(), &signature).unwrap_err();
}

#[test]
fn no_signature_outlives_its_token_and_there_is_none_after_it() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let token = token(&deployment, "k_1", 20);
    let ends = i64::try_from(deployment.clock.now().secs() + 20).unwrap();
    let signed = Received::of(&agent, order(token.clone())).unwrap();
    let said = signed.parsed().parsed.base.parameters.details;
    assert_eq!(said.expires, Some(ends));
    let before = agent.left();
    deployment.clock.advance_ms(20_000);
    let denial = Received::of(&agent, order(token)).err().unwrap();
    let place = "/headers/workload-identity-token";
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::InvalidRequest, Some(place))
    );
    assert_eq!(agent.left(), before);
}

#[test]
fn a_token_of_a_key_that_is_not_the_grants_is_signed_by_none() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let before = agent.left();
    let denial = Received::of(&agent, order(token(&deployment, "k_3", 300)))
        .err()
        .unwrap();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::KeyDenied, Some("http"))
    );
    assert_eq!(agent.left(), before);
}

fn proof(wit: &str) -> Input {
    Input::Jwt(JwtInput {
        profile: "wpt".to_owned(),
        audience: LEDGER.to_owned(),
        nonce: None,
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: Some(wit.to_owned()),
    })
}

#[test]
fn a_proof_is_signed_by_its_tokens_key_and_ends_with_it() {
    let (deployment, enclave, granted) = serving();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let now = deployment.clock.now().secs();
    for (id, left, exp) in [("k_5", 300, now + 60), ("k_6", 20, now + 20)] {
        let wit = token(&deployment, id, left);
        let issued = agent.sign(proof(&wit)).unwrap().issued;
        let Some(Credential::Jwt { jwt }) = issued.credential else {
            panic!("no token")
        };
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, public(&deployment, id).1);
        key.verify(signed.as_bytes(), &signature).unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "EdDSA", "typ": "wpt+jwt"}));
        let wth = URL_SAFE_NO_PAD.encode(sha256(&[wit.as_bytes()]).0);
        let expected = json!({"aud": LEDGER, "exp": exp, "jti": parts[1]["jti"], "wth": wth});
        assert_eq!(parts[1], expected);
        assert_eq!(parts[1]["jti"].as_str().unwrap().len(), 22);
    }
    let before = agent.left();
    let ends = token(&deployment, "k_5", 20);
    // A key of another kind is no more the token's than a key of another grant.
    for id in ["k_1", "k_3"] {
        let denial = agent.sign(proof(&token(&deployment, id, 300))).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (Code::KeyDenied, Some("jwt"))
        );
    }
    deployment.clock.advance_ms(20_000);
    let denial = agent.sign(proof(&ends)).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::InvalidRequest, Some("/wit"))
    );
    assert_eq!(agent.left(), before);
}
