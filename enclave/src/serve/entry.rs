//! What an entry is made of: its leaf, its records' tree, the checkpoint that ends with it, and what its receipts need.
//!
//! It knows neither when an entry is written nor who waits for it.

use super::{hub::Hub, receipts};
use crate::core::Batch;
use crate::secret::RootKeys;
use claviger_shared::{
    codec::cbor,
    id::{Digest, InstanceId},
    log::{
        checkpoint::Checkpoint,
        entry::{Leaf, VERSION},
        merkle::{self, Frontier, Tree},
        record::{self, Body, Record},
    },
    time::UnixMs,
    wire::storage::StoredEntry,
};

/// An entry that is being stored, and what its receipts are made of.
#[derive(Debug)]
pub struct Entry {
    /// What storage is sent.
    pub stored: StoredEntry,
    /// The log's root with it.
    pub root: Digest,
    /// The log's right edge with it.
    pub next: Frontier,
    tree: Tree,
    leaf_proof: Vec<Digest>,
}

impl Entry {
    /// The entry of a batch at the right edge; nothing when the platform fails, or the edge is not where the batch belongs.
    #[must_use]
    pub fn build(hub: &Hub, edge: &Frontier, batch: Batch) -> Option<Self> {
        let mut records = batch.records;
        let denied = batch.denied.into_iter().map(Body::Denied);
        let simulated = batch.simulated.into_iter().map(Body::Simulated);
        let warned = batch.warned.into_iter().map(Body::Warned);
        for body in denied.chain(simulated).chain(warned) {
            records.push(super::issue::encode(hub, &body)?);
        }
        let index = edge.size();
        if index != batch.index {
            return None;
        }
        let hashes: Vec<Digest> = records.iter().map(|(_, hash)| *hash).collect();
        let tree = Tree::new(hashes);
        let leaf = Leaf {
            v: VERSION,
            origin: hub.boot.log_origin.clone(),
            instance: hub.boot.instance,
            index,
            parent: edge.root(),
            time: hub.time.now(),
            count: u64::try_from(records.len()).ok()?,
            records_root: tree.root(),
        };
        let records = records.into_iter().map(|(bytes, _)| bytes).collect();
        let (stored, next) = seal(&hub.keys, edge, &leaf, records)?;
        Some(Self {
            stored,
            root: next.root(),
            next,
            tree,
            leaf_proof: edge.next_leaf_proof(),
        })
    }

    /// The receipt of the record at a place in it.
    #[must_use]
    pub fn receipt(&self, hub: &Hub, place: usize) -> Option<Vec<u8>> {
        let Self {
            stored,
            tree,
            leaf_proof,
            ..
        } = self;
        receipts::make(hub.boot.terms(), stored, tree, leaf_proof, place)
    }
}

/// Hashes a leaf into the tree and signs the checkpoint that ends with it.
fn seal(
    keys: &RootKeys,
    frontier: &Frontier,
    leaf: &Leaf,
    records: Vec<Vec<u8>>,
) -> Option<(StoredEntry, Frontier)> {
    let bytes = cbor::encode(leaf).ok()?;
    let mut next = frontier.clone();
    next.append(merkle::leaf_hash(&bytes));
    let checkpoint = Checkpoint {
        origin: leaf.origin.clone(),
        size: next.size(),
        root: next.root(),
    };
    let signature = keys.sign_checkpoint(&checkpoint).ok()?;
    let note = checkpoint.note(keys.log_key(), &signature);
    let records = records.into_iter().map(Into::into).collect();
    let stored = StoredEntry {
        index: leaf.index,
        leaf: bytes,
        records,
        checkpoint: note,
    };
    Some((stored, next))
}

/// Who writes an entry outside the serial core, and when.
#[derive(Debug)]
pub struct Head {
    /// The writing instance.
    pub instance: InstanceId,
    /// Its time.
    pub time: UnixMs,
}

/// An entry written before anything is served: Genesis, or a boot's first.
#[must_use]
pub fn head_entry(
    keys: &RootKeys,
    head: &Head,
    frontier: &Frontier,
    records: &[Record],
) -> Option<(StoredEntry, Frontier)> {
    let encoded = records.iter().map(|record| record.encode().ok());
    let encoded = encoded.collect::<Option<Vec<_>>>()?;
    let hashes: Vec<Digest> = encoded.iter().map(|bytes| record::hash(bytes)).collect();
    let leaf = Leaf {
        v: VERSION,
        origin: keys.log_key().name.clone(),
        instance: head.instance,
        index: frontier.size(),
        parent: frontier.root(),
        time: head.time,
        count: u64::try_from(encoded.len()).ok()?,
        records_root: merkle::root(&hashes),
    };
    seal(keys, frontier, &leaf, encoded)
}
