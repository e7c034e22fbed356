//! What `exec` takes, from people and from itself on the other side.

use super::agent::Agent;
use clap::{Args, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) agent: Agent,
    /// The descriptor that the agent key comes by; 0 is standard input
    #[arg(long, value_name = "N", conflicts_with = "key_file")]
    pub(crate) key_fd: Option<u16>,
    /// Run the command as this user, by name or number (as root)
    #[arg(long, value_name = "USER")]
    pub(crate) as_user: Option<String>,
    /// Another file the command must not read; may be repeated
    #[arg(long, value_name = "F")]
    pub(crate) hide: Vec<PathBuf>,
    /// Run the command even where it can read the agent key
    #[arg(long)]
    pub(crate) weak: bool,
    /// Do not renew the grant before its end
    #[arg(long)]
    pub(crate) no_renew: bool,
    /// Give the command an ssh-agent: SSH_AUTH_SOCK
    #[arg(long)]
    pub(crate) ssh: bool,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}

/// What `exec` says to itself on the other side.
#[derive(Debug, Args)]
pub(crate) struct ExecChildArgs {
    #[arg(long)]
    pub(crate) landlock: LandlockArg,
    #[arg(long)]
    pub(crate) hide: Vec<PathBuf>,
    #[arg(required = true, last = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LandlockArg {
    Required,
    Tried,
}
