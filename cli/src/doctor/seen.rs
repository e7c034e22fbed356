//! The highest log head that was seen from this profile, in a file beside it.
//!
//! A host that brings an older log back, or another, is found by it.

use crate::Error;
use claviger_shared::id::Digest;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A log head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) root: Digest,
}

pub(super) fn file(profile: &Path) -> PathBuf {
    let mut name = profile.file_name().unwrap_or_default().to_owned();
    name.push(".seen");
    profile.with_file_name(name)
}

/// What was seen last; nothing at first.
pub(super) fn read(profile: &Path) -> Result<Option<Seen>, Error> {
    let path = file(profile);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(Error::io("cannot read", &path))?;
    let seen = serde_json::from_slice(&text);
    seen.map(Some)
        .map_err(|_| Error::Usage(format!("`{}` is malformed", path.display())))
}

pub(super) fn keep(profile: &Path, seen: Seen) -> Result<(), Error> {
    let path = file(profile);
    let beside = path.with_extension("seen.new");
    let text = serde_json::to_vec(&seen).map_err(|error| Error::Usage(error.to_string()))?;
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(Error::io("cannot write", &path))
}
