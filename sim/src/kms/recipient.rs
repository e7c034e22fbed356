//! The `Recipient` of a request: an attestation document, verified, and the key in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_verify::attestation::{self, Document, Root};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::MAX_DOCUMENT_AGE_MS;
use super::call::Call;
use super::cms::RecipientKey;
use super::operations::blob;
use super::policy::Context;
use crate::aws::{ErrorType, ServiceError};
use crate::hex;

/// Largest attestation document, in bytes.
// botocore kms/2014-11-01: AttestationDocumentType max 262144.
const MAX_ATTESTATION_DOCUMENT: usize = 262_144;

/// The member of a request that names a recipient.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecipientInfo {
    key_encryption_algorithm: String,
    attestation_document: String,
}

impl RecipientInfo {
    /// The recipient of a request that names one, verified.
    pub(super) fn verify(
        info: Option<&Self>,
        call: &Call<'_>,
    ) -> Result<Option<Recipient>, ServiceError> {
        let Some(info) = info else { return Ok(None) };
        let document = blob(
            "AttestationDocument",
            &info.attestation_document,
            MAX_ATTESTATION_DOCUMENT,
        )?;
        Recipient::verify(
            &info.key_encryption_algorithm,
            &document,
            &call.service.root,
            call.service.clock.now_ms(),
        )
        .map(Some)
    }
}

/// Puts a secret into an answer: to the recipient's key where there is one, else in the clear under its own name.
pub(super) fn deliver(
    call: &Call<'_>,
    recipient: Option<&Recipient>,
    name: &str,
    secret: &[u8],
    answer: &mut Map<String, Value>,
) -> Result<(), ServiceError> {
    let (name, bytes) = match recipient {
        None => (name, STANDARD.encode(secret)),
        Some(recipient) => {
            let failed =
                |_| ServiceError::new(ErrorType::KmsInternal, "The secret could not be encrypted.");
            let sealed = recipient
                .key
                .encrypt(secret, call.service.chunk)
                .map_err(failed)?;
            ("CiphertextForRecipient", STANDARD.encode(sealed))
        }
    };
    answer.insert(name.to_owned(), Value::String(bytes));
    Ok(())
}

/// The one key encryption algorithm of the interface.
const ALGORITHM: &str = "RSAES_OAEP_SHA_256";

/// A recipient whose document verified.
///
/// Having one means that the module signed these measurements and this key at most five minutes ago.
pub(super) struct Recipient {
    document: Document,
    key: RecipientKey,
}

impl Recipient {
    fn verify(
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
