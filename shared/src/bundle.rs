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

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(ct: usize) -> Bundle {
        let recipient = |arn: &str| Recipient {
            arn: arn.to_owned(),
            spki: vec![4; 91],
            wrapped: vec![5; 48],
        };
        let head = Head {
            v: VERSION,
            g0: Digest([1; 32]),
            ephemeral: vec![2; 91],
            recipients: vec![recipient("a"), recipient("b")],
            nonce: [3; 12],
        };
        let ct = vec![6; ct];
        Bundle { head, ct }
    }

    #[test]
    fn a_bundle_reads_back_and_is_named_by_all_its_bytes() {
        let bytes = bundle(80).encode().unwrap();
        assert_eq!(Bundle::parse(&bytes), Ok(bundle(80)));
        assert_eq!(Bundle::digest(&bytes), sha256(&[&bytes]));
        assert_ne!(Bundle::digest(&bytes), Bundle::digest(&bytes[1..]));
    }

    #[test]
    fn only_one_byte_form_is_a_bundle() {
        let bytes = bundle(80).encode().unwrap();
        Bundle::parse(&bytes[..bytes.len() - 1]).unwrap_err();
        Bundle::parse(&[&bytes[..], &[0]].concat()).unwrap_err();
        // The ciphertext's length, 80, as two bytes and as three.
        let short = [0x62, b'c', b't', 0x58, 80];
        let at = bytes.windows(5).position(|part| part == short).unwrap();
        let long = [
            &bytes[..at],
            &[0x62, b'c', b't', 0x59, 0, 80],
            &bytes[at + 5..],
        ]
        .concat();
        Bundle::parse(&long).unwrap_err();
        // The map of the whole, with a third member.
        let mut more = bytes;
        more[0] += 1;
        more.extend_from_slice(&[0x61, b'x', 0]);
        Bundle::parse(&more).unwrap_err();
    }

    #[test]
    fn a_bundle_is_limited_in_bytes_on_both_sides() {
        let overhead = bundle(MAX_BUNDLE / 2).encode().unwrap().len() - MAX_BUNDLE / 2;
        let largest = bundle(MAX_BUNDLE - overhead).encode().unwrap();
        assert_eq!(largest.len(), MAX_BUNDLE);
        Bundle::parse(&largest).unwrap();
        let larger = bundle(MAX_BUNDLE - overhead + 1).encode().unwrap();
        assert_eq!(Bundle::parse(&larger), Err(cbor::Error::TooLarge));
    }

    #[test]
    fn the_aad_is_all_before_the_ciphertext() {
        let bundle = bundle(80);
        let bytes = bundle.encode().unwrap();
        let aad = bundle.head.aad().unwrap();
        // A map of two, and the name of the first.
        assert_eq!(bytes[..6], *b"\xa2\x64head");
        assert_eq!(bytes[6..6 + aad.len()], aad);
        assert_eq!(bytes[6 + aad.len()..][..3], *b"\x62ct");
    }

    #[test]
    fn no_byte_moves_from_one_part_of_the_kek_info_to_another() {
        let expected = [
            b"claviger/v1/bundle-kek\0".as_slice(),
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
            b"abbccc",
        ];
        assert_eq!(kek_info("a", b"bb", b"ccc"), expected.concat());
        assert_ne!(kek_info("ab", b"b", b"ccc"), kek_info("a", b"bb", b"ccc"));
        assert_ne!(kek_info("a", b"bbc", b"cc"), kek_info("a", b"bb", b"ccc"));
    }
}
