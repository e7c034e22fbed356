//! Why an attestation document was refused, grouped by what is wrong with it.
//!
//! The texts name rules, never bytes of the document.

/// A document that is not accepted. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A certificate cannot be read or is not of the kind AWS issues.
    #[error("certificate: {0}")]
    Certificate(&'static str),
    /// The certificates do not form a chain from the root to the signer.
    #[error("certificate chain: {0}")]
    Chain(&'static str),
    /// The bytes are not the CBOR that a security module writes.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The envelope is not the COSE_Sign1 that a security module writes.
    #[error("envelope: {0}")]
    Envelope(&'static str),
    /// The timestamp lies ahead of the verifier's clock.
    #[error("the document is from the future")]
    FromTheFuture,
    /// A member of the document breaks its rule.
    #[error("member `{name}`: {rule}")]
    Member {
        /// The member, as AWS names it.
        name: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The trust root itself cannot be used.
    #[error("trust root: {0}")]
    Root(&'static str),
    /// The signature is not by the certificate in the document.
    #[error("the signature does not verify")]
    Signature,
    /// The document exceeds the size limit.
    #[error("the document is larger than 16 KiB")]
    TooLarge,
    /// The document is older than the caller accepts.
    #[error("the document is too old")]
    TooOld,
    /// A certificate is not valid at the time of verification.
    #[error("a certificate is not valid at this time")]
    Validity,
}
