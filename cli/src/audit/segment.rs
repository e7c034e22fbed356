//! A stored log read from its files (docs/spec/store.md), without the program that wrote them.
//!
//! Every entry that is returned was whole. What a stopped machine left of its last write is a torn tail: not part of the
//! log, and its length is told. Anything else that does not check out is damage. What entries say is the auditor's to
//! judge.

use claviger_shared::{
    codec::{cbor, frame::MAX_BODY},
    crypto::sha256,
    wire::storage::StoredEntry,
};
use std::path::{Path, PathBuf};

pub(super) const SEGMENT_MAGIC: &[u8; 8] = b"clvseg01";
const SEGMENT_HEAD: usize = 16;
pub(super) const FRAME_MAGIC: &[u8; 4] = b"clvf";
const FRAME_HEAD: usize = 32;
const MAX_FRAME: usize = FRAME_HEAD + MAX_BODY;

/// Why a stored log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file system refused.
    #[error("cannot read `{0}`: {1}")]
    Io(PathBuf, std::io::Error),
    /// A segment file is not what a store leaves behind.
    #[error("segment `{segment}`, byte {at}, entry {entry}: {what}")]
    Segment {
        /// The file.
        segment: PathBuf,
        /// Where in it.
        at: usize,
        /// The entry that was to be read there.
        entry: u64,
        /// What is wrong.
        what: &'static str,
    },
}

struct Open {
    path: PathBuf,
    bytes: Vec<u8>,
    at: usize,
    /// The entry whose frame is to stand at `at`.
    next: u64,
}

/// The entries of a store's directory, in order; ends after the first damage.
pub struct Stored {
    left: std::vec::IntoIter<(u64, PathBuf)>,
    open: Option<Open>,
    next: u64,
    torn: usize,
    over: bool,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// What stands where the next frame may be.
enum Found<'a> {
    Frame(&'a [u8]),
    End,
    Torn(usize),
}

impl Stored {
    /// Opens a store's directory.
    ///
    /// # Errors
    ///
    /// [`Damage::Io`] where there is none.
    pub fn open(dir: &Path) -> Result<Self, Damage> {
        let dir = dir.join("segments");
        let io = |error| Damage::Io(dir.clone(), error);
        let mut segments = Vec::new();
        for item in std::fs::read_dir(&dir).map_err(io)? {
            let path = item.map_err(io)?.path();
            segments.extend(first_of(&path).map(|first| (first, path)));
        }
        segments.sort();
        Ok(Self {
            left: segments.into_iter(),
            open: None,
            next: 0,
            torn: 0,
            over: false,
        })
    }

    /// Bytes of an incomplete last write; known after the last entry.
    #[must_use]
    pub const fn torn_bytes(&self) -> usize {
        self.torn
    }

    fn advance(&mut self) -> Result<Option<StoredEntry>, Damage> {
        loop {
            let Some(open) = self.open.as_mut() else {
                match self.left.next() {
                    Some((first, path)) => self.open = Some(Open::read(first, path, self.next)?),
                    None => return Ok(None),
                }
                continue;
            };
            match open.look(self.next)? {
                Found::Frame(bytes) => {
                    let length = bytes.len();
                    let entry: StoredEntry =
                        cbor::decode(bytes, MAX_BODY).map_err(|_| open.damaged("not an entry"))?;
                    if entry.index != self.next {
                        return Err(open.damaged("an entry states another index"));
                    }
                    open.at += FRAME_HEAD + length;
                    self.next += 1;
                    open.next = self.next;
                    return Ok(Some(entry));
                }
                Found::Torn(_) if self.left.len() > 0 => return Err(open.damaged(NOT_LAST)),
                Found::Torn(length) => {
                    self.torn = length;
                    self.open = None;
                }
                Found::End => self.open = None,
            }
        }
    }
}

impl Iterator for Stored {
    type Item = Result<StoredEntry, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let found = self.advance().transpose();
        self.over = !matches!(found, Some(Ok(_)));
        found
    }
}

const NOT_LAST: &str = "an entry with others behind it does not check out";

impl Open {
    fn read(first: u64, path: PathBuf, expected: u64) -> Result<Self, Damage> {
        let bytes = std::fs::read(&path).map_err(|error| Damage::Io(path.clone(), error))?;
        let open = Self {
            path,
            bytes,
            at: SEGMENT_HEAD,
            next: expected,
        };
        let at_start = |what| Damage::Segment {
            segment: open.path.clone(),
            at: 0,
            entry: expected,
            what,
        };
        let head = open.bytes.split_first_chunk::<8>();
        let stated = head.and_then(|(magic, rest)| Some((magic, rest.first_chunk::<8>()?)));
        match stated {
            Some((SEGMENT_MAGIC, index)) if u64::from_be_bytes(*index) == first => {}
            Some(_) => return Err(at_start("head does not match the file name")),
            None => return Err(at_start("head is missing")),
        }
        if first != expected {
            return Err(at_start("does not begin where the segment before it ends"));
        }
        Ok(open)
    }

    fn damaged(&self, what: &'static str) -> Damage {
        Damage::Segment {
            segment: self.path.clone(),
            at: self.at,
            entry: self.next,
            what,
        }
    }

    fn look(&self, index: u64) -> Result<Found<'_>, Damage> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some(entry) = frame(rest, index) {
            return Ok(Found::Frame(entry));
        }
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
            return Ok(Found::End);
        };
        if last >= MAX_FRAME {
            return Err(self.damaged("bytes beyond one frame's reach"));
        }
        if let Some((length, own, _)) = head(rest)
            && own == index
            && last >= FRAME_HEAD + length
        {
            return Err(self.damaged(NOT_LAST));
        }
        for offset in 1..=last {
            let later = rest.get(offset..).unwrap_or_default();
            if head(later).is_some_and(|(_, own, _)| own > index && frame(later, own).is_some()) {
                return Err(self.damaged(NOT_LAST));
            }
        }
        Ok(Found::Torn(last + 1))
    }
}

/// The first index that a file name states.
fn first_of(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (stem.len() == 20).then(|| stem.parse().ok()).flatten()
}

/// Length, index and check of a frame's head.
fn head(bytes: &[u8]) -> Option<(usize, u64, &[u8; 16])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let check = rest.first_chunk::<16>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let fits = magic == FRAME_MAGIC && length > 0 && length <= MAX_BODY;
    fits.then(|| (length, u64::from_be_bytes(*index), check))
}

/// The entry of a whole frame of this index at the start of the bytes.
fn frame(bytes: &[u8], index: u64) -> Option<&[u8]> {
    let (length, own, check) = head(bytes)?;
    let entry = bytes.get(FRAME_HEAD..)?.get(..length)?;
    let size = u32::try_from(length).ok()?.to_be_bytes();
    let digest = sha256(&[&size, &own.to_be_bytes(), entry]);
    (own == index && digest.0.first_chunk() == Some(check)).then_some(entry)
}

#[cfg(test)]
mod tests;
