//! What agents' verbs take. Behind `sign jwt`, `--profile` is the token's.

use super::At;
use clap::{Args, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

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
    /// A client assertion (RFC 7523), an identity token (OpenID Connect), a token for GitHub or Google Cloud, or a proof of
    /// possession (RFC 9449)
    Jwt(JwtCall),
    /// A request to AWS (Signature Version 4), as header fields or as a URL
    Aws(AwsCall),
    /// A transaction, typed data or a sign-in text of a chain of the Ethereum family
    Evm(EvmCall),
    /// A request to a service that signs in a way of its own, by a template of the catalog: header fields, and the URL or body
    /// to send where something was written into them
    Template(HttpCall),
    /// An SSH user certificate for a public key
    SshCert(SshCertCall),
    /// An SSH signature over a commit or tag of git
    SshSig(SshSigCall),
    /// A payment by HTTP (x402): what a server asks for with status 402
    X402(X402Call),
    /// A transaction of Solana, from its serialised message
    Solana(SolanaCall),
}

#[derive(Debug, Args)]
pub(crate) struct X402Call {
    /// What the server sent: the header field PAYMENT-REQUIRED, or the JSON of it; a file, or - for standard input
    #[arg(long, value_name = "F")]
    pub(crate) requirements: PathBuf,
    /// Which way to pay, by its place in `accepts`, from 0; needed where there are several of scheme `exact`
    #[arg(long, value_name = "N")]
    pub(crate) accept: Option<usize>,
    /// Seconds that the payment lives, if fewer than the server waits
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// Makes a repetition of this call give the same payment for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SolanaCall {
    /// The message that is to be signed, legacy or version 0, in base64; a file, or - for standard input
    #[arg(long, value_name = "F")]
    pub(crate) message: PathBuf,
    /// Makes a repetition of this call give the same transaction for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HttpCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// The method, in upper case
    pub(crate) method: String,
    /// The whole https URL, in normal form, as it will be sent
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
pub(crate) struct AwsCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// The method, in upper case
    pub(crate) method: String,
    /// The whole https URL, as it will be sent
    pub(crate) url: String,
    /// The service, as the catalog names it: s3, dynamodb
    #[arg(long, value_name = "NAME")]
    pub(crate) service: String,
    /// The Region it is sent to
    #[arg(long, value_name = "REGION")]
    pub(crate) region: String,
    /// A header field of the request
    #[arg(short = 'H', long = "header", value_name = "k: v")]
    pub(crate) headers: Vec<String>,
    /// The body: a text, @FILE, or @- for standard input
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// A signed URL instead of header fields
    #[arg(long)]
    pub(crate) presign: bool,
    /// Seconds that a signed URL of S3 lives, if fewer than the grant's
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// Makes a repetition of this call give the same credential for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
#[group(id = "signed", required = true, multiple = false, args = ["tx", "raw_tx", "typed_data", "sign_in"])]
pub(crate) struct EvmCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// An unsigned transaction as JSON, its members named as for eth_signTransaction; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) tx: Option<PathBuf>,
    /// An unsigned transaction's bytes, 0x and hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub(crate) raw_tx: Option<String>,
    /// Typed data as JSON, as for eth_signTypedData_v4 (EIP-712); - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) typed_data: Option<PathBuf>,
    /// A sign-in text (EIP-4361); - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_in: Option<PathBuf>,
    /// Makes a repetition of this call give the same credential for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SshCertCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// The file with the public key to be certified: of type ssh-ed25519 or ecdsa-sha2-nistp256
    #[arg(long, value_name = "F.pub")]
    pub(crate) public_key: PathBuf,
    /// A user that the certificate is for; may be repeated
    #[arg(long = "principal", value_name = "USER", required = true)]
    pub(crate) principals: Vec<String>,
    /// Seconds that the certificate lives, if fewer than the catalog's and the grant's
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// Makes a repetition of this call give the same certificate for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SshSigCall {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// The object without its signature, as `git cat-file` prints it: a file, or - for standard input
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    /// What the signature is for
    #[arg(long, value_name = "NAME", default_value = "git")]
    pub(crate) namespace: String,
}

#[derive(Debug, Args)]
pub(crate) struct JwtCall {
    /// The token's profile: assertion, oidc, github-app, gcp, dpop or wpt
    #[arg(long, default_value = "assertion", value_name = "PROFILE")]
    pub(crate) profile: String,
    /// Whom the token is for, exactly as the catalog names it; not of dpop
    #[arg(long, required_unless_present = "url")]
    pub(crate) audience: Option<String>,
    /// The relying party's own word for the token (oidc, where the catalog lets a call say one; dpop)
    #[arg(long, value_name = "TEXT")]
    pub(crate) nonce: Option<String>,
    /// Seconds that the token lives, if fewer than the grant's
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// The method of the request to be proved, in upper case (dpop)
    #[arg(long, value_name = "METHOD", requires = "url")]
    pub(crate) method: Option<String>,
    /// The URL of the request to be proved, without its query (dpop)
    #[arg(long, value_name = "URL", requires = "method")]
    pub(crate) url: Option<String>,
    /// SHA-256 of the access token that goes with the request, base64url without padding (dpop, wpt)
    #[arg(long, value_name = "HASH")]
    pub(crate) ath: Option<String>,
    /// A file that holds the access token, to make --ath of; it is not sent
    #[arg(long, value_name = "F", conflicts_with = "ath")]
    pub(crate) access_token: Option<PathBuf>,
    /// A file that holds the Workload Identity Token that the proof goes with (wpt)
    #[arg(long, value_name = "F")]
    pub(crate) wit: Option<PathBuf>,
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
    /// The grant that names this key
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
    /// Do not renew the grant before its end
    #[arg(long)]
    pub(crate) no_renew: bool,
    /// Speak ssh-agent at this socket too: a new one, mode 0600, in a directory that is made with mode 0700 or has it
    #[arg(long, value_name = "SOCKET")]
    pub(crate) ssh: Option<PathBuf>,
    /// Written once requests are taken: {url, token_file, pid, ssh_auth_sock?}
    #[arg(long, value_name = "F")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// Where a destination is and whom to trust there, as curl takes it.
#[derive(Debug, Args)]
pub(crate) struct Destination {
    /// PEM file of more root certificates
    #[arg(long, value_name = "F")]
    pub(crate) cacert: Option<PathBuf>,
    /// The address of a host name: HOST:PORT:ADDRESS
    #[arg(long, value_name = "H:P:A")]
    pub(crate) resolve: Vec<String>,
    /// Seconds that a whole call may take
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_time: u64,
}

/// Kinds whose credentials go with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CurlKind {
    /// An HTTP message signature (RFC 9421)
    Http,
    /// A service's own way, by a template of the catalog
    Template,
}

#[derive(Debug, Args)]
pub(crate) struct CurlArgs {
    #[command(flatten)]
    pub(crate) agent: Agent,
    #[command(flatten)]
    pub(crate) to: Destination,
    /// The method; GET without a body, POST with one
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The whole https URL, in normal form
    pub(crate) url: String,
    /// How it is signed
    #[arg(long, value_name = "KIND", default_value = "http")]
    pub(crate) kind: CurlKind,
    /// A header field of the request, covered by the signature
    #[arg(short = 'H', long = "header", value_name = "k: v")]
    pub(crate) headers: Vec<String>,
    /// A header field that is sent and not signed
    #[arg(long = "unsigned-header", value_name = "k: v")]
    pub(crate) unsigned_headers: Vec<String>,
    /// The body: a text, @FILE, or @- for standard input; give its content-type with -H
    #[arg(short = 'd', long, value_name = "BODY", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Makes a repetition of this call give the same credential for one charge
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print the answer's status and header fields too
    #[arg(short = 'i', long)]
    pub(crate) include: bool,
    /// Where the answer's body goes: a new file
    #[arg(short = 'o', long, value_name = "F", conflicts_with = "include")]
    pub(crate) output: Option<PathBuf>,
    /// Exit with 22 where the answer's status is 400 or more
    #[arg(short = 'f', long)]
    pub(crate) fail: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) agent: Agent,
    #[command(flatten)]
    pub(crate) to: Destination,
    /// A value for a parameter of a route's path
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
}
