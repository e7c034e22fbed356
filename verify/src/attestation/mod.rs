//! Attestation documents of the Nitro Security Module: strict decoding and verification.
//!
//! A [`Document`] exists only after its signature, its certificate chain up to a root the caller named, and every
//! rule AWS sets for its members were checked, so its values may be compared and nothing else needs to be asked of it.
//! One byte that is not understood refuses the whole document.
//!
//! This module does not know which measurements are good, what a nonce should be, or what time it is.

mod cbor;
mod chain;
mod cose;
mod der;
mod error;
mod payload;
mod root;
#[cfg(test)]
mod tests;
mod x509;

use std::collections::BTreeMap;

pub use self::error::Error;
pub use self::root::Root;

/// Length of a SHA-384 PCR in bytes.
pub const PCR_LEN: usize = 48;

/// Largest document accepted, in bytes; checked before anything is decoded.
// AWS NSM attestation_process.md §3.1: COSE_Sign1 payload is bstr .size (1..16384); DESIGN §11 caps the whole.
pub const MAX_DOCUMENT: usize = 16 * 1024;

/// How far a document's timestamp may lie ahead of the verifier's clock, in milliseconds.
///
/// Two honest clocks differ; a document from further in the future is refused.
pub const MAX_AHEAD_MS: u64 = 60_000;

/// A verified attestation document.
///
/// Having one means: a security module whose certificate chains to the root the caller named signed exactly these
/// values at [`Document::timestamp_ms`], and the chain was valid at the time given to [`verify`] or [`verify_at`]. It says
/// nothing about whether the measurements are the ones the caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    module_id: String,
    timestamp_ms: u64,
    pcrs: BTreeMap<u8, [u8; PCR_LEN]>,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl Document {
    /// Identifier of the module that signed, never empty.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// When the module signed, in milliseconds since the Unix epoch, by the module's own clock.
    pub const fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// The value of one PCR, if it was locked when the module signed.
    pub fn pcr(&self, index: u8) -> Option<&[u8; PCR_LEN]> {
        self.pcrs.get(&index)
    }

    /// Every locked PCR by index, all below 32.
    pub const fn pcrs(&self) -> &BTreeMap<u8, [u8; PCR_LEN]> {
        &self.pcrs
    }

    /// The public key the enclave asked to have attested, 1 to 1,024 bytes.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// The user data the enclave asked to have attested, at most 512 bytes.
    pub fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_deref()
    }

    /// The nonce the enclave asked to have attested, at most 512 bytes.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// Whether PCR 0, 1 and 2 are not all there and different from zero, as of an enclave in debug mode.
    ///
    /// The parent reads the memory of such an enclave: its document proves nothing worth having. One zero or missing
    /// measurement is enough to say so.
    pub fn is_debug(&self) -> bool {
        (0..=2).any(|index| self.pcr(index).is_none_or(|pcr| pcr == &[0; PCR_LEN]))
    }
}

/// A document as it was when it was made: verified at a time that the caller stated, or at its own.
///
/// It is a type of its own so that nobody takes it for a fresh one: what asks for a [`Document`] that is worth something
/// now cannot be given one by mistake. It proves that the module signed then, not that the enclave still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    document: Document,
    at_ms: u64,
}

impl Archived {
    /// What the module signed.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The time at which every certificate was valid, in milliseconds since the Unix epoch.
    pub const fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// What the module signed, for who has said that it need not be fresh.
    pub fn into_document(self) -> Document {
        self.document
    }
}

/// The time at which [`verify_at`] verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The time that the document states itself.
    Own,
    /// Another time, in milliseconds since the Unix epoch: when somebody stored the document, for example. The document
    /// may not be from after it.
    Stated(u64),
}

/// Verifies a document that was made just now: chain valid at `now_ms`, timestamp at most `max_age_ms` old.
///
/// # Errors
///
/// The first rule that the document breaks, in the order size, envelope, members, chain, signature, age.
pub fn verify(doc: &[u8], root: &Root, now_ms: u64, max_age_ms: u64) -> Result<Document, Error> {
    let Archived { document, at_ms } = verify_at(doc, root, At::Stated(now_ms))?;
    if at_ms.saturating_sub(document.timestamp_ms) > max_age_ms {
        return Err(Error::TooOld);
    }
    Ok(document)
}

/// Verifies an archived document at another time than now.
///
/// The certificates of a document live for hours, so an archive cannot be verified at today's date. What this proves
/// is that the module signed then, not that it was recently.
///
/// # Errors
///
/// As [`verify`], without the greatest age.
pub fn verify_at(doc: &[u8], root: &Root, at: At) -> Result<Archived, Error> {
    if doc.len() > MAX_DOCUMENT {
        return Err(Error::TooLarge);
    }
    let envelope = cose::Envelope::parse(doc)?;
    let payload = payload::parse(envelope.payload)?;
    let at_ms = match at {
        At::Own => payload.timestamp_ms,
        At::Stated(at_ms) => at_ms,
    };
    let signer = chain::verify(&payload.certificate, &payload.cabundle, root, at_ms)?;
    envelope.verify(&signer)?;
    if payload.timestamp_ms > at_ms.saturating_add(MAX_AHEAD_MS) {
        return Err(Error::FromTheFuture);
    }

    let payload::Payload {
        module_id,
        timestamp_ms,
        pcrs,
        certificate: _,
        cabundle: _,
        public_key,
        user_data,
        nonce,
    } = payload;
    let document = Document {
        module_id,
        timestamp_ms,
        pcrs,
        public_key,
        user_data,
        nonce,
    };
    Ok(Archived { document, at_ms })
}
