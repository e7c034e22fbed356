//! DescribeKey, GetPublicKey, ListGrants: what a key is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, refuse_grant_tokens};
use crate::kms::service::Call;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfKey {
    pub(super) key_id: String,
    grant_tokens: Option<Vec<String>>,
}

pub(super) fn describe_key(call: &Call<'_>, request: &OfKey) -> Answer {
    refuse_grant_tokens(request.grant_tokens.as_deref())?;
    let key = call.authorized_key(&request.key_id)?;
    let metadata = key.metadata(&call.service.region, &call.service.account);
    Ok(Some(json!({ "KeyMetadata": metadata })))
}

pub(super) fn get_public_key(call: &Call<'_>, request: &OfKey) -> Answer {
    refuse_grant_tokens(request.grant_tokens.as_deref())?;
    let key = call.authorized_key(&request.key_id)?;
    let arn = call.service.arn(&key);
    key.check_usable(&arn)?;
    Ok(Some(json!({
        "CustomerMasterKeySpec": key.material.spec(),
        "KeyAgreementAlgorithms": ["ECDH"],
        "KeyId": arn,
        "KeySpec": key.material.spec(),
        "KeyUsage": key.material.usage(),
        "PublicKey": STANDARD.encode(key.public_key()?),
    })))
}

/// Always none: this simulation makes no grants.
pub(super) fn list_grants(call: &Call<'_>, request: &OfKey) -> Answer {
    call.authorized_key(&request.key_id)?;
    Ok(Some(json!({ "Grants": [], "Truncated": false })))
}
