//! Replay: the log, pulled from storage, verified and folded into the state.
//!
//! Nothing beyond the last entry that verifies is trusted. An empty log is refused, as is one whose first entry is not the
//! one genesis made, one that ends before an entry this deployment's manifests name, and one that breaks a promise. Keys
//! come from blobs whose digests the log holds.

use crate::serve::{
    receipts::{self, Once, Terms},
    storage::Storage,
};
use claviger_shared::{
    codec::cbor,
    crypto::AwsLc,
    id::Digest,
    ledger::{State, Violation, forgotten_at, state::Data},
    log::{
        checkpoint::LogKey,
        entry::{Entry, Reader},
        merkle::{Frontier, Tree},
        record::{self, Body, Outcome, Snapshot},
    },
    owner::manifest::chain::Chain,
    time::UnixMs,
    wire::storage::StoredEntry,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Bytes of entries asked for at a time.
const READ_BYTES: u64 = 512 * 1024;
/// Largest snapshot.
pub const MAX_SNAPSHOT: usize = 512 * 1024 * 1024;
/// Items of a snapshot; its tag is checked before one is read.
pub const MAX_SNAPSHOT_ITEMS: u64 = 128 * 1024 * 1024;
/// Version of the snapshot format.
pub const SNAPSHOT_VERSION: u16 = 3;

/// Why a log is refused; the instance does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Storage holds no entry.
    #[error("log is empty")]
    Empty,
    /// An entry does not continue the log.
    #[error("entry {0} does not verify")]
    Entry(u64),
    /// The first entry is not the one that genesis made.
    #[error("first entry is another")]
    FirstRoot,
    /// The log knows a newer manifest than the chain that was measured.
    #[error("manifest chain is older than the log")]
    Manifest,
    /// Storage did not answer.
    #[error("storage did not answer")]
    Storage,
    /// A record breaks a promise.
    #[error("entry {0} holds a record that no honest instance writes")]
    Violation(u64),
}

/// A log read to its end.
#[derive(Debug)]
pub struct Replayed {
    /// What it says.
    pub state: State,
    /// Its right edge.
    pub frontier: Frontier,
    /// Newest snapshot the log names.
    pub snapshot: Option<Snapshot>,
    /// Records replayed since that snapshot.
    pub since_snapshot: u64,
    /// Receipts of calls whose idempotency keys may still be used.
    pub receipts: Vec<(Once, Vec<u8>)>,
}

/// A snapshot's content; authenticated by [`crate::secret::RootKeys`] before it is parsed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// [`SNAPSHOT_VERSION`].
    pub v: u16,
    /// The log's right edge.
    pub frontier: Frontier,
    /// Newest time in it.
    pub time: UnixMs,
    /// The state.
    pub data: Data,
}

/// Opens what storage calls the newest snapshot; nothing when it is missing, not ours, or of another version.
fn snapshot(
    storage: &Storage,
    key: &claviger_shared::crypto::MacKey,
) -> Option<(SnapshotBody, Digest)> {
    let at = storage.tail().ok()?.snapshot?;
    let bytes = storage.get_snapshot(at.digest, MAX_SNAPSHOT).ok()?;
    let (body, mac) = bytes.split_last_chunk::<32>()?;
    if !key.verify(&[claviger_shared::label::SNAPSHOT_MAC, body], mac) {
        return None;
    }
    let body: SnapshotBody = cbor::decode_many(body, MAX_SNAPSHOT, MAX_SNAPSHOT_ITEMS).ok()?;
    (body.v == SNAPSHOT_VERSION && body.frontier.size() == at.size).then_some((body, at.digest))
}

/// The bytes of a snapshot.
#[must_use]
pub fn snapshot_bytes(
    body: &SnapshotBody,
    key: &claviger_shared::crypto::MacKey,
) -> Option<Vec<u8>> {
    let mut bytes = cbor::encode(body).ok()?;
    let mac = key.mac(&[claviger_shared::label::SNAPSHOT_MAC, &bytes]);
    bytes.extend_from_slice(&mac.0);
    Some(bytes)
}

/// Reads the whole log, from the newest snapshot where the log itself names it, else from the start.
///
/// # Errors
///
/// An [`Error`]; nothing of it may be used then.
pub fn replay(
    storage: &Storage,
    chain: &Arc<Chain>,
    key: &LogKey,
    mac: &claviger_shared::crypto::MacKey,
    terms: Terms,
) -> Result<Replayed, Error> {
    if let Some((body, digest)) = snapshot(storage, mac) {
        let reader = Reader::resume(key.clone(), body.frontier, body.time);
        let state = State::restore(Arc::clone(chain), body.data);
        // A snapshot counts only if an entry after it names it: the host cannot bring back one the log does not know.
        if let Ok(replayed) = fold(storage, chain, terms, reader, state)
            && replayed
                .snapshot
                .as_ref()
                .is_some_and(|named| named.digest == digest)
        {
            return Ok(replayed);
        }
    }
    fold(
        storage,
        chain,
        terms,
        Reader::new(key.clone()),
        State::new(Arc::clone(chain)),
    )
}

fn fold(
    storage: &Storage,
    chain: &Chain,
    terms: Terms,
    mut reader: Reader,
    mut state: State,
) -> Result<Replayed, Error> {
    let mut snapshot = None;
    let mut since_snapshot = 0_u64;
    let mut receipts = Vec::new();
    loop {
        let from = reader.frontier().size();
        let read = storage.read(from, READ_BYTES).map_err(|_| Error::Storage)?;
        if read.entries.is_empty() {
            break;
        }
        for stored in &read.entries {
            let index = reader.frontier().size();
            let leaf_proof = reader.frontier().next_leaf_proof();
            let entry = reader
                .next(stored, &AwsLc)
                .map_err(|_| Error::Entry(index))?;
            check_first(chain, index, &entry.checkpoint.root)?;
            for record in &entry.records {
                state
                    .apply(record, entry.leaf.time, &AwsLc)
                    .map_err(|violation| refused(&violation, index))?;
                since_snapshot = since_snapshot.saturating_add(1);
                if let Body::Snapshot(named) = &record.body {
                    snapshot = Some(named.clone());
                    since_snapshot = 0;
                }
            }
            receipts.retain(|(once, _): &(Once, _)| once.expires_at > entry.leaf.time);
            again(&state, terms, stored, &entry, &leaf_proof, &mut receipts);
        }
        if read.end {
            break;
        }
    }
    let frontier = reader.frontier().clone();
    if frontier.size() == 0 {
        Err(Error::Empty)
    } else {
        Ok(Replayed {
            state,
            frontier,
            snapshot,
            since_snapshot,
            receipts,
        })
    }
}

/// Makes the receipts again of an entry's calls that may still be repeated.
fn again(
    state: &State,
    terms: Terms,
    stored: &StoredEntry,
    entry: &Entry,
    leaf_proof: &[Digest],
    receipts: &mut Vec<(Once, Vec<u8>)>,
) {
    let mut tree = None;
    for (place, record) in entry.records.iter().enumerate() {
        let Body::Call(call) = &record.body else {
            continue;
        };
        let (Some(key), Outcome::Issued) = (call.idempotency, call.outcome) else {
            continue;
        };
        let tree = tree.get_or_insert_with(|| {
            Tree::new(
                stored
                    .records
                    .iter()
                    .map(|bytes| record::hash(bytes))
                    .collect(),
            )
        });
        let expires_at = forgotten_at(call.decided_at, call.expires_at);
        if let Some(slot) = state.slot(&call.grant)
            && let Some(receipt) = receipts::make(terms, stored, tree, leaf_proof, place)
        {
            receipts.push((
                Once {
                    slot,
                    key,
                    expires_at,
                },
                receipt,
            ));
        }
    }
}

/// A log that is ahead of the chain says nothing against the log.
const fn refused(violation: &Violation, index: u64) -> Error {
    if matches!(violation, Violation::Manifest(_)) {
        Error::Manifest
    } else {
        Error::Violation(index)
    }
}

fn check_first(chain: &Chain, index: u64, root: &Digest) -> Result<(), Error> {
    let Some(running) = &chain.newest().running else {
        return Err(Error::FirstRoot);
    };
    if index == 0 && running.first_root != *root {
        Err(Error::FirstRoot)
    } else {
        Ok(())
    }
}
