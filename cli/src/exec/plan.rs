//! When a command may start beside an agent key, as one table.
//!
//! | `exec` runs as | the command runs as | Landlock | without `--weak` |
//! |---|---|---|---|
//! | root, or with any capability | the same user | any | refused: it could trace the sidecar |
//! | root | another user | tried | starts; the key's file must be closed to that user |
//! | anybody else | the same user | required | starts where the kernel has Landlock, else refused by the child |
//! | anybody else | another user | any | refused: it cannot change users |
//!
//! With `--weak` it always starts, with Landlock where the kernel has it.

use crate::Error;

/// What is known before the command starts.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Whether this process is root or has a capability.
    pub privileged: bool,
    /// Whether this process is root.
    pub root: bool,
    /// Whether the command is to run as another, unprivileged user.
    pub other_user: bool,
    /// Whether the caller accepts a command that may read the key.
    pub weak: bool,
}

/// What the child must do to itself before it becomes the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Landlock, or the command does not start.
    Required,
    /// Landlock where the kernel has it.
    Tried,
}

impl Confinement {
    /// Its word on the child's command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Tried => "tried",
        }
    }
}

/// The table.
///
/// # Errors
///
/// [`Error::Usage`] where a command could read the key, or cannot run as asked.
pub fn decide(situation: Situation) -> Result<Confinement, Error> {
    let Situation {
        privileged,
        root,
        other_user,
        weak,
    } = situation;
    let refused = |why: &str| Err(Error::Usage(why.to_owned()));
    match (root, other_user) {
        (false, true) => refused("--as-user needs root"),
        (_, _) if weak => Ok(Confinement::Tried),
        (true, true) => Ok(Confinement::Tried),
        (_, false) if privileged => refused(
            "root, or a process with capabilities, could read the agent key out of the sidecar: \
             give --as-user NAME, run as an unprivileged user, or accept it with --weak",
        ),
        (_, false) => Ok(Confinement::Required),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_holds() {
        let row = |privileged, root, other_user, weak| {
            let situation = Situation {
                privileged,
                root,
                other_user,
                weak,
            };
            decide(situation).ok()
        };
        let (required, tried) = (Some(Confinement::Required), Some(Confinement::Tried));
        assert_eq!(row(true, true, false, false), None, "root, same user");
        assert_eq!(row(true, false, false, false), None, "a capability");
        assert_eq!(row(true, true, true, false), tried, "root, another user");
        assert_eq!(row(false, false, false, false), required, "unprivileged");
        assert_eq!(row(false, false, true, false), None, "cannot change users");
        assert_eq!(row(false, false, true, true), None, "nor with --weak");
        assert_eq!(row(true, true, false, true), tried, "weak");
        assert_eq!(row(false, false, false, true), tried, "weak");
    }
}
