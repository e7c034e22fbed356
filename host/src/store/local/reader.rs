//! Reading a store's log without its lock, beside a running host or offline: what an auditor uses.
//!
//! Every entry that is returned is whole. Damage is an error; a torn tail is the end of the log.

use super::{
    super::Error,
    list, parse,
    segment::{Found, SEGMENT_HEAD, Segment},
};
use claviger_shared::wire::storage::StoredEntry;
use std::path::{Path, PathBuf};

/// A store's directory, to be read.
#[derive(Debug)]
pub struct Reader {
    segments: Vec<(u64, PathBuf)>,
}

impl Reader {
    /// Opens a directory that a store has written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it has no segments' directory.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            segments: list(&dir.join("segments"))?,
        })
    }

    /// The entries from index 0, in order.
    #[must_use]
    pub fn entries(self) -> Entries {
        Entries {
            left: self.segments.into_iter(),
            open: None,
            next: 0,
            torn: false,
            over: false,
        }
    }
}

/// Iterates over entries; ends after the first error.
#[derive(Debug)]
pub struct Entries {
    left: std::vec::IntoIter<(u64, PathBuf)>,
    open: Option<(Segment, u64)>,
    next: u64,
    torn: bool,
    over: bool,
}

impl Entries {
    /// Whether the log ended in an incomplete write; known after the last entry.
    #[must_use]
    pub const fn torn(&self) -> bool {
        self.torn
    }

    fn advance(&mut self) -> Result<Option<StoredEntry>, Error> {
        let mut bytes = Vec::new();
        loop {
            let Some((segment, at)) = self.open.take() else {
                let Some((first, path)) = self.left.next() else {
                    return Ok(None);
                };
                let segment = Segment::open(&path, first, false)?;
                if first != self.next {
                    return Err(
                        segment.damaged(0, "does not begin where the segment before it ends")
                    );
                }
                self.open = Some((segment, SEGMENT_HEAD));
                continue;
            };
            match segment.look(at, self.next, &mut bytes)? {
                Found::Frame(len) => {
                    let entry = parse(&segment, at, bytes)?;
                    if entry.index != self.next {
                        return Err(segment.damaged(at, "an entry states another index"));
                    }
                    self.open = Some((segment, at + len));
                    self.next += 1;
                    return Ok(Some(entry));
                }
                Found::Torn(_) if self.left.len() > 0 => {
                    return Err(
                        segment.damaged(at, "an entry with others behind it does not check out")
                    );
                }
                Found::Torn(_) => self.torn = true,
                Found::End => {}
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<StoredEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let found = self.advance().transpose();
        self.over = !matches!(found, Some(Ok(_)));
        found
    }
}
