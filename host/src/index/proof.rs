//! What proves itself: tiles of the log's tree, bundles of its leaves, receipts of its records.
//!
//! A reader holds them against a checkpoint that the log key signed; nothing is asked to be believed.

use super::{Index, audit::Place, tiles::WIDTH};
use crate::sync::lock;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    log::{
        merkle::Tree,
        receipt::{MAX_BYTES, Receipt, Status},
        record,
    },
    owner::manifest::{AttestationRoot, Manifest},
};
use serde_json::{Value, json};

/// Bytes of entries of one read.
const STEP: u64 = 512 * 1024;

/// Why something is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// The log has no such record or tile.
    #[error("not in the log")]
    Absent,
    /// The record does not fit a receipt.
    #[error("record does not fit a receipt")]
    TooLarge,
    /// The store or the hashes cannot be read.
    #[error("log cannot be read")]
    Unavailable,
}

impl From<std::io::Error> for Unproved {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(%error, "hashes of the log");
        Self::Unavailable
    }
}

impl From<crate::store::Error> for Unproved {
    fn from(error: crate::store::Error) -> Self {
        tracing::error!(%error, "store");
        Self::Unavailable
    }
}

impl Index {
    /// Follows the log with its hashes, in steps that let others look in between; blocking.
    ///
    /// # Errors
    ///
    /// [`Unproved::Unavailable`].
    pub fn hash_up(&self) -> Result<(), Unproved> {
        while !self.is_ending() && lock(&self.tiles).step(self.store.as_ref())? {}
        Ok(())
    }

    /// The hashes of a tile; blocking.
    ///
    /// # Errors
    ///
    /// [`Unproved::Absent`] for a tile that is not there in this width.
    pub fn tile(&self, level: u8, index: u64, width: u64) -> Result<Vec<u8>, Unproved> {
        self.hash_up()?;
        let first = index.checked_mul(WIDTH).ok_or(Unproved::Absent)?;
        let read = lock(&self.tiles).read(level, first, width)?;
        read.ok_or(Unproved::Absent)
    }

    /// The leaves under a tile of level 0, each behind its length; blocking.
    ///
    /// # Errors
    ///
    /// [`Unproved::Absent`] for a bundle that is not there in this width.
    pub fn bundle(&self, index: u64, width: u64) -> Result<Vec<u8>, Unproved> {
        let first = index.checked_mul(WIDTH).ok_or(Unproved::Absent)?;
        let end = first.checked_add(width).ok_or(Unproved::Absent)?;
        if end > self.store.tail().size {
            return Err(Unproved::Absent);
        }
        let (mut at, mut out) = (first, Vec::new());
        while at < end {
            let read = self.store.read(at, STEP)?;
            if read.entries.is_empty() {
                return Err(Unproved::Unavailable);
            }
            for entry in read.entries.iter().take((end - at) as usize) {
                let length = u16::try_from(entry.leaf.len()).map_err(|_| Unproved::Unavailable)?;
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(&entry.leaf);
                at += 1;
            }
        }
        Ok(out)
    }

    /// A receipt of any record under the newest checkpoint, as docs/spec/receipt.md has it in JSON; blocking.
    ///
    /// # Errors
    ///
    /// [`Unproved`].
    pub fn receipt(&self, place: Place) -> Result<Value, Unproved> {
        self.hash_up()?;
        let tail = self.store.tail();
        let read = self.store.read(place.index, 0)?;
        let entry = read.entries.into_iter().next().ok_or(Unproved::Absent)?;
        let number = usize::try_from(place.number).map_err(|_| Unproved::Absent)?;
        let bytes = entry.records.get(number).ok_or(Unproved::Absent)?;
        let hashes = entry.records.iter().map(|bytes| record::hash(bytes));
        let record_proof = Tree::new(hashes.collect()).proof(number);
        let status = self.status(place.index)?;
        let tiles = lock(&self.tiles);
        let leaf_proof = tiles.proof(place.index, tail.size)?;
        drop(tiles);
        let receipt = Receipt {
            v: 1,
            status,
            record: bytes.to_vec(),
            place: place.number,
            record_proof: record_proof.ok_or(Unproved::Absent)?,
            leaf: entry.leaf,
            leaf_proof: leaf_proof.ok_or(Unproved::Unavailable)?,
            checkpoint: tail.checkpoint,
            simulation: self.is_simulation(),
        };
        let encoded = receipt.encode().map_err(|_| Unproved::Unavailable)?;
        if encoded.len() > MAX_BYTES {
            return Err(Unproved::TooLarge);
        }
        let mut lines = receipt.checkpoint.lines().skip(1);
        let size: Option<u64> = lines.next().and_then(|line| line.parse().ok());
        Ok(json!({
            "status": receipt.status, "size": size, "index": place.index, "place": place.number, "root": lines.next(),
            "checkpoint": receipt.checkpoint, "simulation": receipt.simulation, "encoded": STANDARD.encode(encoded),
        }))
    }

    /// By whose word an entry is durable; only of what was folded, for a receipt says nothing that was not read.
    fn status(&self, index: u64) -> Result<Status, Unproved> {
        self.catch_up();
        let fold = lock(&self.fold);
        if index < fold.next {
            Ok(fold.boots.status(index))
        } else {
            Err(Unproved::Unavailable)
        }
    }

    /// Whether the first manifest names another attestation root than AWS's; said in receipts, proved by the chain alone.
    fn is_simulation(&self) -> bool {
        let chain = self.deployment.chain();
        let first = chain.as_ref().and_then(|chain| chain.links.first());
        let manifest = first.and_then(|link| Manifest::parse(&link.body).ok());
        manifest.is_none_or(|g0| g0.attestation_root != Some(AttestationRoot::Aws))
    }
}
