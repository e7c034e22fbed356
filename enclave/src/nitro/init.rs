//! Process 1 of an enclave: what it insists on before anything else, and what it mounts.
//!
//! There is no other program in the image. The kernel starts this one with no argument and an environment of its own making;
//! anything else means that the image or its command line is not ours. Two file systems are mounted to open the NSM and to read
//! what the kernel counts and draws by, and are gone again before the first connection. It does not know what an enclave serves.

use crate::boot::Error;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::getpid,
};
use std::ffi::OsString;

/// What Linux gives process 1 by itself (init/main.c of the kernel).
const ENVIRONMENT: [(&str, &str); 2] = [("HOME", "/"), ("TERM", "linux")];
/// Where devices are.
const DEV: &str = "/dev";
/// Where the kernel says what it is made of.
const SYS: &str = "/sys";

/// This process is the first one, started by our own kernel command line.
#[derive(Debug)]
#[must_use]
pub(super) struct Alone(());

/// What a boot reads is mounted.
#[derive(Debug)]
#[must_use]
pub(super) struct Mounted(());

/// Nothing is mounted but the image, which is read-only.
#[derive(Debug)]
#[must_use]
pub(super) struct Unmounted(());

impl Alone {
    /// Makes sure.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`].
    pub(super) fn check() -> Result<Self, Error> {
        if getpid().as_raw() != 1 {
            return Err(Error::Platform(
                "not process 1: run this only as an enclave's image",
            ));
        }
        expect_started(std::env::args_os(), std::env::vars_os()).map(Self)
    }

    /// Mounts what a boot reads: devices and `/sys`, nothing of it executable.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`].
    pub(super) fn mount(self) -> Result<Mounted, Error> {
        mount_devices().map(Mounted)
    }
}

impl Mounted {
    /// Takes both away again, and makes what is left read-only.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`].
    pub(super) fn unmount(self) -> Result<Unmounted, Error> {
        unmount_devices().map(Unmounted)
    }
}

/// No argument beside the program's name, no variable that the kernel does not set by itself.
fn expect_started(
    arguments: impl Iterator<Item = OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), Error> {
    if arguments.count() > 1 {
        return Err(Error::Platform("an argument was given"));
    }
    for (name, value) in variables {
        let known = ENVIRONMENT
            .iter()
            .any(|own| name == own.0 && value == own.1);
        if !known {
            return Err(Error::Platform("an environment variable was given"));
        }
    }
    Ok(())
}

fn mount_devices() -> Result<(), Error> {
    let none: Option<&str> = None;
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let read_only = closed | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    mount(Some("dev"), DEV, Some("devtmpfs"), closed, none)
        .and_then(|()| mount(Some("sys"), SYS, Some("sysfs"), read_only, none))
        .map_err(|_| Error::Platform("mount"))
}

fn unmount_devices() -> Result<(), Error> {
    let none: Option<&str> = None;
    let closed = MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC;
    // Detached: this process's own console is open in one of them.
    umount2(SYS, MntFlags::MNT_DETACH)
        .and_then(|()| umount2(DEV, MntFlags::MNT_DETACH))
        .and_then(|()| mount(none, "/", none, closed, none))
        .map_err(|_| Error::Platform("unmount"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), Error> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        expect_started(arguments.iter().map(OsString::from), variables)
    }

    #[test]
    fn what_the_kernel_gives_by_itself_is_fine() {
        assert_eq!(
            started(&["/init"], &[("HOME", "/"), ("TERM", "linux")]),
            Ok(())
        );
        assert_eq!(started(&["/init"], &[]), Ok(()));
    }

    #[test]
    fn an_argument_or_a_variable_is_refused() {
        started(&["/init", "--debug"], &[]).unwrap_err();
        for variable in [
            ("LD_PRELOAD", "/x"),
            ("HOME", "/root"),
            ("RUST_LOG", "trace"),
            ("term", "linux"),
        ] {
            started(&["/init"], &[variable]).unwrap_err();
        }
    }

    #[test]
    fn only_process_1_goes_on() {
        let refused = Alone::check();
        assert!(matches!(refused, Err(Error::Platform(why)) if why.starts_with("not process 1")));
    }
}
