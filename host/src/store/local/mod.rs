//! The embedded store: a directory of preallocated segments, blobs and snapshots.
//!
//! ```text
//! DIR/segments/<first index, 20 digits>.seg    DIR/blobs/<sha-256>    DIR/snapshots/<size, 20 digits>-<sha-256>
//! ```
//! One process writes, under an exclusive lock on the directory. An entry is one write and one `fdatasync`; it counts
//! as stored after both. Opening cuts a torn tail and refuses a damaged middle. It does not know what entries say.

mod files;
mod reader;
mod segment;
mod writer;

pub use reader::{Entries as Iter, Reader};

use super::{BlobReply, Entry, Error, MAX_READ, Store};
use crate::sync::{lock, read, write};
use claviger_shared::wire::storage::{
    Appended, Blob, Chunk, Done, Entries, SnapshotGet, SnapshotPut, StoreFailure, StoredEntry, Tail,
};
use files::Files;
use segment::{FRAME_HEAD, Found, SEGMENT_HEAD, Segment};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};
use writer::Writer;

/// How a directory is laid out and how much it may hold.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of one segment file; at least what holds one largest entry.
    pub segment_bytes: u64,
    /// Bytes of all segments at most; beyond it appends fail as full.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            max_bytes: None,
        }
    }
}

/// Where each entry of one segment begins.
#[derive(Debug)]
struct Indexed {
    segment: Arc<Segment>,
    offsets: Vec<u32>,
    /// Where the next frame goes.
    end: u64,
}

/// What readers see: whole, durable entries.
#[derive(Debug, Default)]
struct Index {
    segments: Vec<Indexed>,
    size: u64,
    checkpoint: String,
}

/// The embedded store.
#[derive(Debug)]
pub struct Local {
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    files: Files,
    // INVARIANT: held open as long as the store: the lock is the file's.
    _lock: File,
}

impl Local {
    /// Opens or creates a store, takes its lock, cuts a torn tail.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`], [`Error::Damaged`] (nothing is changed then) or [`Error::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let segments = dir.join("segments");
        fs::create_dir_all(&segments).map_err(Error::io("create the store's directory"))?;
        let lock = File::open(dir).map_err(Error::io("open the store's directory"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked),
            Err(TryLockError::Error(source)) => {
                return Err(Error::io("lock the store's directory")(source));
            }
        }
        let files = Files::open(dir)?;
        let index = load(&segments)?;
        let writer = Writer::new(segments, options);
        Ok(Self {
            index: RwLock::new(index),
            writer: Mutex::new(writer),
            files,
            _lock: lock,
        })
    }

    fn repeat(&self, entry: &Entry) -> Appended {
        match self.stored(entry.value().index) {
            Ok(Some(bytes)) if bytes == entry.bytes() => Appended::Stored,
            Ok(Some(_)) => Appended::Conflict,
            Ok(None) | Err(_) => Appended::Failed(StoreFailure::Io),
        }
    }

    /// The bytes stored at an index.
    fn stored(&self, index: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some((segment, at)) = locate(&read(&self.index), index) else {
            return Ok(None);
        };
        segment.entry(at, index).map(Some)
    }
}

impl Store for Local {
    fn append(&self, entry: &Entry) -> Appended {
        let mut writer = lock(&self.writer);
        let (size, end) = {
            let index = read(&self.index);
            let last = index.segments.last();
            (index.size, last.map(|s| (Arc::clone(&s.segment), s.end)))
        };
        let own = entry.value().index;
        if own < size {
            return self.repeat(entry);
        }
        if own > size {
            return Appended::Failed(StoreFailure::Io);
        }
        match writer.append(end, own, entry.bytes()) {
            Ok((segment, at)) => {
                note(&mut write(&self.index), segment, at, entry);
                Appended::Stored
            }
            Err(error) => Appended::Failed(super::failure(&error)),
        }
    }

    fn read(&self, from: u64, max_bytes: u64) -> Result<Entries, Error> {
        let size = read(&self.index).size;
        let limit = max_bytes.min(MAX_READ);
        let (mut entries, mut used, mut next) = (Vec::new(), 0_u64, from);
        while next < size {
            let Some(bytes) = self.stored(next)? else {
                break;
            };
            // Each element carries at most a few bytes of framing beyond its own.
            used += bytes.len() as u64 + 8;
            if used > limit && !entries.is_empty() {
                break;
            }
            entries.push(Entry::parse(bytes)?.into_value());
            next += 1;
        }
        Ok(Entries {
            end: next >= size,
            entries,
        })
    }

    fn tail(&self) -> Tail {
        let index = read(&self.index);
        Tail {
            size: index.size,
            checkpoint: index.checkpoint.clone(),
            snapshot: self.files.newest(),
        }
    }

    fn snapshot_put(&self, part: &SnapshotPut) -> Done {
        self.files.snapshot_put(part)
    }

    fn snapshot_get(&self, wanted: &SnapshotGet) -> Result<Chunk, Error> {
        self.files.snapshot_get(wanted)
    }

    fn blob(&self, request: &Blob) -> Result<BlobReply, Error> {
        self.files.blob(request)
    }
}

fn locate(index: &Index, wanted: u64) -> Option<(Arc<Segment>, u64)> {
    let after = index
        .segments
        .partition_point(|s| s.segment.first <= wanted);
    let held = index.segments.get(after.checked_sub(1)?)?;
    let at = held.offsets.get((wanted - held.segment.first) as usize)?;
    Some((Arc::clone(&held.segment), u64::from(*at)))
}

/// Makes a durable entry visible to readers.
fn note(index: &mut Index, segment: Arc<Segment>, at: u64, entry: &Entry) {
    let end = at + FRAME_HEAD + entry.bytes().len() as u64;
    match index.segments.last_mut() {
        Some(last) if last.segment.first == segment.first => {
            last.offsets.push(at as u32);
            last.end = end;
        }
        Some(_) | None => index.segments.push(Indexed {
            segment,
            offsets: vec![at as u32],
            end,
        }),
    }
    index.size = entry.value().index + 1;
    index.checkpoint.clone_from(&entry.value().checkpoint);
}

/// The segment files of a directory in order; each begins where the one before ends, by its name.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).map_err(Error::io("list the segments"))? {
        let path = item.map_err(Error::io("list the segments"))?.path();
        if let Some(first) = segment::first_of(&path) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads every segment, checks every frame, cuts a torn tail of the last.
fn load(dir: &Path) -> Result<Index, Error> {
    let mut index = Index::default();
    let listed = list(dir)?;
    let count = listed.len();
    for (place, (first, path)) in listed.into_iter().enumerate() {
        let segment = Segment::open(&path, first, true)?;
        if first != index.size {
            return Err(segment.damaged(0, "does not begin where the segment before it ends"));
        }
        load_segment(&mut index, segment, place + 1 == count)?;
    }
    if let Some(last) = index.size.checked_sub(1)
        && let Some((segment, at)) = locate(&index, last)
    {
        index.checkpoint = parse(&segment, at, segment.entry(at, last)?)?.checkpoint;
    }
    Ok(index)
}

fn load_segment(index: &mut Index, segment: Segment, is_last: bool) -> Result<(), Error> {
    let (mut at, mut offsets, mut entry) = (SEGMENT_HEAD, Vec::new(), Vec::new());
    loop {
        match segment.look(at, index.size, &mut entry)? {
            Found::Frame(len) => {
                offsets.push(at as u32);
                index.size += 1;
                at += len;
            }
            Found::Torn(_) if !is_last => {
                return Err(
                    segment.damaged(at, "an entry with others behind it does not check out")
                );
            }
            Found::Torn(end) => {
                tracing::warn!(index = index.size, at, "torn tail cut");
                writer::zero(&segment.file, at, end.min(segment.len))
                    .map_err(Error::io("cut a torn tail"))?;
                break;
            }
            Found::End => break,
        }
    }
    index.segments.push(Indexed {
        segment: Arc::new(segment),
        offsets,
        end: at,
    });
    Ok(())
}

fn parse(segment: &Segment, at: u64, bytes: Vec<u8>) -> Result<StoredEntry, Error> {
    let entry = Entry::parse(bytes).map_err(|_| segment.damaged(at, "not an entry"))?;
    Ok(entry.into_value())
}

#[cfg(test)]
mod tests;
