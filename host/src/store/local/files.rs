//! Blobs and snapshots: files named by their SHA-256, complete or absent.
//!
//! A file gets its name only after its bytes are durable and have the digest the name states.

use super::super::{BlobReply, Error, failure};
use crate::sync::lock;
use claviger_shared::{
    crypto::sha256,
    id::{Digest, from_hex, to_hex},
    wire::storage::{
        Blob, BlobBytes, Chunk, Done, MAX_CHUNK, SnapshotAt, SnapshotGet, SnapshotPut, StoreFailure,
    },
};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Largest snapshot: 100,000 grants (DESIGN §11) of a few KiB each.
const MAX_SNAPSHOT: u64 = 1024 * 1024 * 1024;
/// Whole snapshots kept: each release reads the version before it, so the one before the newest may be wanted.
const KEPT: usize = 2;
const PART: &str = "part";

#[derive(Debug)]
pub(super) struct Files {
    blobs: PathBuf,
    snapshots: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Newest last.
    whole: Vec<SnapshotAt>,
    coming: Option<Coming>,
}

/// A snapshot whose parts are arriving.
#[derive(Debug)]
struct Coming {
    at: SnapshotAt,
    total: u64,
    file: File,
    have: u64,
}

impl Files {
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let (blobs, snapshots) = (dir.join("blobs"), dir.join("snapshots"));
        for made in [&blobs, &snapshots] {
            fs::create_dir_all(made).map_err(Error::io("create the store's directory"))?;
        }
        sync_dir(dir).map_err(Error::io("sync the store's directory"))?;
        let mut whole = Vec::new();
        for item in fs::read_dir(&snapshots).map_err(Error::io("list the snapshots"))? {
            let item = item.map_err(Error::io("list the snapshots"))?;
            whole.extend(item.file_name().to_str().and_then(parse_name));
        }
        whole.sort_by_key(|at| at.size);
        Ok(Self {
            blobs,
            snapshots,
            state: Mutex::new(State {
                whole,
                coming: None,
            }),
        })
    }

    pub(super) fn newest(&self) -> Option<SnapshotAt> {
        lock(&self.state).whole.last().copied()
    }

    pub(super) fn snapshot_put(&self, part: &SnapshotPut) -> Done {
        let mut state = lock(&self.state);
        match self.take_part(&mut state, part) {
            Ok(()) => Done::Ok,
            Err(error) => {
                state.coming = None;
                Done::Failed(failure(&error))
            }
        }
    }

    fn take_part(&self, state: &mut State, part: &SnapshotPut) -> io::Result<()> {
        let at = SnapshotAt {
            size: part.size,
            digest: part.digest,
        };
        if state.whole.contains(&at) {
            return Ok(());
        }
        let len = part.bytes.len() as u64;
        if len == 0 || part.bytes.len() > MAX_CHUNK || part.total > MAX_SNAPSHOT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if part.offset == 0 {
            let path = self.snapshots.join(PART);
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)?;
            state.coming = Some(Coming {
                at,
                total: part.total,
                file,
                have: 0,
            });
        }
        let coming = state.coming.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
        let fits = part
            .offset
            .checked_add(len)
            .is_some_and(|end| end <= coming.total);
        if coming.at != at || coming.total != part.total || coming.have != part.offset || !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        coming.file.write_all_at(&part.bytes, part.offset)?;
        coming.have += len;
        if coming.have == coming.total {
            self.finish(state, at)?;
        }
        Ok(())
    }

    fn finish(&self, state: &mut State, at: SnapshotAt) -> io::Result<()> {
        let Some(coming) = state.coming.take() else {
            return Ok(());
        };
        let part = self.snapshots.join(PART);
        if sha256(&[&fs::read(&part)?]) != at.digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        coming.file.sync_all()?;
        fs::rename(&part, self.snapshots.join(snapshot_name(at)))?;
        sync_dir(&self.snapshots)?;
        state.whole.push(at);
        state.whole.sort_by_key(|at| at.size);
        while state.whole.len() > KEPT {
            let old = state.whole.remove(0);
            // An old snapshot that stays does no harm.
            let _ = fs::remove_file(self.snapshots.join(snapshot_name(old)));
        }
        Ok(())
    }

    pub(super) fn snapshot_get(&self, wanted: &SnapshotGet) -> Result<Chunk, Error> {
        let at = {
            let state = lock(&self.state);
            state
                .whole
                .iter()
                .find(|at| at.digest == wanted.digest)
                .copied()
        };
        at.map_or(Ok(NOTHING), |at| {
            chunk(&self.snapshots.join(snapshot_name(at)), wanted.offset)
        })
    }

    pub(super) fn blob(&self, request: &Blob) -> Result<BlobReply, Error> {
        Ok(match request {
            Blob::Delete(digest) => BlobReply::Done(done(self.delete(*digest))),
            Blob::Get(digest) => BlobReply::Chunk(chunk(&self.blob_path(*digest), 0)?),
            Blob::Put(blob) => BlobReply::Done(done(self.put(blob))),
        })
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.blobs.join(to_hex(&digest.0))
    }

    fn put(&self, blob: &BlobBytes) -> io::Result<()> {
        if blob.bytes.len() > MAX_CHUNK || sha256(&[&blob.bytes]) != blob.digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // One part at a time: the state's lock orders writers.
        let _one = lock(&self.state);
        let path = self.blob_path(blob.digest);
        if fs::read(&path).is_ok_and(|found| found == blob.bytes) {
            return Ok(());
        }
        let part = self.blobs.join(PART);
        let mut file = File::create(&part)?;
        file.write_all(&blob.bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        sync_dir(&self.blobs)
    }

    fn delete(&self, digest: Digest) -> io::Result<()> {
        match fs::remove_file(self.blob_path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_dir(&self.blobs),
        }
    }
}

const NOTHING: Chunk = Chunk {
    total: 0,
    bytes: Vec::new(),
};

/// A part of a file, or nothing where there is none.
fn chunk(path: &Path, offset: u64) -> Result<Chunk, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(NOTHING),
        other => other.map_err(Error::io("open a stored file"))?,
    };
    let total = file
        .metadata()
        .map_err(Error::io("measure a stored file"))?
        .len();
    let len = total.saturating_sub(offset).min(MAX_CHUNK as u64);
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, offset)
        .map_err(Error::io("read a stored file"))?;
    Ok(Chunk { total, bytes })
}

fn done(result: io::Result<()>) -> Done {
    match result {
        Ok(()) => Done::Ok,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Done::Failed(StoreFailure::Io),
        Err(error) => Done::Failed(failure(&error)),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn snapshot_name(at: SnapshotAt) -> String {
    format!("{:020}-{}", at.size, to_hex(&at.digest.0))
}

fn parse_name(name: &str) -> Option<SnapshotAt> {
    let (size, digest) = name.split_once('-')?;
    Some(SnapshotAt {
        size: size.parse().ok()?,
        digest: Digest(from_hex(digest).ok()?),
    })
}
