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

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::crypto::AwsLc;
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    const BOTH: [&dyn Verifier; 2] = [&RingVerifier, &AwsLc];

    /// Every verifier takes the signature, and none takes it with anything changed.
    fn check(scheme: Scheme, public: &[u8], message: &[u8], signature: &[u8]) {
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        for verifier in BOTH {
            verifier.verify(scheme, public, message, signature).unwrap();
            for at in 0..signature.len() {
                let bad = flipped(signature, at);
                let result = verifier.verify(scheme, public, message, &bad);
                assert_eq!(result, Err(BadSignature), "{scheme:?} signature byte {at}");
            }
            for at in 0..public.len() {
                let bad = flipped(public, at);
                let result = verifier.verify(scheme, &bad, message, signature);
                assert_eq!(result, Err(BadSignature), "{scheme:?} key byte {at}");
            }
            for bad in [&signature[1..], &[signature, &[0]].concat(), &[]] {
                let result = verifier.verify(scheme, public, message, bad);
                assert_eq!(result, Err(BadSignature));
            }
            let more = [message, &[0]].concat();
            assert_eq!(
                verifier.verify(scheme, public, &more, signature),
                Err(BadSignature)
            );
        }
    }

    #[test]
    fn an_ed25519_signature_of_rfc_8032_verifies_and_nothing_near_it() {
        // RFC 8032 §7.1, TEST 2.
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let decode = |text: &str| hex::decode(text).unwrap();
        check(
            Scheme::Ed25519,
            &decode(public),
            &[0x72],
            &decode(signature),
        );
    }

    #[test]
    fn a_p256_signature_verifies_and_nothing_near_it() {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let signature = pair.sign(&random, b"message").unwrap();
        let public = pair.public_key().as_ref();
        check(Scheme::P256, public, b"message", signature.as_ref());
        let point = &public[1..33];
        for verifier in BOTH {
            let result = verifier.verify(Scheme::Ed25519, point, b"message", signature.as_ref());
            assert_eq!(result, Err(BadSignature), "another scheme");
        }
    }
}
