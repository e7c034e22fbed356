//! The files of a federation, written to a folder: what is published behind the issuer's URL, and what is pasted.

use super::Federation;
use crate::{Error, owner::grant::write_new};
use std::path::{Path, PathBuf};

/// Writes every file; none is written over. The folder's names, relative to it.
///
/// # Errors
///
/// [`Error::Io`]; what was written before stays.
pub fn write(federation: &Federation, dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for (name, value) in federation.files() {
        let path: PathBuf = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("cannot make", parent))?;
        }
        write_new(&path, format!("{value:#}\n").as_bytes())?;
        names.push(name.to_owned());
    }
    Ok(names)
}
