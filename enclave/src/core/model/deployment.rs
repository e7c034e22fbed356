//! A deployment with one owner, two keys and three grants, and commands that are really signed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use claviger_shared::{
    crypto::{AwsLc, sha256},
    id::{Digest, InstanceId, KeyId, Pcr, X25519Public, to_hex},
    label::{NAMESPACE_COMMAND, NAMESPACE_MANIFEST},
    ledger::State,
    log::{
        checkpoint::LogKey,
        record::{Boot, Born, Genesis},
    },
    owner::{
        manifest::{Durability, Version, chain::Chain},
        sshsig::{self, PublicKey},
    },
    time::{Millis, UnixMs},
    wire::control::Signed,
};
use std::sync::Arc;

const ORIGIN: &str = "model/claviger";
const BUNDLE: Digest = Digest([9; 32]);
/// RFC 5480 §2: the head of an uncompressed P-256 key, and the point (4, 4, …), in base64.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA==";
/// 2026-11-23T10:00:00Z.
pub(super) const START: UnixMs = UnixMs(1_795_428_000_000);

/// Whose budgets are what.
pub(super) struct Terms {
    pub(super) id: &'static str,
    /// Most cents of one call.
    pub(super) per_call: u128,
    /// Most cents in the window.
    pub(super) cents: u128,
    pub(super) window: Over,
    /// Most calls in the grant's life.
    pub(super) calls: u128,
    key: &'static str,
    end: &'static str,
}

/// The windows that are modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Day,
    Life,
    Rolling(u64),
}

pub(super) const TERMS: [Terms; 3] = [
    Terms {
        id: "gr_life",
        per_call: 40,
        cents: 300,
        window: Over::Life,
        calls: 40,
        key: "k_1",
        end: "2026-11-23T17:00:00Z",
    },
    Terms {
        id: "gr_rolling",
        per_call: 1000,
        cents: 60,
        window: Over::Rolling(10_000),
        calls: 1000,
        key: "k_1",
        end: "2026-11-23T10:02:00Z",
    },
    Terms {
        id: "gr_day",
        per_call: 1000,
        cents: 80,
        window: Over::Day,
        calls: 5000,
        key: "k_2",
        end: "2026-12-23T10:00:00Z",
    },
];

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn owner() -> PublicKey {
    PublicKey::ed25519(pair().public_key().as_ref().try_into().unwrap())
}

fn sign(namespace: &str, body: Vec<u8>) -> Signed {
    let signature = pair().sign(&sshsig::signed_data(namespace, &body));
    let signature = signature.as_ref().try_into().unwrap();
    Signed {
        signatures: vec![sshsig::armor(&owner(), namespace, signature)],
        body,
    }
}

fn governance() -> String {
    format!(
        r#""v":1,"origin":"{ORIGIN}","owners":[{{"name":"ana","keys":["{}"]}}],"threshold":1,"operators":[],
        "recipients":[{{"arn":"arn:a","public_key":"{SPKI}"}}]"#,
        owner()
    )
}

fn g0() -> Vec<u8> {
    format!(
        r#"{{{},"generation":0,"attestation_root":"aws"}}"#,
        governance()
    )
    .into_bytes()
}

fn vkey() -> String {
    LogKey {
        name: format!("{ORIGIN}/{}", to_hex(&sha256(&[&g0()]).0[..8])),
        public: [7; 32],
    }
    .vkey()
}

fn g1() -> Vec<u8> {
    let pcr = to_hex(&[1; 48]);
    format!(
        r#"{{{},"generation":1,"supersedes":"{}","anchor":true,"bundle":"{BUNDLE}",
        "log":{{"vkey":"{}","first_root":"{}"}},
        "releases":[{{"version":"0.1.0","pcr0":"{pcr}","pcr1":"{pcr}","pcr2":"{pcr}"}}],
        "min_version":"0.1.0","rollback":"accepted"}}"#,
        governance(),
        sha256(&[&g0()]),
        vkey(),
        Digest([8; 32]),
    )
    .into_bytes()
}

pub(super) fn chain() -> Arc<Chain> {
    let links = [g0(), g1()].map(|body| sign(NAMESPACE_MANIFEST, body));
    Arc::new(Chain::verify(&links, &AwsLc).unwrap())
}

pub(super) fn genesis() -> Genesis {
    Genesis {
        g0: sha256(&[&g0()]),
        bundle: BUNDLE,
        vkey: vkey(),
        nonce: Digest([0; 32]),
    }
}

pub(super) fn boot(chain: &Chain, life: u8, time: UnixMs) -> Boot {
    Boot {
        instance: InstanceId([life; 16]),
        nonce: [life; 32],
        channel_key: X25519Public([life; 32]),
        pcrs: [Pcr([1; 48]); 3],
        version: Version(0, 1, 0),
        generation: 1,
        manifest: chain.newest().digest,
        time,
        durability: Durability::Durable,
    }
}

/// The actions that make the keys, the catalog and the grants.
pub(super) fn setup() -> Vec<(String, Option<Born>)> {
    let catalog = r#"{"type":"catalog.set","catalog":{"v":1,"resources":{"pay":[{"kind":"http",
        "host":"pay.example.com","path":"/pay","body":["amount"],"replayable":true,
        "charge":[{"unit":"usd-cents","from":"form","field":"amount"}]}]}}}"#;
    let mut actions = vec![(catalog.to_owned(), None)];
    for id in ["k_1", "k_2"] {
        let action = format!(
            r#"{{"type":"key.create","key":{{"id":"{id}","kind":"http","alg":"ed25519","agent":"bot"}}}}"#
        );
        let born = Born {
            key: KeyId::parse(id).unwrap(),
            public: vec![1; 32],
            blob: Digest([5; 32]),
        };
        actions.push((action, Some(born)));
    }
    for (at, terms) in TERMS.iter().enumerate() {
        actions.push((grant(u8::try_from(at).unwrap(), terms), None));
    }
    actions
}

fn grant(at: u8, terms: &Terms) -> String {
    let window = match terms.window {
        Over::Day => "calendar:P1D".to_owned(),
        Over::Life => "grant".to_owned(),
        Over::Rolling(ms) => format!("rolling:PT{}S", ms / 1000),
    };
    let renew = if terms.id == "gr_rolling" {
        r#""renew_until":"2026-11-23T10:05:00Z","#
    } else {
        ""
    };
    format!(
        r#"{{"type":"grant.create","grant":{{"v":1,"id":"{}","agent":{{"id":"bot","key":"x25519:{}"}},
        "not_before":"2026-11-23T09:00:00Z","expires_at":"{}",{renew}"keys":["{}"],
        "permissions":{{"write":["pay"]}},"credentials":{{"http":{{"profile":"generic","ttl_s":60}}}},
        "budgets":[{{"unit":"call","max":"{}","window":"grant"}},
                   {{"unit":"usd-cents","max":"{}","window":"call"}},
                   {{"unit":"usd-cents","max":"{}","window":"{window}"}}]}}}}"#,
        terms.id,
        to_hex(&[at + 9; 32]),
        terms.end,
        terms.key,
        terms.calls,
        terms.per_call,
        terms.cents,
    )
}

/// The next command of its chain, signed.
pub(super) fn command(
    state: &State,
    now: UnixMs,
    narrow: bool,
    action: &str,
    lifts: &[Digest],
) -> Signed {
    let (chain, head) = if narrow {
        ("narrow", state.narrow_head(&owner().fingerprint()))
    } else {
        ("widen", state.widen_head())
    };
    let lifts: Vec<String> = lifts.iter().map(|lift| format!("\"{lift}\"")).collect();
    let lifts = if lifts.is_empty() {
        String::new()
    } else {
        format!(r#""lifts":[{}],"#, lifts.join(","))
    };
    let body = format!(
        r#"{{"v":1,"origin":"{ORIGIN}","chain":"{chain}","seq":{},"prev":"{}","issued_at":"{now}",
        "not_after":"{}",{lifts}"action":{action}}}"#,
        head.seq + 1,
        head.digest,
        now.plus(Millis(3_600_000)),
    );
    sign(NAMESPACE_COMMAND, body.into_bytes())
}
