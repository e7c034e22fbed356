//! Attestation documents and time from the NSM.
//!
//! The enclave asks for documents and reads one thing in them: the time they were made at. It verifies none; the module
//! beneath it is trusted for that.

use super::Error;
use crate::platform::Nsm;
use aws_nitro_enclaves_nsm_api::api::{AttestationDoc, Request, Response};
use claviger_shared::{id::Digest, time::UnixMs};
use serde_bytes::ByteBuf;

/// Largest document (DESIGN §11).
pub const MAX_DOCUMENT: usize = 16 * 1024;

/// What a document is to carry.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// At most 512 bytes.
    pub nonce: Option<Vec<u8>>,
    /// Raw X25519 or RSA SubjectPublicKeyInfo.
    pub public_key: Option<Vec<u8>>,
    /// Of one purpose.
    pub user_data: Option<Digest>,
}

/// A document of the NSM.
///
/// # Errors
///
/// [`Error::Platform`].
pub fn document(nsm: &dyn Nsm, wanted: Wanted) -> Result<Vec<u8>, Error> {
    let request = Request::Attestation {
        user_data: wanted
            .user_data
            .map(|digest| ByteBuf::from(digest.0.to_vec())),
        nonce: wanted.nonce.map(ByteBuf::from),
        public_key: wanted.public_key.map(ByteBuf::from),
    };
    if let Response::Attestation { document } = nsm.process(request)
        && document.len() <= MAX_DOCUMENT
    {
        return Ok(document);
    }
    Err(Error::Platform("attestation"))
}

/// The NSM's time, out of a fresh document.
///
/// # Errors
///
/// [`Error::Platform`].
pub fn time(nsm: &dyn Nsm) -> Result<UnixMs, Error> {
    let document = document(nsm, Wanted::default())?;
    let payload = payload(&document).ok_or(Error::Platform("document"))?;
    let parsed = AttestationDoc::from_binary(payload).map_err(|_| Error::Platform("document"))?;
    Ok(UnixMs(parsed.timestamp))
}

/// The payload of an untagged COSE_Sign1 (RFC 9052 §4.2): the third of its four members.
fn payload(document: &[u8]) -> Option<&[u8]> {
    let rest = document.strip_prefix(&[0x84])?;
    let (_protected, rest) = byte_string(rest)?;
    let rest = rest.strip_prefix(&[0xa0])?;
    byte_string(rest).map(|(payload, _)| payload)
}

/// A definite CBOR byte string (RFC 8949 §3.1, major type 2) of less than 64 KiB.
fn byte_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    let (length, rest) = match head {
        0x40..=0x57 => (usize::from(head & 0x1f), rest),
        0x58 => rest
            .split_first()
            .map(|(length, rest)| (usize::from(*length), rest))?,
        0x59 => rest
            .split_first_chunk::<2>()
            .map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_the_third_member() {
        let document = [0x84, 0x42, 1, 2, 0xa0, 0x58, 3, 7, 8, 9, 0x40];
        assert_eq!(payload(&document), Some(&[7, 8, 9][..]));
        for end in 0..10 {
            assert_eq!(payload(&document[..end]), None, "{end}");
        }
    }
}
