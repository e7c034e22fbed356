//! `claviger exec`: a command beside a sidecar, where it can use a grant and cannot read the agent key.
//!
//! Two processes: this one holds the key and the sidecar and is closed to others (`hardened`); the other is this program
//! again, which confines itself ([`child`]) and then becomes the command. What must be so before a command may start
//! without `--weak` is one table ([`plan`], docs/sidecar.md).

pub mod child;
mod environment;
mod hardened;
mod landlock;
pub mod plan;
mod user;
mod watch;

pub use environment::{carries_agent_key, is_agent_key};
pub use hardened::{harden, is_privileged};
pub use user::{User, hideable};
pub use watch::wait;

use crate::Error;
use plan::Confinement;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// Exit code when `exec` itself fails.
pub const FAULT: u8 = 125;
/// Exit code when the command cannot be run.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit code when there is no such command.
pub const NOT_FOUND: u8 = 127;

/// The hidden verb under which this program confines itself and becomes the command.
pub const CHILD_VERB: &str = "exec-child";

/// What to start and how.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// Files that it must not read.
    pub hidden: &'a [PathBuf],
    /// What its confinement must be.
    pub confinement: Confinement,
    /// Who it runs as, if as another user.
    pub user: Option<&'a User>,
    /// Whether its standard input is empty, because the key came by it.
    pub stdin_taken: bool,
    /// The sidecar's base URL.
    pub url: &'a str,
    /// The sidecar's token.
    pub token: &'a str,
    /// The socket of an ssh-agent, if it gets one.
    pub ssh: Option<&'a Path>,
}

/// Starts the command.
///
/// # Errors
///
/// [`Error::Usage`] for an agent key among the arguments, [`Error::Io`] when nothing can be started.
pub fn launch(launch: &Launch<'_>) -> Result<Child, Error> {
    if launch.command.iter().any(|word| is_agent_key(word)) {
        let how = "an agent key stands in the command's arguments, where everybody can read it";
        return Err(Error::Usage(how.to_owned()));
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg0("claviger").arg(CHILD_VERB);
    command.arg("--landlock").arg(launch.confinement.word());
    for file in launch.hidden {
        command.arg("--hide").arg(file);
    }
    command.arg("--").args(launch.command);
    for (name, value) in std::env::vars_os() {
        if carries_agent_key(&name, &value) {
            command.env_remove(name);
        }
    }
    command.env("CLAVIGER_URL", launch.url);
    command.env("CLAVIGER_TOKEN", launch.token);
    if let Some(socket) = launch.ssh {
        command.env("SSH_AUTH_SOCK", socket);
    }
    if let Some(user) = launch.user {
        command.uid(user.uid).gid(user.gid);
    }
    if launch.stdin_taken {
        command.stdin(Stdio::null());
    }
    let started = command.spawn();
    started.map_err(Error::io("cannot start", Path::new("/proc/self/exe")))
}
