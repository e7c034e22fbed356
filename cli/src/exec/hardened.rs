//! A process that other processes cannot look into.
//!
//! Not dumpable: `/proc/PID/{mem,environ,fd,maps}` and tracing need CAP_SYS_PTRACE, and there is no core dump, wherever the
//! system would send it. Memory may still be swapped out; root sees everything.

use crate::Error;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::path::Path;

/// Closes this process to others, before it reads a secret.
///
/// # Errors
///
/// [`Error::Io`] when the kernel refuses.
pub fn harden() -> Result<(), Error> {
    let here = Path::new("this process");
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Error::io("cannot close", here)(error.into()))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .map_err(|error| Error::io("cannot forbid core dumps of", here)(error.into()))
}

/// Whether a child of this process could look into it all the same: it is root, or has a capability to hand down.
/// What cannot be told counts as yes.
#[must_use]
pub fn is_privileged() -> bool {
    let root = rustix::process::geteuid().is_root() || rustix::process::getuid().is_root();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    root || !has_no_capability(&status)
}

fn has_no_capability(status: &str) -> bool {
    ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"]
        .iter()
        .all(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.is_some_and(|set| {
                let set = set.trim();
                !set.is_empty() && set.bytes().all(|digit| digit == b'0')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_capability_in_any_set_counts_and_so_does_a_missing_line() {
        let status = |permitted: &str| {
            let zero = "0000000000000000";
            format!(
                "CapInh:\t{zero}\nCapPrm:\t{permitted}\nCapEff:\t{zero}\nCapBnd:\t000001ffffffffff\nCapAmb:\t{zero}\n"
            )
        };
        assert!(has_no_capability(&status("0000000000000000")));
        assert!(!has_no_capability(&status("0000000000080000")));
        assert!(!has_no_capability(&status("")));
        assert!(!has_no_capability(""));
    }
}
