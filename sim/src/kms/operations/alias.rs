//! CreateAlias, UpdateAlias, DeleteAlias, ListAliases.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::list::Page;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::Call;
use crate::kms::key::Key;
use crate::kms::store::Alias;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    alias_name: String,
    target_key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteAlias {
    alias_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAliases {
    key_id: Option<String>,
    #[serde(flatten)]
    page: Page,
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let is_valid = name.strip_prefix("alias/").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with("aws/")
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    });
    if is_valid && name.len() <= 256 {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorType::InvalidAliasName,
        "Alias must start with the prefix \"alias/\" and hold letters, digits and /_- only.",
    ))
}

/// A key that an alias may stand for: named by id or ARN, and kept.
fn target(call: &Call<'_>, request: &Target) -> Result<Key, ServiceError> {
    check_name(&request.alias_name)?;
    if request.target_key_id.contains("alias/") {
        return Err(ServiceError::validation("Aliases must refer to keys."));
    }
    let key = call.authorized_key(&request.target_key_id)?;
    key.check_kept(&call.service.arn(&key))?;
    Ok(key)
}

pub(super) fn create_alias(call: &Call<'_>, request: Target) -> Answer {
    let key = target(call, &request)?;
    let now_s = call.service.now_s();
    let alias = Alias {
        key_id: key.id,
        created_s: now_s,
        updated_s: now_s,
    };
    call.service.change_aliases(call.region, |aliases| {
        let arn = arn(call, &request.alias_name);
        if aliases.contains_key(&request.alias_name) {
            return Err(ServiceError::new(
                ErrorType::AlreadyExists,
                format!("An alias with the name {arn} already exists"),
            ));
        }
        aliases.insert(request.alias_name, alias);
        Ok(())
    })?;
    Ok(None)
}

pub(super) fn update_alias(call: &Call<'_>, request: Target) -> Answer {
    let key = target(call, &request)?;
    let current = call.find(&request.alias_name)?;
    call.authorize_on(Some(&current))?;
    if key.material.spec().usage() != current.material.spec().usage() {
        return Err(ServiceError::validation(
            "The key usage of both keys must be the same.",
        ));
    }
    let updated_s = call.service.now_s();
    call.service.change_aliases(call.region, |aliases| {
        let alias = aliases
            .get_mut(&request.alias_name)
            .ok_or_else(|| not_found(call, &request.alias_name))?;
        alias.key_id = key.id;
        alias.updated_s = updated_s;
        Ok(())
    })?;
    Ok(None)
}

pub(super) fn delete_alias(call: &Call<'_>, request: DeleteAlias) -> Answer {
    check_name(&request.alias_name)?;
    call.authorized_key(&request.alias_name)?;
    call.service.change_aliases(call.region, |aliases| {
        aliases
            .remove(&request.alias_name)
            .map(|_| ())
            .ok_or_else(|| not_found(call, &request.alias_name))
    })?;
    Ok(None)
}

pub(super) fn list_aliases(call: &Call<'_>, request: ListAliases) -> Answer {
    call.authorize_on(None)?;
    let of = request
        .key_id
        .map(|key_id| call.find(&key_id).map(|key| key.id))
        .transpose()?;
    let aliases = call.service.aliases_of(call.region);
    let shown = aliases
        .into_iter()
        .filter(|(_, alias)| of.as_ref().is_none_or(|id| *id == alias.key_id))
        .map(|(name, alias)| {
            let shown = json!({
                "AliasArn": arn(call, &name),
                "AliasName": name,
                "CreationDate": alias.created_s,
                "LastUpdatedDate": alias.updated_s,
                "TargetKeyId": alias.key_id,
            });
            (name, shown)
        });
    let page = request.page.of("Aliases", 50, shown.collect())?;
    Ok(Some(Value::Object(page)))
}

fn arn(call: &Call<'_>, name: &str) -> String {
    format!(
        "arn:aws:kms:{}:{}:{name}",
        call.region, call.service.account
    )
}

fn not_found(call: &Call<'_>, name: &str) -> ServiceError {
    ServiceError::new(
        ErrorType::NotFound,
        format!("Alias {} is not found.", arn(call, name)),
    )
}
