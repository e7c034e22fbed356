//! A checked copy of a log in the form that `claviger audit verify` reads (docs/spec/store.md), for somebody who cannot reach the host.
//!
//! Each entry is audited before it is written. The copy holds the manifest chain and the newest checkpoint beside the log, and no
//! blob: nothing in it is secret.

use crate::Error;
use claviger_shared::{codec::cbor, crypto::sha256, wire::storage::StoredEntry};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::segment::{FRAME_MAGIC, SEGMENT_MAGIC};

/// Bytes after which a segment is full.
const SEGMENT: usize = 64 * 1024 * 1024;

/// A copy being made.
#[derive(Debug)]
pub struct Export {
    dir: PathBuf,
    open: Option<(PathBuf, BufWriter<File>)>,
    bytes: usize,
    checkpoint: String,
}

impl Export {
    /// Begins a copy in a directory that is not there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also where the directory exists.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        fs::create_dir(dir).map_err(Error::io("cannot make the directory", dir))?;
        let segments = dir.join("segments");
        fs::create_dir(&segments).map_err(Error::io("cannot make the directory", &segments))?;
        Ok(Self {
            dir: dir.to_owned(),
            open: None,
            bytes: 0,
            checkpoint: String::new(),
        })
    }

    /// Writes the next entry.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn put(&mut self, entry: &StoredEntry) -> Result<(), Error> {
        let bytes = cbor::encode(entry)
            .map_err(|_| Error::Distrust(format!("entry {} is malformed", entry.index)))?;
        if self.open.is_none() || self.bytes >= SEGMENT {
            self.next_segment(entry.index)?;
        }
        let length = u32::try_from(bytes.len())
            .map_err(|_| Error::Distrust(format!("entry {} is too long", entry.index)))?;
        let (length, index) = (length.to_be_bytes(), entry.index.to_be_bytes());
        let check = sha256(&[&length, &index, &bytes]).0;
        let check = check.get(..16).unwrap_or_default();
        let frame = [&FRAME_MAGIC[..], &length, &index, check, &bytes].concat();
        self.bytes += frame.len();
        self.checkpoint.clone_from(&entry.checkpoint);
        match &mut self.open {
            Some((path, file)) => file
                .write_all(&frame)
                .map_err(Error::io("cannot write", path)),
            None => Ok(()),
        }
    }

    fn next_segment(&mut self, first: u64) -> Result<(), Error> {
        self.flush()?;
        let path = self.dir.join("segments").join(format!("{first:020}.seg"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = BufWriter::new(file.map_err(Error::io("cannot make the file", &path))?);
        let head = [&SEGMENT_MAGIC[..], &first.to_be_bytes()].concat();
        file.write_all(&head)
            .map_err(Error::io("cannot write", &path))?;
        self.bytes = head.len();
        self.open = Some((path, file));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        match self.open.take() {
            Some((path, mut file)) => file.flush().map_err(Error::io("cannot write", &path)),
            None => Ok(()),
        }
    }

    /// Ends the copy: the manifest chain and the newest checkpoint go beside it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn finish(mut self, chain: &str) -> Result<(), Error> {
        self.flush()?;
        for (name, text) in [("manifests.json", chain), ("checkpoint", &self.checkpoint)] {
            let path = self.dir.join(name);
            fs::write(&path, text).map_err(Error::io("cannot write", &path))?;
        }
        Ok(())
    }
}
