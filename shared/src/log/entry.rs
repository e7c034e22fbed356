//! Leaves: the small hashed heads of entries, at most 1 KiB; and the check that a stored entry continues a log.
//!
//! Having an [`Entry`] means its leaf was canonical, its records hash to the leaf's `records_root`, it stands on the root
//! before it, and the checkpoint stored with it is the log key's. What its records mean is the ledger's to say.

use super::{
    checkpoint::{self, Checkpoint, LogKey},
    merkle::{self, Frontier},
    record::{self, Record},
};
use crate::{
    codec::cbor,
    crypto::Verifier,
    id::{Digest, InstanceId},
    time::UnixMs,
    wire::storage::{MAX_LEAF, MAX_RECORD_BYTES, MAX_RECORDS, StoredEntry},
};
use serde::{Deserialize, Serialize};

/// Version of this leaf format.
pub const VERSION: u16 = 1;

/// What is hashed into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// [`VERSION`].
    pub v: u16,
    /// The log's origin.
    pub origin: String,
    /// Who wrote it.
    pub instance: InstanceId,
    /// Its place, from 0.
    pub index: u64,
    /// Root of the tree of `index` leaves.
    pub parent: Digest,
    /// The writer's time.
    pub time: UnixMs,
    /// How many records.
    pub count: u64,
    /// RFC 6962 root over the records' hashes.
    pub records_root: Digest,
}

/// A checked entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its leaf.
    pub leaf: Leaf,
    /// Its records, in order.
    pub records: Vec<Record>,
    /// The tree head that ends with it.
    pub checkpoint: Checkpoint,
}

/// Why a stored entry does not continue the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The checkpoint is not the log key's, or not of this tree.
    #[error("entry's checkpoint does not fit")]
    Checkpoint,
    /// The leaf or a record is not canonical, or over a limit.
    #[error("entry is malformed")]
    Malformed,
    /// Not the next index, not on this root, or of another log.
    #[error("entry does not continue this log")]
    NotNext,
    /// The records are not those of the leaf.
    #[error("entry's records do not hash to its leaf")]
    Records,
    /// Time runs backwards.
    #[error("entry is older than the one before")]
    Time,
}

/// Reads entries one after the other, each on the one before.
#[derive(Debug, Clone)]
pub struct Reader {
    key: LogKey,
    frontier: Frontier,
    time: UnixMs,
}

impl Reader {
    /// A reader at the start of a log.
    #[must_use]
    pub fn new(key: LogKey) -> Self {
        Self {
            key,
            frontier: Frontier::default(),
            time: UnixMs(0),
        }
    }

    /// A reader that goes on from a known state, as a snapshot gives it.
    #[must_use]
    pub const fn resume(key: LogKey, frontier: Frontier, time: UnixMs) -> Self {
        Self {
            key,
            frontier,
            time,
        }
    }

    /// The right edge so far.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The newest entry's time.
    #[must_use]
    pub const fn time(&self) -> UnixMs {
        self.time
    }

    /// Checks the next entry and moves on.
    ///
    /// # Errors
    ///
    /// An [`Error`]; the reader has then not moved.
    pub fn next(&mut self, stored: &StoredEntry, verifier: &dyn Verifier) -> Result<Entry, Error> {
        let leaf = self.check_leaf(stored)?;
        let hashes = check_records(stored, &leaf)?;
        if merkle::root(&hashes) != leaf.records_root {
            return Err(Error::Records);
        }
        let mut frontier = self.frontier.clone();
        frontier.append(merkle::leaf_hash(&stored.leaf));
        let checkpoint = checkpoint::verify(&stored.checkpoint, &self.key, verifier)
            .map_err(|_| Error::Checkpoint)?;
        if checkpoint.size != frontier.size() || checkpoint.root != frontier.root() {
            return Err(Error::Checkpoint);
        }
        let records = stored
            .records
            .iter()
            .map(|bytes| Record::decode(bytes))
            .collect::<Result<_, _>>();
        let records = records.map_err(|_| Error::Malformed)?;
        self.frontier = frontier;
        self.time = leaf.time;
        Ok(Entry {
            leaf,
            records,
            checkpoint,
        })
    }

    fn check_leaf(&self, stored: &StoredEntry) -> Result<Leaf, Error> {
        let leaf: Leaf = cbor::decode(&stored.leaf, MAX_LEAF).map_err(|_| Error::Malformed)?;
        let next = self.frontier.size();
        if leaf.v != VERSION
            || leaf.origin != self.key.name
            || leaf.index != next
            || stored.index != next
        {
            return Err(Error::NotNext);
        }
        if leaf.parent != self.frontier.root() {
            return Err(Error::NotNext);
        }
        if leaf.time < self.time {
            Err(Error::Time)
        } else {
            Ok(leaf)
        }
    }
}

fn check_records(stored: &StoredEntry, leaf: &Leaf) -> Result<Vec<Digest>, Error> {
    let count = stored.records.len();
    let bytes = stored
        .records
        .iter()
        .fold(0_usize, |sum, record| sum.saturating_add(record.len()));
    if count == 0 || count > MAX_RECORDS || bytes > MAX_RECORD_BYTES {
        return Err(Error::Malformed);
    }
    if u64::try_from(count) != Ok(leaf.count) {
        return Err(Error::Records);
    }
    Ok(stored
        .records
        .iter()
        .map(|bytes| record::hash(bytes))
        .collect())
}
