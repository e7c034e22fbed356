//! What a transaction of Solana is asked with: the bytes that its signers sign.
//!
//! It knows the limits of the bytes and nothing of what they say.

use serde::{Deserialize, Serialize};

/// Largest transaction in bytes, its signatures included (Solana's packet: an IPv6 MTU without headers).
pub const MAX_TRANSACTION: usize = 1232;
/// The parameter of an effect that says whose account pays: the key's that signs.
pub const FROM: &str = "payment.from";
/// The parameter of an effect that says who is paid.
pub const TO: &str = "payment.to";
/// Longest memo in bytes.
pub const MAX_MEMO: usize = 256;
/// Instructions of one message at most.
pub const MAX_INSTRUCTIONS: usize = 16;

/// A transaction to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolanaInput {
    /// The message, legacy or version 0, as it is serialised.
    pub message: serde_bytes::ByteBuf,
}
