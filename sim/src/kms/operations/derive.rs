//! DeriveSharedSecret: in the clear where the policy lets it, else to the key of an attested recipient.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Answer, blob};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave, refuse_dry_run};
use crate::kms::recipient::{RecipientInfo, deliver};
use crate::kms::secret::EncryptionContext;

/// Largest public key, in bytes.
// botocore kms/2014-11-01: PublicKeyType max 8192.
const MAX_PUBLIC_KEY: usize = 8192;

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

pub(super) fn derive_shared_secret(call: &Call<'_>, request: DeriveSharedSecret) -> Answer {
    if request.key_agreement_algorithm != ALGORITHM {
        return Err(ServiceError::validation(
            "KeyAgreementAlgorithm must be ECDH.",
        ));
    }
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let peer = blob("PublicKey", &request.public_key, MAX_PUBLIC_KEY)?;
    let key = call.find(&request.key_id)?;
    let recipient = RecipientInfo::verify(request.recipient.as_ref(), call)?;

    let mut context = call.context(Some(&key));
    context.set("kms:KeyAgreementAlgorithm", ALGORITHM);
    if let Some(recipient) = &recipient {
        recipient.describe(&mut context);
    }
    call.authorize(&Leave {
        action: call.action,
        key: Some(&key),
        context,
        encryption_context: &EncryptionContext::new(),
    })?;

    let arn = call.service.arn(&key);
    key.check_usable(&arn)?;
    let secret = key.material.derive(&peer).ok_or_else(|| {
        let usage = key.material.spec().usage();
        let message =
            format!("{arn} key usage is {usage} which is not valid for DeriveSharedSecret.");
        ServiceError::new(ErrorType::InvalidKeyUsage, message)
    })??;
    refuse_dry_run(request.dry_run)?;
    let mut answer = Map::new();
    for (name, value) in [
        ("KeyId", arn.as_str()),
        ("KeyAgreementAlgorithm", ALGORITHM),
        ("KeyOrigin", "AWS_KMS"),
    ] {
        answer.insert(name.to_owned(), value.into());
    }
    deliver(
        call,
        recipient.as_ref(),
        "SharedSecret",
        &secret,
        &mut answer,
    )?;
    Ok(Some(Value::Object(answer)))
}
