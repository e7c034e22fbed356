//! What the verbs take that print this command line itself.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Whose completions
    pub(crate) shell: ShellArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ShellArg {
    /// `eval "$(claviger completions bash)"`, in ~/.bashrc
    Bash,
    /// `claviger completions zsh >_claviger`, in a directory that fpath names
    Zsh,
    /// `claviger completions fish | source`, in ~/.config/fish/config.fish
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write the pages of all verbs into this directory; without it the first page is printed
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
