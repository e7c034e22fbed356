//! The sealed bundle: the root secret, encrypted to the KMS keys that owners pinned. Byte format only; docs/spec/bundle.md.
//!
//! Having a [`Bundle`] means its bytes were canonical and within limits. It holds no secret in the clear; sealing and
//! opening are the enclave's.

use crate::{codec::cbor, crypto::sha256, id::Digest, label, wire::control::MAX_BUNDLE};
use serde::{Deserialize, Serialize};

/// Version of this format.
pub const VERSION: u16 = 1;

/// The bundle's parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Everything that the body's AEAD authenticates.
    pub head: Head,
    /// AES-256-GCM ciphertext and tag of the body, AAD = canonical CBOR of the head.
    #[serde(with = "serde_bytes")]
    pub ct: Vec<u8>,
}

/// What stands before the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`VERSION`].
    pub v: u16,
    /// SHA-256 of g0.
    pub g0: Digest,
    /// The ephemeral P-256 public key: DER SubjectPublicKeyInfo, as KMS takes it.
    #[serde(with = "serde_bytes")]
    pub ephemeral: Vec<u8>,
    /// One per pinned KMS key, in the manifest's order.
    pub recipients: Vec<Recipient>,
    /// Random nonce of the body's AEAD.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 12],
}

/// The data key, wrapped for one KMS key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// The key's ARN.
    pub arn: String,
    /// Its public key: DER SubjectPublicKeyInfo on P-256.
    #[serde(with = "serde_bytes")]
    pub spki: Vec<u8>,
    /// AES-256-GCM ciphertext and tag of the 32-byte data key; zero nonce, since a KEK is used once.
    #[serde(with = "serde_bytes")]
    pub wrapped: Vec<u8>,
}

impl Bundle {
    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`] for anything else, or over [`MAX_BUNDLE`].
    pub fn parse(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, MAX_BUNDLE)
    }

    /// The canonical bytes.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`]; no bundle of this crate's making causes one.
    pub fn encode(&self) -> Result<Vec<u8>, cbor::Error> {
        cbor::encode(self)
    }

    /// SHA-256 of all bytes.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Digest {
        sha256(&[bytes])
    }
}

impl Head {
    /// The body's AAD.
    ///
    /// # Errors
    ///
    /// [`cbor::Error`]; no head of this crate's making causes one.
    pub fn aad(&self) -> Result<Vec<u8>, cbor::Error> {
        cbor::encode(self)
    }
}

/// HKDF info of one recipient's key-encryption key: label ‖ u32be lengths ‖ arn ‖ SPKI ‖ ephemeral.
#[must_use]
pub fn kek_info(arn: &str, spki: &[u8], ephemeral: &[u8]) -> Vec<u8> {
    let mut info = label::BUNDLE_KEK.to_vec();
    for part in [arn.as_bytes(), spki, ephemeral] {
        info.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    for part in [arn.as_bytes(), spki, ephemeral] {
        info.extend_from_slice(part);
    }
    info
}
