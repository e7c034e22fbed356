//! The system calls that serving makes, and no other: any other ends the process.
//!
//! Each line says what needs it. Files cannot be opened, programs not executed, sockets not made, memory not made executable, and
//! the one device that is open takes one request. It does not know what is served.

use super::heartbeat::Beaten;
use crate::boot::Error;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// What an argument must be.
#[derive(Debug, Clone, Copy)]
struct Argument {
    index: u8,
    mask: u32,
    value: u32,
}

const fn exactly(index: u8, value: u32) -> Argument {
    Argument {
        index,
        mask: u32::MAX,
        value,
    }
}

/// A call, and what its arguments must be: all of them.
type Allowed = (i64, &'static [Argument]);

/// `PROT_EXEC` (Linux, asm-generic/mman-common.h).
const EXECUTABLE: u32 = 4;
/// No protection but reading and writing.
const NOT_EXECUTABLE: Argument = Argument {
    index: 2,
    mask: EXECUTABLE,
    value: 0,
};
/// No file behind it: the descriptor is -1.
const ANONYMOUS: Argument = exactly(4, u32::MAX);
/// `CLONE_VM | CLONE_SIGHAND | CLONE_THREAD`: a thread of this process (Linux, sched.h).
const THREAD: Argument = Argument {
    index: 0,
    mask: 0x0001_0900,
    value: 0x0001_0900,
};
/// `_IOWR(0x0A, 0, struct nsm_raw)`, the one request of the NSM (Linux, uapi/linux/nsm.h).
const NSM_REQUEST: Argument = exactly(1, 0xC020_0A00);
/// `F_DUPFD_CLOEXEC` (Linux, fcntl.h).
const DUPLICATE: Argument = exactly(1, 1030);
/// `F_GETFD` (Linux, fcntl.h).
const IS_OPEN: Argument = exactly(1, 1);
/// `PR_SET_NAME` (Linux, prctl.h).
const NAME: Argument = exactly(0, 15);
/// `PR_SET_VMA` (Linux, prctl.h).
const NAME_OF_MEMORY: Argument = exactly(0, 0x5356_4d41);
/// `SOL_SOCKET` (Linux, asm-generic/socket.h): time limits and sizes.
const OF_SOCKET: Argument = exactly(1, 1);

/// The list.
const ALLOWED: &[Allowed] = &[
    (libc::SYS_access, &[]),                        // see `ABSENT`
    (libc::SYS_accept4, &[]),                       // the next connection
    (libc::SYS_brk, &[]),                           // the C library's own allocations
    (libc::SYS_clock_gettime, &[]), // the monotonic clock, where the kernel's page does not answer
    (libc::SYS_clock_nanosleep, &[]), // pauses
    (libc::SYS_clone, &[THREAD]),   // a thread
    (libc::SYS_clone3, &[]),        // see `ABSENT`
    (libc::SYS_close, &[]),         // a connection ends
    (libc::SYS_exit, &[]),          // a thread ends
    (libc::SYS_exit_group, &[]),    // the process ends
    (libc::SYS_fcntl, &[IS_OPEN]),  // a build with debug assertions, before it closes a handle
    (libc::SYS_fcntl, &[DUPLICATE]), // a connection's halves
    (libc::SYS_futex, &[]),         // locks and waits
    (libc::SYS_getpid, &[]),        // an abort says whose it is
    (libc::SYS_getrandom, &[]),     // the crypto library's entropy
    (libc::SYS_gettid, &[]),        // an abort, likewise
    (libc::SYS_ioctl, &[NSM_REQUEST]), // the NSM
    (libc::SYS_madvise, &[]),       // memory given back
    (libc::SYS_mmap, &[NOT_EXECUTABLE, ANONYMOUS]), // memory, stacks
    (libc::SYS_mprotect, &[NOT_EXECUTABLE]), // guard pages
    (libc::SYS_mremap, &[]),        // the C library's larger blocks
    (libc::SYS_munmap, &[]),        // memory given back
    (libc::SYS_newfstatat, &[]),    // see `ABSENT`
    (libc::SYS_openat, &[]),        // see `ABSENT`
    (libc::SYS_prctl, &[NAME_OF_MEMORY]), // the allocator names what it maps
    (libc::SYS_prctl, &[NAME]),     // a thread's name
    (libc::SYS_read, &[]),          // from the host
    (libc::SYS_recvfrom, &[]),      // from the host
    (libc::SYS_rseq, &[]),          // the C library registers a thread
    (libc::SYS_rt_sigaction, &[]),  // an abort restores its signal
    (libc::SYS_rt_sigprocmask, &[]), // the C library, around a thread's begin and end
    (libc::SYS_rt_sigreturn, &[]),  // the handler of a full stack returns to die
    (libc::SYS_sched_getaffinity, &[]), // the C library, asked for a thread's stack
    (libc::SYS_sched_yield, &[]),   // the allocator waits for another thread
    (libc::SYS_sendto, &[]),        // to the host
    (libc::SYS_set_robust_list, &[]), // the C library registers a thread
    (libc::SYS_setsockopt, &[OF_SOCKET]), // time limits of a connection
    (libc::SYS_shutdown, &[]),      // a connection ends, for whoever reads it
    (libc::SYS_sigaltstack, &[]),   // where a full stack is noticed
    (libc::SYS_tgkill, &[]),        // an abort
    (libc::SYS_write, &[]),         // to the host, to the console
    (libc::SYS_writev, &[]),        // to the console
];

fn refused<E>(_: E) -> Error {
    Error::Platform("seccomp")
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, Error> {
    let filter = SeccompFilter::new(rules, otherwise, matched, TargetArch::x86_64);
    BpfProgram::try_from(filter.map_err(refused)?).map_err(refused)
}

fn rule(arguments: &[Argument]) -> Result<SeccompRule, Error> {
    let conditions = arguments.iter().map(|argument| {
        SeccompCondition::new(
            argument.index,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(argument.mask.into()),
            argument.value.into(),
        )
    });
    let conditions = conditions.collect::<Result<_, _>>().map_err(refused)?;
    SeccompRule::new(conditions).map_err(refused)
}

/// The list as a program; any other call ends the process.
fn list() -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, arguments) in ALLOWED {
        let of_call = rules.entry(*call).or_default();
        if !arguments.is_empty() {
            of_call.push(rule(arguments)?);
        }
    }
    compile(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Calls that the kernel answers as if it did not have them, though the list lets them pass.
const ABSENT: [i64; 4] = [
    libc::SYS_access,     // the allocator looks for memory nodes in /sys, which is gone
    libc::SYS_clone3, // its flags stand in memory, which no filter can read: the C library then takes clone
    libc::SYS_newfstatat, // the crypto library looks for a device of snapshots
    libc::SYS_openat, // the C library counts processors in /sys when many threads have asked it for memory
];

fn absent() -> Result<BpfProgram, Error> {
    let rules = ABSENT.into_iter().map(|call| (call, Vec::new())).collect();
    let no_such_call = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    compile(rules, SeccompAction::Allow, no_such_call)
}

/// The kernel takes only the calls of the list, of every thread: what serving begins with.
#[derive(Debug)]
#[must_use]
pub(super) struct Closed(());

impl Beaten {
    /// From here on only the list, for every thread.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`].
    pub(super) fn close(self) -> Result<Closed, Error> {
        install().map(Closed)
    }
}

fn install() -> Result<(), Error> {
    for program in [absent()?, list()?] {
        apply_filter_all_threads(&program).map_err(refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
