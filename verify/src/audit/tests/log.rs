//! A deployment and its log, written as the enclave writes it, with signatures by ring.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    amount::Amount,
    codec::cbor,
    effect::{Charge, Effect, Kind, Verb},
    id::{Digest, GrantId, InstanceId, KeyId, Pcr, ResourceName, Unit, X25519Public, to_hex},
    label::{NAMESPACE_COMMAND, NAMESPACE_MANIFEST},
    log::{
        checkpoint::{Checkpoint, LogKey},
        entry::{self, Leaf},
        merkle::{self, Frontier},
        record::{self, Body, Boot, Born, Call, Genesis, Outcome, Record},
    },
    owner::{
        manifest::{Durability, Version, chain::Chain},
        sshsig::{self, PublicKey},
    },
    time::{Millis, UnixMs},
    wire::{control::Signed, storage::StoredEntry},
};
use ring::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use std::sync::Arc;

use crate::ring_verifier::RingVerifier;

const ORIGIN: &str = "acme-test/claviger";
/// 2026-11-23T10:00:00Z.
const NOW: UnixMs = UnixMs(1_795_428_000_000);
const LOG_SEED: [u8; 32] = [7; 32];
const OWNER_SEED: [u8; 32] = [1; 32];
const BUNDLE: Digest = Digest([9; 32]);

fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).unwrap()
}

fn public(seed: &[u8; 32]) -> [u8; 32] {
    pair(seed).public_key().as_ref().try_into().unwrap()
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

/// The one owner's signature.
fn sign(namespace: &str, body: &[u8]) -> Vec<String> {
    let signature = pair(&OWNER_SEED).sign(&sshsig::signed_data(namespace, body));
    let owner = PublicKey::ed25519(&public(&OWNER_SEED));
    vec![sshsig::armor(
        &owner,
        namespace,
        signature.as_ref().try_into().unwrap(),
    )]
}

fn governance() -> String {
    let owner = PublicKey::ed25519(&public(&OWNER_SEED));
    // RFC 5480 §2: the head of an uncompressed P-256 key.
    let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let spki = [hex::decode(head).unwrap(), vec![4; 65]].concat();
    format!(
        r#""v":1,"origin":"{ORIGIN}","owners":[{{"name":"ana","keys":["{owner}"]}}],"threshold":1,"operators":[],
        "recipients":[{{"arn":"arn:a","public_key":"{}"}}]"#,
        STANDARD.encode(spki)
    )
}

fn g0() -> Vec<u8> {
    format!(
        r#"{{{},"generation":0,"attestation_root":"aws"}}"#,
        governance()
    )
    .into_bytes()
}

fn g1(vkey: &str, first_root: &Digest) -> Vec<u8> {
    let pcr = to_hex(&[1; 48]);
    format!(
        r#"{{{},"generation":1,"supersedes":"{}","anchor":true,"bundle":"{BUNDLE}",
        "log":{{"vkey":"{vkey}","first_root":"{first_root}"}},
        "releases":[{{"version":"0.1.0","pcr0":"{pcr}","pcr1":"{pcr}","pcr2":"{pcr}"}}],
        "min_version":"0.1.0","rollback":"accepted"}}"#,
        governance(),
        sha256(&g0()),
    )
    .into_bytes()
}

/// A log under way, and the chain that names it.
pub(super) struct Log {
    pub(super) chain: Arc<Chain>,
    pub(super) entries: Vec<StoredEntry>,
    key: LogKey,
    frontier: Frontier,
    head: (u64, Digest),
}

impl Log {
    /// Genesis alone.
    pub(super) fn born() -> Self {
        let key = LogKey {
            name: format!("{ORIGIN}/{}", to_hex(&sha256(&g0()).0[..8])),
            public: public(&LOG_SEED),
        };
        let genesis = Genesis {
            g0: sha256(&g0()),
            bundle: BUNDLE,
            vkey: key.vkey(),
            nonce: Digest([0; 32]),
        };
        let mut log = Self {
            chain: chain(vec![g0()]),
            entries: Vec::new(),
            frontier: Frontier::default(),
            head: (0, Digest([0; 32])),
            key,
        };
        log.append(vec![Body::Genesis(Box::new(genesis))]);
        log.chain = chain(vec![g0(), g1(&log.key.vkey(), &log.frontier.root())]);
        log.head.1 = log.chain.first_command_prev();
        log
    }

    /// Genesis, Boot, a catalog, a key, a grant of two calls and ten cents, and one call of five cents.
    pub(super) fn running() -> Self {
        let mut log = Self::born();
        let boot = log.boot();
        log.append(vec![boot]);
        let commands = log.commands();
        log.append(commands);
        log.append(vec![call(5)]);
        log
    }

    fn boot(&self) -> Body {
        Body::Boot(Box::new(Boot {
            instance: InstanceId([1; 16]),
            nonce: [2; 32],
            channel_key: X25519Public([3; 32]),
            pcrs: [Pcr([1; 48]); 3],
            version: Version(0, 1, 0),
            generation: 1,
            manifest: self.chain.newest().digest,
            time: NOW,
            durability: Durability::Durable,
        }))
    }

    fn commands(&mut self) -> Vec<Body> {
        let catalog = r#"{"type":"catalog.set","catalog":{"v":1,"resources":{"pay":[{"kind":"http",
            "host":"pay.example.com","path":"/pay","body":["amount"],"replayable":true,
            "charge":[{"unit":"usd-cents","from":"form","field":"amount"}]}]}}}"#;
        let key = r#"{"type":"key.create","key":{"id":"k_1","kind":"http","alg":"ed25519"}}"#;
        let born = Born {
            key: KeyId::parse("k_1").unwrap(),
            public: vec![1; 32],
            blob: Digest([5; 32]),
        };
        let grant = format!(
            r#"{{"type":"grant.create","grant":{{"v":1,"id":"gr_1","agent":{{"id":"bot","key":"x25519:{}"}},
            "not_before":"2026-11-23T09:00:00Z","expires_at":"2026-11-23T17:00:00Z","keys":["k_1"],
            "permissions":{{"write":["pay"]}},
            "budgets":[{{"unit":"call","max":"2","window":"grant"}},
                       {{"unit":"usd-cents","max":"10","window":"grant"}}]}}}}"#,
            to_hex(&[9; 32])
        );
        vec![
            self.command(catalog, None),
            self.command(key, Some(born)),
            self.command(&grant, None),
        ]
    }

    /// The next widening command.
    fn command(&mut self, action: &str, born: Option<Born>) -> Body {
        let (seq, prev) = (self.head.0 + 1, self.head.1);
        let body = format!(
            r#"{{"v":1,"origin":"{ORIGIN}","chain":"widen","seq":{seq},"prev":"{prev}",
            "issued_at":"2026-11-23T09:00:00Z","not_after":"2026-11-23T12:00:00Z","action":{action}}}"#
        )
        .into_bytes();
        self.head = (seq, sha256(&body));
        Body::Command(Box::new(record::Command {
            signatures: sign(NAMESPACE_COMMAND, &body),
            body,
            applied_at: NOW,
            born,
        }))
    }

    /// Writes the next entry, ten seconds after the one before.
    pub(super) fn append(&mut self, bodies: Vec<Body>) {
        let records: Vec<Vec<u8>> = bodies
            .into_iter()
            .map(|body| {
                Record {
                    salt: [4; 16],
                    body,
                }
                .encode()
                .unwrap()
            })
            .collect();
        let hashes: Vec<Digest> = records.iter().map(|bytes| record::hash(bytes)).collect();
        let index = self.frontier.size();
        let leaf = Leaf {
            v: entry::VERSION,
            origin: self.key.name.clone(),
            instance: InstanceId([1; 16]),
            index,
            parent: self.frontier.root(),
            time: NOW.plus(Millis::from_secs(index * 10)),
            count: u64::try_from(records.len()).unwrap(),
            records_root: merkle::root(&hashes),
        };
        let leaf = cbor::encode(&leaf).unwrap();
        self.frontier.append(merkle::leaf_hash(&leaf));
        let checkpoint = Checkpoint {
            origin: self.key.name.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        self.entries.push(StoredEntry {
            index,
            leaf,
            records: records
                .into_iter()
                .map(serde_bytes::ByteBuf::from)
                .collect(),
            checkpoint: self.note(&checkpoint, &LOG_SEED),
        });
    }

    /// A checkpoint signed by a seed's key under the log's name.
    pub(super) fn note(&self, checkpoint: &Checkpoint, seed: &[u8; 32]) -> String {
        let signature = pair(seed).sign(checkpoint.body().as_bytes());
        checkpoint.note(&self.key, signature.as_ref().try_into().unwrap())
    }

    /// Forgets every entry: what is appended next is a first entry.
    pub(super) fn restart(&mut self) {
        self.entries.clear();
        self.frontier = Frontier::default();
    }

    /// A chain before genesis.
    pub(super) fn g0_alone() -> Arc<Chain> {
        chain(vec![g0()])
    }

    /// The log's tree head.
    pub(super) fn head(&self) -> Checkpoint {
        Checkpoint {
            origin: self.key.name.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        }
    }
}

fn chain(bodies: Vec<Vec<u8>>) -> Arc<Chain> {
    let signed = |body: Vec<u8>| Signed {
        signatures: sign(NAMESPACE_MANIFEST, &body),
        body,
    };
    let links: Vec<Signed> = bodies.into_iter().map(signed).collect();
    Arc::new(Chain::verify(&links, &RingVerifier).unwrap())
}

/// An issued call of so many cents.
pub(super) fn call(cents: u128) -> Body {
    let charge = |unit: &str, amount| Charge {
        unit: Unit::parse(unit).unwrap(),
        amount: Amount(amount),
    };
    let effect = Effect {
        kind: Kind::Http,
        verb: Verb::Write,
        resource: ResourceName::parse("pay").unwrap(),
        route: 0,
        destination: "pay.example.com".to_owned(),
        method: "POST".to_owned(),
        path_template: "/pay".to_owned(),
        parameters: Vec::new(),
        mints: false,
        identity_only: false,
        charges: vec![charge("usd-cents", cents)],
        max_lifetime: Millis(60_000),
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    };
    Body::Call(Box::new(Call {
        grant: GrantId::parse("gr_1").unwrap(),
        outcome: Outcome::Issued,
        decided_at: NOW,
        expires_at: NOW.plus(Millis(60_000)),
        key: KeyId::parse("k_1").unwrap(),
        effects: vec![effect],
        charges: vec![charge("call", 1), charge("usd-cents", cents)],
        input: Digest([0; 32]),
        idempotency: None,
        nonce: [0; 16],
        source: [0; 16],
        replaces: false,
    }))
}
