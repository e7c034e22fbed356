//! Records: one logged fact each, in canonical CBOR, with 16 random bytes of salt for its leaf.
//!
//! A record names route, host, method, path template, effects, charges, keys and the decision. It never holds a
//! credential, a body, a raw path or query, or a key; inputs stand in it as keyed digests. What a record does to the
//! state is `ledger`'s to say.

use crate::{
    amount::Amount,
    codec::cbor,
    denial::Code,
    effect::{Charge, Effect},
    id::{AgentId, Digest, GrantId, InstanceId, KeyId, Pcr, Unit, X25519Public},
    log::merkle,
    owner::manifest::{Durability, Version},
    time::UnixMs,
    wire::storage::MAX_RECORD_BYTES,
};
use serde::{Deserialize, Serialize};

/// One fact and its salt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Random; hides the record behind its hash.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
    /// The fact.
    pub body: Body,
}

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An instance began.
    Boot(Box<Boot>),
    /// A call was decided and charged.
    Call(Box<Call>),
    /// An owner's or operator's command was applied.
    Command(Box<Command>),
    /// Calls were refused: coalesced.
    Denied(Denied),
    /// The root was born.
    Genesis(Box<Genesis>),
    /// An agent pushed its grant's end forward.
    Renewed(Renewed),
    /// An agent ended its own grant.
    RevokedSelf(RevokedSelf),
    /// Calls were simulated: coalesced.
    Simulated(Simulated),
    /// A snapshot of the state was stored.
    Snapshot(Snapshot),
    /// 80 % of a budget is spent.
    Warned(Warned),
}

/// The first record of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Digest of g0.
    pub g0: Digest,
    /// Digest of the sealed bundle.
    pub bundle: Digest,
    /// The log's verifier key.
    pub vkey: String,
    /// SHA-256 of the owner's nonce.
    pub nonce: Digest,
}

/// An instance's first record: its identity, its build, the manifest it serves under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// This instance.
    pub instance: InstanceId,
    /// Random, from the NSM.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
    /// The channel key of this boot.
    pub channel_key: X25519Public,
    /// The build's measurements.
    pub pcrs: [Pcr; 3],
    /// The build's version.
    pub version: Version,
    /// Generation of the newest manifest.
    pub generation: u64,
    /// Digest of the newest manifest.
    pub manifest: Digest,
    /// The NSM's time.
    pub time: UnixMs,
    /// Whether answers wait for storage.
    pub durability: Durability,
}

/// How a charged call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Signing failed; the charge stays.
    Failed,
    /// A credential was made.
    Issued,
    /// The grant changed while it was made; the credential was destroyed, the charge stays.
    Withdrawn,
}

/// One charged call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Under which grant.
    pub grant: GrantId,
    /// How it ended.
    pub outcome: Outcome,
    /// When budgets were taken.
    pub decided_at: UnixMs,
    /// When the credential ends.
    pub expires_at: UnixMs,
    /// The key that signed.
    pub key: KeyId,
    /// What it does.
    pub effects: Vec<Effect>,
    /// What was taken, one `call` included.
    pub charges: Vec<Charge>,
    /// Keyed digest of the canonical input.
    pub input: Digest,
    /// Keyed digest of the idempotency key.
    pub idempotency: Option<Digest>,
    /// The credential's nonce or `jti` is made of this.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
    /// The agent's address, by the host's word.
    #[serde(with = "serde_bytes")]
    pub source: [u8; 16],
    /// Whether it may take the place of a transaction that the key signed before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
}

/// An applied command: its exact bytes and signatures, so that anyone can check them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The exact bytes.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Armoured SSHSIG.
    pub signatures: Vec<String>,
    /// When it was applied.
    pub applied_at: UnixMs,
    /// For a key: what was born.
    pub born: Option<Born>,
}

/// A key born inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Born {
    /// Its name.
    pub key: KeyId,
    /// Its public key: Ed25519 32 bytes, P-256 65 bytes uncompressed.
    #[serde(with = "serde_bytes")]
    pub public: Vec<u8>,
    /// SHA-256 of the wrapped key's blob.
    pub blob: Digest,
}

/// Refused calls of one grant and code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Under which grant.
    pub grant: GrantId,
    /// Why.
    pub code: Code,
    /// How many.
    pub count: u64,
    /// The first.
    pub first: UnixMs,
    /// The last.
    pub last: UnixMs,
}

/// Simulated calls of one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// Under which grant.
    pub grant: GrantId,
    /// How many.
    pub count: u64,
    /// The first.
    pub first: UnixMs,
    /// The last.
    pub last: UnixMs,
}

/// A call that took a budget from below 80 % to 80 % or more: once per budget and entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warned {
    /// Whose budget.
    pub grant: GrantId,
    /// Its unit.
    pub unit: Unit,
    /// In which time, as the grant writes it.
    pub window: String,
    /// The budget.
    pub max: Amount,
    /// What is spent of it.
    pub spent: Amount,
    /// When it was.
    pub at: UnixMs,
}

/// A renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewed {
    /// The grant.
    pub grant: GrantId,
    /// Its new end.
    pub expires_at: UnixMs,
    /// When.
    pub at: UnixMs,
}

/// An agent ended its own grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedSelf {
    /// The grant.
    pub grant: GrantId,
    /// Whose it was.
    pub agent: AgentId,
    /// Whether its key was found where it should not be.
    pub leaked: bool,
    /// When.
    pub at: UnixMs,
}

/// A stored snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Entries it covers.
    pub size: u64,
    /// Root at that size.
    pub root: Digest,
    /// SHA-256 of its stored bytes.
    pub digest: Digest,
}

impl Record {
    /// The canonical bytes.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`]; no record of this crate's making causes one.
    pub fn encode(&self) -> Result<Vec<u8>, cbor::Error> {
        encode(&self.salt, &self.body)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`] for anything that [`Self::encode`] would not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, MAX_RECORD_BYTES)
    }
}

/// The canonical bytes of a fact under a salt.
///
/// # Errors
///
/// As for [`Record::encode`].
pub fn encode(salt: &[u8; 16], body: &Body) -> Result<Vec<u8>, cbor::Error> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        #[serde(with = "serde_bytes")]
        salt: &'a [u8; 16],
        body: &'a Body,
    }
    cbor::encode(&Borrowed { salt, body })
}

/// The hash under which a record's bytes stand in its entry's tree.
#[must_use]
pub fn hash(bytes: &[u8]) -> Digest {
    merkle::leaf_hash(bytes)
}
