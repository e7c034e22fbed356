//! The text behind a digest: what `ssh-keygen` is signing, found by asking which file it was given.
//!
//! An agent is asked for a signature over a digest alone (OpenSSH `PROTOCOL.sshsig`), and the enclave signs none. git runs
//! `ssh-keygen -Y sign -n git -f KEY BUFFER`; the kernel says which process asks, its command line names the buffer, and the
//! digest says whether it is the right one. A file that does not hash to it goes nowhere, and none is read that is not a
//! regular one of the user who asks: this process may be another, more privileged one.

use claviger_shared::{call::ssh::MAX_OBJECT, crypto::sha512};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::{
    fs::{self, File},
    io::Read,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// Longest command line read, and files of it that are tried.
const MAX_COMMAND: u64 = 64 * 1024;
const MAX_FILES: usize = 16;

/// Who asks: a process, and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) pid: i32,
    pub(super) uid: u32,
}

/// The text of this SHA-512 digest that a process was given to sign.
pub(super) fn find(peer: Peer, digest: &[u8]) -> Option<Vec<u8>> {
    let process = PathBuf::from(format!("/proc/{}", peer.pid));
    let command = whole(File::open(process.join("cmdline")).ok()?, MAX_COMMAND)?;
    let command: Vec<_> = command.split(|byte| *byte == 0).collect();
    let mut files = files(&command)?.into_iter().take(MAX_FILES);
    files.find_map(|file| {
        let path = Path::new(std::ffi::OsStr::from_bytes(file));
        let path = if path.is_absolute() {
            path.to_owned()
        } else {
            fs::read_link(process.join("cwd")).ok()?.join(path)
        };
        let limit = u64::try_from(MAX_OBJECT).unwrap_or(u64::MAX);
        let text = whole(regular(&path, peer.uid)?, limit)?;
        (sha512(&[&text]) == digest).then_some(text)
    })
}

/// The files behind the options of `ssh-keygen -Y sign`, last first: nothing for another command.
fn files<'a>(command: &[&'a [u8]]) -> Option<Vec<&'a [u8]>> {
    let (program, words) = command.split_first()?;
    let named = Path::new(std::ffi::OsStr::from_bytes(program)).file_name()?;
    let signs = words
        .windows(2)
        .any(|two| two == [&b"-Y"[..], &b"sign"[..]]);
    if named != "ssh-keygen" || !signs {
        return None;
    }
    let behind = words.iter().rev();
    let all = behind.filter(|word| !word.is_empty() && !word.starts_with(b"-"));
    Some(all.copied().collect())
}

/// A regular file of this user. What it is is known before it is opened: opening a device can do something, and a pipe
/// without a writer would keep this thread for ever.
fn regular(path: &Path, uid: u32) -> Option<File> {
    let place = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let facts = fstat(&place).ok()?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile || facts.st_uid != uid {
        return None;
    }
    // The very same file, whatever the path leads to by now.
    File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()
}

/// All of a file, if it is not longer.
fn whole(file: File, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .ok()?;
    (u64::try_from(bytes.len()).ok()? <= limit).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_a_signing_ssh_keygen_names_files() {
        let words = |text: &'static str| -> Vec<&'static [u8]> {
            text.split(' ').map(str::as_bytes).collect()
        };
        let git = words("ssh-keygen -Y sign -n git -f /k.pub -U /tmp/.git_signing_buffer");
        let found = files(&git).unwrap();
        assert_eq!(found[0], b"/tmp/.git_signing_buffer");
        assert!(files(&words("/usr/bin/ssh-keygen -Y sign a")).is_some());
        for other in [
            "ssh -Y sign a",
            "ssh-keygen -Y verify a",
            "ssh-keygen sign -Y a",
            "",
        ] {
            assert!(files(&words(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn a_file_is_found_by_its_digest_alone_and_read_up_to_the_limit() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("a"), vec![b'a'; MAX_OBJECT]).unwrap();
        let limit = u64::try_from(MAX_OBJECT).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let read = |path: &Path, limit| whole(regular(path, own)?, limit);
        assert_eq!(read(&at("a"), limit).unwrap().len(), MAX_OBJECT);
        assert_eq!(read(&at("a"), limit - 1), None);
        assert!(regular(&at("a"), own + 1).is_none(), "another user's");
        assert_eq!(read(place.path(), limit), None, "a directory");
        let fifo = at("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&fifo, limit), None, "a pipe");
        assert_eq!(read(Path::new("/dev/zero"), limit), None);
        let peer = |pid| Peer { pid, uid: own };
        assert_eq!(find(peer(-1), &[0; 64]), None);
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(find(peer(me), &[0; 64]), None, "no ssh-keygen");
    }
}
