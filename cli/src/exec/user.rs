//! The user a command runs as, and what that user must not be able to read.

use crate::Error;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// An unprivileged user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Never 0.
    pub uid: u32,
    /// The user's own group; there are no others.
    pub gid: u32,
}

impl User {
    /// Finds a user by name or number. A number without an entry in the user database is also its own group's.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for nobody, and for root.
    pub fn find(text: &str) -> Result<Self, Error> {
        let named = nix::unistd::User::from_name(text).ok().flatten();
        let number = text.parse::<u32>().ok().filter(|uid| *uid != u32::MAX);
        let numbered = || {
            let uid = number?;
            let entry = nix::unistd::User::from_uid(uid.into()).ok().flatten();
            Some(entry.map_or((uid, uid), |entry| (uid, entry.gid.as_raw())))
        };
        let found = named.map(|entry| (entry.uid.as_raw(), entry.gid.as_raw()));
        match found.or_else(numbered) {
            None => Err(Error::Usage(format!("no user `{text}`"))),
            Some((0, _) | (_, 0)) => {
                let why = "--as-user: root and root's group could read the agent key";
                Err(Error::Usage(why.to_owned()))
            }
            Some((uid, gid)) => Ok(Self { uid, gid }),
        }
    }
}

/// A key's file as the kernel names it, where it can be kept from a command: it has one name, and, from another user, it is
/// closed to all but its owner.
///
/// # Errors
///
/// [`Error::Io`], or [`Error::Usage`] with what is wrong about the file.
pub fn hideable(file: &Path, user: Option<&User>) -> Result<PathBuf, Error> {
    let path = file.canonicalize();
    let path = path.map_err(Error::io("cannot find", file))?;
    let facts = path.metadata().map_err(Error::io("cannot read", file))?;
    let wrong = |what: &str| {
        let name = path.display();
        Err(Error::Usage(format!(
            "`{name}` {what}; or accept it with --weak"
        )))
    };
    if facts.is_file() && facts.nlink() != 1 {
        return wrong("has other names (hard links), by which the command could read it");
    }
    let Some(user) = user else {
        return Ok(path);
    };
    if facts.uid() == user.uid {
        return wrong("belongs to the user the command runs as");
    }
    if facts.mode() & 0o077 != 0 {
        return wrong("is open to others than its owner: chmod 600 it");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn root_is_no_other_user_by_name_or_number() {
        assert!(User::find("root").is_err() && User::find("0").is_err());
        assert!(User::find("no-such-user").is_err() && User::find("4294967295").is_err());
        let numbered = User::find("3999999").unwrap();
        assert_eq!((numbered.uid, numbered.gid), (3_999_999, 3_999_999));
    }

    #[test]
    fn a_key_file_has_one_name_and_is_closed_to_the_user_of_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.key");
        std::fs::write(&file, "x").unwrap();
        let chmod = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, mode).unwrap();
        };
        let own = file.metadata().unwrap().uid();
        let other = User {
            uid: own + 1,
            gid: own + 1,
        };
        let same = User { uid: own, gid: own };
        chmod(0o600);
        assert!(hideable(&file, None).is_ok() && hideable(&file, Some(&other)).is_ok());
        hideable(&file, Some(&same)).unwrap_err();
        for open in [0o640, 0o604, 0o610] {
            chmod(open);
            assert!(hideable(&file, Some(&other)).is_err(), "{open:o}");
        }
        chmod(0o600);
        std::fs::hard_link(&file, dir.path().join("second")).unwrap();
        hideable(&file, None).unwrap_err();
    }
}
