//! GetKeyPolicy, ListKeyPolicies and PutKeyPolicy.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::list::Page;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave};
use crate::kms::key::Key;
use crate::kms::policy::{Decision, Malformed, Policy};
use crate::kms::secret::EncryptionContext;

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
pub(super) struct ListKeyPolicies {
    key_id: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutKeyPolicy {
    key_id: String,
    policy: String,
    policy_name: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

pub(super) fn get_key_policy(call: &Call<'_>, request: GetKeyPolicy) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    check_name(request.policy_name.as_deref())?;
    Ok(Some(
        json!({ "Policy": key.policy_text, "PolicyName": POLICY_NAME }),
    ))
}

/// A key has one policy.
pub(super) fn list_key_policies(call: &Call<'_>, request: ListKeyPolicies) -> Answer {
    call.authorized_key(&request.key_id)?;
    let names = vec![(POLICY_NAME.to_owned(), json!(POLICY_NAME))];
    let page = request.page.of("PolicyNames", 100, names)?;
    Ok(Some(Value::Object(page)))
}

pub(super) fn put_key_policy(call: &Call<'_>, request: PutKeyPolicy) -> Answer {
    let PutKeyPolicy {
        key_id,
        policy: text,
        policy_name,
        bypass_policy_lockout_safety_check,
    } = request;
    let bypass = bypass_policy_lockout_safety_check.unwrap_or(false);
    let key = call.find(&key_id)?;
    let mut context = call.context(Some(&key));
    context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    call.authorize(&Leave {
        action: call.action,
        key: Some(&key),
        context,
        encryption_context: &EncryptionContext::new(),
    })?;
    check_name(policy_name.as_deref())?;
    let policy = Policy::of_key(&text).map_err(malformed)?;
    if !bypass {
        check_lockout(call, &key, &policy)?;
    }
    call.service.change(&key, |key| {
        key.policy_text = text;
        key.policy = policy;
        Ok(())
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
