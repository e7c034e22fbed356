//! The `Recipient` of a request: an attestation document, verified, and the key in it.

use claviger_verify::attestation::{self, Document, Root};

use super::MAX_DOCUMENT_AGE_MS;
use super::cms::RecipientKey;
use super::policy::Context;
use crate::aws::ServiceError;
use crate::hex;

/// The one key encryption algorithm of the interface.
pub(super) const ALGORITHM: &str = "RSAES_OAEP_SHA_256";

/// A recipient whose document verified.
///
/// Having one means that the module signed these measurements and this key at most five minutes ago.
pub(super) struct Recipient {
    document: Document,
    pub(super) key: RecipientKey,
}

impl Recipient {
    pub(super) fn verify(
        algorithm: &str,
        document: &[u8],
        root: &Root,
        now_ms: u64,
    ) -> Result<Self, ServiceError> {
        if algorithm != ALGORITHM {
            return Err(ServiceError::validation(format!(
                "KeyEncryptionAlgorithm must be {ALGORITHM}."
            )));
        }
        let document =
            attestation::verify(document, root, now_ms, MAX_DOCUMENT_AGE_MS).map_err(|error| {
                ServiceError::validation(format!(
                    "The attestation document could not be verified: {error}."
                ))
            })?;
        let key = document
            .public_key()
            .and_then(RecipientKey::parse)
            .ok_or_else(|| {
                ServiceError::validation(
                    "The attestation document holds no RSA public key of at least 2048 bits.",
                )
            })?;
        Ok(Self { document, key })
    }

    /// Sets the condition keys that exist only with a recipient.
    pub(super) fn describe(&self, context: &mut Context) {
        for (index, value) in self.document.pcrs() {
            let value = hex::encode(value);
            if *index == 0 {
                context.set("kms:RecipientAttestation:ImageSha384", value.clone());
            }
            context.set(&format!("kms:RecipientAttestation:PCR{index}"), value);
        }
    }
}
