//! CreateKey.

use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::policy::check_lockout;
use super::tags::{self, Tag};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave};
use crate::kms::key::{Key, State};
use crate::kms::material::{Material, Spec};
use crate::kms::policy::Policy;
use crate::kms::secret::EncryptionContext;
use crate::kms::service::uuid;

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
    tags: Option<Vec<Tag>>,
}

pub(super) fn create_key(call: &Call<'_>, request: CreateKey) -> Answer {
    let bypass = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let multi_region = request.multi_region.unwrap_or(false);
    let spec = spec(&request)?;
    let description = request.description.unwrap_or_default();
    check_description(&description)?;
    let tags = tags::checked(request.tags)?;
    let mut context = call.context(None);
    context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    context.set("kms:KeySpec", spec.name());
    context.set("kms:KeyUsage", spec.usage());
    context.set("kms:KeyOrigin", "AWS_KMS");
    context.set("kms:MultiRegion", multi_region.to_string());
    if multi_region {
        context.set("kms:MultiRegionKeyType", "PRIMARY");
    }
    call.authorize(&Leave {
        action: call.action,
        key: None,
        context,
        encryption_context: &EncryptionContext::new(),
    })?;

    let policy_text = request
        .policy
        .unwrap_or_else(|| default_policy(&call.service.account));
    let policy = Policy::of_key(&policy_text).map_err(super::policy::malformed)?;
    let key = Key {
        id: id(multi_region)?,
        region: call.region.to_owned(),
        primary: multi_region.then(|| call.region.to_owned()),
        material: Material::generate(spec)?,
        created_s: call.service.now_s(),
        description,
        state: State::Enabled,
        policy_text,
        policy,
        grants: Vec::new(),
        tags,
    };
    if !bypass {
        check_lockout(call, &key, &key.policy)?;
    }
    let metadata = call.service.metadata(&key);
    call.service.add(key)?;
    Ok(Some(json!({ "KeyMetadata": metadata })))
}

/// A key id: a UUID, or `mrk-` and 32 hexadecimal digits.
fn id(multi_region: bool) -> Result<String, ServiceError> {
    let id = uuid()?;
    Ok(if multi_region {
        format!("mrk-{}", id.replace('-', ""))
    } else {
        id
    })
}

pub(super) fn check_description(description: &str) -> Result<(), ServiceError> {
    if description.len() > MAX_DESCRIPTION {
        return Err(ServiceError::validation(
            "Description must have a length of at most 8192.",
        ));
    }
    Ok(())
}

fn spec(request: &CreateKey) -> Result<Spec, ServiceError> {
    let unsupported = |what: &str| ServiceError::new(ErrorType::UnsupportedOperation, what);
    if request
        .origin
        .as_deref()
        .is_some_and(|origin| origin != "AWS_KMS")
    {
        return Err(unsupported(
            "This simulation makes keys of Origin AWS_KMS only.",
        ));
    }
    let named = match (&request.key_spec, &request.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            return Err(ServiceError::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
            ));
        }
        (Some(spec), None) | (None, Some(spec)) => spec.as_str(),
        (None, None) => "SYMMETRIC_DEFAULT",
    };
    let spec = Spec::parse(named).ok_or_else(|| {
        unsupported(
            "This simulation has keys of SYMMETRIC_DEFAULT, RSA and the NIST curves P-256, P-384 and P-521 only.",
        )
    })?;
    match request.key_usage.as_deref() {
        None if spec == Spec::Symmetric => Ok(spec),
        None => Err(ServiceError::validation(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        )),
        Some(usage) if usage == spec.usage() => Ok(spec),
        // AWS has these keys; here no operation uses one.
        Some("SIGN_VERIFY") if spec != Spec::Symmetric => {
            Err(unsupported("This simulation has no keys of SIGN_VERIFY."))
        }
        Some(usage) => Err(ServiceError::validation(format!(
            "KeyUsage {usage} is not compatible with KeySpec {named}"
        ))),
    }
}

/// What AWS gives a key without a policy: everything to the account, which delegates.
pub(super) fn default_policy(account: &str) -> String {
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
