//! The storage connection: the enclave asks, the host answers; one request outstanding.
//!
//! The host's answers are checked: entries chain to a signed checkpoint, snapshots and blobs are bound by digests in
//! the log. A lie ends in refusal.

use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// Largest leaf (DESIGN §11).
pub const MAX_LEAF: usize = 1024;
/// Records of one entry, in number (DESIGN §11).
pub const MAX_RECORDS: usize = 2048;
/// Records of one entry, in bytes (DESIGN §11).
pub const MAX_RECORD_BYTES: usize = 768 * 1024;
/// Items of a reply to Read, by which it may hold several entries: an honest one has far more than 32 bytes for each.
pub const MAX_ENTRIES_ITEMS: u64 = 32_768;
/// Largest checkpoint note.
pub const MAX_CHECKPOINT: usize = 4096;
/// Largest part of a snapshot and largest blob.
pub const MAX_CHUNK: usize = 512 * 1024;

/// One stored entry: body of Append, element of a Read reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredEntry {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The leaf's bytes.
    #[serde(with = "serde_bytes")]
    pub leaf: Vec<u8>,
    /// The records' bytes, in order.
    pub records: Vec<serde_bytes::ByteBuf>,
    /// The log-signed checkpoint of size `index + 1`.
    pub checkpoint: String,
}

/// Why a store failed; the enclave sends the same bytes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreFailure {
    /// No room.
    Full,
    /// Anything else.
    Io,
}

/// Reply to Append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Appended {
    /// Durable (equal bytes at that index count as stored).
    Stored,
    /// Other bytes are stored at that index: another writer.
    Conflict,
    /// Not known to be durable.
    Failed(StoreFailure),
}

/// Body of Read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// First index wanted.
    pub from: u64,
    /// Bytes of entries the reply may hold; at least one entry is returned where there is one.
    pub max_bytes: u64,
}

/// Reply to Read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// Consecutive entries from the index asked for; empty at the end of the log.
    pub entries: Vec<StoredEntry>,
    /// Whether the last of them is the newest stored.
    pub end: bool,
}

/// Body of SnapshotPut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPut {
    /// Log size the snapshot was taken at.
    pub size: u64,
    /// SHA-256 of the whole snapshot.
    pub digest: Digest,
    /// Where this part begins.
    pub offset: u64,
    /// Length of the whole.
    pub total: u64,
    /// The part, at most [`MAX_CHUNK`] bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Body of SnapshotGet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotGet {
    /// SHA-256 of the whole snapshot.
    pub digest: Digest,
    /// Where the wanted part begins.
    pub offset: u64,
}

/// Reply to SnapshotGet and to a blob's Get: nothing, or a part and the whole's length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Length of the whole; 0 when there is none.
    pub total: u64,
    /// The part, at most [`MAX_CHUNK`] bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Reply to Tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Entries stored.
    pub size: u64,
    /// Checkpoint stored with the last of them; empty for an empty log.
    pub checkpoint: String,
    /// The newest snapshot stored whole: log size and digest.
    pub snapshot: Option<SnapshotAt>,
}

/// Which snapshot the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotAt {
    /// Log size it was taken at.
    pub size: u64,
    /// SHA-256 of the whole.
    pub digest: Digest,
}

/// Body of Blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blob {
    /// Forget it, as far as the courier can.
    Delete(Digest),
    /// Return it as a [`Chunk`].
    Get(Digest),
    /// Store it durably under its SHA-256.
    Put(BlobBytes),
}

/// The bytes of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobBytes {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// At most [`MAX_CHUNK`] bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Reply to SnapshotPut and to a blob's Put and Delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Durable.
    Ok,
    /// Not known to be durable.
    Failed(StoreFailure),
}
