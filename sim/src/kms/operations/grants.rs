//! CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::list::Page;
use crate::aws::{Caller, ErrorType, ServiceError};
use crate::hex;
use crate::kms::call::{Call, Leave, refuse_dry_run};
use crate::kms::grant::{Constraint, Grant, Terms, is_operation, is_principal};
use crate::kms::key::Key;
use crate::kms::material::Spec;
use crate::kms::policy::Context;
use crate::kms::secret::EncryptionContext;
use crate::kms::service::random;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateGrant {
    key_id: String,
    grantee_principal: String,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    constraints: Option<Constraints>,
    grant_tokens: Option<Vec<String>>,
    name: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Constraints {
    encryption_context_equals: Option<EncryptionContext>,
    encryption_context_subset: Option<EncryptionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListGrants {
    key_id: String,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRetirableGrants {
    retiring_principal: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RevokeGrant {
    key_id: String,
    grant_id: String,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RetireGrant {
    grant_token: Option<String>,
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

pub(super) fn create_grant(call: &Call<'_>, request: CreateGrant) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    if request.key_id.contains("alias/") {
        return Err(ServiceError::validation(
            "KeyId must be a key id or a key ARN.",
        ));
    }
    let dry_run = request.dry_run;
    let key = call.find(&request.key_id)?;
    let terms = terms(request, key.material.spec())?;
    let leave = Leave {
        action: call.action,
        key: Some(&key),
        context: describe(call, &key, &terms),
        encryption_context: &EncryptionContext::new(),
    };
    let operation = "CreateGrant";
    call.authorize_by(&leave, |grant| {
        grant.permits(&call.known.caller, operation, &EncryptionContext::new())
            && grant.may_make(&terms)
    })?;
    let arn = call.service.arn(&key);
    key.check_usable(&arn)?;
    refuse_dry_run(dry_run)?;
    let made = Grant {
        id: hex::encode(&random::<32>()?),
        token: URL_SAFE_NO_PAD.encode(random::<96>()?),
        created_s: call.service.now_s(),
        issuing_account: format!("arn:aws:iam::{}:root", call.service.account),
        terms,
    };
    let grant = call.service.change(&key, |key| {
        key.check_usable(&arn)?;
        // The same terms under the same name are the grant that is there.
        let same = key
            .grants
            .iter()
            .find(|grant| made.terms.name.is_some() && grant.terms == made.terms);
        Ok(match same {
            Some(same) => same.clone(),
            None => {
                key.grants.push(made.clone());
                made
            }
        })
    })?;
    Ok(Some(
        json!({ "GrantId": grant.id, "GrantToken": grant.token }),
    ))
}

fn terms(request: CreateGrant, spec: Spec) -> Result<Terms, ServiceError> {
    let symmetric = spec == Spec::Symmetric;
    let agreement = spec.usage() == "KEY_AGREEMENT";
    let unfit = request
        .operations
        .iter()
        .find(|name| !is_operation(name, symmetric, agreement));
    if let Some(name) = unfit {
        return Err(ServiceError::validation(format!(
            "Grant operation {name} is not one of a {} key here.",
            spec.name()
        )));
    }
    if request.operations.is_empty() {
        return Err(ServiceError::validation("Operations must not be empty."));
    }
    let is_name = |name: &String| {
        (1..=256).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte))
    };
    if !request.name.as_ref().is_none_or(is_name) {
        return Err(ServiceError::validation(
            "Name must be 1 to 256 of letters, digits and :/_-.",
        ));
    }
    check_principal(&request.grantee_principal)?;
    if let Some(principal) = &request.retiring_principal {
        check_principal(principal)?;
    }
    let constraint = match request.constraints {
        None => None,
        Some(constraints) => match (
            constraints.encryption_context_equals,
            constraints.encryption_context_subset,
        ) {
            (Some(equals), None) => Some(Constraint::Equals(equals)),
            (None, Some(subset)) => Some(Constraint::Subset(subset)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(ServiceError::validation(
                    "This simulation takes one constraint of a grant.",
                ));
            }
        },
    };
    if constraint.is_some() && !symmetric {
        return Err(ServiceError::validation(
            "Grant constraints are for symmetric keys only.",
        ));
    }
    let mut operations = request.operations;
    operations.sort();
    operations.dedup();
    Ok(Terms {
        name: request.name,
        grantee: request.grantee_principal,
        retiring: request.retiring_principal,
        operations,
        constraint,
    })
}

fn check_principal(arn: &str) -> Result<(), ServiceError> {
    match Caller::parse(arn) {
        Some(_) => Ok(()),
        None => Err(ServiceError::new(
            ErrorType::InvalidArn,
            format!("{arn} is not the ARN of a principal."),
        )),
    }
}

fn describe(call: &Call<'_>, key: &Key, terms: &Terms) -> Context {
    let mut context = call.context(Some(key));
    context.set("kms:GrantIsForAWSResource", "false");
    context.set("kms:GranteePrincipal", terms.grantee.clone());
    context.set_all("kms:RetiringPrincipal", terms.retiring.clone());
    context.set_all("kms:GrantOperations", terms.operations.iter().cloned());
    let constraint = terms
        .constraint
        .as_ref()
        .map(|constraint| match constraint {
            Constraint::Equals(_) => "EncryptionContextEquals".to_owned(),
            Constraint::Subset(_) => "EncryptionContextSubset".to_owned(),
        });
    context.set_all("kms:GrantConstraintType", constraint);
    context
}

pub(super) fn list_grants(call: &Call<'_>, request: ListGrants) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    let wanted = |grant: &&Grant| {
        request.grant_id.as_ref().is_none_or(|id| *id == grant.id)
            && request
                .grantee_principal
                .as_ref()
                .is_none_or(|arn| *arn == grant.terms.grantee)
    };
    let shown = key.grants.iter().filter(wanted);
    let shown = shown.map(|grant| shown_grant(call, &key, grant)).collect();
    Ok(Some(Value::Object(request.page.of("Grants", 50, shown)?)))
}

/// Grants that a principal may retire: its own question, or one its policies let it ask.
pub(super) fn list_retirable_grants(call: &Call<'_>, request: ListRetirableGrants) -> Answer {
    check_principal(&request.retiring_principal)?;
    if !is_principal(&request.retiring_principal, &call.known.caller) {
        call.authorize_on(None)?;
    }
    let keys = call.service.keys_of(call.region);
    let mut shown = Vec::new();
    for key in &keys {
        let retirable =
            |grant: &&Grant| grant.terms.retiring.as_ref() == Some(&request.retiring_principal);
        let grants = key.grants.iter().filter(retirable);
        shown.extend(grants.map(|grant| shown_grant(call, key, grant)));
    }
    Ok(Some(Value::Object(request.page.of("Grants", 50, shown)?)))
}

fn shown_grant(call: &Call<'_>, key: &Key, grant: &Grant) -> (String, Value) {
    let mut shown = json!({
        "CreationDate": grant.created_s,
        "GrantId": grant.id,
        "GranteePrincipal": grant.terms.grantee,
        "IssuingAccount": grant.issuing_account,
        "KeyId": call.service.arn(key),
        "Name": grant.terms.name.clone().unwrap_or_default(),
        "Operations": grant.terms.operations,
    });
    if let Value::Object(members) = &mut shown {
        if let Some(retiring) = &grant.terms.retiring {
            members.insert("RetiringPrincipal".to_owned(), json!(retiring));
        }
        let constraint = grant.terms.constraint.as_ref().map(|one| match one {
            Constraint::Equals(context) => json!({ "EncryptionContextEquals": context }),
            Constraint::Subset(context) => json!({ "EncryptionContextSubset": context }),
        });
        if let Some(constraint) = constraint {
            members.insert("Constraints".to_owned(), constraint);
        }
    }
    (grant.id.clone(), shown)
}

pub(super) fn revoke_grant(call: &Call<'_>, request: RevokeGrant) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    held(&key, &request.grant_id)?;
    refuse_dry_run(request.dry_run)?;
    remove(call, &key, &request.grant_id)
}

/// By the retiring principal, by a grantee whose grant says so, or by leave of the policies.
pub(super) fn retire_grant(call: &Call<'_>, request: RetireGrant) -> Answer {
    let (key, id) = match (&request.grant_token, &request.key_id, &request.grant_id) {
        (Some(token), None, None) => by_token(call, token)?,
        (None, Some(key_id), Some(id)) => (call.find(key_id)?, id.clone()),
        _ => {
            return Err(ServiceError::validation(
                "Either GrantToken, or KeyId and GrantId.",
            ));
        }
    };
    let grant = held(&key, &id);
    let caller = &call.known.caller;
    let context = call.context(Some(&key));
    let leave = Leave {
        action: call.action,
        key: Some(&key),
        context,
        encryption_context: &EncryptionContext::new(),
    };
    call.authorize_by(&leave, |other| {
        other.id == id
            && (other.permits(caller, "RetireGrant", &EncryptionContext::new())
                || other
                    .terms
                    .retiring
                    .as_ref()
                    .is_some_and(|arn| is_principal(arn, caller)))
    })?;
    grant?;
    refuse_dry_run(request.dry_run)?;
    remove(call, &key, &id)
}

fn by_token(call: &Call<'_>, token: &str) -> Result<(Key, String), ServiceError> {
    for key in call.service.keys_of(call.region) {
        if let Some(grant) = key.grants.iter().find(|grant| grant.token == token) {
            let id = grant.id.clone();
            return Ok((key, id));
        }
    }
    Err(ServiceError::new(
        ErrorType::InvalidGrantToken,
        "The grant token is unknown.",
    ))
}

fn held<'a>(key: &'a Key, id: &str) -> Result<&'a Grant, ServiceError> {
    let is_id = id.len() == 64 && hex::decode(id).is_some();
    if !is_id {
        return Err(ServiceError::new(
            ErrorType::InvalidGrantId,
            "The grant id is not one.",
        ));
    }
    key.grants
        .iter()
        .find(|grant| grant.id == id)
        .ok_or_else(|| ServiceError::new(ErrorType::NotFound, format!("Grant ID {id} not found")))
}

fn remove(call: &Call<'_>, key: &Key, id: &str) -> Answer {
    call.service.change(key, |key| {
        key.grants.retain(|grant| grant.id != id);
        Ok(())
    })?;
    Ok(None)
}
