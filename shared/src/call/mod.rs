//! What agent and enclave say to each other inside the seal.
//!
//! Requests are structured: a method, a URL, headers and a body; a profile and an audience; never a digest of what
//! rules must read. Everything is canonical CBOR within a frame's limit.

pub mod aws;
pub mod http;
pub mod solana;
pub mod ssh;
pub mod x402;

use crate::{
    credential::{Issued, Remaining},
    denial::Denial,
    effect::Kind,
    grant::Grant,
    id::{Digest, ResourceName},
    time::UnixMs,
};
use serde::{Deserialize, Serialize};

/// Largest inline body (DESIGN §11).
pub const MAX_BODY: usize = 512 * 1024;
/// Header fields a request may carry (DESIGN §11: headers covered 64).
pub const MAX_HEADERS: usize = 64;
/// Longest URL (DESIGN §11).
pub const MAX_URL: usize = 8 * 1024;
/// Longest transaction, typed data or sign-in text of a chain.
pub const MAX_EVM: usize = 64 * 1024;
/// Longest `nonce` of a token.
pub const MAX_TOKEN_NONCE: usize = 128;
/// Longest token that a call of kind `jwt` shows.
pub const MAX_SHOWN_TOKEN: usize = 8 * 1024;
/// Longest idempotency key.
pub const MAX_IDEMPOTENCY_KEY: usize = 128;

/// The highest log state an agent has seen; zero size at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// Tree size.
    pub size: u64,
    /// Root hash at that size.
    pub root: Digest,
}

/// One sealed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What the agent saw last.
    pub echo: Option<Echo>,
    /// What it wants.
    pub ask: Ask,
}

/// What an agent can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// After an echo was refused: the tree head this agent holds, as the log key signed it. Where it is genuine and not
    /// part of this enclave's log, the log was rolled back or forked, and the enclave stops.
    Checkpoint(String),
    /// Push `expires_at` forward within `renew_until`.
    Renew,
    /// End the own grant for ever; `leaked` says why.
    RevokeSelf {
        /// Whether the key was found where it should not be.
        leaked: bool,
    },
    /// A credential.
    Sign(Sign),
    /// What a credential would cost and why it would be refused; nothing is spent but rate.
    Simulate(Sign),
    /// The own grant and what is left of it.
    Whoami,
}

/// A call to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The kind's own input.
    pub input: Input,
    /// Makes a retry return the same credential for one charge.
    pub idempotency_key: Option<String>,
}

/// What each kind reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// An HTTP request.
    Http(HttpInput),
    /// A token.
    Jwt(JwtInput),
    /// A request to AWS.
    Aws(AwsInput),
    /// A transaction, typed data or a sign-in text of a chain of the Ethereum family.
    Evm(EvmInput),
    /// A payment by HTTP.
    X402(x402::X402Input),
    /// What an SSH key is to sign.
    Ssh(SshInput),
    /// A request that a template of the catalog signs.
    Template(HttpInput),
    /// A transaction of Solana.
    Solana(solana::SolanaInput),
}

/// An HTTP request as the caller will send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpInput {
    /// Upper case.
    pub method: String,
    /// Absolute, https.
    pub url: String,
    /// Name and value, in order; names lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes; absent means none.
    pub body: Option<serde_bytes::ByteBuf>,
}

/// A token to be issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtInput {
    /// One of [`crate::grant::profile::OF_JWT`].
    pub profile: String,
    /// Exact audience of a route; empty for `dpop`.
    pub audience: String,
    /// The relying party's own word for this token, where the route lets a call say one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Shorter lifetime in seconds, if wanted.
    pub ttl_s: Option<u64>,
    /// Of `dpop`: the request's method, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Of `dpop`: the request's URL without its query, absolute, https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of `dpop` and `wpt`: SHA-256 of the access token, base64url without padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ath: Option<String>,
    /// Of `wpt`: the Workload Identity Token that the proof goes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wit: Option<String>,
}

/// A request to AWS as the caller will send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsInput {
    /// The service's name: `s3`, `dynamodb`.
    pub service: String,
    /// The Region it is sent to.
    pub region: String,
    /// Upper case.
    pub method: String,
    /// Absolute, https.
    pub url: String,
    /// Name and value, in order; names lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes; absent means none.
    pub body: Option<serde_bytes::ByteBuf>,
    /// Whether a URL is wanted instead of header fields.
    pub presign: bool,
    /// Shorter lifetime of a URL in seconds, if wanted.
    pub ttl_s: Option<u64>,
}

/// What is to be signed for a chain, one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvmInput {
    /// An unsigned transaction's members as JSON, named as in Ethereum's JSON-RPC.
    Tx(serde_bytes::ByteBuf),
    /// An unsigned transaction's bytes, as they are hashed.
    RawTx(serde_bytes::ByteBuf),
    /// Typed data as JSON, in the form of `eth_signTypedData_v4` (EIP-712).
    TypedData(serde_bytes::ByteBuf),
    /// A text that proves who the account is (EIP-4361).
    SignIn(String),
}

/// What an SSH key is to sign: never a digest, always what it would stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SshInput {
    /// A user certificate.
    Certificate(SshCertificateInput),
    /// A signature over an object.
    Signature(SshSignatureInput),
}

/// A certificate to be issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshCertificateInput {
    /// The public key to be certified, as the line of a `.pub` file; its comment says nothing.
    pub public_key: String,
    /// The users it is for, at least one, each once.
    pub principals: Vec<String>,
    /// Shorter lifetime in seconds, if wanted.
    pub ttl_s: Option<u64>,
}

/// An object to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshSignatureInput {
    /// What the signature is for; [`ssh::GIT`] only.
    pub namespace: String,
    /// The object's whole bytes, as git signs them.
    pub object: serde_bytes::ByteBuf,
}

/// One sealed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The last stored log state.
    pub echo: Echo,
    /// The outcome.
    pub reply: Reply,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Refused.
    Denied(Denial),
    /// The own grant.
    Grant(Box<Whoami>),
    /// The tree head is part of this log, or too old to tell.
    Known,
    /// A credential (or, simulated, none) and its receipt.
    Issued(Box<IssuedWithReceipt>),
    /// Renewed until.
    Renewed(UnixMs),
    /// Revoked for ever.
    Revoked,
}

/// A credential with the proof that its record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedWithReceipt {
    /// The credential and what it cost.
    pub issued: Issued,
    /// The receipt's bytes (docs/spec/receipt.md); empty for a simulated call.
    #[serde(with = "serde_bytes")]
    pub receipt: Vec<u8>,
}

/// The own grant and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whoami {
    /// The grant as it now stands.
    pub grant: Grant,
    /// `active`, `suspended`, `revoked`, `expired`, `not_yet_valid`, `frozen`.
    pub state: String,
    /// What is left of every budget.
    pub remaining: Vec<Remaining>,
    /// The routes that the grant reaches, as far as they fit.
    pub routes: Vec<Reach>,
    /// Whether it reaches more than these.
    pub more_routes: bool,
    /// The public half of the key that signs for kind `ssh`, as its line in a `.pub` file; nothing where the grant has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
    /// The enclave's time.
    pub now: UnixMs,
}

/// One way to a resource that a grant permits, as its agent may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The resource's name.
    pub resource: ResourceName,
    /// The kind of its credentials.
    pub kind: Kind,
    /// `http`: the methods that the grant permits; `jwt`: the token's profile, and of `dpop` the methods; `aws`: the actions, or methods; `template`:
    /// as `http`; `x402`: `pay`; `ssh`: `certify`, or the objects, as `git:commit`; `evm`: what is called; `solana`: `transfer` and `create_account`.
    pub methods: Vec<String>,
    /// `http` and `template`: the URL, its parameters in braces; `jwt`: the audience, of `dpop` the URL; `aws`: service, Region and resource, or the URL;
    /// `x402`: token, chain and payees; `ssh`: the principals, or the namespace; `evm`: the chain and contract.
    pub destination: String,
    /// A harmless call, for `claviger test`.
    pub probe: bool,
}
