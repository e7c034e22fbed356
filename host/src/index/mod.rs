//! What the log says of keys and grants, for those who ask the courier: a convenience, unauthenticated.
//!
//! It folds stored entries through the ledger, behind the log and never in its way. Owners' tools read the same facts
//! from records they prove; nothing here is proof but what proves itself: tiles and receipts under signed checkpoints. A
//! log that does not fold is reported and no longer answered from.

pub mod audit;
mod boots;
mod counts;
mod proof;
mod record;
mod tiles;
mod view;

pub use counts::Counts;
pub use proof::Unproved;
pub use record::{DECISIONS, KINDS};
pub use tiles::{MAX_LEVEL, WIDTH};
pub use view::{High, MAX_LIST};

use crate::{deployment::Deployment, store::Store, sync::lock};
use boots::Boots;
use claviger_shared::{
    codec::cbor,
    crypto::AwsLc,
    id::InstanceId,
    ledger::State,
    log::{
        entry::Leaf,
        record::{Body, Record},
    },
    owner::manifest::chain::Chain,
    wire::storage::{MAX_LEAF, StoredEntry},
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tiles::Tiles;
use view::CatalogText;

/// Bytes of entries folded in one step.
const STEP: u64 = 512 * 1024;

/// The index.
pub struct Index {
    store: Arc<dyn Store>,
    deployment: Arc<Deployment>,
    fold: Mutex<Fold>,
    tiles: Mutex<Tiles>,
    ending: AtomicBool,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Fold {
    /// Links of the chain that the state stands on.
    generations: usize,
    state: Option<State>,
    /// The catalog as owners wrote it.
    catalog: Option<CatalogText>,
    counts: Counts,
    boots: Boots,
    next: u64,
    broken: bool,
}

/// The index has no answer: no deployment yet, or a log that does not fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("index is not available")]
pub struct Unavailable;

impl Index {
    /// An index over a store, its hashes in a directory of its own; it knows what [`Self::catch_up`] has folded.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, deployment: Arc<Deployment>, dir: PathBuf) -> Self {
        Self {
            store,
            deployment,
            fold: Mutex::new(Fold::default()),
            tiles: Mutex::new(Tiles::new(dir)),
            ending: AtomicBool::new(false),
        }
    }

    /// Folds what was stored since, in steps that let others look in between; blocking.
    pub fn catch_up(&self) {
        while !self.is_ending() {
            let mut fold = lock(&self.fold);
            match self.step(&mut fold) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return Self::broke(&mut fold, error),
            }
        }
    }

    /// Folds what was stored since in at most so many steps of half a MiB, so that a key just made is there for who asks next;
    /// blocking.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] while the log is further ahead: half of the keys is a wrong answer. What was folded stays so.
    pub fn follow(&self, steps: usize) -> Result<(), Unavailable> {
        for _ in 0..steps {
            let mut fold = lock(&self.fold);
            match self.step(&mut fold) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    Self::broke(&mut fold, error);
                    return Err(Unavailable);
                }
            }
        }
        Err(Unavailable)
    }

    fn broke(fold: &mut Fold, error: &'static str) {
        tracing::error!(index = fold.next, error, "log does not fold");
        fold.broken = true;
    }

    /// Ends a folding under way.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Folds some entries; whether there may be more.
    fn step(&self, fold: &mut Fold) -> Result<bool, &'static str> {
        let Some(chain) = self.deployment.chain() else {
            return Ok(false);
        };
        if fold.generations != chain.links.len() {
            *fold = Fold {
                generations: chain.links.len(),
                ..Fold::default()
            };
            let verified = Chain::verify(&chain.links, &AwsLc)
                .map_err(|_| "manifest chain does not verify")?;
            fold.state = Some(State::new(Arc::new(verified)));
        }
        if fold.broken || fold.next >= self.store.tail().size {
            return Ok(false);
        }
        let read = self.store.read(fold.next, STEP);
        let read = read.map_err(|_| "store cannot be read")?;
        for stored in &read.entries {
            apply(fold, stored)?;
            fold.next += 1;
        }
        Ok(!read.end)
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }
}

fn apply(fold: &mut Fold, stored: &StoredEntry) -> Result<(), &'static str> {
    let state = fold.state.as_mut().ok_or("no state")?;
    let leaf: Leaf = cbor::decode(&stored.leaf, MAX_LEAF).map_err(|_| "leaf is malformed")?;
    for bytes in &stored.records {
        let record = Record::decode(bytes).map_err(|_| "record is malformed")?;
        let applied = state.apply(&record, leaf.time, &AwsLc);
        applied.map_err(|_| "record breaks a promise")?;
        fold.counts.add(&record.body);
        fold.boots.note(stored.index, &record.body);
        if let Body::Command(command) = &record.body
            && let Some(catalog) = CatalogText::of(command)
        {
            fold.catalog = Some(catalog);
        }
    }
    Ok(())
}

/// Index of the entry that an instance, the last to write, began with; blocking.
///
/// Its entries are the log's end, so a few reads find the first of them.
#[must_use]
pub fn boot_of(store: &dyn Store, instance: &InstanceId) -> Option<u64> {
    let own = |index: u64| {
        let entries = store.read(index, 0).ok()?.entries;
        let leaf: Leaf = cbor::decode(&entries.first()?.leaf, MAX_LEAF).ok()?;
        Some(leaf.instance == *instance)
    };
    let (mut low, mut high) = (0, store.tail().size.checked_sub(1)?);
    if !own(high)? {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if own(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Entry, local::Local};
    use claviger_shared::{id::Digest, time::UnixMs};

    #[test]
    fn a_boot_is_found_by_its_instance() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Local::open(dir.path(), crate::store::local::Options::default()).unwrap();
        for (index, instance) in [1_u8, 1, 1, 2, 3, 3, 3].into_iter().enumerate() {
            let leaf = Leaf {
                v: 1,
                origin: "o".into(),
                instance: InstanceId([instance; 16]),
                index: index as u64,
                parent: Digest([0; 32]),
                time: UnixMs(0),
                count: 0,
                records_root: Digest([0; 32]),
            };
            let stored = StoredEntry {
                index: index as u64,
                leaf: cbor::encode(&leaf).unwrap(),
                records: Vec::new(),
                checkpoint: String::new(),
            };
            store.append(&Entry::new(stored).unwrap());
        }
        assert_eq!(boot_of(&store, &InstanceId([3; 16])), Some(4));
        assert_eq!(boot_of(&store, &InstanceId([2; 16])), None, "not the last");
        assert_eq!(boot_of(&store, &InstanceId([9; 16])), None);
    }
}
