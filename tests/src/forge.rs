//! A log rewritten by somebody who holds every key: records changed at will, then hashed, chained and signed again.
//!
//! What is wrong with such a log is only what its records say, so it tells whether an auditor understands them.

use crate::deployment::Deployment;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use claviger_cli::ceremony::manifest;
use claviger_shared::{
    codec::{cbor, frame::MAX_BODY},
    crypto::sha256,
    id::Digest,
    label::NAMESPACE_COMMAND,
    log::{
        checkpoint::{Checkpoint, LogKey},
        entry::Leaf,
        merkle::{self, Frontier},
        record::{self, Body, Command, Record},
    },
    wire::{control::Signed, storage::StoredEntry},
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// An entry taken apart.
#[derive(Debug, Clone)]
pub struct Loose {
    /// Its leaf; place, parent and root are made anew.
    pub leaf: Leaf,
    /// Its records.
    pub records: Vec<Record>,
}

/// Entries taken apart.
#[must_use]
pub fn loosen(entries: &[StoredEntry]) -> Vec<Loose> {
    let loose = |entry: &StoredEntry| Loose {
        leaf: cbor::decode(&entry.leaf, MAX_BODY).unwrap(),
        records: entry
            .records
            .iter()
            .map(|bytes| Record::decode(bytes).unwrap())
            .collect(),
    };
    entries.iter().map(loose).collect()
}

/// Whoever forges: the deployment's people, and a log key of their own.
#[derive(Debug)]
pub struct Forger<'a> {
    deployment: &'a Deployment,
    pair: Ed25519KeyPair,
    key: LogKey,
    /// Commands' old digests and their new ones.
    digests: HashMap<Digest, Digest>,
    widen: Digest,
    narrow: Digest,
    signs: Signs,
}

/// How commands are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// As they must be.
    Rightly,
    /// By an operator where owners must.
    AsOperator,
    /// And a space is put behind what was signed.
    OtherBytes,
}

impl<'a> Forger<'a> {
    /// A forger with a fresh log key of the log's name.
    #[must_use]
    pub fn new(deployment: &'a Deployment) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let running = deployment.verified_chain();
        let vkey = &running.newest().running.as_ref().unwrap().log_vkey;
        let key = LogKey {
            name: LogKey::parse(vkey).unwrap().name,
            public: pair.public_key().as_ref().try_into().unwrap(),
        };
        let none = Digest([0; 32]);
        Self {
            deployment,
            pair,
            key,
            digests: HashMap::new(),
            widen: none,
            narrow: none,
            signs: Signs::Rightly,
        }
    }

    /// A forger who signs commands so.
    #[must_use]
    pub const fn signing(mut self, signs: Signs) -> Self {
        self.signs = signs;
        self
    }

    /// The whole log, and g0 with the g1 that names it.
    #[must_use]
    pub fn forge(mut self, mut loose: Vec<Loose>) -> (Vec<StoredEntry>, Vec<Signed>) {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            if let Body::Genesis(genesis) = &mut record.body {
                genesis.vkey = self.key.vkey();
            }
        }
        let mut frontier = Frontier::default();
        let first = self.entry(&mut frontier, &loose[0]);
        let g1 = self.g1(frontier.root());
        let digest = sha256(&[&g1.body]);
        (self.widen, self.narrow) = (digest, digest);
        let mut entries = vec![first];
        for entry in &mut loose[1..] {
            for record in &mut entry.records {
                match &mut record.body {
                    Body::Boot(boot) => boot.manifest = digest,
                    Body::Command(command) => self.command(command),
                    _ => {}
                }
            }
            entries.push(self.entry(&mut frontier, entry));
        }
        (entries, vec![self.deployment.links[0].clone(), g1])
    }

    fn g1(&self, first_root: Digest) -> Signed {
        let mut g1: Value = serde_json::from_slice(&self.deployment.links[1].body).unwrap();
        g1["log"] = json!({"vkey": self.key.vkey(), "first_root": first_root});
        manifest::sign(g1.to_string().into_bytes(), &[&self.deployment.owner]).unwrap()
    }

    /// The same command behind the one before it in this log, signed again.
    fn command(&mut self, command: &mut Command) {
        let old = sha256(&[&command.body]);
        let mut text: Value = serde_json::from_slice(&command.body).unwrap();
        let widens = text["chain"] == "widen";
        let (head, signer) = if widens {
            (&mut self.widen, &self.deployment.owner)
        } else {
            (&mut self.narrow, &self.deployment.operator)
        };
        text["prev"] = json!(*head);
        if let Some(lifts) = text.get_mut("lifts").and_then(Value::as_array_mut) {
            for lift in lifts {
                let known: Digest = serde_json::from_value(lift.clone()).unwrap();
                *lift = json!(self.digests.get(&known).copied().unwrap_or(known));
            }
        }
        let signer = match self.signs {
            Signs::AsOperator => &self.deployment.operator,
            Signs::Rightly | Signs::OtherBytes => signer,
        };
        command.body = text.to_string().into_bytes();
        command.signatures = vec![signer.sign(NAMESPACE_COMMAND, &command.body).unwrap()];
        if self.signs == Signs::OtherBytes {
            command.body.push(b' ');
        }
        *head = sha256(&[&command.body]);
        self.digests.insert(old, *head);
    }

    fn entry(&self, frontier: &mut Frontier, loose: &Loose) -> StoredEntry {
        let encoded = loose.records.iter().map(|record| record.encode().unwrap());
        let records: Vec<serde_bytes::ByteBuf> = encoded.map(serde_bytes::ByteBuf::from).collect();
        let hashes: Vec<_> = records.iter().map(|bytes| record::hash(bytes)).collect();
        let leaf = Leaf {
            index: frontier.size(),
            parent: frontier.root(),
            count: u64::try_from(records.len()).unwrap(),
            records_root: merkle::root(&hashes),
            ..loose.leaf.clone()
        };
        let bytes = cbor::encode(&leaf).unwrap();
        frontier.append(merkle::leaf_hash(&bytes));
        let head = Checkpoint {
            origin: self.key.name.clone(),
            size: frontier.size(),
            root: frontier.root(),
        };
        let signature = self.pair.sign(head.body().as_bytes());
        StoredEntry {
            index: leaf.index,
            leaf: bytes,
            records,
            checkpoint: head.note(&self.key, signature.as_ref().try_into().unwrap()),
        }
    }
}
