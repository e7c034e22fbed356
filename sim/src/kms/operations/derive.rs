//! DeriveSharedSecret: in the clear where the policy lets it, else to the key of an attested recipient.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, blob, refuse_grant_tokens};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::recipient::Recipient;
use crate::kms::service::Call;

/// Largest public key and largest attestation document, in bytes.
// botocore kms/2014-11-01: PublicKeyType max 8192, AttestationDocumentType max 262144.
const MAX_PUBLIC_KEY: usize = 8192;
const MAX_ATTESTATION_DOCUMENT: usize = 262_144;

const ALGORITHM: &str = "ECDH";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeriveSharedSecret {
    key_id: String,
    key_agreement_algorithm: String,
    public_key: String,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
    recipient: Option<RecipientInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecipientInfo {
    key_encryption_algorithm: String,
    attestation_document: String,
}

pub(super) fn derive_shared_secret(call: &Call<'_>, request: DeriveSharedSecret) -> Answer {
    let service = call.service;
    if request.key_agreement_algorithm != ALGORITHM {
        return Err(ServiceError::validation(
            "KeyAgreementAlgorithm must be ECDH.",
        ));
    }
    refuse_grant_tokens(request.grant_tokens.as_deref())?;
    let peer = blob("PublicKey", &request.public_key, MAX_PUBLIC_KEY)?;
    let key = service.find(&request.key_id)?;
    let recipient = request
        .recipient
        .map(|info| verify(call, &info))
        .transpose()?;

    let mut context = call.context(Some(&key));
    context.set("kms:KeyAgreementAlgorithm", ALGORITHM);
    if let Some(recipient) = &recipient {
        recipient.describe(&mut context);
    }
    call.authorize(Some(&key), &context)?;

    let arn = service.arn(&key);
    key.check_usable(&arn)?;
    let secret = key.derive(&arn, &peer)?;
    if request.dry_run == Some(true) {
        let message = "The request would have succeeded, but the DryRun option is set.";
        return Err(ServiceError::new(ErrorType::DryRunOperation, message));
    }
    let (member, value) = match &recipient {
        None => ("SharedSecret", STANDARD.encode(&secret[..])),
        Some(recipient) => {
            let failed =
                |_| ServiceError::new(ErrorType::KmsInternal, "The secret could not be encrypted.");
            let envelope = recipient
                .key
                .encrypt(&secret, service.chunk)
                .map_err(failed)?;
            ("CiphertextForRecipient", STANDARD.encode(envelope))
        }
    };
    let mut answer =
        json!({ "KeyId": arn, "KeyAgreementAlgorithm": ALGORITHM, "KeyOrigin": "AWS_KMS" });
    if let Value::Object(members) = &mut answer {
        members.insert(member.to_owned(), Value::String(value));
    }
    Ok(Some(answer))
}

fn verify(call: &Call<'_>, info: &RecipientInfo) -> Result<Recipient, ServiceError> {
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
}
