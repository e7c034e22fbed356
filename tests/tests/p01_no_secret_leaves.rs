//! P1: no key, and nothing from which one follows, leaves the enclave in the clear.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use claviger_enclave::secret::{RootKeys, Secret, derive};
use claviger_shared::{crypto::sha256, label, log::record::Body};
use claviger_tests::{
    agent::{Agent, charge, read_order, token},
    deployment::Deployment,
    store::Mood,
};
use serde_json::json;

/// Every form a secret might leave in: raw, hexadecimal, base64 at each of its three alignments.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex::encode(secret);
    let mut forms = vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    for skip in 0..3 {
        // Whole groups of three bytes look the same whatever stands around them.
        let whole = &secret[skip..];
        let whole = &whole[..whole.len() / 3 * 3];
        forms.push(STANDARD_NO_PAD.encode(whole).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(whole).into_bytes());
    }
    forms
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    let forms = forms(secret);
    let mut forms = forms.iter();
    forms.any(|form| bytes.windows(form.len()).any(|part| part == form))
}

#[test]
fn p1_the_search_finds_what_is_there() {
    let secret: Vec<u8> = (0..32).collect();
    for around in 0..3 {
        let mut text = vec![7; around];
        text.extend_from_slice(&secret);
        text.extend_from_slice(&[9; 2]);
        assert!(holds(&text, &secret));
        assert!(holds(STANDARD_NO_PAD.encode(&text).as_bytes(), &secret));
        assert!(holds(URL_SAFE_NO_PAD.encode(&text).as_bytes(), &secret));
        assert!(holds(hex::encode(&text).as_bytes(), &secret));
    }
    assert!(!holds(&[1; 100], &secret));
}

/// Birth, boot, keys, calls, denials, errors and a restart; then everything that left is searched for everything secret.
#[test]
fn p1_no_frame_entry_or_blob_holds_a_secret() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(read_order("1")).unwrap();
    agent.sign(charge(5)).unwrap();
    agent.sign(token(None)).unwrap();
    let _ = agent.denied(charge(501));
    let (_, body) = agent.seal(&claviger_shared::call::Ask::Whoami);
    let _ = agent.refused(&body[..body.len() - 1]);
    let _ = enclave.measure(&deployment.links).refusal();
    let nonsense = json!({"type": "freeze"});
    let mut forged = deployment.narrowing(&nonsense);
    forged.signatures.clear();
    let _ = claviger_tests::owner::refused(enclave.command(&forged));
    deployment.store.be(Mood::Honest);
    let first_life = enclave.entropy.draws();
    enclave.crash();
    let second = deployment.boot();

    let mut sent: Vec<Vec<u8>> = deployment.tap.lock().unwrap().clone();
    sent.extend(deployment.store.appends());
    sent.extend(deployment.store.blobs().into_values());
    let leaks = |secret: &[u8]| sent.iter().any(|bytes| holds(bytes, secret));

    // The root and the bundle's key are the 32-byte draws of genesis.
    let born: Vec<_> = deployment
        .genesis_draws
        .iter()
        .filter(|draw| draw.len() == 32)
        .collect();
    assert!(born.len() >= 2, "root and bundle key");
    let g0 = sha256(&[deployment.g0()]);
    let vkey = &deployment
        .chain()
        .newest()
        .running
        .as_ref()
        .unwrap()
        .log_vkey
        .clone();
    let log_name = vkey.split('+').next().unwrap();
    let is_root = |draw: &[u8]| {
        let mut bytes: [u8; 32] = draw.try_into().unwrap();
        let keys = RootKeys::derive(&Secret::take(&mut bytes), &g0, log_name).unwrap();
        keys.log_key().vkey() == *vkey
    };
    let root = born
        .iter()
        .find(|draw| is_root(draw))
        .expect("the root was drawn");
    for draw in &born {
        assert!(!leaks(draw), "a draw of genesis left");
    }
    for info in [
        label::ROOT_LOG_KEY,
        label::ROOT_WRAP_KEY,
        label::ROOT_INPUT_KEY,
        label::ROOT_SNAPSHOT_KEY,
    ] {
        let key = derive(root, &g0.0, info).unwrap();
        assert!(
            !leaks(key.expose()),
            "a key that follows from the root left"
        );
    }
    // Of a serving life, the 32-byte draws are channel keys, signing keys, and the Boot record's public nonce.
    let records = deployment.store.records();
    let public: Vec<_> = records
        .iter()
        .filter_map(|body| match body {
            Body::Boot(boot) => Some(boot.nonce.to_vec()),
            _ => None,
        })
        .collect();
    let mut draws = first_life;
    draws.extend(second.entropy.draws());
    let secret = draws
        .iter()
        .filter(|draw| draw.len() == 32 && !public.contains(draw));
    let mut searched = 0;
    for draw in secret {
        assert!(!leaks(draw), "a draw of a serving life left");
        searched += 1;
    }
    assert!(
        searched >= 5,
        "two channel keys and three signing keys, not {searched}"
    );
    // The search sees what does leave: the nonces.
    assert!(public.iter().all(|nonce| leaks(nonce)));
}

#[test]
fn p1_secrets_print_their_name_alone() {
    let secret = Secret::take(&mut [0xab; 32]);
    let keys = RootKeys::derive(&secret, &sha256(&[b"g0"]), "o/1").unwrap();
    let agent = claviger_client::agent_key::AgentSecret::new([0xab; 32]);
    for text in [
        format!("{secret:?}"),
        format!("{keys:?}"),
        format!("{agent:?}"),
    ] {
        assert!(
            ["Secret", "RootKeys", "AgentSecret"].contains(&text.as_str()),
            "{text}"
        );
    }
}

#[test]
fn p1_a_wrapped_key_opens_under_its_root_alone() {
    let (deployment, _enclave) = Deployment::serving();
    let blobs = deployment.store.blobs();
    assert_eq!(blobs.len(), 3);
    let stranger = RootKeys::derive(&Secret::take(&mut [1; 32]), &sha256(&[b"g0"]), "o/1").unwrap();
    for blob in blobs.values() {
        assert!(stranger.unwrap(b"", blob).is_err());
    }
}
