//! Receipts: proof, checkable offline, that one record is in the log, in two steps: record → leaf → checkpoint.
//!
//! A receipt shows nobody else's record. Having a [`Proved`] means the record's bytes stand in the tree of a checkpoint
//! that the log key signed: `logged`. It does not say that the host keeps the log, nor that there is no other log.

use super::{
    checkpoint::{self, Checkpoint, LogKey},
    entry::{Leaf, VERSION},
    merkle,
    record::{self, Record},
};
use crate::{
    codec::cbor,
    crypto::Verifier,
    id::Digest,
    wire::storage::{MAX_LEAF, MAX_RECORD_BYTES},
};
use serde::{Deserialize, Serialize};

/// Largest receipt: the largest record (an entry may hold 768 KiB of them, `wire::storage`) and its proof.
pub const MAX_BYTES: usize = MAX_RECORD_BYTES + 16 * 1024;

/// The proof's bytes, in canonical CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Always 1.
    pub v: u16,
    /// What the proof rests on: `logged`; `cosigned` with witnesses; `volatile` where answers do not wait for storage.
    pub status: Status,
    /// The record's bytes.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// The record's place in its entry.
    pub place: u64,
    /// From the record's hash to the leaf's `records_root`.
    pub record_proof: Vec<Digest>,
    /// The leaf's bytes.
    #[serde(with = "serde_bytes")]
    pub leaf: Vec<u8>,
    /// From the leaf's hash to the checkpoint's root.
    pub leaf_proof: Vec<Digest>,
    /// The checkpoint note.
    pub checkpoint: String,
    /// Whether the deployment is a simulation.
    pub simulation: bool,
}

/// By whose word the record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// By the host's.
    Logged,
    /// By nobody's: it was not waited for.
    Volatile,
}

/// The parts of a receipt where they stand: encodes as [`Receipt`] does.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Parts<'a> {
    /// Always 1.
    pub v: u16,
    /// [`Receipt::status`].
    pub status: Status,
    /// [`Receipt::record`].
    #[serde(with = "serde_bytes")]
    pub record: &'a [u8],
    /// [`Receipt::place`].
    pub place: u64,
    /// [`Receipt::record_proof`].
    pub record_proof: &'a [Digest],
    /// [`Receipt::leaf`].
    #[serde(with = "serde_bytes")]
    pub leaf: &'a [u8],
    /// [`Receipt::leaf_proof`].
    pub leaf_proof: &'a [Digest],
    /// [`Receipt::checkpoint`].
    pub checkpoint: &'a str,
    /// [`Receipt::simulation`].
    pub simulation: bool,
}

impl Parts<'_> {
    /// The canonical bytes.
    ///
    /// # Errors
    ///
    /// As for [`Receipt::encode`].
    pub fn encode(&self) -> Result<Vec<u8>, cbor::Error> {
        cbor::encode(self)
    }
}

/// A record proved to be in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The record.
    pub record: Record,
    /// The leaf of its entry.
    pub leaf: Leaf,
    /// The tree head that proves it.
    pub checkpoint: Checkpoint,
    /// By whose word it is durable.
    pub status: Status,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The checkpoint is not the log key's.
    #[error("receipt's checkpoint does not verify")]
    Checkpoint,
    /// Not of the one form accepted.
    #[error("receipt is malformed")]
    Malformed,
    /// The hashes do not lead from the record to the checkpoint.
    #[error("receipt's proof does not lead to its checkpoint")]
    Proof,
}

impl Receipt {
    /// The canonical bytes.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`]; no receipt of this crate's making causes one.
    pub fn encode(&self) -> Result<Vec<u8>, cbor::Error> {
        cbor::encode(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, MAX_BYTES).map_err(|_| Error::Malformed)
    }

    /// Checks the proof against the log's key.
    ///
    /// # Errors
    ///
    /// An [`Error`]: the receipt then says nothing.
    pub fn verify(&self, key: &LogKey, verifier: &dyn Verifier) -> Result<Proved, Error> {
        self.verify_with(key, |note| checkpoint::verify(note, key, verifier).ok())
    }

    /// [`Self::verify`], with the checkpoint read by the caller: nothing for a note that is not signed by that key. Receipts
    /// of one entry share their note, so who checks many of them verifies it once.
    ///
    /// # Errors
    ///
    /// As for [`Self::verify`].
    pub fn verify_with(
        &self,
        key: &LogKey,
        signed: impl FnOnce(&str) -> Option<Checkpoint>,
    ) -> Result<Proved, Error> {
        let record = Record::decode(&self.record).map_err(|_| Error::Malformed)?;
        let leaf: Leaf = cbor::decode(&self.leaf, MAX_LEAF).map_err(|_| Error::Malformed)?;
        if self.v != 1 || leaf.v != VERSION || leaf.origin != key.name {
            return Err(Error::Malformed);
        }
        let hash = record::hash(&self.record);
        merkle::verify_inclusion(
            &hash,
            self.place,
            leaf.count,
            &self.record_proof,
            &leaf.records_root,
        )
        .map_err(|_| Error::Proof)?;
        let checkpoint = signed(&self.checkpoint).ok_or(Error::Checkpoint)?;
        let hash = merkle::leaf_hash(&self.leaf);
        merkle::verify_inclusion(
            &hash,
            leaf.index,
            checkpoint.size,
            &self.leaf_proof,
            &checkpoint.root,
        )
        .map_err(|_| Error::Proof)?;
        Ok(Proved {
            record,
            leaf,
            checkpoint,
            status: self.status,
        })
    }
}
