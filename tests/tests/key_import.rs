//! Bring your own key: sealed on its owner's machine to the attested channel key of one boot, and to nobody else.

use claviger_client::trust::Trusted;
use claviger_shared::{id::Digest, wire::control::CommandReply};
use claviger_tests::{
    agent::{Agent, read_order},
    deployment::{Deployment, Enclave},
    import::{self, attested, sealed},
    owner::{done, refused},
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const SEED: [u8; 32] = *b"a private key made somewhere els";

fn public() -> Vec<u8> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    pair.public_key().as_ref().to_vec()
}

fn action(trusted: &Trusted, public: &[u8]) -> Value {
    import::action(trusted, "k_mine", public)
}

fn send(deployment: &Deployment, enclave: &Enclave, action: &Value, sealed: &[u8]) -> CommandReply {
    enclave.submit(&deployment.widening(action, &[]), sealed)
}

#[test]
fn an_imported_key_signs_and_survives_a_restart() {
    let (deployment, enclave) = Deployment::serving();
    let trusted = attested(&deployment, &enclave);
    let (action, bytes) = sealed(&deployment, action(&trusted, &public()), &SEED);
    let told = done(send(&deployment, &enclave, &action, &bytes));
    let result: Value = serde_json::from_str(&told.result).unwrap();
    assert_eq!(result, json!({"key": "k_mine", "imported": true}));
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["keys"] = json!(["k_mine", "k_jwt"]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let before = agent.sign(read_order("1")).unwrap();
    claviger_client::receipt::check(&before, &granted.id, &agent.log_key).unwrap();
    let stored = deployment.audited();
    let key = stored
        .keys()
        .find(|(id, _)| id.as_str() == "k_mine")
        .unwrap()
        .1;
    assert!(key.imported);
    assert_eq!(key.public, public());
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(read_order("1")).unwrap();
    // What was sealed for the boot before opens for no other, whoever signs for it again.
    assert_eq!(
        refused(send(&deployment, &enclave, &action, &bytes))
            .pointer
            .as_deref(),
        Some("/action/key/id")
    );
}

/// Neither the stored log nor a blob holds the key, nor the sealed bytes from which the boot's channel key would give it.
#[test]
fn nothing_stored_holds_an_imported_key() {
    let (deployment, enclave) = Deployment::serving();
    let trusted = attested(&deployment, &enclave);
    let (action, bytes) = sealed(&deployment, action(&trusted, &public()), &SEED);
    done(send(&deployment, &enclave, &action, &bytes));
    let everything: Vec<Vec<u8>> = deployment
        .store
        .entries()
        .into_iter()
        .flat_map(|entry| {
            entry
                .records
                .into_iter()
                .map(serde_bytes::ByteBuf::into_vec)
        })
        .chain(deployment.store.blobs().into_values())
        .collect();
    let holds = |secret: &[u8]| {
        everything
            .iter()
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
    };
    assert!(holds(b"k_mine"), "the search finds what is there");
    assert!(!holds(&SEED) && !holds(&bytes[..32]) && !holds(&bytes[32..]));
}

#[test]
fn what_is_not_exactly_as_signed_is_refused_and_leaves_nothing() {
    let (deployment, enclave) = Deployment::serving();
    let trusted = attested(&deployment, &enclave);
    let honest = action(&trusted, &public());
    let (whole, bytes) = sealed(&deployment, honest.clone(), &SEED);
    let entries = deployment.store.entries().len();
    let blobs = deployment.store.blobs().len();
    let place = |action: &Value, sealed: &[u8]| {
        refused(send(&deployment, &enclave, action, sealed))
            .pointer
            .unwrap_or_default()
    };
    // The courier swaps, cuts or drops what travels beside the command.
    let mut other = bytes.clone();
    other[40] ^= 1;
    for swapped in [&other[..], &bytes[1..], &[]] {
        assert_eq!(place(&whole, swapped), "/action/sealed");
    }
    // Sealed for other facts than were signed.
    let mut renamed = whole.clone();
    renamed["key"]["agent"] = "other".into();
    assert_eq!(place(&renamed, &bytes), "/action/sealed");
    // A private key of another public key, and one that is none.
    for seed in [&[3; 32][..], &[3; 31], &[]] {
        let (action, bytes) = sealed(&deployment, honest.clone(), seed);
        assert_eq!(place(&action, &bytes), "/action/key/public");
    }
    // For another boot.
    let mut stale = honest.clone();
    stale["boot"] = json!(Digest([1; 32]));
    let (stale, stale_bytes) = sealed(&deployment, stale, &SEED);
    assert_eq!(place(&stale, &stale_bytes), "/action/boot");
    // Sealed bytes beside a command that takes none.
    let create =
        json!({"type": "key.create", "key": {"id": "k_new", "kind": "http", "alg": "ed25519"}});
    assert_eq!(
        refused(send(&deployment, &enclave, &create, &bytes)).code,
        "malformed"
    );
    assert_eq!(
        deployment.store.entries().len(),
        entries,
        "nothing was written"
    );
    assert_eq!(deployment.store.blobs().len(), blobs);
    done(send(&deployment, &enclave, &whole, &bytes));
}
