//! A courier that other processes cannot look into: it holds no key, but an operator's token and KMS's credentials.
//!
//! Not dumpable: `/proc/PID/mem` and tracing need CAP_SYS_PTRACE, and there is no core dump, wherever the system would send it; a
//! limit of zero says the same to whoever asks. The command does this to itself in `claviger_cli::exec`, which no courier links.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// Closes this process to others, before it reads anything.
///
/// # Errors
///
/// What the kernel answers.
pub fn harden() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
