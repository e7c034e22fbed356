//! The control connection: boot, commands, attestation, status.
//!
//! Every body here passes through the host. Manifests, commands and documents authenticate themselves; the KMS reply is
//! only ever used to open what owners pinned.

use super::Phase;
use crate::id::{Digest, InstanceId, Pcr};
use serde::{Deserialize, Serialize};

/// Largest manifest.
pub const MAX_MANIFEST: usize = 64 * 1024;
/// Manifests in a chain that one Measure may carry.
pub const MAX_MANIFESTS: usize = 64;
/// Largest `CiphertextForRecipient` (AWS KMS API reference, DeriveSharedSecret: 6144 bytes).
pub const MAX_CIPHERTEXT_FOR_RECIPIENT: usize = 6144;
/// Largest sealed bundle.
pub const MAX_BUNDLE: usize = 64 * 1024;
/// Largest nonce of Genesis and Attest.
pub const MAX_NONCE: usize = 64;
/// Documents for KMS that one boot makes at most.
pub const MAX_KMS_DOCUMENTS: u32 = 8;
/// Largest command (DESIGN §11).
pub const MAX_COMMAND: usize = 640 * 1024;
/// Longest sealed key beside a command.
pub const MAX_SEALED_KEY: usize = 4096;
/// Signatures on one command or manifest at most.
pub const MAX_SIGNATURES: usize = 32;

/// Exact bytes and the armoured SSHSIG signatures over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The bytes that were signed.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Armoured SSHSIG, one per signer.
    pub signatures: Vec<String>,
}

/// Body of Command: what was signed, and what travels beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// The command.
    pub signed: Signed,
    /// For a key that is imported: its sealed bytes, whose digest the command names; else empty.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// Body of Measure: the chain from g0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// g0 first.
    pub manifests: Vec<Signed>,
}

/// Reply to Measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// PCR16 after extension: the deployment.
    pub pcr16: Pcr,
}

/// Reply to AttestKms and Attest, and the document part of Genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The attestation document as the NSM made it.
    #[serde(with = "serde_bytes")]
    pub document: Vec<u8>,
}

/// Body of Unseal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseal {
    /// ARN of the recipient whose KMS key answered.
    pub recipient: String,
    /// `CiphertextForRecipient`, at most [`MAX_CIPHERTEXT_FOR_RECIPIENT`] bytes.
    #[serde(with = "serde_bytes")]
    pub ciphertext: Vec<u8>,
    /// The sealed bundle, at most [`MAX_BUNDLE`] bytes.
    #[serde(with = "serde_bytes")]
    pub bundle: Vec<u8>,
}

/// Reply to Unseal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsealed {
    /// The log's origin.
    pub origin: String,
    /// The log's verifier key (C2SP signed-note vkey).
    pub vkey: String,
    /// Generation of the newest manifest given to Measure.
    pub generation: u64,
}

/// Body of Genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The owner's nonce, 16 to [`MAX_NONCE`] bytes.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
}

/// Reply to Genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Born {
    /// The sealed bundle.
    #[serde(with = "serde_bytes")]
    pub bundle: Vec<u8>,
    /// The log's origin.
    pub origin: String,
    /// The log's verifier key.
    pub vkey: String,
    /// Root hash of the log with its first entry.
    pub first_root: Digest,
    /// Attestation document whose `user_data` binds all of the above and the nonce.
    #[serde(with = "serde_bytes")]
    pub document: Vec<u8>,
}

/// Event Phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseEvent {
    /// The new phase.
    pub phase: Phase,
    /// Entries known to be stored.
    pub size: u64,
    /// Index of this boot's Boot entry, once durable.
    pub boot_index: Option<u64>,
    /// A stable word that says why, for Fenced and Stopped.
    pub reason: Option<String>,
}

/// Body of Attest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// The client's nonce, 0 to [`MAX_NONCE`] bytes; empty takes the cached document.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
}

/// Reply to Command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandDone {
    /// The command's number in its chain.
    pub seq: u64,
    /// The result as JSON text, of a shape per action (docs/spec/commands.md).
    pub result: String,
    /// The receipt (docs/spec/receipt.md).
    #[serde(with = "serde_bytes")]
    pub receipt: Vec<u8>,
}

/// Reply to a command that was refused: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRefused {
    /// A stable code.
    pub code: String,
    /// JSON pointer into the command, where one place is at fault.
    pub pointer: Option<String>,
    /// What is expected instead, in plain words.
    pub detail: String,
}

/// Reply to Command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandReply {
    /// Applied and durable.
    Done(CommandDone),
    /// Refused.
    Refused(CommandRefused),
}

/// Reply to Status: counters, no names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Where the enclave is.
    pub phase: Phase,
    /// This boot.
    pub instance: InstanceId,
    /// Stored entries.
    pub size: u64,
    /// Newest manifest's generation.
    pub generation: u64,
    /// The enclave's time in Unix milliseconds; 0 before it is known.
    pub now_ms: u64,
    /// Named counters since boot, in a fixed order.
    pub counters: Vec<(String, u64)>,
}

/// Reply to Drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drained {
    /// Entries stored.
    pub size: u64,
}
