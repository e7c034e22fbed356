//! A Landlock domain for the command: it reads every file that was there when it started, except the hidden ones, and it can
//! trace no process outside the domain.
//!
//! Landlock only allows. So for each hidden file, everything beside its path is allowed and the path itself is not; a file
//! made later directly in a directory on that path cannot be read either. `REFER` keeps a hidden file from being linked or
//! moved to where reading is allowed. Symbolic links are passed over: what they lead to has its own place in the tree.

use landlock::{
    AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, make_bitflags,
};
use std::path::{Path, PathBuf};

/// Why there is no domain.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The kernel has none, or an older one than `REFER` needs.
    #[error("the kernel has no Landlock of version 2 or newer")]
    Absent,
    /// It has, and refused.
    #[error("Landlock: {0}")]
    Refused(String),
}

impl From<RulesetError> for Error {
    fn from(error: RulesetError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Confines this thread, and every process that it becomes or starts.
pub(super) fn confine(hidden: &[PathBuf]) -> Result<(), Error> {
    let handled = make_bitflags!(AccessFs::{ReadFile | Refer});
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(handled)
        .and_then(Ruleset::create);
    let mut ruleset = ruleset.map_err(|_| Error::Absent)?;
    ruleset = allow(ruleset, Path::new("/"), AccessFs::Refer)?;
    ruleset = allow_beside(ruleset, Path::new("/"), hidden)?;
    let status = ruleset.restrict_self()?;
    if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs {
        Ok(())
    } else {
        Err(Error::Absent)
    }
}

/// Allows reading everything under a place but the hidden files.
fn allow_beside(
    mut ruleset: RulesetCreated,
    place: &Path,
    hidden: &[PathBuf],
) -> Result<RulesetCreated, Error> {
    if hidden.iter().any(|file| file == place) {
        return Ok(ruleset);
    }
    if !hidden.iter().any(|file| file.starts_with(place)) {
        return allow(ruleset, place, AccessFs::ReadFile);
    }
    // A directory that cannot be listed stays closed.
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            ruleset = allow_beside(ruleset, &entry.path(), hidden)?;
        }
    }
    Ok(ruleset)
}

/// A place that cannot be opened stays closed.
fn allow(ruleset: RulesetCreated, place: &Path, right: AccessFs) -> Result<RulesetCreated, Error> {
    match PathFd::new(place) {
        Ok(opened) => Ok(ruleset.add_rule(PathBeneath::new(opened, right))?),
        Err(_) => Ok(ruleset),
    }
}
