//! One authenticated call: what policies and grants let its caller do.

use super::grant::Grant;
use super::key::Key;
use super::policy::{Context, Decision, Policy, Request, decide};
use super::secret::EncryptionContext;
use super::service::Service;
use crate::aws::{ErrorType, Known, ServiceError};

/// Most grant tokens of a call.
// botocore kms/2014-11-01: GrantTokenList, max 10.
const MAX_GRANT_TOKENS: usize = 10;

/// One authenticated call.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) known: &'a Known,
    /// The region that the call was signed for.
    pub(super) region: &'a str,
    /// Such as `kms:DescribeKey`.
    pub(super) action: &'static str,
}

/// Leave that is asked for.
pub(super) struct Leave<'a> {
    /// Such as `kms:ReEncryptFrom`.
    pub(super) action: &'a str,
    pub(super) key: Option<&'a Key>,
    /// Condition keys.
    pub(super) context: Context,
    /// What constraints of grants are held against.
    pub(super) encryption_context: &'a EncryptionContext,
}

impl<'a> Call<'a> {
    pub(super) fn find(&self, key_id: &str) -> Result<Key, ServiceError> {
        self.service.find(self.region, key_id)
    }

    /// The condition keys that every call has.
    pub(super) fn context(&self, key: Option<&Key>) -> Context {
        let caller = &self.known.caller;
        let mut context = Context::default();
        context.set("aws:PrincipalArn", caller.principal_arn.clone());
        context.set("aws:PrincipalAccount", caller.account.clone());
        context.set("aws:RequestedRegion", self.region);
        context.set("kms:CallerAccount", caller.account.clone());
        context.set("aws:SecureTransport", "false");
        if let Some(key) = key {
            let spec = key.material.spec();
            context.set("kms:KeySpec", spec.name());
            context.set("kms:KeyUsage", spec.usage());
            context.set("kms:KeyOrigin", "AWS_KMS");
            context.set("kms:MultiRegion", key.primary.is_some().to_string());
            if let Some(primary) = &key.primary {
                let kind = if key.is_primary() {
                    "PRIMARY"
                } else {
                    "REPLICA"
                };
                context.set("kms:MultiRegionKeyType", kind);
                context.set("kms:PrimaryRegion", primary.clone());
            }
            for (tag, value) in &key.tags {
                context.set(&format!("aws:ResourceTag/{tag}"), value.clone());
            }
            let aliases = self.service.aliases_of(&key.region);
            let mine = aliases
                .into_iter()
                .filter(|(_, alias)| alias.key_id == key.id);
            context.set_all("kms:ResourceAliases", mine.map(|(name, _)| name));
        }
        context
    }

    /// Lets the call through if the policies do, or a grant and no policy denies.
    pub(super) fn authorize(&self, leave: &Leave<'_>) -> Result<(), ServiceError> {
        let operation = leave.action.trim_start_matches("kms:");
        self.authorize_by(leave, |grant| {
            grant.permits(&self.known.caller, operation, leave.encryption_context)
        })
    }

    /// The same with another rule of which grants count.
    pub(super) fn authorize_by(
        &self,
        leave: &Leave<'_>,
        by_grant: impl Fn(&Grant) -> bool,
    ) -> Result<(), ServiceError> {
        let Leave {
            action,
            key,
            context,
            encryption_context: _,
        } = leave;
        let resource = key.map_or_else(|| "*".to_owned(), |key| self.service.arn(key));
        let decision = self.decide(action, &resource, key.map(|key| &key.policy), context);
        let reason = match decision {
            Decision::Allowed => return Ok(()),
            Decision::ExplicitDeny(sid) => {
                tracing::info!(action, resource, sid, "denied by a statement");
                "with an explicit deny in a policy".to_owned()
            }
            Decision::ImplicitDeny if key.is_some_and(|key| key.grants.iter().any(by_grant)) => {
                return Ok(());
            }
            Decision::ImplicitDeny => {
                tracing::info!(action, resource, "allowed by no statement");
                format!("because no policy allows the {action} action")
            }
        };
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {reason}",
            self.known.caller.arn
        );
        Err(ServiceError::new(ErrorType::AccessDenied, message))
    }

    /// What a key policy would say to this caller.
    pub(super) fn decide(
        &self,
        action: &str,
        resource: &str,
        policy: Option<&Policy>,
        context: &Context,
    ) -> Decision {
        let request = Request {
            caller: &self.known.caller,
            action,
            resource,
            account: &self.service.account,
            context,
        };
        decide(&request, policy, self.known.identity_policy.as_ref())
    }

    /// Lets the call through for an operation that asks nothing else of a key.
    pub(super) fn authorize_on(&self, key: Option<&Key>) -> Result<(), ServiceError> {
        self.authorize(&Leave {
            action: self.action,
            key,
            context: self.context(key),
            encryption_context: &EncryptionContext::new(),
        })
    }

    /// The key and the leave to act on it.
    pub(super) fn authorized_key(&self, key_id: &str) -> Result<Key, ServiceError> {
        let key = self.find(key_id)?;
        self.authorize_on(Some(&key))?;
        Ok(key)
    }

    /// Every token must be one of a grant. It changes nothing else: grants work at once here.
    pub(super) fn check_grant_tokens(&self, tokens: Option<&[String]>) -> Result<(), ServiceError> {
        let tokens = tokens.unwrap_or_default();
        if tokens.is_empty() {
            return Ok(());
        }
        if tokens.len() > MAX_GRANT_TOKENS {
            return Err(ServiceError::validation(
                "GrantTokens must have at most 10 members.",
            ));
        }
        let keys = self.service.keys_of(self.region);
        let is_known = |token: &String| {
            keys.iter()
                .flat_map(|key| &key.grants)
                .any(|grant| grant.token == *token)
        };
        if tokens.iter().all(is_known) {
            return Ok(());
        }
        Err(ServiceError::new(
            ErrorType::InvalidGrantToken,
            "The grant token is unknown.",
        ))
    }
}

/// The answer of a dry run that would have gone through.
pub(super) fn refuse_dry_run(dry_run: Option<bool>) -> Result<(), ServiceError> {
    match dry_run {
        Some(true) => Err(ServiceError::new(
            ErrorType::DryRunOperation,
            "The request would have succeeded, but the DryRun option is set.",
        )),
        Some(false) | None => Ok(()),
    }
}
