//! What is taken from this process before the first connection: privileges, descriptors, memory, files and core dumps.
//!
//! After [`confine`] it is no longer root, cannot write a file, hold more descriptors or threads than it needs, leave a core file
//! or gain anything by executing. Memory is the machine's own: every queue is bounded (DESIGN §11), and where the kernel runs out
//! all the same it stops (`vm.panic_on_oom` in image/cmdline). No limit on address space: the allocator reserves more than it uses
//! (docs/decisions/0016). System calls are `seccomp`'s.

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

/// Takes away what serving does not need.
///
/// # Errors
///
/// [`Error::Platform`] where the kernel does not, or has too little memory.
pub(super) fn confine() -> Result<(), Error> {
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

    #[test]
    fn an_enclave_needs_memory() {
        assert_eq!(expect_memory(LEAST_BYTES), Ok(()));
        for too_little in [LEAST_BYTES - 1, 0] {
            expect_memory(too_little).unwrap_err();
        }
    }
}
