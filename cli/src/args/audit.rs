//! What the auditors' verbs take.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Print records, one JSON object a line, each entry checked
    Tail {
        /// First entry to print
        #[arg(long, default_value_t = 0, value_name = "N")]
        from: u64,
        /// Go on as the log grows
        #[arg(long)]
        follow: bool,
    },
    /// Copy the log, each entry checked, into a new directory that `verify` reads
    Export {
        /// The new directory; `manifests.json` and the newest `checkpoint` go there too
        dir: PathBuf,
    },
    /// Check a stored log offline, every entry and every promise
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The store's directory; without it the profile's `log`
    pub(crate) dir: Option<PathBuf>,
    /// The manifest chain's file; without it the profile's
    #[arg(long, value_name = "M")]
    pub(crate) manifest: Option<PathBuf>,
    /// A checkpoint that the log must still cover
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Receipts that the log must hold, one a line, base64 or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Option<PathBuf>,
}
