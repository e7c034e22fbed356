//! Owners, an operator, and documents they signed, for tests.
//!
//! Every document is built as JSON, so that a test changes one member and says what follows.

use crate::{
    crypto::{AwsLc, sha256},
    id::{Digest, to_hex},
    label::{NAMESPACE_COMMAND, NAMESPACE_MANIFEST},
    log::checkpoint::LogKey,
    owner::{
        manifest::chain::Chain,
        sshsig::{self, PublicKey},
    },
    wire::control::Signed,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::Arc;

/// Somebody with one key, made from a seed.
pub(crate) struct Signer(Ed25519KeyPair);

pub(crate) const ANA: u8 = 1;
pub(crate) const BEN: u8 = 2;
pub(crate) const CEM: u8 = 3;
pub(crate) const DUTY: u8 = 4;
pub(crate) const NIGHT: u8 = 5;
pub(crate) const STRANGER: u8 = 99;

impl Signer {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::ed25519(self.0.public_key().as_ref().try_into().unwrap())
    }

    pub(crate) fn sign(&self, namespace: &str, body: &[u8]) -> String {
        let signature = self.0.sign(&sshsig::signed_data(namespace, body));
        let signature = signature.as_ref().try_into().unwrap();
        sshsig::armor(&self.public(), namespace, signature)
    }
}

/// A public key line.
pub(crate) fn line(seed: u8) -> String {
    Signer::new(seed).public().to_string()
}

pub(crate) fn person(name: &str, seeds: &[u8]) -> Value {
    let keys: Vec<String> = seeds.iter().map(|seed| line(*seed)).collect();
    json!({"name": name, "keys": keys})
}

/// Signatures of these people over a body.
pub(crate) fn signatures(namespace: &str, body: &[u8], seeds: &[u8]) -> Vec<String> {
    let sign = |seed: &u8| Signer::new(*seed).sign(namespace, body);
    seeds.iter().map(sign).collect()
}

/// SubjectPublicKeyInfo of some P-256 point, in base64.
pub(crate) fn spki(byte: u8) -> String {
    let mut der = crate::jwk::P256_SPKI_PREFIX.to_vec();
    der.push(4);
    der.extend_from_slice(&[byte; 64]);
    STANDARD.encode(der)
}

pub(crate) const ORIGIN_NAME: &str = "acme-prod/claviger";

/// g0 of three owners, two of whom must sign, and one operator.
pub(crate) fn g0() -> Value {
    json!({
        "v": 1, "origin": ORIGIN_NAME, "generation": 0, "attestation_root": "aws",
        "owners": [person("ana", &[ANA]), person("ben", &[BEN]), person("cem", &[CEM])],
        "threshold": 2,
        "operators": [person("duty", &[DUTY]), person("night", &[NIGHT])],
        "recipients": [{"arn": "arn:aws:kms:eu-west-1:1:key/a", "public_key": spki(1)}],
    })
}

pub(crate) fn log_key(g0: &[u8]) -> LogKey {
    let head = to_hex(&sha256(&[g0]).0[..8]);
    let public = Signer::new(77).0.public_key().as_ref().try_into().unwrap();
    LogKey {
        name: format!("{ORIGIN_NAME}/{head}"),
        public,
    }
}

/// A generation after `before`, whose g0 is `g0`; like g0 in everything it may keep.
pub(crate) fn next(g0: &[u8], before: &[u8], generation: u64) -> Value {
    let mut manifest = self::g0();
    let members = manifest.as_object_mut().unwrap();
    members.remove("attestation_root");
    for (name, value) in [
        ("generation", json!(generation)),
        ("supersedes", json!(sha256(&[before]).to_string())),
        ("anchor", json!(generation == 1)),
        ("bundle", json!(Digest([7; 32]).to_string())),
        (
            "log",
            json!({"vkey": log_key(g0).vkey(), "first_root": Digest([8; 32]).to_string()}),
        ),
        ("releases", json!([release("0.1.0", 1)])),
        ("min_version", json!("0.1.0")),
        ("rollback", json!("accepted")),
    ] {
        members.insert(name.to_owned(), value);
    }
    manifest
}

pub(crate) fn release(version: &str, byte: u8) -> Value {
    let pcr = to_hex(&[byte; 48]);
    json!({"version": version, "pcr0": pcr, "pcr1": pcr, "pcr2": pcr})
}

pub(crate) fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

/// A manifest signed by these people.
pub(crate) fn manifest(document: &Value, seeds: &[u8]) -> Signed {
    let body = bytes(document);
    Signed {
        signatures: signatures(NAMESPACE_MANIFEST, &body, seeds),
        body,
    }
}

/// g0 and g1, signed by ana and ben.
pub(crate) fn links() -> Vec<Signed> {
    let g0 = manifest(&g0(), &[ANA, BEN]);
    let g1 = manifest(&next(&g0.body, &g0.body, 1), &[ANA, BEN]);
    vec![g0, g1]
}

pub(crate) fn chain() -> Arc<Chain> {
    Arc::new(Chain::verify(&links(), &AwsLc).unwrap())
}

/// A command with everything right but its place in the chain.
pub(crate) fn command(chain: &str, seq: u64, prev: &Digest, action: &Value) -> Value {
    json!({
        "v": 1, "origin": ORIGIN_NAME, "chain": chain, "seq": seq, "prev": prev.to_string(),
        "issued_at": "2026-11-23T09:00:00Z", "not_after": "2026-11-24T09:00:00Z", "action": action,
    })
}

pub(crate) fn command_signatures(body: &[u8], seeds: &[u8]) -> Vec<String> {
    signatures(NAMESPACE_COMMAND, body, seeds)
}

/// DESIGN §5.2's grant, with what is built.
pub(crate) fn grant() -> Value {
    json!({
        "v": 1, "id": "gr_1",
        "agent": {"id": "billing-bot", "key": format!("x25519:{}", to_hex(&[9; 32]))},
        "env": "live",
        "not_before": "2026-11-23T09:00:00Z", "expires_at": "2026-11-23T17:00:00Z",
        "renew_until": "2026-11-30T00:00:00Z",
        "keys": ["k_http"],
        "permissions": {"read": ["order_history"], "write": ["invoices"], "delete": []},
        "only": {"order_history": {"path.id": ["ord_1", "ord_2"]}},
        "credentials": {"http": {"profile": "generic", "ttl_s": 60}},
        "budgets": [
            {"unit": "call", "max": "5000", "window": "rolling:P1D"},
            {"unit": "usd-cents", "max": "500", "window": "call"},
            {"unit": "usd-cents", "max": "20000", "window": "calendar:P1M"},
        ],
        "rate": [{"max": 30, "per_s": 60}],
        "reported_sources": ["10.20.0.0/16"],
        "purpose": "invoice reconciliation, OPS-123",
    })
}

/// DESIGN §5.1's catalog, with what is built.
pub(crate) fn catalog() -> Value {
    json!({"v": 1, "resources": {
        "order_history": [{"kind": "http", "host": "api.example.com", "path": "/v1/orders/{id}",
            "query": ["expand"], "probe": true}],
        "invoices": [{"kind": "http", "host": "api.stripe.com", "path": "/v1/payment_intents",
            "methods": ["POST"], "body": ["amount", "currency", "customer"],
            "charge": [{"unit": "usd-cents", "from": "form", "field": "amount",
                "require": {"currency": "usd"}}]}],
        "charges": [{"kind": "http", "host": "pay.example.com", "path": "/v1/charges",
            "methods": ["POST"], "body": ["/amount", "/currency"],
            "charge": [{"unit": "usd-cents", "from": "json", "field": "/amount",
                "require": {"/currency": "usd"}}]}],
        "tokens": [{"kind": "jwt", "profile": "assertion",
            "audience": "https://idp.example.com/token", "issuer": "client-7",
            "subject": "client-7", "mints": true}],
    }})
}

/// Puts a value at a JSON pointer, making the last member where there is none; `null` takes it away.
#[track_caller]
pub(crate) fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) if value.is_null() => drop(members.remove(name)),
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("no container at {parent}")
        }
    }
    document
}
