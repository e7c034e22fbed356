//! The enclave as the one program of a virtual machine: process 1 of a guest whose only link is vsock.
//!
//! It mounts what the kernel offers, loads the modules it was packed with, listens, greets the parent as a Nitro Enclave does
//! after its boot, and serves. When the enclave's life ends, so does the machine. It does not know which machine it is in.

use super::enclave::{self, At, Files};
use claviger_shared::wire::Phase;
use rustix::{
    mount::{MountFlags, mount},
    system::{RebootCommand, finit_module, reboot},
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

/// Port that an enclave listens on, and its parent's context id: as in a Nitro Enclave.
pub use claviger_enclave::nitro::{PARENT_CID, PORT};
/// Port of the parent that is told when the guest is up, and the byte that tells it, which is sent back
/// (aws-nitro-enclaves-cli: what its bootstrap and its launcher say to each other).
pub const HEARTBEAT_PORT: u32 = 9000;
/// The byte.
pub const HEARTBEAT: u8 = 0xb7;
/// Port of the guest that tells what its processor did so far: the first line of `/proc/stat`.
pub const ACCOUNT_PORT: u32 = 9001;
/// Where a guest's image has the kernel's modules, loaded in the order of their names.
pub const MODULES: &str = "/modules";
/// Where it has what `up` made for its enclave: the mock NSM's PKI in `nsm`, and `measurements.json`.
pub const FILES: &str = "/simulation";

/// How long the parent may take to answer the heartbeat.
const ANSWER: Duration = Duration::from_secs(10);

/// Why a guest did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The enclave did not run.
    #[error(transparent)]
    Enclave(#[from] enclave::Error),
    /// A step of the boot failed.
    #[error("{0}: {1}")]
    Step(PathBuf, io::Error),
}

/// Boots as process 1 and serves until the enclave's life ends; why it ended.
///
/// # Errors
///
/// [`Error`].
pub fn run() -> Result<(Phase, String), Error> {
    for (kind, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        step(at, mount_there(kind, at))?;
    }
    for module in step(MODULES, modules(Path::new(MODULES)))? {
        step(&module, load(&module))?;
    }
    step("the account", account())?;
    let dir = Path::new(FILES);
    let files = Files {
        pki: dir.join("nsm"),
        measurements: dir.join("measurements.json"),
        at: At::Vsock {
            port: PORT,
            parent: PARENT_CID,
        },
    };
    let listening = || match heartbeat() {
        Ok(()) => tracing::info!("the parent knows that this guest is up"),
        // Whoever waits for no heartbeat is served all the same.
        Err(error) => tracing::warn!(%error, "no heartbeat"),
    };
    Ok(enclave::run(&files, listening)?)
}

/// Ends the machine. Returns where it cannot, and the kernel then stops at the end of process 1.
pub fn end() {
    if let Err(error) = reboot(RebootCommand::Restart) {
        tracing::error!(%error, "the machine does not end");
    }
}

fn step<T>(what: impl AsRef<Path>, done: io::Result<T>) -> Result<T, Error> {
    done.map_err(|error| Error::Step(what.as_ref().to_owned(), error))
}

/// Mounts a file system of the kernel's own; one that is there already stays.
fn mount_there(kind: &str, at: &str) -> io::Result<()> {
    fs::create_dir_all(at)?;
    match mount(kind, at, kind, MountFlags::empty(), None) {
        Err(rustix::io::Errno::BUSY) => Ok(()),
        mounted => Ok(mounted?),
    }
}

/// The modules of an image in their order; none where the kernel has everything built in.
fn modules(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if !dir.try_exists()? {
        return Ok(Vec::new());
    }
    let files = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn load(module: &Path) -> io::Result<()> {
    match finit_module(File::open(module)?, c"", 0) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        loaded => Ok(loaded?),
    }
}

/// Tells the parent, whenever it asks, what this machine's processor did.
fn account() -> io::Result<()> {
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, ACCOUNT_PORT)?;
    let told = move || {
        while let Ok((mut stream, peer)) = listener.accept() {
            let text = fs::read_to_string("/proc/stat").unwrap_or_default();
            let line = text.lines().next().unwrap_or_default();
            if peer.cid() == PARENT_CID {
                // Whoever asked and left is told nothing.
                let _ = stream.write_all(line.as_bytes());
            }
        }
    };
    let thread = std::thread::Builder::new().name("account".to_owned());
    thread.spawn(told).map(drop)
}

/// Tells the parent that this guest is up.
fn heartbeat() -> io::Result<()> {
    let mut parent = VsockStream::connect_with_cid_port(PARENT_CID, HEARTBEAT_PORT)?;
    parent.set_read_timeout(Some(ANSWER))?;
    parent.write_all(&[HEARTBEAT])?;
    let mut answer = [0];
    parent.read_exact(&mut answer)?;
    if answer == [HEARTBEAT] {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_loaded_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["2-b.ko", "1-c.ko", "3-a.ko"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = modules(dir.path()).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["1-c.ko", "2-b.ko", "3-a.ko"]);
        assert!(modules(&dir.path().join("none")).unwrap().is_empty());
    }
}
