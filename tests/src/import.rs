//! A key sealed as an owner's machine does it, for the boot that serves.

use crate::deployment::{Deployment, Enclave};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::trust::{self, Trusted};
use claviger_shared::{
    crypto::{import, sha256},
    id::Digest,
    owner::command::{Action, Alg, Command, KeyImport},
};
use serde_json::{Value, json};

/// What an owner's machine believes of the instance that serves.
///
/// # Panics
///
/// When it does not attest.
#[must_use]
pub fn attested(deployment: &Deployment, enclave: &Enclave) -> Trusted {
    let (nonce, now) = ([5; 32], deployment.clock.now().0);
    let document = enclave.attest(&nonce);
    let entry = deployment.boot_entry();
    trust::check(deployment.verified_chain(), &document, &nonce, &entry, now).unwrap()
}

/// The action that imports an Ed25519 key of this public half, before its digest is known.
#[must_use]
pub fn action(trusted: &Trusted, id: &str, public: &[u8]) -> Value {
    let key = json!({"id": id, "kind": "http", "alg": "ed25519", "env": "live", "agent": "bot", "public": STANDARD.encode(public)});
    json!({
        "type": "key.import", "key": key, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
        "sealed": Digest([0; 32]),
    })
}

/// Seals a private key; the action with the digest, and the sealed bytes.
///
/// # Panics
///
/// For an action that is no import.
#[must_use]
pub fn sealed(deployment: &Deployment, mut action: Value, seed: &[u8]) -> (Value, Vec<u8>) {
    let import = parsed(deployment, &action);
    let prologue = import::prologue(&deployment.chain().newest().origin, &import).unwrap();
    let bytes = import::seal(&import.channel_key, &prologue, seed).unwrap();
    action["sealed"] = json!(sha256(&[&bytes]));
    (action, bytes)
}

/// An access key of AWS.
#[derive(Debug, Clone, Copy)]
pub struct AccessKey<'a> {
    /// Its public name.
    pub id: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// Empty for none.
    pub token: &'a str,
}

/// The access key that AWS publishes as an example.
pub const ACCESS_KEY: AccessKey<'static> = AccessKey {
    id: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    token: "",
};

/// The action that imports an access key under these facts, and the sealed bytes.
///
/// # Panics
///
/// For facts that are none.
#[must_use]
pub fn access_key(
    deployment: &Deployment,
    trusted: &Trusted,
    facts: &Value,
    key: AccessKey<'_>,
) -> (Value, Vec<u8>) {
    let mut facts = facts.clone();
    facts["public"] = json!(STANDARD.encode(key.id));
    let action = json!({
        "type": "key.import", "key": facts, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
        "sealed": Digest([0; 32]),
    });
    let secret = import::access_key(key.secret.as_bytes(), key.token.as_bytes()).unwrap();
    sealed(deployment, action, &secret)
}

/// Imports an access key as `k_aws` of the agent `bot`; it must be done.
///
/// # Panics
///
/// When it is refused.
pub fn import_access_key(deployment: &Deployment, enclave: &Enclave, key: AccessKey<'_>) {
    let facts =
        json!({"id": "k_aws", "kind": "aws", "alg": "sigv4", "env": "live", "agent": "bot"});
    let trusted = attested(deployment, enclave);
    let (action, bytes) = access_key(deployment, &trusted, &facts, key);
    let reply = enclave.submit(&deployment.widening(&action, &[]), &bytes);
    let _done = crate::owner::done(reply);
}

/// The public half of an Ed25519 seed.
///
/// # Panics
///
/// Never: every seed has one.
#[must_use]
pub fn public(seed: &[u8; 32]) -> Vec<u8> {
    import::public_of(Alg::Ed25519, seed).unwrap()
}

fn parsed(deployment: &Deployment, action: &Value) -> KeyImport {
    let signed = deployment.widening(action, &[]);
    match Command::parse(&signed.body).unwrap().action {
        Action::KeyImport(import) => *import,
        other => panic!("{other:?}"),
    }
}
