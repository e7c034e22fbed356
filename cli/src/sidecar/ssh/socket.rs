//! The socket: in a directory that is its owner's alone, for processes of one user.
//!
//! It is removed with its value. It knows no message.

use super::Tell;
use crate::{Error, exec::User, owner::key::random_name};
use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

/// A socket that listens.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// A directory that was made for it alone.
    made: Option<PathBuf>,
    /// Whose processes may speak, besides this process's own user.
    user: u32,
    pub(super) tell: Tell,
}

impl Socket {
    /// A new socket at a path, in a directory that has mode 0700 or is made so.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a directory that is open to others; [`Error::Io`], also where something is there already.
    pub fn open(path: &Path, user: Option<&User>, tell: Tell) -> Result<Self, Error> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            Some(_) | None => Path::new("."),
        };
        let own = rustix::process::geteuid().as_raw();
        if !directory.exists() {
            let made = DirBuilder::new().mode(0o700).create(directory);
            made.map_err(Error::io("cannot make", directory))?;
        }
        let facts = directory.metadata();
        let facts = facts.map_err(Error::io("cannot read", directory))?;
        if facts.mode() & 0o077 != 0 || facts.uid() != own {
            let place = directory.display();
            return Err(Error::Usage(format!(
                "--ssh: `{place}` is not yours alone: make a directory of mode 0700 for the socket"
            )));
        }
        let listener = UnixListener::bind(path);
        let listener = listener.map_err(Error::io("cannot listen at", path))?;
        let socket = Self {
            listener,
            path: path.to_owned(),
            made: None,
            user: user.map_or(own, |user| user.uid),
            tell,
        };
        let closed = fs::set_permissions(path, Permissions::from_mode(0o600));
        closed.map_err(Error::io("cannot close", path))?;
        Ok(socket)
    }

    /// A socket in a directory of its own, for the command of `exec`, which may be another user's.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Unavailable`] without randomness.
    pub fn private(user: Option<&User>, tell: Tell) -> Result<Self, Error> {
        let directory = std::env::temp_dir().join(random_name("claviger-")?);
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(Error::io("cannot make", &directory))?;
        let mut socket = match Self::open(&directory.join("ssh"), user, tell) {
            Ok(socket) => socket,
            Err(error) => {
                let _ = fs::remove_dir(&directory);
                return Err(error);
            }
        };
        socket.made = Some(directory);
        if let Some(user) = user {
            for place in socket.made.iter().chain([&socket.path]) {
                let given = std::os::unix::fs::chown(place, Some(user.uid), Some(user.gid));
                given.map_err(Error::io("cannot give away", place))?;
            }
        }
        Ok(socket)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next peer; nothing for one of another user.
    pub(super) async fn accept(&self) -> Option<UnixStream> {
        let (peer, _) = self.listener.accept().await.ok()?;
        let who = peer.peer_cred().ok()?.uid();
        let own = rustix::process::geteuid().as_raw();
        (who == self.user || who == own).then_some(peer)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever has taken them away did what this would do.
        let _ = fs::remove_file(&self.path);
        if let Some(made) = &self.made {
            let _ = fs::remove_dir(made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_closed_to_others_and_goes_with_its_value() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("inner/agent");
        let socket = Socket::open(&path, None, |_| {}).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let peer = UnixStream::connect(&path);
        let (peer, accepted) = tokio::join!(peer, socket.accept());
        assert!(peer.is_ok() && accepted.is_some());
        Socket::open(&path, None, |_| {}).unwrap_err();
        drop(socket);
        assert!(!path.exists());
        let inner = path.parent().unwrap();
        fs::set_permissions(inner, Permissions::from_mode(0o750)).unwrap();
        let error = Socket::open(&path, None, |_| {}).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        let own = Socket::private(None, |_| {}).unwrap();
        let made = own.made.clone().unwrap();
        assert_eq!((mode(own.path()), mode(&made)), (0o600, 0o700));
        drop(own);
        assert!(!made.exists());
    }
}
