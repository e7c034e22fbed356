//! The service behind the interface: who is asking, whether the policies let them, which key is meant.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use axum::http::request::Parts;
use claviger_verify::attestation::Root;
use serde_json::Value;

use super::key::Key;
use super::operations;
use super::policy::{Context, Decision, Policy, Request, decide};
use super::store::Store;
use super::{Error, KmsConfig};
use crate::aws::{Directory, ErrorType, Known, ServiceError, Verifier, is_account};
use crate::clock::WallClock;
use crate::hex;

/// A KMS without its socket.
pub(super) struct Service {
    verifier: Verifier,
    pub(super) root: Root,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) clock: Arc<dyn WallClock>,
    pub(super) chunk: Option<NonZeroUsize>,
    store: Store,
    keys: Mutex<BTreeMap<String, Key>>,
}

impl Service {
    pub(super) fn open(config: KmsConfig) -> Result<Self, Error> {
        let KmsConfig {
            dir,
            root,
            region,
            account,
            credentials,
            listen: _,
            clock,
            chunk,
        } = config;
        let is_region = !region.is_empty()
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_account(&account) || !is_region {
            return Err(Error::Account);
        }
        let verifier = Verifier {
            directory: Directory::new(credentials)?,
            region: region.clone(),
        };
        let (store, keys) = Store::open(&dir)?;
        let keys = Mutex::new(keys.into_iter().map(|key| (key.id.clone(), key)).collect());
        Ok(Self {
            verifier,
            root,
            region,
            account,
            clock,
            chunk,
            store,
            keys,
        })
    }

    /// Answers one request: its signature first, then the operation.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8]) -> Result<Option<Value>, ServiceError> {
        let known = self.verifier.verify(parts, body, self.clock.now_ms())?;
        let operation = operations::named(parts)?;
        let answer = operation.run(
            &Call {
                service: self,
                known,
                action: operation.action(),
            },
            body,
        );
        let outcome = answer
            .as_ref()
            .map_or_else(|error| error.kind.name(), |_| "ok");
        tracing::info!(
            operation = operation.action(),
            caller = known.caller.arn,
            outcome,
            "kms call"
        );
        answer
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that an id or an ARN names.
    pub(super) fn find(&self, key_id: &str) -> Result<Key, ServiceError> {
        if key_id.is_empty() || key_id.len() > MAX_KEY_ID {
            return Err(ServiceError::validation(
                "KeyId must have a length of 1 to 2048.",
            ));
        }
        let own = format!("arn:aws:kms:{}:{}:key/", self.region, self.account);
        let id = match key_id.strip_prefix(&own) {
            Some(id) => id,
            None if key_id.starts_with("arn:") || key_id.starts_with("alias/") => {
                return Err(self.not_found(key_id));
            }
            None => key_id,
        };
        self.keys()
            .get(id)
            .cloned()
            .ok_or_else(|| self.not_found(key_id))
    }

    fn not_found(&self, key_id: &str) -> ServiceError {
        let message = match key_id.split_once(':') {
            Some(_) => format!("Invalid arn or unknown key '{key_id}'"),
            None if key_id.starts_with("alias/") => format!("Alias {key_id} is not found."),
            None => format!(
                "Key 'arn:aws:kms:{}:{}:key/{key_id}' does not exist",
                self.region, self.account
            ),
        };
        ServiceError::new(ErrorType::NotFound, message)
    }

    /// Makes a key durable, then visible.
    pub(super) fn put(&self, key: Key) -> Result<(), ServiceError> {
        let mut keys = self.keys();
        self.store.put(&key)?;
        keys.insert(key.id.clone(), key);
        Ok(())
    }

    /// Changes a key under the lock, so that no change is lost to another.
    pub(super) fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Key),
    ) -> Result<(), ServiceError> {
        let mut keys = self.keys();
        let mut key = keys.get(id).cloned().ok_or_else(|| self.not_found(id))?;
        change(&mut key);
        self.store.put(&key)?;
        keys.insert(key.id.clone(), key);
        Ok(())
    }

    pub(super) fn arn(&self, key: &Key) -> String {
        key.arn(&self.region, &self.account)
    }
}

/// Longest key id.
// botocore kms/2014-11-01: KeyIdType, max 2048.
const MAX_KEY_ID: usize = 2048;

/// One authenticated call.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) known: &'a Known,
    /// Such as `kms:DescribeKey`.
    pub(super) action: &'static str,
}

impl Call<'_> {
    /// The condition keys that every call has.
    pub(super) fn context(&self, key: Option<&Key>) -> Context {
        let caller = &self.known.caller;
        let mut context = Context::default();
        context.set("aws:PrincipalArn", caller.principal_arn.clone());
        context.set("aws:PrincipalAccount", caller.account.clone());
        context.set("kms:CallerAccount", caller.account.clone());
        context.set("aws:SecureTransport", "false");
        if let Some(key) = key {
            context.set("kms:KeySpec", key.material.spec());
            context.set("kms:KeyUsage", key.material.usage());
            context.set("kms:KeyOrigin", "AWS_KMS");
            context.set("kms:MultiRegion", "false");
        }
        context
    }

    /// Lets the call through if the policies do.
    pub(super) fn authorize(
        &self,
        key: Option<&Key>,
        context: &Context,
    ) -> Result<(), ServiceError> {
        let resource = key.map_or_else(|| "*".to_owned(), |key| self.service.arn(key));
        let decision = self.decide(self.action, &resource, key.map(|key| &key.policy), context);
        let reason = match decision {
            Decision::Allowed => return Ok(()),
            Decision::ExplicitDeny(sid) => {
                tracing::info!(action = self.action, resource, sid, "denied by a statement");
                "with an explicit deny in a policy".to_owned()
            }
            Decision::ImplicitDeny => {
                tracing::info!(action = self.action, resource, "allowed by no statement");
                format!("because no policy allows the {} action", self.action)
            }
        };
        let message = format!(
            "User: {} is not authorized to perform: {} on resource: {resource} {reason}",
            self.known.caller.arn, self.action
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

    /// The key and the leave to act on it, for operations that ask nothing else.
    pub(super) fn authorized_key(&self, key_id: &str) -> Result<Key, ServiceError> {
        let key = self.service.find(key_id)?;
        self.authorize(Some(&key), &self.context(Some(&key)))?;
        Ok(key)
    }
}

/// A random UUID, version 4.
pub(super) fn uuid() -> Result<String, ServiceError> {
    let mut bytes = [0; 16];
    let failed = |_| ServiceError::new(ErrorType::KmsInternal, "No random bytes.");
    rand::fill(&mut bytes).map_err(failed)?;
    let [a, b, c, d, e, f, g, h, i, j, node @ ..] = bytes;
    let (g, i) = ((g & 0x0f) | 0x40, (i & 0x3f) | 0x80);
    let parts = [&[a, b, c, d][..], &[e, f], &[g, h], &[i, j], &node].map(hex::encode);
    Ok(parts.join("-"))
}
