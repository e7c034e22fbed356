//! Public keys as others read them: JWK (RFC 7517, RFC 8037), its thumbprint (RFC 7638) and PEM.
//!
//! Keys here are raw: Ed25519 32 bytes, P-256 65 bytes uncompressed. No private key is ever written.

use crate::owner::command::Alg;

/// The JWK as JSON, with `kid` = [`thumbprint`] and `alg`.
#[must_use]
pub fn jwk(_alg: Alg, _public: &[u8]) -> Option<serde_json::Value> {
    todo!()
}

/// RFC 7638 thumbprint with SHA-256, base64url without padding; nothing for bytes that are no key of the algorithm.
#[must_use]
pub fn thumbprint(_alg: Alg, _public: &[u8]) -> Option<String> {
    todo!()
}

/// SubjectPublicKeyInfo in PEM.
#[must_use]
pub fn pem(_alg: Alg, _public: &[u8]) -> Option<String> {
    todo!()
}
