//! DescribeKey, GetPublicKey, UpdateKeyDescription: what a key is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::create::check_description;
use crate::kms::call::Call;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfKey {
    pub(super) key_id: String,
    grant_tokens: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

pub(super) fn describe_key(call: &Call<'_>, request: OfKey) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let key = call.authorized_key(&request.key_id)?;
    Ok(Some(json!({ "KeyMetadata": call.service.metadata(&key) })))
}

pub(super) fn get_public_key(call: &Call<'_>, request: OfKey) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let key = call.authorized_key(&request.key_id)?;
    let arn = call.service.arn(&key);
    key.check_usable(&arn)?;
    let spec = key.material.spec();
    let mut answer = json!({
        "CustomerMasterKeySpec": spec.name(),
        "KeyId": arn,
        "KeySpec": spec.name(),
        "KeyUsage": spec.usage(),
        "PublicKey": STANDARD.encode(key.material.public_key()?),
    });
    if let Value::Object(members) = &mut answer {
        let (name, value) = match key.material.encryption_algorithms() {
            [] => ("KeyAgreementAlgorithms", json!(["ECDH"])),
            algorithms => ("EncryptionAlgorithms", json!(algorithms)),
        };
        members.insert(name.to_owned(), value);
    }
    Ok(Some(answer))
}

pub(super) fn update_key_description(call: &Call<'_>, request: UpdateKeyDescription) -> Answer {
    check_description(&request.description)?;
    let key = call.authorized_key(&request.key_id)?;
    key.check_kept(&call.service.arn(&key))?;
    call.service.change(&key, |key| {
        key.description = request.description;
        Ok(())
    })?;
    Ok(None)
}
