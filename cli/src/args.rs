//! The command line: every verb and what it takes.
//!
//! `--profile FILE` may stand before any verb or behind it; behind `sign jwt` the word means the token's profile.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

/// Keys in an enclave, grants for agents.
#[derive(Debug, Parser)]
#[command(
    name = "claviger",
    version,
    about,
    max_term_width = 100,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Signing keys, made inside the enclave (owners)
    Key(Group<KeyVerb>),
    /// What grants' names mean (owners)
    Catalog(Group<CatalogVerb>),
    /// Grants for agents (owners; `suspend` and `revoke` operators too)
    Grant(Group<GrantVerb>),
    /// Who may do what: the manifest chain (owners)
    Manifest(Group<ManifestVerb>),
    /// Stop everything at once (owners and operators)
    Freeze(Stop),
    /// Lift every freeze in force (owners)
    Thaw(Thaw),
    /// Send a command that was written with --out and signed elsewhere
    Submit(Submit),
    /// The log (owners, auditors)
    Audit(Group<AuditVerb>),
    /// What the host and the log say of the deployment
    Status(At),
    /// Get a credential for one call (agents)
    Sign(Call),
    /// What a credential would cost, and whether it would be refused (agents)
    Simulate(Call),
    /// The own grant and what is left of it (agents)
    Whoami(Agent),
    /// Push the own grant's end forward (agents)
    Renew(Agent),
    /// End the own grant for ever (agents)
    Revoke(Revoke),
    /// Make an agent's secret, or an agent key of one
    Keygen(Keygen),
    /// Hold the agent key for other programs, on loopback (agents)
    Sidecar(SidecarArgs),
    /// Run a command that can use the grant and cannot read the agent key (agents)
    Exec(ExecArgs),
    #[command(hide = true)]
    ExecChild(ExecChildArgs),
}

/// Where the deployment is.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Group<V: Subcommand> {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(subcommand)]
    pub(crate) verb: V,
}

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

#[derive(Debug, Args)]
pub(crate) struct KeyFile {
    /// The agent key's file; else the --profile's, else AGENT_API_KEY
    #[arg(long, global = true, value_name = "F")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) key: KeyFile,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) agent: Agent,
    /// Say that the agent key was found where it should not be
    #[arg(long)]
    pub(crate) leaked: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Call {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyFile,
    #[command(subcommand)]
    pub(crate) kind: CallKind,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CallKind {
    /// An HTTP message signature (RFC 9421)
    Http(HttpCall),
    /// A client assertion (RFC 7523)
    Jwt(JwtCall),
}

#[derive(Debug, Args)]
pub(crate) struct HttpCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    pub(crate) method: String,
    pub(crate) url: String,
    /// A header field of the request
    #[arg(short = 'H', long = "header", value_name = "k: v")]
    pub(crate) headers: Vec<String>,
    /// The body: a text, @FILE, or @- for standard input
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Makes a repetition of this call give the same credential for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JwtCall {
    /// The token's profile
    #[arg(long, default_value = "assertion", value_name = "PROFILE")]
    pub(crate) profile: String,
    /// Exactly as the catalog names it
    #[arg(long)]
    pub(crate) audience: String,
    /// Seconds, if shorter than the grant's
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// Makes a repetition of this call give the same token for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    #[command(flatten)]
    pub(crate) at: At,
    /// Where the secret (or, with --agent-key, the agent key) goes: a new file, mode 0600
    #[arg(long, value_name = "F", default_value = "agent.secret")]
    pub(crate) out: PathBuf,
    /// Make the agent key of a grant that names --secret's public half
    #[arg(long, requires = "secret", requires = "grant")]
    pub(crate) agent_key: bool,
    /// A secret's file, as `keygen` wrote it
    #[arg(long, value_name = "F", requires = "agent_key")]
    pub(crate) secret: Option<PathBuf>,
    /// The grant
    #[arg(long, value_name = "gr_ID", requires = "agent_key")]
    pub(crate) grant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SidecarArgs {
    #[command(flatten)]
    pub(crate) agent: Agent,
    /// A loopback address; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where the token of this run goes (mode 0600)
    #[arg(long, default_value = "sidecar.token", value_name = "F")]
    pub(crate) token_file: PathBuf,
    /// Written once requests are taken: {url, token_file, pid}
    #[arg(long, value_name = "F")]
    pub(crate) ready_file: Option<PathBuf>,
}

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
