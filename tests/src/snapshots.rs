//! The courier's snapshots: kept whole, handed out in parts, and changed by a courier that lies.

use claviger_shared::{
    id::Digest,
    wire::storage::{Chunk, Done, MAX_CHUNK, SnapshotAt, SnapshotGet, SnapshotPut, StoreFailure},
};

/// A snapshot as it was put.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Log size it was taken at.
    pub size: u64,
    /// SHA-256 of the whole, by its maker's word.
    pub digest: Digest,
    /// Its bytes so far.
    pub bytes: Vec<u8>,
}

/// Every snapshot, oldest first, and whether there is no room for another.
#[derive(Debug, Clone, Default)]
pub struct Snapshots(pub Vec<Snapshot>, pub bool);

impl Snapshots {
    /// Takes a part.
    pub fn put(&mut self, part: SnapshotPut) -> Done {
        if self.1 {
            return Done::Failed(StoreFailure::Full);
        }
        if part.offset == 0 {
            let (size, digest) = (part.size, part.digest);
            self.0.push(Snapshot {
                size,
                digest,
                bytes: Vec::new(),
            });
        }
        if let Some(newest) = self.0.last_mut() {
            newest.bytes.extend_from_slice(&part.bytes);
        }
        Done::Ok
    }

    /// Hands out a part.
    #[must_use]
    pub fn get(&self, wanted: &SnapshotGet) -> Chunk {
        let found = self
            .0
            .iter()
            .find(|snapshot| snapshot.digest == wanted.digest);
        let whole = found
            .map(|snapshot| snapshot.bytes.clone())
            .unwrap_or_default();
        let from = usize::try_from(wanted.offset).unwrap().min(whole.len());
        let to = (from + MAX_CHUNK).min(whole.len());
        let total = u64::try_from(whole.len()).unwrap();
        Chunk {
            total,
            bytes: whole[from..to].to_vec(),
        }
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> Option<SnapshotAt> {
        let newest = self.0.last()?;
        Some(SnapshotAt {
            size: newest.size,
            digest: newest.digest,
        })
    }
}
