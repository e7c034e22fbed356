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
    Aws,
    /// Chains of the Ethereum family, payments by x402 too
    Evm,
    Ssh,
    Template,
    /// Transactions of Solana
    Solana,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AlgArg {
    Ed25519,
    P256,
    /// RSA, 2048 bits when made inside; of kind jwt
    Rs256,
    /// Of kind evm
    Secp256k1,
    /// RSA-PSS with SHA-512, 2048 bits when made inside; of kind http
    Ps512,
    /// HMAC with SHA-256; imported only
    Hs256,
    /// HMAC with SHA-512; of kind template, imported only
    Hs512,
    /// ECDSA on P-521 with SHA-512; of kind template
    P521,
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
        /// Its algorithm; of kind evm there is one
        #[arg(long, required_if_eq_any = [("kind", "http"), ("kind", "jwt"), ("kind", "aws")])]
        alg: Option<AlgArg>,
        /// Its environment, for ever: a sandbox grant names sandbox keys alone
        #[arg(long, default_value = "live")]
        env: EnvArg,
        /// Its name, which begins with k_; made up without this
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
        #[arg(value_name = "k_ID")]
        id: Option<String>,
        /// PEM instead of a JWK set
        #[arg(long)]
        pem: bool,
        /// The lines that OpenSSH takes, of keys of kind ssh, instead of a JWK set
        #[arg(long, conflicts_with = "pem")]
        ssh: bool,
        /// The body of the key directory that a key of kind http signs, to the byte, instead of a JWK set
        #[arg(long, requires = "id", conflicts_with_all = ["pem", "ssh"])]
        directory: bool,
    },
    /// Show a key's public half
    Show {
        /// The key
        #[arg(value_name = "k_ID")]
        id: String,
    },
    /// Show all keys
    List,
    /// Refuse a key for ever
    Retire {
        /// The key
        #[arg(value_name = "k_ID")]
        id: String,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The private key: PEM (PKCS#8, SEC1, OpenSSH) or JWK, unencrypted; of kind aws JSON with access_key_id, secret_access_key and session_token; of HMAC JSON with key_id, secret and encoding (utf8, base64 or hex); of kind solana also what solana-keygen writes, base58, or the seed in hexadecimal
    #[arg(long, value_name = "F")]
    pub(crate) file: PathBuf,
    /// What it will sign
    #[arg(long)]
    pub(crate) kind: KindArg,
    /// What it must be; else what the file says
    #[arg(long)]
    pub(crate) alg: Option<AlgArg>,
    /// Its environment, for ever: a sandbox grant names sandbox keys alone
    #[arg(long, default_value = "live")]
    pub(crate) env: EnvArg,
    /// Its name, which begins with k_; made up without this
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
    /// Set the whole catalog; what it changes is shown before it is sent
    Set {
        /// The whole catalog, strict JSON
        file: PathBuf,
        /// A live grant whose names change meaning; once for each
        #[arg(long, value_name = "gr_ID")]
        touches: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Show the catalog in force
    Show,
    /// Say what a catalog changes, name by name and for each live grant
    Diff {
        /// The whole catalog, strict JSON
        file: PathBuf,
    },
    /// Say what of a catalog is open, unpriced, never tried or easily confused; exit 1 if anything is
    Lint {
        /// The whole catalog, strict JSON
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestVerb {
    /// Show the profile's chain: who may do what, from g0 to the newest
    Show,
    /// Follow the chain that the host serves; it must go on from the profile's, and never goes back
    Fetch,
    /// Write the next manifest from the newest, for owners to sign. Recipients, origin, bundle and log are for ever
    Propose(Box<Propose>),
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
    /// Create a grant from a file that holds its `permissions`, or more; shown in words before it is sent
    Create(Box<GrantCreate>),
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
    Show {
        /// The grant
        #[arg(value_name = "gr_ID")]
        id: String,
        /// In words: every permission with what the catalog makes of it
        #[arg(long)]
        words: bool,
    },
    /// Say what of a grant is broader than it needs to be, and propose the narrower one; exit 1 if anything is
    Lint {
        /// A grant's name, or a file as for `create`
        #[arg(value_name = "FILE|gr_ID")]
        target: String,
        #[command(flatten)]
        options: GrantOptions,
    },
    /// Show all grants
    List,
    /// Stop a grant until owners resume it
    Suspend {
        /// The grant
        #[arg(value_name = "gr_ID")]
        id: String,
        #[command(flatten)]
        out: NarrowOut,
    },
    /// Lift every suspension of a grant
    Resume {
        /// The grant
        #[arg(value_name = "gr_ID")]
        id: String,
        #[command(flatten)]
        out: Out,
    },
    /// End a grant for ever
    Revoke {
        /// The grant
        #[arg(value_name = "gr_ID")]
        id: String,
        #[command(flatten)]
        out: NarrowOut,
    },
}

/// What a grant's file may leave out.
#[derive(Debug, Args)]
pub(crate) struct GrantOptions {
    /// The agent's name, where the file has none
    #[arg(long, value_name = "A")]
    pub(crate) agent: Option<String>,
    /// The agent's own key, as `keygen` shows it; without it one is made here
    #[arg(long, value_name = "x25519:HEX")]
    pub(crate) agent_key: Option<String>,
    /// How long it lasts from now on, such as 30m, 8h or 7d, where the file says no end
    #[arg(long, value_name = "D")]
    pub(crate) ttl: Option<String>,
    /// Calls in its whole life, where the file has no such budget
    #[arg(long, value_name = "N")]
    pub(crate) max_calls: Option<u64>,
    /// Signing keys; without them the agent's only key of each kind
    #[arg(long, value_name = "k_ID", value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    /// Live or sandbox, where the file says neither
    #[arg(long)]
    pub(crate) env: Option<EnvArg>,
    /// Why, for people: a sentence and a ticket
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantCreate {
    /// Strict JSON; `permissions` is the one member it must have
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) options: GrantOptions,
    /// Where the agent key goes that is made here (mode 0600)
    #[arg(long, value_name = "F")]
    pub(crate) agent_key_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("end").required(true))]
#[command(group = clap::ArgGroup::new("key").required(true))]
pub(crate) struct Reissue {
    /// The grant that ends
    #[arg(value_name = "gr_ID")]
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
    #[arg(long, value_name = "x25519:HEX", group = "key")]
    pub(crate) agent_key: Option<String>,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Where the next manifest goes, a new file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A new owner, or new keys of one, as public key lines; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) add_owner: Vec<String>,
    /// An owner who goes; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_owner: Vec<String>,
    /// How many owners must sign: more than half
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<usize>,
    /// A new operator, or new keys of one; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) add_operator: Vec<String>,
    /// An operator who goes; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_operator: Vec<String>,
    /// A build that may run: {version, pcr0, pcr1, pcr2}, or VERSION=FILE with what `nitro-cli` prints
    #[arg(long, value_name = "[VERSION=]FILE")]
    pub(crate) add_release: Vec<String>,
    /// A build that may no longer run; may be repeated
    #[arg(long, value_name = "VERSION")]
    pub(crate) remove_release: Vec<String>,
    /// Lowest version that may run
    #[arg(long, value_name = "VERSION")]
    pub(crate) min_version: Option<String>,
    /// Whether answers wait for storage
    #[arg(long)]
    pub(crate) durability: Option<super::init::DurabilityArg>,
    /// Make it an anchor even where the rules do not demand it
    #[arg(long)]
    pub(crate) anchor: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProviderArg {
    /// The Claude API
    Anthropic,
    /// AWS IAM and STS
    Aws,
    /// Microsoft Entra ID
    Azure,
    /// Google Cloud
    Gcp,
    /// The OpenAI API
    Openai,
    /// Vault and OpenBao
    Vault,
}

#[derive(Debug, Args)]
pub(crate) struct Federate {
    #[command(flatten)]
    pub(crate) at: At,
    /// Who is to take the enclave's identity tokens
    pub(crate) provider: ProviderArg,
    /// A grant, or an agent for all of its grants
    #[arg(value_name = "gr_ID|AGENT")]
    pub(crate) target: String,
    /// The catalog's name whose oidc route says whom the tokens are for
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// Which audience, where the resource has several
    #[arg(long, value_name = "A")]
    pub(crate) audience: Option<String>,
    /// Write the files into this folder: what is published behind the issuer's URL, and what is pasted
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Attest {
    #[command(flatten)]
    pub(crate) at: At,
    /// Keep the document's bytes in a new file
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
}
