//! What `init` takes: one step of the ceremony each.

use super::policy::PartiesArgs;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The ceremony's folder
    #[arg(long, global = true, value_name = "DIR", default_value = "ceremony")]
    pub(crate) dir: PathBuf,
    #[command(subcommand)]
    pub(crate) step: Option<Step>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DurabilityArg {
    Durable,
    Volatile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// 1: write down names, people, builds and whom the key policy names
    Plan(Box<PlanArgs>),
    /// 2: make the KMS key under a policy that lets nobody derive, or adopt keys that are there
    Key {
        /// Adopt this key, whose policy is replaced; again for each more: they are the disaster recovery, decided here for ever
        #[arg(long, value_name = "ARN")]
        adopt: Vec<String>,
    },
    /// 3: write g0, for owners to sign
    G0,
    /// 4: put owners' signatures on g0 and hand it to the host
    Start {
        /// Armoured signatures, as `ssh-keygen -Y sign -n manifest@claviger` writes them
        #[arg(required = true, value_name = "SIG")]
        signatures: Vec<PathBuf>,
    },
    /// 5: have the root born inside the enclave, check everything that comes back, and write g1 for owners to sign
    Birth,
    /// 6: put the key policy that pins g1, or print it with --print
    Policy {
        /// Print it for whoever may put it, and go on
        #[arg(long)]
        print: bool,
    },
    /// 7: put owners' signatures on g1, hand it to the host, wait until the enclave serves, and write the profile
    Finish {
        /// Armoured signatures over g1
        #[arg(required = true, value_name = "SIG")]
        signatures: Vec<PathBuf>,
        /// The owner's SSH key for the profile: a private key file, or a .pub file of a key in an agent
        #[arg(long, value_name = "FILE")]
        owner_key: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The deployment's name, such as acme-prod/claviger; for ever
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: String,
    /// Base URL of the host's agents' face
    #[arg(long, value_name = "URL")]
    pub(crate) api: String,
    /// Base URL of the host's operators' face
    #[arg(long, value_name = "URL")]
    pub(crate) operator_api: String,
    /// File of the operators' bearer token, where the face needs one
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
    /// `aws`, or a certificate's file (PEM or DER) for a simulation; for ever
    #[arg(long, value_name = "aws|FILE", default_value = "aws")]
    pub(crate) attestation_root: String,
    /// An owner and their public key lines; once for each
    #[arg(long = "owner", required = true, value_name = "NAME=FILE")]
    pub(crate) owners: Vec<String>,
    /// How many owners must sign: more than half
    #[arg(long, value_name = "N")]
    pub(crate) threshold: usize,
    /// An operator and their public key lines; once for each
    #[arg(long = "operator", value_name = "NAME=FILE")]
    pub(crate) operators: Vec<String>,
    /// A build that may run: {version, pcr0, pcr1, pcr2}, or VERSION=FILE with what `nitro-cli` prints; the one that runs now first
    #[arg(long = "release", required = true, value_name = "[VERSION=]FILE")]
    pub(crate) releases: Vec<String>,
    /// Whether answers wait for storage
    #[arg(long, default_value = "durable")]
    pub(crate) durability: DurabilityArg,
    #[command(flatten)]
    pub(crate) parties: PartiesArgs,
    /// Region of the key that is made
    #[arg(long, value_name = "REGION")]
    pub(crate) region: String,
    /// Another KMS endpoint than AWS's: a simulation's
    #[arg(long, value_name = "URL")]
    pub(crate) kms_endpoint: Option<String>,
    /// The profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) aws_profile: Option<String>,
    /// Another shared credentials file than the user's
    #[arg(long, value_name = "FILE")]
    pub(crate) aws_credentials: Option<PathBuf>,
}
