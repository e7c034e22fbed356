//! The text behind a digest: what `ssh-keygen` is signing, found by asking which file it was given.
//!
//! An agent is asked for a signature over a digest alone (OpenSSH `PROTOCOL.sshsig`), and the enclave signs none. git runs
//! `ssh-keygen -Y sign -n git -f KEY BUFFER`; the kernel says which process asks, its command line names the buffer, and the
//! digest says whether it is the right one. A file that does not hash to it goes nowhere.

use claviger_shared::{call::ssh::MAX_OBJECT, crypto::sha512};
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Longest command line read, and files of it that are tried.
const MAX_COMMAND: u64 = 64 * 1024;
const MAX_FILES: usize = 16;

/// The text of this SHA-512 digest that a process was given to sign.
pub(super) fn find(pid: i32, digest: &[u8]) -> Option<Vec<u8>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let command = bounded(&process.join("cmdline"), MAX_COMMAND)?;
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
        let text = bounded(&path, limit)?;
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

/// A regular file's content, if it is not longer.
fn bounded(path: &Path, limit: u64) -> Option<Vec<u8>> {
    // A pipe without a writer would keep this thread for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let mut options = OpenOptions::new();
    let file: File = options.read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
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
        assert_eq!(bounded(&at("a"), limit).unwrap().len(), MAX_OBJECT);
        assert_eq!(bounded(&at("a"), limit - 1), None);
        assert_eq!(bounded(place.path(), limit), None, "a directory");
        let fifo = at("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert_eq!(bounded(&fifo, limit), None, "a pipe");
        assert_eq!(bounded(Path::new("/dev/zero"), limit), None);
        assert_eq!(find(-1, &[0; 64]), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(find(own, &[0; 64]), None, "no ssh-keygen");
    }
}
