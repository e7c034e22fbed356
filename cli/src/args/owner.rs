//! What owners' and operators' verbs take.

use super::At;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Writing a command to be signed elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Out {
    /// Write the exact bytes to sign to a new file, and send nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The same for what one operator or owner may do alone: the bytes depend on who signs.
#[derive(Debug, Args)]
pub(crate) struct NarrowOut {
    #[command(flatten)]
    pub(crate) out: Out,
    /// Public key file of whoever will sign the --out FILE; without it the profile's key
    #[arg(long, value_name = "PUB", requires = "out")]
    pub(crate) signer: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) out: NarrowOut,
}

#[derive(Debug, Args)]
pub(crate) struct Thaw {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) at: At,
    /// The bytes that were signed
    pub(crate) file: PathBuf,
    /// Armoured signatures, as `ssh-keygen -Y sign` writes them
    #[arg(required = true, value_name = "SIG")]
    pub(crate) signatures: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KindArg {
    Http,
    Jwt,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AlgArg {
    Ed25519,
    P256,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EnvArg {
    Live,
    Sandbox,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Make a key inside the enclave
    Create {
        /// What it will sign
        #[arg(long)]
        kind: KindArg,
        #[arg(long)]
        alg: AlgArg,
        #[arg(long, default_value = "live")]
        env: EnvArg,
        /// Its name, k_…; made up without this
        #[arg(long, value_name = "k_NAME")]
        name: Option<String>,
        /// The one agent that may ever use it
        #[arg(long, value_name = "A")]
        agent: Option<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Take in a key that was made elsewhere
    Import(Import),
    /// Show the public halves, in the form that others take: JWK set or PEM
    Export {
        /// Which; all that are not retired without this
        id: Option<String>,
        /// PEM instead of a JWK set
        #[arg(long)]
        pem: bool,
    },
    /// Show a key's public half
    Show { id: String },
    /// Show all keys
    List,
    /// Refuse a key for ever
    Retire {
        id: String,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The private key: PEM (PKCS#8, SEC1, OpenSSH) or JWK, unencrypted
    #[arg(long, value_name = "F")]
    pub(crate) file: PathBuf,
    /// What it will sign
    #[arg(long)]
    pub(crate) kind: KindArg,
    /// What it must be; else what the file says
    #[arg(long)]
    pub(crate) alg: Option<AlgArg>,
    #[arg(long, default_value = "live")]
    pub(crate) env: EnvArg,
    /// Its name, k_…; made up without this
    #[arg(long, value_name = "k_NAME")]
    pub(crate) name: Option<String>,
    /// The one agent that may ever use it
    #[arg(long, value_name = "A")]
    pub(crate) agent: Option<String>,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogVerb {
    /// Set the whole catalog
    Set {
        file: PathBuf,
        /// A live grant whose names change meaning; once for each
        #[arg(long, value_name = "gr_ID")]
        touches: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Show the catalog in force
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestVerb {
    /// Set the next manifest, and hand the host the chain for its next boot
    Set {
        /// The manifest's exact bytes
        file: PathBuf,
        /// Armoured signatures over them, namespace manifest@claviger, of the owners before and its own
        #[arg(required = true, value_name = "SIG")]
        signatures: Vec<PathBuf>,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantVerb {
    /// Create a grant; `id`, `agent.key` and `keys` may be absent from the file
    Create {
        file: PathBuf,
        /// Where the agent key goes that is made here (mode 0600)
        #[arg(long, value_name = "F")]
        agent_key_out: Option<PathBuf>,
        #[command(flatten)]
        out: Out,
    },
    /// Put a grant under other terms; what it has spent stays spent
    Amend {
        /// The whole grant; `agent`, `env` and `keys` may be absent and stay
        file: PathBuf,
        #[command(flatten)]
        out: Out,
    },
    /// End a grant and continue it under a new id and agent key; what it has spent stays spent
    Reissue(Reissue),
    /// Show a grant as it now stands
    Show { id: String },
    /// Show all grants
    List,
    /// Stop a grant until owners resume it
    Suspend {
        id: String,
        #[command(flatten)]
        out: NarrowOut,
    },
    /// Lift every suspension of a grant
    Resume {
        id: String,
        #[command(flatten)]
        out: Out,
    },
    /// End a grant for ever
    Revoke {
        id: String,
        #[command(flatten)]
        out: NarrowOut,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("end").required(true))]
#[command(group = clap::ArgGroup::new("key").required(true))]
pub(crate) struct Reissue {
    /// The grant that ends
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The new end, such as 2026-11-23T17:00:00Z; not later than the old one's
    #[arg(long, value_name = "T", group = "end")]
    pub(crate) expires_at: Option<String>,
    /// The new end, so long from now: 45s, 30m, 8h, 7d
    #[arg(long, value_name = "D", group = "end")]
    pub(crate) ttl: Option<String>,
    /// Where the agent key goes that is made here (mode 0600)
    #[arg(long, value_name = "F", group = "key")]
    pub(crate) agent_key_out: Option<PathBuf>,
    /// The agent's own new key, as `keygen` shows it
    #[arg(long, value_name = "x25519:…", group = "key")]
    pub(crate) agent_key: Option<String>,
    #[command(flatten)]
    pub(crate) out: Out,
}
