//! CreateKey.

use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::policy::check_lockout;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::key::{Key, Material, State};
use crate::kms::policy::Policy;
use crate::kms::service::{Call, uuid};

/// Longest description.
// botocore kms/2014-11-01: DescriptionType, max 8192.
const MAX_DESCRIPTION: usize = 8192;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateKey {
    bypass_policy_lockout_safety_check: Option<bool>,
    customer_master_key_spec: Option<String>,
    description: Option<String>,
    key_spec: Option<String>,
    key_usage: Option<String>,
    multi_region: Option<bool>,
    origin: Option<String>,
    policy: Option<String>,
}

pub(super) fn create_key(call: &Call<'_>, request: CreateKey) -> Answer {
    let bypass = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let material = material(&request)?;
    let description = request.description.unwrap_or_default();
    if description.len() > MAX_DESCRIPTION {
        return Err(ServiceError::validation(
            "Description must have a length of at most 8192.",
        ));
    }
    let mut context = call.context(None);
    context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    context.set("kms:KeySpec", material.spec());
    context.set("kms:KeyUsage", material.usage());
    context.set("kms:KeyOrigin", "AWS_KMS");
    context.set("kms:MultiRegion", "false");
    call.authorize(None, &context)?;

    let policy_text = request
        .policy
        .unwrap_or_else(|| default_policy(&call.service.account));
    let policy = Policy::of_key(&policy_text).map_err(super::policy::malformed)?;
    let created_s = call.service.clock.now_ms() / 1000;
    let key = Key {
        id: uuid()?,
        material,
        created_s,
        description,
        state: State::Enabled,
        policy_text,
        policy,
    };
    if !bypass {
        check_lockout(call, &key, &key.policy)?;
    }
    let metadata = key.metadata(&call.service.region, &call.service.account);
    call.service.put(key)?;
    Ok(Some(json!({ "KeyMetadata": metadata })))
}

fn material(request: &CreateKey) -> Result<Material, ServiceError> {
    let unsupported = |what: &str| ServiceError::new(ErrorType::UnsupportedOperation, what);
    if request.multi_region == Some(true) {
        return Err(unsupported("This simulation has no multi-Region keys."));
    }
    if request
        .origin
        .as_deref()
        .is_some_and(|origin| origin != "AWS_KMS")
    {
        return Err(unsupported(
            "This simulation makes keys of Origin AWS_KMS only.",
        ));
    }
    let spec = match (&request.key_spec, &request.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            return Err(ServiceError::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
            ));
        }
        (Some(spec), None) | (None, Some(spec)) => spec.as_str(),
        (None, None) => "SYMMETRIC_DEFAULT",
    };
    match (spec, request.key_usage.as_deref()) {
        ("SYMMETRIC_DEFAULT", None | Some("ENCRYPT_DECRYPT")) => Ok(Material::Symmetric),
        ("ECC_NIST_P256", Some("KEY_AGREEMENT")) => Material::generate_agreement(),
        ("ECC_NIST_P256", None) => Err(ServiceError::validation(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        )),
        ("SYMMETRIC_DEFAULT" | "ECC_NIST_P256", Some(usage)) => Err(ServiceError::validation(
            format!("KeyUsage {usage} is not compatible with KeySpec {spec}"),
        )),
        (_, _) => Err(unsupported(
            "This simulation has keys of ECC_NIST_P256 and SYMMETRIC_DEFAULT only.",
        )),
    }
}

/// What AWS gives a key without a policy: everything to the account, which delegates.
fn default_policy(account: &str) -> String {
    let policy = json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*",
        }],
    });
    policy.to_string()
}
