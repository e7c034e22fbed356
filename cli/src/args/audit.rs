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
    /// Hold what CloudTrail saw of the KMS keys against a stored log; exit 1 if a derivation has no boot
    Derives(Derives),
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

#[derive(Debug, Args)]
pub(crate) struct Derives {
    /// Events: what CloudTrail writes to S3, what `aws cloudtrail lookup-events` prints, or one event a line; - for standard input
    #[arg(required = true, value_name = "EVENTS")]
    pub(crate) events: Vec<PathBuf>,
    /// The store's directory, or a copy; without it the profile's `log`
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// The manifest chain's file; without it the profile's
    #[arg(long, value_name = "M")]
    pub(crate) manifest: Option<PathBuf>,
    /// How long an enclave may take from KMS's answer to its boot entry
    #[arg(long, value_name = "D", default_value = "15m")]
    pub(crate) within: String,
}
