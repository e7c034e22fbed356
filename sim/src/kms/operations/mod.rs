//! The operations, by name; each file has the request and the answer of a few.

mod create;
mod derive;
mod describe;
mod policy;
mod state;

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::service::Call;
use crate::aws::{ErrorType, ServiceError};

const TARGET_PREFIX: &str = "TrentService.";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// What an operation answers; nothing where the answer has no body.
pub(super) type Answer = Result<Option<Value>, ServiceError>;

/// An operation of the interface.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    CreateKey,
    DeriveSharedSecret,
    DescribeKey,
    DisableKey,
    EnableKey,
    GetKeyPolicy,
    GetPublicKey,
    ListGrants,
    PutKeyPolicy,
    ScheduleKeyDeletion,
}

impl Operation {
    /// The action that policies know it by.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::CreateKey => "kms:CreateKey",
            Self::DeriveSharedSecret => "kms:DeriveSharedSecret",
            Self::DescribeKey => "kms:DescribeKey",
            Self::DisableKey => "kms:DisableKey",
            Self::EnableKey => "kms:EnableKey",
            Self::GetKeyPolicy => "kms:GetKeyPolicy",
            Self::GetPublicKey => "kms:GetPublicKey",
            Self::ListGrants => "kms:ListGrants",
            Self::PutKeyPolicy => "kms:PutKeyPolicy",
            Self::ScheduleKeyDeletion => "kms:ScheduleKeyDeletion",
        }
    }

    pub(super) fn run(self, call: &Call<'_>, body: &[u8]) -> Answer {
        match self {
            Self::CreateKey => create::create_key(call, parse(body)?),
            Self::DeriveSharedSecret => derive::derive_shared_secret(call, parse(body)?),
            Self::DescribeKey => describe::describe_key(call, &parse(body)?),
            Self::DisableKey => state::disable_key(call, &parse(body)?),
            Self::EnableKey => state::enable_key(call, &parse(body)?),
            Self::GetKeyPolicy => policy::get_key_policy(call, &parse(body)?),
            Self::GetPublicKey => describe::get_public_key(call, &parse(body)?),
            Self::ListGrants => describe::list_grants(call, &parse(body)?),
            Self::PutKeyPolicy => policy::put_key_policy(call, parse(body)?),
            Self::ScheduleKeyDeletion => state::schedule_key_deletion(call, &parse(body)?),
        }
    }
}

/// The operation that the headers name.
pub(super) fn named(parts: &Parts) -> Result<Operation, ServiceError> {
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
    match header("x-amz-target").and_then(|target| target.strip_prefix(TARGET_PREFIX)) {
        Some("CreateKey") => Ok(Operation::CreateKey),
        Some("DeriveSharedSecret") => Ok(Operation::DeriveSharedSecret),
        Some("DescribeKey") => Ok(Operation::DescribeKey),
        Some("DisableKey") => Ok(Operation::DisableKey),
        Some("EnableKey") => Ok(Operation::EnableKey),
        Some("GetKeyPolicy") => Ok(Operation::GetKeyPolicy),
        Some("GetPublicKey") => Ok(Operation::GetPublicKey),
        Some("ListGrants") => Ok(Operation::ListGrants),
        Some("PutKeyPolicy") => Ok(Operation::PutKeyPolicy),
        Some("ScheduleKeyDeletion") => Ok(Operation::ScheduleKeyDeletion),
        Some(_) | None => Err(ServiceError::new(
            ErrorType::UnknownOperation,
            "The operation is not one of this simulation.",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|_| {
        ServiceError::new(
            ErrorType::Serialization,
            "The request is not what the operation takes.",
        )
    })
}

/// A blob member: base64, within its length.
fn blob(name: &str, encoded: &str, most: usize) -> Result<Vec<u8>, ServiceError> {
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

/// Grant tokens name grants, and this simulation has none.
fn refuse_grant_tokens(tokens: Option<&[String]>) -> Result<(), ServiceError> {
    match tokens {
        None | Some([]) => Ok(()),
        Some(_) => Err(ServiceError::new(
            ErrorType::InvalidGrantToken,
            "The grant token is unknown.",
        )),
    }
}
