//! The courier's store: honest until told to lie.

use crate::snapshots::Snapshots;
use claviger_shared::{
    codec::{cbor, frame::MAX_BODY},
    id::Digest,
    log::record::{Body, Record},
    wire::{
        FrameType,
        storage::{Appended, Blob, Chunk, Done, Entries, Read, StoreFailure, StoredEntry, Tail},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

/// What the store does with the next Append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Says that others wrote there.
    Conflict,
    /// Stores nothing and says so.
    Fail,
    /// Stores nothing and answers with what is no answer.
    Garbage,
    /// Neither stores nor answers until told otherwise.
    Hold,
    /// Stores, and answers.
    Honest,
    /// Stores, but says that it failed.
    Ambiguous,
    /// Stores nothing and says that it did.
    Lie,
}

#[derive(Debug)]
struct Inner {
    mood: Mood,
    entries: Vec<StoredEntry>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// Bodies of every Append, repeated ones included.
    appends: Vec<Vec<u8>>,
    snapshots: Snapshots,
    /// Where every Read began.
    reads: Vec<u64>,
    held: usize,
}

/// A store shared by every life of an enclave.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                mood: Mood::Honest,
                entries: Vec::new(),
                blobs: BTreeMap::new(),
                appends: Vec::new(),
                snapshots: Snapshots::default(),
                reads: Vec::new(),
                held: 0,
            }),
            changed: Condvar::new(),
        }
    }
}

impl Store {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Another mood, also for what is held.
    pub fn be(&self, mood: Mood) {
        self.inner().mood = mood;
        self.changed.notify_all();
    }

    /// Everything stored.
    #[must_use]
    pub fn entries(&self) -> Vec<StoredEntry> {
        self.inner().entries.clone()
    }

    /// Every record stored, in order.
    #[must_use]
    pub fn records(&self) -> Vec<Body> {
        let entries = self.entries();
        let bytes = entries.iter().flat_map(|entry| &entry.records);
        bytes
            .map(|bytes| Record::decode(bytes).unwrap().body)
            .collect()
    }

    /// Puts other entries in place of what is stored.
    pub fn replace(&self, entries: Vec<StoredEntry>) {
        self.inner().entries = entries;
    }

    /// Forgets all but the first entries: a rollback.
    pub fn keep(&self, size: usize) {
        self.inner().entries.truncate(size);
    }

    /// Everything that was ever put under a digest.
    #[must_use]
    pub fn blobs(&self) -> BTreeMap<Digest, Vec<u8>> {
        self.inner().blobs.clone()
    }

    /// Puts blobs in place of what is stored.
    pub fn replace_blobs(&self, blobs: BTreeMap<Digest, Vec<u8>>) {
        self.inner().blobs = blobs;
    }

    /// Bodies of every Append, repeated ones included.
    #[must_use]
    pub fn appends(&self) -> Vec<Vec<u8>> {
        self.inner().appends.clone()
    }

    /// Waits until an Append is held.
    #[track_caller]
    pub fn wait_until_held(&self) {
        self.wait(|inner| inner.held > 0, "an Append to hold");
    }

    /// Waits until so many Appends have come.
    #[track_caller]
    pub fn wait_for_appends(&self, count: usize) {
        self.wait(|inner| inner.appends.len() >= count, "Appends");
    }

    /// Waits until so many entries are stored.
    #[track_caller]
    pub fn wait_for_entries(&self, count: usize) {
        self.wait(|inner| inner.entries.len() >= count, "entries");
    }

    #[track_caller]
    fn wait(&self, fine: impl Fn(&Inner) -> bool, what: &str) {
        let patience = Duration::from_secs(10);
        let (_inner, late) = self
            .changed
            .wait_timeout_while(self.inner(), patience, |inner| !fine(inner))
            .unwrap();
        assert!(!late.timed_out(), "no {what}");
    }

    /// Answers one request; nothing when the connection is to be closed, or its enclave is gone meanwhile.
    pub fn answer(&self, kind: FrameType, body: &[u8], gone: &dyn Fn() -> bool) -> Option<Vec<u8>> {
        match kind {
            FrameType::Append => self.append(body, gone),
            FrameType::Read => {
                let Read { from, max_bytes } = cbor::decode(body, MAX_BODY).unwrap();
                self.inner().reads.push(from);
                self.read(usize::try_from(from).unwrap(), max_bytes)
            }
            FrameType::SnapshotPut => {
                let part = cbor::decode(body, MAX_BODY).unwrap();
                cbor::encode(&self.inner().snapshots.put(part)).ok()
            }
            FrameType::SnapshotGet => {
                let wanted = cbor::decode(body, MAX_BODY).unwrap();
                cbor::encode(&self.inner().snapshots.get(&wanted)).ok()
            }
            FrameType::Tail => {
                let inner = self.inner();
                let tail = Tail {
                    size: u64::try_from(inner.entries.len()).unwrap(),
                    checkpoint: String::new(),
                    snapshot: inner.snapshots.newest(),
                };
                cbor::encode(&tail).ok()
            }
            FrameType::Blob => self.blob(&cbor::decode(body, MAX_BODY).unwrap()),
            _ => None,
        }
    }

    fn read(&self, from: usize, max_bytes: u64) -> Option<Vec<u8>> {
        let inner = self.inner();
        let mut bytes = 0_u64;
        let some = inner.entries.iter().skip(from).take_while(|entry| {
            let first = bytes == 0;
            bytes += u64::try_from(cbor::encode(entry).unwrap().len()).unwrap();
            first || bytes <= max_bytes
        });
        let entries: Vec<_> = some.cloned().collect();
        let end = from + entries.len() >= inner.entries.len();
        cbor::encode(&Entries { entries, end }).ok()
    }

    /// Changes what the courier keeps of snapshots.
    pub fn snapshots(&self, change: impl FnOnce(&mut Snapshots)) {
        change(&mut self.inner().snapshots);
    }

    /// Where the Reads of the newest boots began; forgotten by asking.
    #[must_use]
    pub fn take_reads(&self) -> Vec<u64> {
        std::mem::take(&mut self.inner().reads)
    }

    fn append(&self, body: &[u8], gone: &dyn Fn() -> bool) -> Option<Vec<u8>> {
        let entry: StoredEntry = cbor::decode(body, MAX_BODY).unwrap();
        let mut inner = self.inner();
        inner.appends.push(body.to_vec());
        inner.held += 1;
        self.changed.notify_all();
        while inner.mood == Mood::Hold && !gone() {
            let pause = Duration::from_millis(20);
            inner = self.changed.wait_timeout(inner, pause).unwrap().0;
        }
        inner.held -= 1;
        if gone() {
            return None;
        }
        let stores = matches!(inner.mood, Mood::Honest | Mood::Ambiguous);
        let said = if stores {
            put(&mut inner.entries, entry)
        } else {
            Appended::Failed(StoreFailure::Io)
        };
        let said = match inner.mood {
            Mood::Conflict => Appended::Conflict,
            Mood::Lie => Appended::Stored,
            Mood::Ambiguous => Appended::Failed(StoreFailure::Full),
            Mood::Fail | Mood::Garbage | Mood::Hold | Mood::Honest => said,
        };
        self.changed.notify_all();
        if inner.mood == Mood::Garbage {
            return Some(vec![0xff; 9]);
        }
        cbor::encode(&said).ok()
    }

    fn blob(&self, blob: &Blob) -> Option<Vec<u8>> {
        let mut inner = self.inner();
        match blob {
            Blob::Delete(digest) => {
                inner.blobs.remove(digest);
                cbor::encode(&Done::Ok).ok()
            }
            Blob::Get(digest) => {
                let bytes = inner.blobs.get(digest).cloned().unwrap_or_default();
                let total = u64::try_from(bytes.len()).unwrap();
                cbor::encode(&Chunk { total, bytes }).ok()
            }
            Blob::Put(put) => {
                inner.blobs.insert(put.digest, put.bytes.clone());
                cbor::encode(&Done::Ok).ok()
            }
        }
    }
}

/// As an honest store: equal bytes at an index count as stored.
fn put(entries: &mut Vec<StoredEntry>, entry: StoredEntry) -> Appended {
    let at = usize::try_from(entry.index).unwrap();
    match entries.get(at) {
        Some(there) if *there == entry => Appended::Stored,
        Some(_) => Appended::Conflict,
        None if at == entries.len() => {
            entries.push(entry);
            Appended::Stored
        }
        None => Appended::Failed(StoreFailure::Io),
    }
}
