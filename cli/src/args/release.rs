//! What `release` takes.

use super::policy::PartiesArgs;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseVerb {
    /// Plan the way to a build: manifests to sign, statements of the key policies that come, change and go, steps, and the way back
    Plan {
        /// The build: {version, pcr0, pcr1, pcr2}, or VERSION=FILE with what `nitro-cli` prints
        #[arg(value_name = "[VERSION=]FILE")]
        build: String,
        /// Write the manifests and policies of the plan into a new directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// The manifest chain; the profile's without this
        #[arg(long, value_name = "FILE")]
        chain: Option<PathBuf>,
        #[command(flatten)]
        parties: PartiesArgs,
    },
}
