//! What a key signs, and what it never does.

use super::*;
use claviger_kinds::{aws, solana, ssh};
use claviger_shared::solana::Pubkey;

const ORIGIN: &str = "acme-prod/claviger";

fn held(kind: Kind, alg: Alg, seed: u8) -> Held {
    let signer = Signer::new(alg, &[seed; 32]).unwrap();
    let public = signer.public();
    let id = KeyId::parse("k_1").unwrap();
    let facts = Facts {
        label: label::WRAPPED_KEY,
        origin: ORIGIN,
        id: &id,
        kind,
        alg,
        env: Env::Live,
        public: &public,
    };
    Held::new(&id, &facts, signer).unwrap()
}

fn own(held: &Held) -> PublicKey {
    PublicKey::of(held.info.alg, &held.info.public).unwrap()
}

#[test]
fn an_ssh_key_signs_what_says_its_own_name_and_nothing_that_says_anothers() {
    for alg in [Alg::Ed25519, Alg::P256] {
        let (one, other) = (held(Kind::Ssh, alg, 7), held(Kind::Ssh, alg, 8));
        let signing = |key: &Held| {
            ToSign::Ssh(ssh::Signing {
                key: own(key),
                message: b"message".to_vec(),
            })
        };
        assert_eq!(one.sign(&signing(&one)).unwrap().len(), 64);
        assert_eq!(other.sign(&signing(&one)), Err(Failed));
        assert_eq!(one.sign(&signing(&other)), Err(Failed));
    }
    let (one, two) = (
        held(Kind::Ssh, Alg::Ed25519, 7),
        held(Kind::Ssh, Alg::P256, 7),
    );
    let crossed = ToSign::Ssh(ssh::Signing {
        key: own(&two),
        message: Vec::new(),
    });
    assert_eq!(one.sign(&crossed), Err(Failed));
}

#[test]
fn a_solana_key_signs_for_its_own_account_and_no_other_key_does() {
    let (one, other) = (
        held(Kind::Solana, Alg::Ed25519, 7),
        held(Kind::Solana, Alg::Ed25519, 8),
    );
    let signing = |key: &Held| {
        ToSign::Solana(solana::Signing {
            account: Pubkey::of_public_key(&key.info.public).unwrap(),
            message: b"message".to_vec(),
        })
    };
    assert_eq!(one.sign(&signing(&one)).unwrap().len(), 64);
    assert_eq!(other.sign(&signing(&one)), Err(Failed));
    assert_eq!(one.sign(&signing(&other)), Err(Failed));
    // The same key of another kind, and keys of other algorithms.
    for key in [
        held(Kind::Http, Alg::Ed25519, 7),
        held(Kind::Ssh, Alg::P256, 7),
        held(Kind::Evm, Alg::Secp256k1, 7),
    ] {
        assert_eq!(key.sign(&signing(&one)), Err(Failed));
    }
}

#[test]
fn no_other_key_signs_for_aws() {
    let signing = aws::Signing {
        access_key_id: "k".to_owned(),
        session_token: None,
        time: "20261123T090000Z".to_owned(),
        region: "eu-west-1".to_owned(),
        service: "s3".to_owned(),
        canonical: Vec::new(),
    };
    for alg in [Alg::Ed25519, Alg::P256] {
        let held = held(Kind::Ssh, alg, 7);
        assert_eq!(held.sign(&ToSign::SigV4(signing.clone())), Err(Failed));
    }
}
