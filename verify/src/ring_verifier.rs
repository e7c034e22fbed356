//! Signature checks over ring: another library than the one that signs inside the enclave.

use claviger_shared::crypto::{BadSignature, Scheme, Verifier};
use ring::signature;

/// Checks signatures with ring.
#[derive(Debug, Clone, Copy, Default)]
pub struct RingVerifier;

impl Verifier for RingVerifier {
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
