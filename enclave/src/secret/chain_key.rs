//! A private key of the curve secp256k1, and its signatures over Keccak-256.
//!
//! It hashes what it signs itself: no caller can hand a digest in. It does not know what the bytes say.

use super::Failed;
use claviger_shared::crypto::{
    keccak::keccak256,
    secp256k1::{PUBLIC, SIGNATURE},
};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa::RecoverableSignature};
use std::fmt;

/// A private key, in one place of memory that is overwritten on drop.
pub struct ChainKey(Box<SecretKey>);

impl ChainKey {
    /// Takes a scalar; a copy of it may be left on the stack, which the caller wipes.
    ///
    /// # Errors
    ///
    /// [`Failed`] for zero and for what is not below the curve's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, Failed> {
        let key = SecretKey::from_secret_bytes(*secret).map_err(|_| Failed)?;
        Ok(Self(Box::new(key)))
    }

    /// The public key, uncompressed.
    #[must_use]
    pub fn public(&self) -> [u8; PUBLIC] {
        PublicKey::from_secret_key(&self.0).serialize_uncompressed()
    }

    /// A signature over the Keccak-256 of the message, `r ‖ s ‖ y parity`: always the same for the same message (RFC 6979),
    /// `s` in the lower half (EIP-2).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        let hash = Message::from_digest(keccak256(&[message]));
        let signature = RecoverableSignature::sign_ecdsa_recoverable(hash, &self.0);
        let (id, rs) = signature.serialize_compact();
        let mut out = [0; SIGNATURE];
        if let Some((to, parity)) = out.split_last_chunk_mut::<1>().map(|(to, [one])| (to, one)) {
            to.copy_from_slice(&rs);
            *parity = id.to_u8();
        }
        out
    }
}

impl Drop for ChainKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::crypto::secp256k1::recover;

    #[test]
    fn the_example_of_eip_155_is_signed() {
        // EIP-155, example: signing data and signature of the key of 32 bytes 0x46.
        let data = "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
        let key = ChainKey::new(&[0x46; 32]).unwrap();
        let signature = key.sign(&hex::decode(data).unwrap());
        let expected = "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
                        67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83\
                        00";
        assert_eq!(hex::encode(signature), expected);
    }

    #[test]
    fn whose_a_signature_is_can_be_told() {
        for seed in 1..=64_u8 {
            let key = ChainKey::new(&[seed; 32]).unwrap();
            let message = [seed; 100];
            let signature = key.sign(&message);
            let whose = recover(&keccak256(&[&message]), &signature);
            assert_eq!(whose, Some(key.public()), "{seed}");
        }
    }

    #[test]
    fn what_is_no_scalar_is_refused() {
        ChainKey::new(&[0; 32]).unwrap_err();
        ChainKey::new(&[0xff; 32]).unwrap_err();
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = ChainKey::new(&[9; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "ChainKey");
    }
}
