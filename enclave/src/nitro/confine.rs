//! What is taken from this process before the first connection: privileges, descriptors, memory, files and core dumps.
//!
//! After [`confine`] it is no longer root, cannot write a file, hold more descriptors or threads than it needs, leave a core file
//! or gain anything by executing. Memory is the machine's own: every queue is bounded (DESIGN §11), and where the kernel runs out
//! all the same it stops (`vm.panic_on_oom` in image/cmdline). No limit on address space: the allocator reserves more than it uses
//! (docs/decisions/0016). System calls are `seccomp`'s.

use super::init::Unmounted;
use crate::boot::Error;
use nix::{
    sys::{
        prctl::{set_dumpable, set_no_new_privs},
        resource::{Resource, setrlimit},
        sysinfo::sysinfo,
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

/// A user that owns nothing.
const NOBODY: u32 = 65_534;
/// Connections (`run::MAX_CONNECTIONS`) with four handles each, the listener, the NSM, the console, and as many again.
const MAX_DESCRIPTORS: u64 = 160;
/// One thread a connection, the journal, the handshakes, the control of a boot, and as many again.
const MAX_THREADS: u64 = 64;
/// With less memory than this an enclave would end under load: its bounded queues do not fit.
const LEAST_BYTES: u64 = 96 * 1024 * 1024;

/// What serving does not need is taken away.
#[derive(Debug)]
#[must_use]
pub(super) struct Confined(());

impl Unmounted {
    /// Takes away what serving does not need.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`] where the kernel does not, or has too little memory.
    pub(super) fn confine(self) -> Result<Confined, Error> {
        confine().map(Confined)
    }
}

fn confine() -> Result<(), Error> {
    expect_memory(
        sysinfo()
            .map_err(|_| Error::Platform("sysinfo"))?
            .ram_total(),
    )?;
    for (resource, most) in LIMITS {
        setrlimit(resource, most, most).map_err(|_| Error::Platform("rlimit"))?;
    }
    drop_privileges().map_err(|_| Error::Platform("privileges"))
}

const LIMITS: [(Resource, u64); 5] = [
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_MEMLOCK, 0),
    (Resource::RLIMIT_NOFILE, MAX_DESCRIPTORS),
    (Resource::RLIMIT_NPROC, MAX_THREADS),
];

const fn expect_memory(bytes: u64) -> Result<(), Error> {
    if bytes < LEAST_BYTES {
        return Err(Error::Platform(
            "too little memory: give the enclave at least 128 MiB",
        ));
    }
    Ok(())
}

fn drop_privileges() -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    set_no_new_privs()?;
    set_dumpable(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// Not a test by itself: it takes from its process what no other test may miss.
    #[test]
    #[ignore = "run by the next in a process of its own"]
    fn child() {
        let before = Uid::current();
        confine().unwrap();
        assert!(before.is_root());
        let nobody = Uid::from_raw(NOBODY);
        let now = nix::unistd::getresuid().unwrap();
        assert_eq!(
            (now.real, now.effective, now.saved),
            (nobody, nobody, nobody)
        );
        assert!(nix::unistd::getgroups().unwrap().is_empty());
        assert!(nix::unistd::setuid(before).is_err(), "root again");
        assert!(nix::sys::prctl::get_no_new_privs().unwrap());
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
        for (resource, most) in LIMITS {
            let limits = nix::sys::resource::getrlimit(resource).unwrap();
            assert_eq!(limits, (most, most), "{resource:?}");
        }
        // One descriptor fits under the limit as long as there are fewer.
        let pairs: Vec<_> = (0..MAX_DESCRIPTORS)
            .map_while(|_| UnixStream::pair().ok())
            .collect();
        let held = u64::try_from(pairs.len()).unwrap() * 2;
        assert!(
            held > MAX_DESCRIPTORS / 2 && held < MAX_DESCRIPTORS,
            "{held}"
        );
    }

    /// Needs to be root, which process 1 is; in continuous integration it is.
    #[test]
    fn privileges_descriptors_and_core_files_are_gone() {
        if !Uid::current().is_root() {
            println!("skipped: only root has privileges to give up");
            return;
        }
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "nitro::confine::tests::child"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    fn an_enclave_needs_memory() {
        assert_eq!(expect_memory(LEAST_BYTES), Ok(()));
        for too_little in [LEAST_BYTES - 1, 0] {
            expect_memory(too_little).unwrap_err();
        }
    }
}
