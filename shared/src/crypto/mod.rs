//! Hashing and checking, by the one crypto provider of the trusted part. No secret is handled here.
//!
//! [`Verifier`] is how `shared` checks signatures without choosing a library: the enclave passes [`AwsLc`], everything
//! that checks what the enclave made passes an implementation over another library. The `noise` module holds the
//! handshake's primitives.

pub mod edwards;
pub mod handshake;
pub mod import;
pub mod keccak;
pub mod noise;
pub mod rsa;
pub mod secp256k1;

use crate::id::{Digest, Pcr};
use aws_lc_rs::{digest, hmac, signature};

/// Signature schemes that anything in Claviger is checked under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Ed25519 (RFC 8032); public key 32 bytes, signature 64.
    Ed25519,
    /// ECDSA on P-256 with SHA-256; public key 65 bytes uncompressed, signature 64 bytes `r ‖ s`.
    P256,
}

/// A signature that does not verify, or a key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

/// Checks signatures.
pub trait Verifier: Send + Sync {
    /// Checks `signature` over `message` under `public_key`.
    ///
    /// # Errors
    ///
    /// [`BadSignature`], whatever is wrong.
    fn verify(
        &self,
        scheme: Scheme,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature>;
}

/// Checks signatures with aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsLc;

impl Verifier for AwsLc {
    fn verify(
        &self,
        scheme: Scheme,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let algorithm: &dyn signature::VerificationAlgorithm = match scheme {
            Scheme::Ed25519 => &signature::ED25519,
            Scheme::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        };
        signature::UnparsedPublicKey::new(algorithm, public_key)
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }
}

/// SHA-256 of the parts, one after the other.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

/// SHA-384 of the parts, one after the other.
#[must_use]
pub fn sha384(parts: &[&[u8]]) -> Pcr {
    let mut context = digest::Context::new(&digest::SHA384);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 48];
    out.copy_from_slice(context.finish().as_ref());
    Pcr(out)
}

/// SHA-512 of the parts, one after the other (SSHSIG's other hash).
#[must_use]
pub fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut context = digest::Context::new(&digest::SHA512);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 64];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// A key for HMAC-SHA-256, ready to use; it cannot be read back.
pub struct MacKey(hmac::Key);

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

impl MacKey {
    /// Takes the key's bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// HMAC-SHA-256 (RFC 2104) of the parts, one after the other.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        Digest(out)
    }

    /// Whether this is the MAC of the parts, in time that does not depend on how much of it is right.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], mac: &[u8; 32]) -> bool {
        constant_time_eq(&self.mac(parts).0, mac)
    }
}

/// A bearer token, as its digest: what a face keeps of a token that others must show.
pub struct TokenDigest(Digest);

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest")
    }
}

impl TokenDigest {
    /// Of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(sha256(&[token]))
    }

    /// Whether this is the token, in time that depends on its length alone.
    #[must_use]
    pub fn admits(&self, given: &[u8]) -> bool {
        constant_time_eq(&sha256(&[given]).0, &self.0.0)
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
