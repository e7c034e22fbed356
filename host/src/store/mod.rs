//! Where the log, its snapshots and its blobs are kept.
//!
//! A [`Store`] answers `Stored` only for what is durable, and never changes or drops what it answered `Stored` for. It
//! checks nothing it stores beyond lengths and digests: the enclave and the auditor do.

pub mod local;

use claviger_shared::{
    codec::cbor,
    codec::frame::MAX_BODY,
    wire::storage::{
        Appended, Blob, Chunk, Done, Entries, SnapshotGet, SnapshotPut, StoreFailure, StoredEntry,
        Tail,
    },
};
use std::{io, path::PathBuf};

/// Largest canonical form of one entry: what fits a frame.
pub const MAX_ENTRY: usize = MAX_BODY;
/// Bytes of entries that one read returns at most, so that the reply fits a frame.
pub const MAX_READ: u64 = 1024 * 1024 - 4096;

/// Why a store cannot be opened or read; an operator has to look.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stored entry that is not the last does not check out: nothing is cut, nothing is written.
    #[error("segment `{}` is damaged at byte {at}: {what}", segment.display())]
    Damaged {
        /// The segment's file.
        segment: PathBuf,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The file system refused.
    #[error("{context}: {source}")]
    Io {
        /// What was tried.
        context: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process has the directory.
    #[error("another process holds the store's lock")]
    Locked,
    /// The bytes are not the canonical form of an entry.
    #[error("not a stored entry")]
    NotAnEntry,
}

impl Error {
    pub(crate) const fn io(context: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { context, source }
    }
}

/// An entry and its canonical bytes; having one means that they belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    value: StoredEntry,
    bytes: Vec<u8>,
}

impl Entry {
    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnEntry`] for anything else, or over [`MAX_ENTRY`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let value = cbor::decode(&bytes, MAX_ENTRY).map_err(|_| Error::NotAnEntry)?;
        Ok(Self { value, bytes })
    }

    /// Makes the canonical bytes of an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnEntry`] over [`MAX_ENTRY`].
    pub fn new(value: StoredEntry) -> Result<Self, Error> {
        let bytes = cbor::encode(&value).map_err(|_| Error::NotAnEntry)?;
        if bytes.len() > MAX_ENTRY {
            return Err(Error::NotAnEntry);
        }
        Ok(Self { value, bytes })
    }

    /// The entry.
    #[must_use]
    pub const fn value(&self) -> &StoredEntry {
        &self.value
    }

    /// Its canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the entry up.
    #[must_use]
    pub fn into_value(self) -> StoredEntry {
        self.value
    }
}

/// A log store. One writer appends; readers read beside it.
pub trait Store: Send + Sync + 'static {
    /// Makes an entry durable at its index: the next one, or a repeat of a stored one.
    fn append(&self, entry: &Entry) -> Appended;

    /// Consecutive entries from an index, at least one where there is one, at most [`MAX_READ`] bytes.
    ///
    /// # Errors
    ///
    /// [`Error`] when what was stored cannot be read back.
    fn read(&self, from: u64, max_bytes: u64) -> Result<Entries, Error>;

    /// Where the log ends.
    fn tail(&self) -> Tail;

    /// Stores a part of a snapshot; parts come in order, and the last makes the whole durable.
    fn snapshot_put(&self, part: &SnapshotPut) -> Done;

    /// A part of a stored snapshot, or an empty chunk.
    ///
    /// # Errors
    ///
    /// [`Error`] when it cannot be read.
    fn snapshot_get(&self, wanted: &SnapshotGet) -> Result<Chunk, Error>;

    /// Puts, gets or deletes a blob.
    ///
    /// # Errors
    ///
    /// [`Error`] when a stored blob cannot be read.
    fn blob(&self, request: &Blob) -> Result<BlobReply, Error>;
}

/// What a blob request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobReply {
    /// To Get.
    Chunk(Chunk),
    /// To Put and Delete.
    Done(Done),
}

/// What a failed write means to the enclave.
pub(crate) fn failure(error: &io::Error) -> StoreFailure {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    if full {
        StoreFailure::Full
    } else {
        StoreFailure::Io
    }
}
