//! One segment file: a head, frames one after the other, zeros.
//!
//! ```text
//! segment = "clvseg01" ‖ first index u64be ‖ frame… ‖ zeros
//! frame   = "clvf" ‖ length u32be ‖ index u64be ‖ check[16] ‖ entry
//! check   = first 16 bytes of SHA-256(length ‖ index ‖ entry)
//! ```
//! A frame that checks out is whole. What follows the last whole frame is zeros, or the remains of the one write that
//! was under way when the machine stopped: a *torn tail*. A bad frame with anything whole behind it, or with bytes
//! farther away than one frame reaches, is damage, never a torn tail. This module does not know what an entry says.

use super::super::{Error, MAX_ENTRY};
use claviger_shared::crypto::sha256;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes before the first frame.
pub(super) const SEGMENT_HEAD: u64 = 16;
/// Bytes of a frame before its entry.
pub(super) const FRAME_HEAD: u64 = 32;
const MAGIC: &[u8; 8] = b"clvseg01";
const FRAME_MAGIC: &[u8; 4] = b"clvf";
const MAX_FRAME: u64 = FRAME_HEAD + MAX_ENTRY as u64;

/// What is found where the next frame may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame; its length with head. Its entry is in the caller's buffer.
    Frame(u64),
    /// Zeros to the end of the file.
    End,
    /// Remains of one incomplete write; zeros beyond this offset.
    Torn(u64),
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Index of its first entry.
    pub(super) first: u64,
    /// File length in bytes.
    pub(super) len: u64,
}

/// The file name of a segment.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// The first index that a file name states.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (stem.len() == 20).then(|| stem.parse().ok()).flatten()
}

/// Appends a frame to `out`.
pub(super) fn put_frame(out: &mut Vec<u8>, index: u64, entry: &[u8]) {
    let len = (entry.len() as u32).to_be_bytes();
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&len);
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&check(len, index, entry));
    out.extend_from_slice(entry);
}

fn check(len: [u8; 4], index: u64, entry: &[u8]) -> [u8; 16] {
    let digest = sha256(&[&len, &index.to_be_bytes(), entry]);
    let mut out = [0; 16];
    out.copy_from_slice(&digest.0[..16]);
    out
}

/// The head of a segment file.
pub(super) fn head(first: u64) -> [u8; SEGMENT_HEAD as usize] {
    let mut out = [0; SEGMENT_HEAD as usize];
    out[..8].copy_from_slice(MAGIC);
    out[8..].copy_from_slice(&first.to_be_bytes());
    out
}

impl Segment {
    /// Opens a segment file and checks its head against its name.
    pub(super) fn open(path: &Path, first: u64, write: bool) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .write(write)
            .open(path)
            .map_err(Error::io("open a segment"))?;
        let len = file
            .metadata()
            .map_err(Error::io("measure a segment"))?
            .len();
        let segment = Self {
            file,
            path: path.to_owned(),
            first,
            len,
        };
        let mut found = [0; SEGMENT_HEAD as usize];
        match segment.file.read_exact_at(&mut found, 0) {
            Ok(()) if found == head(first) => Ok(segment),
            Ok(()) => Err(segment.damaged(0, "head does not match the file name")),
            Err(_) => Err(segment.damaged(0, "head is missing")),
        }
    }

    pub(super) fn damaged(&self, at: u64, what: &'static str) -> Error {
        Error::Damaged {
            segment: self.path.clone(),
            at,
            what,
        }
    }

    /// Looks at `at` for the frame of entry `index`; its entry's bytes replace `entry`.
    pub(super) fn look(&self, at: u64, index: u64, entry: &mut Vec<u8>) -> Result<Found, Error> {
        if self.frame_at(at, index, entry)? {
            return Ok(Found::Frame(FRAME_HEAD + entry.len() as u64));
        }
        self.after_last(at, index)
    }

    /// Whether a whole frame of `index` stands at `at`.
    fn frame_at(&self, at: u64, index: u64, entry: &mut Vec<u8>) -> Result<bool, Error> {
        let mut head = [0; FRAME_HEAD as usize];
        if at + FRAME_HEAD > self.len {
            return Ok(false);
        }
        self.read(&mut head, at)?;
        let Some((len, own)) = parse_head(&head) else {
            return Ok(false);
        };
        if own != index || at + FRAME_HEAD + len > self.len {
            return Ok(false);
        }
        entry.resize(len as usize, 0);
        self.read(entry, at + FRAME_HEAD)?;
        Ok(check((len as u32).to_be_bytes(), index, entry)[..] == head[16..])
    }

    /// Judges what stands where no whole frame of `index` does.
    fn after_last(&self, at: u64, index: u64) -> Result<Found, Error> {
        let rest = self.tail_bytes(at)?;
        let Some(last) = rest.iter().rposition(|b| *b != 0) else {
            return Ok(Found::End);
        };
        if last as u64 >= MAX_FRAME {
            return Err(self.damaged(at, "bytes beyond one frame's reach"));
        }
        let stated = rest.first_chunk::<{ FRAME_HEAD as usize }>();
        if let Some((len, _)) = stated.and_then(parse_head).filter(|(_, own)| *own == index)
            && last as u64 >= FRAME_HEAD + len
        {
            return Err(self.damaged(at, "an entry with others behind it does not check out"));
        }
        let mut entry = Vec::new();
        for (offset, window) in rest.windows(FRAME_HEAD as usize).enumerate().skip(1) {
            let head = window.first_chunk().and_then(parse_head);
            if let Some((_, own)) = head
                && own > index
                && self.frame_at(at + offset as u64, own, &mut entry)?
            {
                return Err(self.damaged(at, "an entry with others behind it does not check out"));
            }
        }
        Ok(Found::Torn(at + last as u64 + 1))
    }

    fn tail_bytes(&self, at: u64) -> Result<Vec<u8>, Error> {
        let mut rest = vec![0; self.len.saturating_sub(at) as usize];
        self.read(&mut rest, at)?;
        Ok(rest)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), Error> {
        self.file
            .read_exact_at(buffer, at)
            .map_err(Error::io("read a segment"))
    }

    /// Reads the entry of a frame known to be whole; checks it again.
    pub(super) fn entry(&self, at: u64, index: u64) -> Result<Vec<u8>, Error> {
        let mut entry = Vec::new();
        if self.frame_at(at, index, &mut entry)? {
            Ok(entry)
        } else {
            Err(self.damaged(at, "a stored entry does not check out any more"))
        }
    }
}

fn parse_head(head: &[u8; FRAME_HEAD as usize]) -> Option<(u64, u64)> {
    let [m0, m1, m2, m3, l0, l1, l2, l3, rest @ ..] = head;
    if [*m0, *m1, *m2, *m3] != *FRAME_MAGIC {
        return None;
    }
    let len = u64::from(u32::from_be_bytes([*l0, *l1, *l2, *l3]));
    let index = rest.first_chunk::<8>()?;
    (len > 0 && len <= MAX_ENTRY as u64).then(|| (len, u64::from_be_bytes(*index)))
}

/// Fills a new file with zeros to `len`, durably: writing inside it later moves no metadata.
pub(super) fn fill(path: &Path, len: u64) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < len {
        let n = (len - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..n as usize], at)?;
        at += n;
    }
    file.sync_all()?;
    Ok(file)
}
