//! The operations, by name; each file has the requests and the answers of a few.

mod alias;
mod create;
mod crypt;
mod data_key;
mod derive;
mod describe;
mod grants;
mod list;
mod policy;
mod replicate;
mod state;
mod tags;

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use super::policy::Context;
use super::secret::EncryptionContext;
use crate::aws::{ErrorType, ServiceError};

const TARGET_PREFIX: &str = "TrentService.";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// Largest encryption context: names and values together, in bytes.
// AWS KMS Developer Guide, encryption context: at most 8192 characters serialised.
const MAX_ENCRYPTION_CONTEXT: usize = 8192;

/// What an operation answers; nothing where the answer has no body.
pub(super) type Answer = Result<Option<Value>, ServiceError>;

/// An operation of the interface.
pub(super) struct Operation {
    name: &'static str,
    /// The action that policies know it by.
    pub(super) action: &'static str,
    pub(super) run: fn(&Call<'_>, &[u8]) -> Answer,
}

macro_rules! operations {
    ($($name:ident => $run:path;)*) => {
        static OPERATIONS: &[Operation] = &[$(Operation {
            name: stringify!($name),
            action: concat!("kms:", stringify!($name)),
            run: |call, body| $run(call, parse(body)?),
        },)*];
    };
}

operations! {
    CancelKeyDeletion => state::cancel_key_deletion;
    CreateAlias => alias::create_alias;
    CreateGrant => grants::create_grant;
    CreateKey => create::create_key;
    Decrypt => crypt::decrypt;
    DeleteAlias => alias::delete_alias;
    DeriveSharedSecret => derive::derive_shared_secret;
    DescribeKey => describe::describe_key;
    DisableKey => state::disable_key;
    EnableKey => state::enable_key;
    Encrypt => crypt::encrypt;
    GenerateDataKey => data_key::generate_data_key;
    GenerateDataKeyPair => data_key::generate_data_key_pair;
    GenerateDataKeyPairWithoutPlaintext => data_key::generate_data_key_pair_without_plaintext;
    GenerateDataKeyWithoutPlaintext => data_key::generate_data_key_without_plaintext;
    GenerateRandom => data_key::generate_random;
    GetKeyPolicy => policy::get_key_policy;
    GetPublicKey => describe::get_public_key;
    ListAliases => alias::list_aliases;
    ListGrants => grants::list_grants;
    ListKeyPolicies => policy::list_key_policies;
    ListKeys => list::list_keys;
    ListResourceTags => tags::list_resource_tags;
    ListRetirableGrants => grants::list_retirable_grants;
    PutKeyPolicy => policy::put_key_policy;
    ReEncrypt => crypt::re_encrypt;
    ReplicateKey => replicate::replicate_key;
    RetireGrant => grants::retire_grant;
    RevokeGrant => grants::revoke_grant;
    ScheduleKeyDeletion => state::schedule_key_deletion;
    TagResource => tags::tag_resource;
    UntagResource => tags::untag_resource;
    UpdateAlias => alias::update_alias;
    UpdateKeyDescription => describe::update_key_description;
}

/// The operation that the headers name.
pub(super) fn named(parts: &Parts) -> Result<&'static Operation, ServiceError> {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if header(CONTENT_TYPE.as_str()) != Some(JSON_1_1) {
        return Err(ServiceError::new(
            ErrorType::Serialization,
            format!("Content-Type must be {JSON_1_1}."),
        ));
    }
    let unknown = || {
        ServiceError::new(
            ErrorType::UnknownOperation,
            "The operation is not one of this simulation.",
        )
    };
    let target = header("x-amz-target").and_then(|target| target.strip_prefix(TARGET_PREFIX));
    let name = target.ok_or_else(unknown)?;
    OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .ok_or_else(unknown)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|error| {
        let said = error.to_string();
        match said.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            Some((name, _)) => ServiceError::validation(format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            )),
            None => ServiceError::new(
                ErrorType::Serialization,
                "The request is not what the operation takes.",
            ),
        }
    })
}

/// A blob member: base64, within its length.
pub(super) fn blob(name: &str, encoded: &str, most: usize) -> Result<Vec<u8>, ServiceError> {
    let bytes = STANDARD.decode(encoded).map_err(|_| {
        ServiceError::new(ErrorType::Serialization, format!("{name} is not base64."))
    })?;
    if bytes.is_empty() || bytes.len() > most {
        return Err(ServiceError::validation(format!(
            "{name} must have a length of 1 to {most}."
        )));
    }
    Ok(bytes)
}

/// The encryption context of a request, and its condition keys.
fn encryption_context(
    given: Option<EncryptionContext>,
    context: &mut Context,
) -> Result<EncryptionContext, ServiceError> {
    let given = given.unwrap_or_default();
    let size = given
        .iter()
        .map(|(name, value)| name.len().saturating_add(value.len()))
        .fold(0_usize, usize::saturating_add);
    if size > MAX_ENCRYPTION_CONTEXT {
        return Err(ServiceError::validation(
            "EncryptionContext must be of at most 8192 characters.",
        ));
    }
    context.set_all("kms:EncryptionContextKeys", given.keys().cloned());
    for (name, value) in &given {
        context.set_all(&format!("kms:EncryptionContext:{name}"), [value.clone()]);
    }
    Ok(given)
}
