//! Encodes `CiphertextForRecipient` byte for byte as KMS does.
//!
//! CMS EnvelopedData in BER: indefinite lengths outside, definite ones in the recipient, the ciphertext in a constructed
//! `[0]` of one or many octet strings. Content is AES-256-CBC with PKCS #7 padding under a key wrapped by
//! RSAES-OAEP-SHA-256; there is no MAC, because KMS has none. This encoder shares nothing with the enclave's decoder.

use std::num::NonZeroUsize;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

/// Smallest RSA key accepted, in bits.
const MIN_RSA_BITS: usize = 2048;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] IMPLICIT`, primitive: the subject key identifier.
const CONTEXT_0: u8 = 0x80;
/// `[0]`, constructed.
const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;
const INDEFINITE: u8 = 0x80;
const END_OF_CONTENTS: [u8; 2] = [0, 0];

/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
/// RSAES-OAEP with SHA-256 and MGF1 with SHA-256, the hash parameters an explicit NULL (RFC 4055 §4.1).
const RSAES_OAEP_SHA_256: &[u8] = &[
    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
    0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];

/// The RSA key of an attestation document.
pub(super) struct RecipientKey {
    key: OaepPublicEncryptingKey,
    /// SHA-256 of the SubjectPublicKeyInfo.
    identifier: [u8; 32],
}

/// The machine could not encrypt.
#[derive(Debug)]
pub(super) struct Unencrypted;

impl RecipientKey {
    /// Reads a SubjectPublicKeyInfo; none unless it is RSA of at least 2048 bits.
    pub(super) fn parse(spki: &[u8]) -> Option<Self> {
        let key = PublicEncryptingKey::from_der(spki)
            .ok()
            .filter(|key| key.key_size_bits() >= MIN_RSA_BITS)?;
        let identifier = digest(&SHA256, spki).as_ref().try_into().ok()?;
        Some(Self {
            key: OaepPublicEncryptingKey::new(key).ok()?,
            identifier,
        })
    }

    /// Encrypts to the key, the ciphertext in octet strings of at most `chunk` bytes.
    pub(super) fn encrypt(
        &self,
        plaintext: &[u8],
        chunk: Option<NonZeroUsize>,
    ) -> Result<Vec<u8>, Unencrypted> {
        let mut content_key = Zeroizing::new([0; 32]);
        rand::fill(&mut content_key[..]).map_err(|_| Unencrypted)?;
        let wrapped = self.wrap(&content_key[..])?;
        let (iv, ciphertext) = encrypt_content(&content_key[..], plaintext)?;
        Ok(envelope(
            &self.identifier,
            &wrapped,
            &iv,
            &ciphertext,
            chunk,
        ))
    }

    fn wrap(&self, content_key: &[u8]) -> Result<Vec<u8>, Unencrypted> {
        let mut wrapped = vec![0; self.key.ciphertext_size()];
        let wrapped = self
            .key
            .encrypt(&OAEP_SHA256_MGF1SHA256, content_key, &mut wrapped, None);
        wrapped
            .map(|wrapped| wrapped.to_vec())
            .map_err(|_| Unencrypted)
    }
}

fn encrypt_content(key: &[u8], plaintext: &[u8]) -> Result<([u8; 16], Vec<u8>), Unencrypted> {
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| Unencrypted)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| Unencrypted)?;
    let mut in_out = plaintext.to_vec();
    let context = key.encrypt(&mut in_out).map_err(|_| Unencrypted)?;
    let DecryptionContext::Iv128(iv) = context else {
        return Err(Unencrypted);
    };
    Ok((*iv.as_ref(), in_out))
}

fn envelope(
    identifier: &[u8; 32],
    wrapped: &[u8],
    iv: &[u8; 16],
    ciphertext: &[u8],
    chunk: Option<NonZeroUsize>,
) -> Vec<u8> {
    let algorithm = definite(
        SEQUENCE,
        &[definite(OID, AES_256_CBC), definite(OCTET_STRING, iv)].concat(),
    );
    let whole = NonZeroUsize::new(ciphertext.len()).unwrap_or(NonZeroUsize::MIN);
    let chunks: Vec<_> = ciphertext
        .chunks(chunk.unwrap_or(whole).get())
        .map(|chunk| definite(OCTET_STRING, chunk))
        .collect();
    let content = [
        definite(OID, DATA),
        algorithm,
        indefinite(CONTEXT_0_CONSTRUCTED, &chunks.concat()),
    ]
    .concat();
    let enveloped = [
        definite(INTEGER, &[2]),
        definite(SET, &recipient(identifier, wrapped)),
        indefinite(SEQUENCE, &content),
    ]
    .concat();
    let explicit = indefinite(CONTEXT_0_CONSTRUCTED, &indefinite(SEQUENCE, &enveloped));
    indefinite(
        SEQUENCE,
        &[definite(OID, ENVELOPED_DATA), explicit].concat(),
    )
}

fn recipient(identifier: &[u8; 32], wrapped: &[u8]) -> Vec<u8> {
    let parts = [
        definite(INTEGER, &[2]),
        definite(CONTEXT_0, identifier),
        RSAES_OAEP_SHA_256.to_vec(),
        definite(OCTET_STRING, wrapped),
    ];
    definite(SEQUENCE, &parts.concat())
}

fn definite(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match (contents.len(), u8::try_from(significant.len())) {
        (short @ 0..=0x7f, _) => out.extend(u8::try_from(short)),
        (_, Ok(count)) => {
            out.push(0x80 | count);
            out.extend(significant);
        }
        // A length has at most eight bytes.
        (_, Err(_)) => return Vec::new(),
    }
    out.extend_from_slice(contents);
    out
}

fn indefinite(tag: u8, contents: &[u8]) -> Vec<u8> {
    [&[tag, INDEFINITE], contents, &END_OF_CONTENTS].concat()
}

#[cfg(test)]
mod tests;
