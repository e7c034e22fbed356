//! The curve of Ethereum, as far as no secret is kept: public keys, and whose a signature is.
//!
//! One module names the provider, libsecp256k1. Signing is the vault's.

use secp256k1::{
    Message, PublicKey, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// Bytes of a public key: SEC 1 §2.3.3, uncompressed.
pub const PUBLIC: usize = 65;
/// Bytes of a signature: `r ‖ s ‖ y parity`.
pub const SIGNATURE: usize = 65;

/// The public key of a private one; nothing for bytes that are no scalar.
#[must_use]
pub fn public_of(private: &[u8; 32]) -> Option<[u8; PUBLIC]> {
    let mut secret = SecretKey::from_secret_bytes(*private).ok()?;
    let public = PublicKey::from_secret_key(&secret).serialize_uncompressed();
    secret.non_secure_erase();
    Some(public)
}

/// Whether bytes are a point of the curve, uncompressed.
#[must_use]
pub fn is_public(public: &[u8]) -> bool {
    public.len() == PUBLIC && PublicKey::from_slice(public).is_ok()
}

/// Whose signature over a hash it is; nothing for one that is nobody's, or whose `s` is in the upper half (EIP-2).
#[must_use]
pub fn recover(hash: &[u8; 32], signature: &[u8; SIGNATURE]) -> Option<[u8; PUBLIC]> {
    let (rs, parity) = signature.split_last_chunk::<1>()?;
    let id = match parity {
        [0] => RecoveryId::Zero,
        [1] => RecoveryId::One,
        _ => return None,
    };
    let signature = RecoverableSignature::from_compact(rs, id).ok()?;
    let mut low = signature.to_standard();
    low.normalize_s();
    if low != signature.to_standard() {
        return None;
    }
    let public = signature.recover_ecdsa(Message::from_digest(*hash)).ok()?;
    Some(public.serialize_uncompressed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_eip_155_has_its_public_key() {
        // The scalar one is the generator (SEC 2 §2.4.1).
        let mut one = [0; 32];
        one[31] = 1;
        let generator = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
        assert_eq!(hex::encode(public_of(&one).unwrap()), generator);
        assert!(is_public(&public_of(&one).unwrap()));
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert_eq!(public_of(&[0; 32]), None);
        assert_eq!(public_of(&[0xff; 32]), None);
        let mut off = public_of(&[7; 32]).unwrap();
        off[64] ^= 1;
        assert!(!is_public(&off));
        assert!(!is_public(&off[..33]));
        assert!(!is_public(&[]));
    }

    #[test]
    fn a_signature_that_is_nobodys_recovers_no_key() {
        assert_eq!(recover(&[1; 32], &[0; 65]), None);
        assert_eq!(recover(&[1; 32], &[0xff; 65]), None);
    }
}
