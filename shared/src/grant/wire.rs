//! A grant as it is written into snapshots: one flat map, whatever is shared in memory. It decides nothing.

use super::{Budget, CredentialRule, Grant, Permissions, Rate, Scope, SourcePrefix};
use crate::{
    effect::{Env, Kind},
    id::{AgentId, GrantId, KeyId, ResourceName, X25519Public},
    time::UnixMs,
};
use serde::{Deserialize, Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};

type Only = BTreeMap<ResourceName, BTreeMap<String, Vec<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owned {
    id: GrantId,
    agent: AgentId,
    agent_key: X25519Public,
    env: Env,
    not_before: UnixMs,
    expires_at: UnixMs,
    renew_until: Option<UnixMs>,
    keys: Vec<KeyId>,
    permissions: Permissions,
    only: Only,
    credentials: BTreeMap<Kind, CredentialRule>,
    budgets: Vec<Budget>,
    rate: Vec<Rate>,
    reported_sources: Vec<SourcePrefix>,
    allow_identity_only: Vec<ResourceName>,
    allow_minting: Vec<ResourceName>,
    allow_outliving: Vec<ResourceName>,
    purpose: Option<Box<str>>,
}

/// The same members in the same order.
#[derive(Serialize)]
struct Borrowed<'a> {
    id: &'a GrantId,
    agent: &'a AgentId,
    agent_key: &'a X25519Public,
    env: Env,
    not_before: UnixMs,
    expires_at: UnixMs,
    renew_until: Option<UnixMs>,
    keys: &'a [KeyId],
    permissions: &'a Permissions,
    only: &'a Only,
    credentials: &'a BTreeMap<Kind, CredentialRule>,
    budgets: &'a [Budget],
    rate: &'a [Rate],
    reported_sources: &'a [SourcePrefix],
    allow_identity_only: &'a [ResourceName],
    allow_minting: &'a [ResourceName],
    allow_outliving: &'a [ResourceName],
    purpose: Option<&'a str>,
}

impl From<Owned> for Grant {
    fn from(read: Owned) -> Self {
        let scope = Scope {
            env: read.env,
            permissions: read.permissions,
            only: read.only,
            credentials: read.credentials,
            budgets: read.budgets,
            rate: read.rate,
            reported_sources: read.reported_sources,
            allow_identity_only: read.allow_identity_only,
            allow_minting: read.allow_minting,
            allow_outliving: read.allow_outliving,
        };
        Self {
            id: read.id,
            agent: read.agent,
            agent_key: read.agent_key,
            not_before: read.not_before,
            expires_at: read.expires_at,
            renew_until: read.renew_until,
            keys: read.keys,
            purpose: read.purpose,
            scope: Arc::new(scope),
        }
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Borrowed {
            id: &self.id,
            agent: &self.agent,
            agent_key: &self.agent_key,
            env: self.env,
            not_before: self.not_before,
            expires_at: self.expires_at,
            renew_until: self.renew_until,
            keys: &self.keys,
            permissions: &self.permissions,
            only: &self.only,
            credentials: &self.credentials,
            budgets: &self.budgets,
            rate: &self.rate,
            reported_sources: &self.reported_sources,
            allow_identity_only: &self.allow_identity_only,
            allow_minting: &self.allow_minting,
            allow_outliving: &self.allow_outliving,
            purpose: self.purpose.as_deref(),
        };
        written.serialize(serializer)
    }
}
