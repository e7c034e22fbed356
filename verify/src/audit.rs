//! The offline audit: every entry of a log folded through `shared::ledger`, checked with ring.
//!
//! Having a [`Report`] means: every leaf continues the tree, every checkpoint is the log key's, every record hashes to its
//! leaf, and no record overspends, issues under an inactive grant or skips a command. It does not say that this log is the
//! only one.

use claviger_shared::{
    id::Digest,
    ledger::{State, Violation},
    log::{
        checkpoint::LogKey,
        entry::{self, Entry, Reader},
    },
    owner::manifest::chain::Chain,
    wire::storage::StoredEntry,
};
use std::sync::Arc;

use crate::ring_verifier::RingVerifier;

/// Why a log is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An entry does not continue the log.
    #[error("entry {index}: {source}")]
    Entry {
        /// Its place.
        index: u64,
        /// What does not fit.
        source: entry::Error,
    },
    /// The log is empty: even a new deployment has its Genesis entry.
    #[error("log is empty")]
    Empty,
    /// The first entry is not the one the manifest names.
    #[error("first entry is not the one the manifest names")]
    FirstRoot,
    /// The chain has no g1 or its log key is malformed.
    #[error("manifest names no log")]
    NoLog,
    /// A record breaks a promise.
    #[error("entry {index}, record {place}: {source}")]
    Violation {
        /// The entry.
        index: u64,
        /// The record's place in it, from 0.
        place: usize,
        /// The broken promise.
        source: Violation,
    },
}

/// What a whole log amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's origin.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// Records.
    pub records: u64,
}

/// Folds entries, one after the other.
#[derive(Debug, Clone)]
pub struct Auditor {
    key: LogKey,
    first_root: Digest,
    reader: Reader,
    state: State,
}

impl Auditor {
    /// An auditor at the start of the log that a verified chain names.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`].
    pub fn new(chain: Arc<Chain>) -> Result<Self, Error> {
        let running = chain.newest().running.as_ref().ok_or(Error::NoLog)?;
        let key = LogKey::parse(&running.log_vkey).map_err(|_| Error::NoLog)?;
        let first_root = running.first_root;
        let reader = Reader::new(key.clone());
        let state = State::new(chain);
        Ok(Self {
            key,
            first_root,
            reader,
            state,
        })
    }

    /// Checks and applies the next entry.
    ///
    /// # Errors
    ///
    /// An [`Error`]; the auditor must then not be used further.
    pub fn entry(&mut self, stored: &StoredEntry) -> Result<Entry, Error> {
        let index = self.reader.frontier().size();
        let entry = self
            .reader
            .next(stored, &RingVerifier)
            .map_err(|source| Error::Entry { index, source })?;
        if index == 0 && entry.checkpoint.root != self.first_root {
            return Err(Error::FirstRoot);
        }
        for (place, record) in entry.records.iter().enumerate() {
            self.state
                .apply(record, entry.leaf.time, &RingVerifier)
                .map_err(|source| Error::Violation {
                    index,
                    place,
                    source,
                })?;
        }
        Ok(entry)
    }

    /// What the log says so far.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The log's key.
    #[must_use]
    pub const fn log_key(&self) -> &LogKey {
        &self.key
    }

    /// Where the next entry goes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.reader.frontier().size()
    }

    /// Sums up.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`].
    pub fn report(&self) -> Result<Report, Error> {
        let frontier = self.reader.frontier();
        if frontier.size() == 0 {
            return Err(Error::Empty);
        }
        Ok(Report {
            origin: self.key.name.clone(),
            size: frontier.size(),
            root: frontier.root(),
            records: self.state.records(),
        })
    }
}

#[cfg(test)]
mod tests;
