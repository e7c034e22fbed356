//! GetKeyPolicy and PutKeyPolicy.

use serde::Deserialize;
use serde_json::json;

use super::Answer;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::key::Key;
use crate::kms::policy::{Decision, Malformed, Policy};
use crate::kms::service::Call;

/// The one policy a key has.
const POLICY_NAME: &str = "default";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutKeyPolicy {
    key_id: String,
    policy: String,
    policy_name: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

pub(super) fn get_key_policy(call: &Call<'_>, request: &GetKeyPolicy) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    check_name(request.policy_name.as_deref())?;
    Ok(Some(
        json!({ "Policy": key.policy_text, "PolicyName": POLICY_NAME }),
    ))
}

pub(super) fn put_key_policy(call: &Call<'_>, request: PutKeyPolicy) -> Answer {
    let PutKeyPolicy {
        key_id,
        policy: text,
        policy_name,
        bypass_policy_lockout_safety_check,
    } = request;
    let bypass = bypass_policy_lockout_safety_check.unwrap_or(false);
    let key = call.service.find(&key_id)?;
    let mut context = call.context(Some(&key));
    context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    call.authorize(Some(&key), &context)?;
    check_name(policy_name.as_deref())?;
    let policy = Policy::of_key(&text).map_err(malformed)?;
    if !bypass {
        check_lockout(call, &key, &policy)?;
    }
    call.service.change(&key.id, |key| {
        key.policy_text = text;
        key.policy = policy;
    })?;
    Ok(None)
}

/// A policy must let its author change it again.
pub(super) fn check_lockout(
    call: &Call<'_>,
    key: &Key,
    policy: &Policy,
) -> Result<(), ServiceError> {
    let resource = call.service.arn(key);
    let mut context = call.context(Some(key));
    context.set("kms:BypassPolicyLockoutSafetyCheck", "false");
    match call.decide("kms:PutKeyPolicy", &resource, Some(policy), &context) {
        Decision::Allowed => Ok(()),
        Decision::ExplicitDeny(_) | Decision::ImplicitDeny => Err(ServiceError::new(
            ErrorType::MalformedPolicyDocument,
            "The new key policy will not allow you to update the key policy in the future.",
        )),
    }
}

pub(super) fn malformed(Malformed(reason): Malformed) -> ServiceError {
    ServiceError::new(ErrorType::MalformedPolicyDocument, reason)
}

fn check_name(name: Option<&str>) -> Result<(), ServiceError> {
    match name {
        None | Some(POLICY_NAME) => Ok(()),
        Some(_) => Err(ServiceError::new(
            ErrorType::NotFound,
            "No such policy exists",
        )),
    }
}
