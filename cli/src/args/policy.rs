//! What `policy` takes.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Whom a key policy names; the profile's `parties` where these are absent.
#[derive(Debug, Args)]
pub(crate) struct PartiesArgs {
    /// ARN of the role of the parent instance: it alone may derive
    #[arg(long, value_name = "ARN")]
    pub(crate) host_role: Option<String>,
    /// ARN of whoever may read the key, tag it and disable it
    #[arg(long, value_name = "ARN")]
    pub(crate) administrator: Option<String>,
    /// ARN of the only one who may change the policy or schedule the key's deletion
    #[arg(long, value_name = "ARN")]
    pub(crate) break_glass: Option<String>,
}

/// What the registers must hold.
#[derive(Debug, Args)]
pub(crate) struct PinsArgs {
    /// The manifest chain; the profile's without this
    #[arg(long, value_name = "FILE")]
    pub(crate) chain: Option<PathBuf>,
    /// As if this manifest were the chain's newest already: for the policy that must be there before it is set
    #[arg(long, value_name = "FILE")]
    pub(crate) next: Option<PathBuf>,
    /// The policy before the deployment is born: nobody may derive
    #[arg(long, conflicts_with_all = ["chain", "next"])]
    pub(crate) unborn: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Print the key policy that a deployment must have, and with --put put it
    Render {
        #[command(flatten)]
        parties: PartiesArgs,
        #[command(flatten)]
        pins: PinsArgs,
        /// Put it on every recipient, with the AWS credentials at hand
        #[arg(long)]
        put: bool,
        /// Print the parameters that make it out of deploy/cloudformation/claviger-key.yaml instead
        #[arg(long, conflicts_with = "put")]
        parameters: bool,
    },
    /// Judge the recipients' live policies, metadata and grants by AWS's rules; exit 1 if anything is wrong
    Check {
        #[command(flatten)]
        parties: PartiesArgs,
        #[command(flatten)]
        pins: PinsArgs,
        /// Judge this policy instead of the live ones
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// ARN of the key that the --policy file is for
        #[arg(long, value_name = "ARN", requires = "policy")]
        key: Option<String>,
    },
}
