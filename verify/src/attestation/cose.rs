//! The envelope of a document: COSE_Sign1 with ES384 and nothing else in its headers.
//!
//! The bytes that are verified are the bytes that were received, never a re-encoding. It does not know what the
//! payload says.

use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

use super::cbor::Reader;
use super::chain::SignerKey;
use super::error::Error;

/// CBOR tag of COSE_Sign1 (RFC 9052 §2); modules leave it out, the AWS documentation has it.
const COSE_SIGN1: u64 = 18;

/// The one protected header accepted: `{1: -35}`, algorithm ES384.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// Length of a raw r‖s signature of P-384.
const SIGNATURE_LEN: usize = 96;

/// A COSE_Sign1 of the accepted form whose signature is not verified yet.
pub(super) struct Envelope<'a> {
    pub(super) payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(doc: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(doc);
        if reader.tag()?.is_some_and(|tag| tag != COSE_SIGN1) {
            return Err(Error::Envelope("the tag is not that of COSE_Sign1"));
        }
        let mut parts = reader.array()?;
        let mut next = |reader: &mut Reader<'a>| {
            if reader.more(&mut parts) {
                Ok(())
            } else {
                Err(Error::Envelope("not four parts"))
            }
        };

        next(&mut reader)?;
        let protected = reader.bytes()?;
        next(&mut reader)?;
        let mut unprotected = reader.map()?;
        if reader.more(&mut unprotected) {
            return Err(Error::Envelope("the unprotected header is not empty"));
        }
        next(&mut reader)?;
        let payload = reader.bytes()?;
        next(&mut reader)?;
        let signature = reader.bytes()?;
        if next(&mut reader).is_ok() {
            return Err(Error::Envelope("not four parts"));
        }
        reader.finish()?;

        if protected != PROTECTED {
            return Err(Error::Envelope("the protected header is not exactly ES384"));
        }
        if payload.is_empty() {
            return Err(Error::Envelope("the payload is empty"));
        }
        if signature.len() != SIGNATURE_LEN {
            return Err(Error::Envelope("the signature is not 96 bytes"));
        }
        Ok(Self { payload, signature })
    }

    /// Verifies the signature over the bytes received.
    pub(super) fn verify(&self, signer: &SignerKey) -> Result<(), Error> {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, signer.point())
            .verify(&self.signed(), self.signature)
            .map_err(|_| Error::Signature)
    }

    /// `["Signature1", protected, h'', payload]` (RFC 9052 §4.4).
    fn signed(&self) -> Vec<u8> {
        let mut out = vec![0x84, 0x6a];
        out.extend_from_slice(b"Signature1");
        out.push(0x44);
        out.extend_from_slice(PROTECTED);
        out.push(0x40);
        let length = self.payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=23), _) => out.push(0x40 | short),
            (Ok(byte), _) => out.extend_from_slice(&[0x58, byte]),
            (Err(_), Ok(two)) => {
                out.push(0x59);
                out.extend_from_slice(&two.to_be_bytes());
            }
            // INVARIANT: a payload is shorter than MAX_DOCUMENT, which fits two bytes; this form cannot verify.
            (Err(_), Err(_)) => return Vec::new(),
        }
        out.extend_from_slice(self.payload);
        out
    }
}
