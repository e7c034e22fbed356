//! Call connections: Open (CBOR), Call and Answer (fixed layout, no codec on the hot path).
//!
//! ```text
//! Call    = channel[16] ‖ seq u64be ‖ source[16] ‖ sealed (1 B to 640 KiB)
//! Answer  = seq u64be ‖ sealed (1 B to 64 KiB)
//! ```
//! `source` is the agent's address as an IPv6 address (IPv4 mapped), by the host's word alone. This module does not know
//! what is sealed.

use crate::id::ChannelId;
use serde::{Deserialize, Serialize};

/// Largest sealed request.
pub const MAX_SEALED_CALL: usize = 640 * 1024;
/// Largest sealed answer.
pub const MAX_SEALED_ANSWER: usize = 64 * 1024;
/// Items of a sealed answer: one that shows a grant holds the names of thousands of resources, two bytes each or more.
pub const MAX_ANSWER_ITEMS: u64 = 32_768;
/// Calls of one channel that are under way at most (DESIGN §8): the enclave refuses what is over it, and so does the host
/// before it is sent, so that a refusal does not queue behind signatures.
pub const MAX_IN_FLIGHT: u32 = 64;
/// Largest Noise handshake message.
pub const MAX_NOISE: usize = 1024;
const CALL_HEAD: usize = 40;
const ANSWER_HEAD: usize = 8;

/// Where a request came from, by the host's word: an IPv6 address, IPv4 mapped.
pub type SourceAddress = [u8; 16];

/// Body of Open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// By the host's word.
    #[serde(with = "serde_bytes")]
    pub source: SourceAddress,
    /// The initiator's Noise message, at most [`MAX_NOISE`] bytes.
    #[serde(with = "serde_bytes")]
    pub noise: Vec<u8>,
}

/// Reply to Open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Names the channel in later frames.
    pub channel: ChannelId,
    /// The responder's Noise message.
    #[serde(with = "serde_bytes")]
    pub noise: Vec<u8>,
}

/// A Call body that is not laid out as above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("call frame malformed")]
pub struct BadCall;

/// The parts of a Call body, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The channel.
    pub channel: ChannelId,
    /// The frame's number in its channel; the AEAD nonce.
    pub seq: u64,
    /// By the host's word.
    pub source: SourceAddress,
    /// Ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> Call<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadCall`] when it is too short or its sealed part is empty or over the limit.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadCall> {
        let (head, sealed) = body.split_first_chunk::<CALL_HEAD>().ok_or(BadCall)?;
        if sealed.is_empty() || sealed.len() > MAX_SEALED_CALL {
            return Err(BadCall);
        }
        let (channel, rest) = head.split_first_chunk::<16>().ok_or(BadCall)?;
        let (seq, source) = rest.split_first_chunk::<8>().ok_or(BadCall)?;
        let source = source.first_chunk::<16>().ok_or(BadCall)?;
        Ok(Self {
            channel: ChannelId(*channel),
            seq: u64::from_be_bytes(*seq),
            source: *source,
            sealed,
        })
    }

    /// Appends the body to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.reserve(self.sealed.len().saturating_add(CALL_HEAD));
        out.extend_from_slice(&self.channel.0);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.source);
        out.extend_from_slice(self.sealed);
    }
}

/// The parts of an Answer body, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The frame this answers.
    pub seq: u64,
    /// Ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`BadCall`] when it is too short or its sealed part is empty or over the limit.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadCall> {
        let (seq, sealed) = body.split_first_chunk::<ANSWER_HEAD>().ok_or(BadCall)?;
        if sealed.is_empty() || sealed.len() > MAX_SEALED_ANSWER {
            return Err(BadCall);
        }
        Ok(Self {
            seq: u64::from_be_bytes(*seq),
            sealed,
        })
    }

    /// What stands before the sealed part.
    #[must_use]
    pub const fn head(&self) -> [u8; ANSWER_HEAD] {
        self.seq.to_be_bytes()
    }

    /// Appends the body to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.reserve(self.sealed.len().saturating_add(ANSWER_HEAD));
        out.extend_from_slice(&self.head());
        out.extend_from_slice(self.sealed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_back() {
        let call = Call {
            channel: ChannelId([1; 16]),
            seq: 258,
            source: [2; 16],
            sealed: b"x",
        };
        let mut body = Vec::new();
        call.put(&mut body);
        assert_eq!(body.len(), 41);
        assert_eq!(Call::parse(&body), Ok(call));
    }

    #[test]
    fn sealed_parts_are_limited_on_both_sides() {
        let call = |n: usize| vec![0_u8; CALL_HEAD + n];
        assert_eq!(Call::parse(&call(0)), Err(BadCall));
        assert!(Call::parse(&call(1)).is_ok());
        assert!(Call::parse(&call(MAX_SEALED_CALL)).is_ok());
        assert_eq!(Call::parse(&call(MAX_SEALED_CALL + 1)), Err(BadCall));
        let answer = |n: usize| vec![0_u8; ANSWER_HEAD + n];
        assert_eq!(Answer::parse(&answer(0)), Err(BadCall));
        assert!(Answer::parse(&answer(MAX_SEALED_ANSWER)).is_ok());
        assert_eq!(Answer::parse(&answer(MAX_SEALED_ANSWER + 1)), Err(BadCall));
    }
}
