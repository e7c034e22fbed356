//! `CiphertextForRecipient`: CMS EnvelopedData (RFC 5652) as KMS sends it, read strictly and opened once.
//!
//! One shape is accepted: one key-transport recipient named by SHA-256 of our public key, RSAES-OAEP with SHA-256 and
//! MGF1-SHA-256 (RFC 4055), content of type `data` under AES-256-CBC; encoded in BER with definite or indefinite lengths and
//! octet strings whole or in pieces. There is no MAC in it: whoever has seen the attestation document can make one. So what
//! comes out is never believed, only tried on a bundle that owners pinned.

use super::ber::{
    CONTEXT_0, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, INTEGER, Malformed, NULL, OCTETS,
    OCTETS_CONSTRUCTED, OID, Reader, SEQUENCE, SET,
};
use crate::secret::{Failed, Secret};
use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    encoding::AsDer,
    iv::FixedLength,
    rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use claviger_shared::{crypto::sha256, wire::control::MAX_CIPHERTEXT_FOR_RECIPIENT};
use zeroize::Zeroizing;

/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.1.7
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
/// 1.2.840.113549.1.1.8
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
/// RFC 5652 §6.1, §6.2.1: version 2 where the recipient is named by key identifier.
const VERSION: &[u8] = &[2];

/// The parts of a reply, none of them believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The content's key under the recipient's.
    pub wrapped: Vec<u8>,
    /// The content's initialisation vector.
    pub iv: [u8; 16],
    /// The content.
    pub ciphertext: Vec<u8>,
}

/// A fresh RSA key for one reply of KMS; whatever that reply is, the key is used up.
pub struct RecipientKey {
    key: OaepPrivateDecryptingKey,
    spki: Vec<u8>,
}

impl std::fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecipientKey")
    }
}

impl RecipientKey {
    /// Makes an RSA-2048 key (AWS Nitro Enclaves SDK, `RecipientRequest`: RSA with 2048 bits).
    ///
    /// # Errors
    ///
    /// [`Failed`].
    pub fn generate() -> Result<Self, Failed> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| Failed)?;
        Self::of(key)
    }

    fn of(key: PrivateDecryptingKey) -> Result<Self, Failed> {
        let spki = key
            .public_key()
            .as_der()
            .map_err(|_| Failed)?
            .as_ref()
            .to_vec();
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| Failed)?;
        Ok(Self { key, spki })
    }

    /// Its public key, as the attestation document carries it: DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Opens a reply that holds 32 bytes, using the key up.
    ///
    /// # Errors
    ///
    /// [`Failed`], whatever is wrong: a courier learns nothing from the difference.
    pub fn open(self, reply: &[u8]) -> Result<Secret, Failed> {
        let envelope = parse(reply, &self.spki).map_err(|_| Failed)?;
        let key = self.unwrap(&envelope.wrapped)?;
        let key = UnboundCipherKey::new(&AES_256, &key).map_err(|_| Failed)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| Failed)?;
        let context = DecryptionContext::Iv128(FixedLength::from(envelope.iv));
        let mut text = Zeroizing::new(envelope.ciphertext);
        let opened = key.decrypt(&mut text, context).map_err(|_| Failed)?;
        let secret: &mut [u8; 32] = opened.try_into().map_err(|_| Failed)?;
        Ok(Secret::take(secret))
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut room = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let opened = self
            .key
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, None);
        let length = opened.map_err(|_| Failed)?.len();
        room.truncate(length);
        Ok(room)
    }
}

/// Takes a reply to the owner of `spki` apart; nothing is opened.
///
/// # Errors
///
/// [`Malformed`].
pub fn parse(reply: &[u8], spki: &[u8]) -> Result<Envelope, Malformed> {
    if reply.len() > MAX_CIPHERTEXT_FOR_RECIPIENT {
        return Err(Malformed);
    }
    let mut document = Reader::new(reply);
    let mut info = document.enter(SEQUENCE)?;
    document.finish()?;
    exactly(info.expect(OID)?, ENVELOPED_DATA)?;
    let mut explicit = info.enter(CONTEXT_0_CONSTRUCTED)?;
    info.finish()?;
    let mut enveloped = explicit.enter(SEQUENCE)?;
    explicit.finish()?;
    exactly(enveloped.expect(INTEGER)?, VERSION)?;
    let mut recipients = enveloped.enter(SET)?;
    let recipient = recipients.enter(SEQUENCE)?;
    recipients.finish()?;
    let wrapped = parse_recipient(recipient, spki)?;
    let content = enveloped.enter(SEQUENCE)?;
    enveloped.finish()?;
    let (iv, ciphertext) = parse_content(content)?;
    Ok(Envelope {
        wrapped,
        iv,
        ciphertext,
    })
}

fn exactly(found: &[u8], expected: &[u8]) -> Result<(), Malformed> {
    if found == expected {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// RFC 5652 §6.2.1.
fn parse_recipient(mut recipient: Reader<'_>, spki: &[u8]) -> Result<Vec<u8>, Malformed> {
    exactly(recipient.expect(INTEGER)?, VERSION)?;
    let identifier = recipient.octets(CONTEXT_0, CONTEXT_0_CONSTRUCTED)?;
    exactly(&identifier, &sha256(&[spki]).0)?;
    let mut algorithm = recipient.enter(SEQUENCE)?;
    exactly(algorithm.expect(OID)?, RSAES_OAEP)?;
    let mut parameters = algorithm.enter(SEQUENCE)?;
    algorithm.finish()?;
    parse_sha256(parameters.enter(CONTEXT_0_CONSTRUCTED)?)?;
    let mut mask = parameters.enter(CONTEXT_1_CONSTRUCTED)?;
    parameters.finish()?;
    let mut mgf = mask.enter(SEQUENCE)?;
    mask.finish()?;
    exactly(mgf.expect(OID)?, MGF1)?;
    parse_sha256(mgf)?;
    let wrapped = recipient.octets(OCTETS, OCTETS_CONSTRUCTED)?;
    recipient.finish()?;
    Ok(wrapped)
}

/// RFC 4055 §2.1: SHA-256 with parameters absent or NULL.
fn parse_sha256(mut outer: Reader<'_>) -> Result<(), Malformed> {
    let mut algorithm = outer.enter(SEQUENCE)?;
    outer.finish()?;
    exactly(algorithm.expect(OID)?, SHA256)?;
    match algorithm.element()? {
        None => Ok(()),
        Some(element) if element.tag == NULL && element.content.is_empty() => algorithm.finish(),
        Some(_) => Err(Malformed),
    }
}

fn parse_content(mut content: Reader<'_>) -> Result<([u8; 16], Vec<u8>), Malformed> {
    exactly(content.expect(OID)?, DATA)?;
    let mut algorithm = content.enter(SEQUENCE)?;
    exactly(algorithm.expect(OID)?, AES_256_CBC)?;
    let iv = algorithm.octets(OCTETS, OCTETS_CONSTRUCTED)?;
    algorithm.finish()?;
    let iv = iv.try_into().map_err(|_| Malformed)?;
    let ciphertext = content.octets(CONTEXT_0, CONTEXT_0_CONSTRUCTED)?;
    content.finish()?;
    Ok((iv, ciphertext))
}

#[cfg(test)]
mod tests;
