//! ReplicateKey: the same key in another region, under a policy of its own.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::create::{check_description, default_policy};
use super::policy::{check_lockout, malformed};
use super::tags::{self, Tag};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave};
use crate::kms::key::{Key, State};
use crate::kms::policy::Policy;
use crate::kms::secret::EncryptionContext;
use crate::kms::service::is_region;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReplicateKey {
    key_id: String,
    replica_region: String,
    policy: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
    description: Option<String>,
    tags: Option<Vec<Tag>>,
}

pub(super) fn replicate_key(call: &Call<'_>, request: ReplicateKey) -> Answer {
    let service = call.service;
    let bypass = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let description = request.description.unwrap_or_default();
    check_description(&description)?;
    let tags = tags::checked(request.tags)?;
    let key = call.find(&request.key_id)?;
    let mut context = call.context(Some(&key));
    context.set("kms:ReplicaRegion", request.replica_region.clone());
    context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    call.authorize(&Leave {
        action: call.action,
        key: Some(&key),
        context,
        encryption_context: &EncryptionContext::new(),
    })?;
    let mut making = call.context(None);
    making.set("aws:RequestedRegion", request.replica_region.clone());
    making.set("kms:KeySpec", key.material.spec().name());
    making.set("kms:KeyUsage", key.material.spec().usage());
    making.set("kms:MultiRegion", "true");
    making.set("kms:MultiRegionKeyType", "REPLICA");
    call.authorize(&Leave {
        action: "kms:CreateKey",
        key: None,
        context: making,
        encryption_context: &EncryptionContext::new(),
    })?;
    if !key.is_primary() {
        return Err(ServiceError::new(
            ErrorType::UnsupportedOperation,
            format!("{} is not a multi-Region primary key.", service.arn(&key)),
        ));
    }
    key.check_usable(&service.arn(&key))?;
    if !is_region(&request.replica_region) || !service.serves(&request.replica_region) {
        return Err(ServiceError::validation(format!(
            "{} is not a region of this simulation.",
            request.replica_region
        )));
    }
    let policy_text = request
        .policy
        .unwrap_or_else(|| default_policy(&service.account));
    let policy = Policy::of_key(&policy_text).map_err(malformed)?;
    let replica = Key {
        region: request.replica_region,
        created_s: service.now_s(),
        description,
        state: State::Enabled,
        policy_text: policy_text.clone(),
        policy,
        grants: Vec::new(),
        tags: tags.clone(),
        ..key
    };
    if !bypass {
        check_lockout(call, &replica, &replica.policy)?;
    }
    service.add(replica.clone())?;
    let shown: Vec<Value> = tags::shown(&tags).into_iter().map(|(_, tag)| tag).collect();
    Ok(Some(json!({
        "ReplicaKeyMetadata": service.metadata(&replica),
        "ReplicaPolicy": policy_text,
        "ReplicaTags": shown,
    })))
}
