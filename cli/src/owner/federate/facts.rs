//! What the audited log says of a federation: whose tokens, for whom, said by whom, signed with which keys.
//!
//! Having [`Facts`] means the enclave signs such tokens under the grants named, as far as the log goes. No provider's rule
//! is known here.

use super::Refusal;
use crate::owner::Desk;
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    catalog::{JwtRoute, Route},
    effect::{Env, Kind, Verb},
    grant::{Grant, profile},
    id::{AgentId, GrantId, KeyId, ResourceName},
    ledger::{KeyState, State, Status},
    oidc,
    owner::command::Alg,
    time::UnixMs,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whose tokens are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One grant's.
    Grant(GrantId),
    /// Those of all grants of an agent.
    Agent(AgentId),
}

impl Target {
    /// A grant's name, else an agent's; nothing for what is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let grant = GrantId::parse(text).map(Self::Grant);
        grant
            .or_else(|_| AgentId::parse(text).map(Self::Agent))
            .ok()
    }
}

/// What a provider compares `sub` with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The whole of it.
    Exact(String),
    /// Its beginning, up to and with the second colon.
    Prefix(String),
}

impl Subject {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
        }
    }

    /// How long a subject is, or may be.
    #[must_use]
    pub fn longest(&self) -> usize {
        match self {
            Self::Exact(text) => text.len(),
            Self::Prefix(text) => text.len().saturating_add(GrantId::MAX),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Exact(text) => json!({ "exact": text }),
            Self::Prefix(text) => json!({ "prefix": text }),
        }
    }
}

/// A key that signs the tokens of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// Its name.
    pub id: KeyId,
    /// Its algorithm.
    pub alg: Alg,
    /// Its public half, raw.
    pub public: Vec<u8>,
    /// Made elsewhere: others may hold it too.
    pub imported: bool,
    /// The grant, one of those that it signs for.
    pub grant: GrantId,
}

/// What the log says.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The catalog's name for the relying party.
    pub resource: ResourceName,
    /// Whose grants they are.
    pub agent: AgentId,
    /// Which.
    pub grants: Vec<GrantId>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// `sub`.
    pub subject: Subject,
    /// The keys of these grants' tokens, each once.
    pub signing: Vec<Signing>,
    /// What stands behind the issuer's URL: every key that signs an identity token of this deployment, and no other.
    pub published: Vec<(String, Value)>,
}

impl Facts {
    /// The keys of these grants' tokens as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        oidc::jwks(self.signing.iter().map(|key| (key.alg, &*key.public)))
    }
}

impl Desk {
    /// What the log says of a federation.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where the enclave would sign no such token, or which one is meant is not said.
    pub(super) fn federation_facts(
        &self,
        target: &Target,
        resource: &ResourceName,
        audience: Option<&str>,
    ) -> Result<Facts, Refusal> {
        let state = self.view().state();
        let now = UnixMs(wall_clock_ms()).max(state.time());
        let route = route(state, resource, audience)?;
        let grants = grants(state, target, resource, route, now)?;
        let Some(agent) = grants.first().map(|grant| grant.agent.clone()) else {
            return Err(none(target));
        };
        let origin = &self.chain().newest().origin;
        let subject = match target {
            Target::Grant(id) => Subject::Exact(format!("{origin}:{agent}:{id}")),
            Target::Agent(id) => Subject::Prefix(format!("{origin}:{id}:")),
        };
        let mut signing = BTreeMap::new();
        for grant in &grants {
            let key = signs(state, grant).ok_or_else(|| Refusal::NotGranted {
                grant: grant.id.clone(),
                what: "none of its `keys` is a live key of kind jwt",
            })?;
            signing.entry(key.id.clone()).or_insert(key);
        }
        Ok(Facts {
            resource: resource.clone(),
            agent,
            grants: grants.iter().map(|grant| grant.id.clone()).collect(),
            issuer: route.issuer.clone(),
            audience: route.audience.clone(),
            subject,
            signing: signing.into_values().collect(),
            published: published(state, &route.issuer, now),
        })
    }
}

fn none(target: &Target) -> Refusal {
    Refusal::NoGrant(match target {
        Target::Grant(id) => id.to_string(),
        Target::Agent(id) => id.to_string(),
    })
}

/// The one `oidc` route of a resource, or the one of that audience.
fn route<'a>(
    state: &'a State,
    resource: &ResourceName,
    audience: Option<&str>,
) -> Result<&'a JwtRoute, Refusal> {
    let found = state.catalog().resources.get(resource);
    let routes = found.iter().flat_map(|found| &found.routes);
    let oidc = routes.filter_map(|route| match route {
        Route::Jwt(route) if route.profile == profile::OIDC => Some(route),
        Route::Jwt(_)
        | Route::Http(_)
        | Route::Aws(_)
        | Route::Evm(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Template(_)
        | Route::Solana(_) => None,
    });
    let meant = |route: &&JwtRoute| audience.is_none_or(|audience| route.audience == audience);
    let found: Vec<_> = oidc.filter(meant).collect();
    match found.as_slice() {
        [] => Err(Refusal::NoRoute(resource.clone())),
        [one] => Ok(one),
        several => Err(Refusal::SeveralRoutes {
            resource: resource.clone(),
            audiences: several.iter().map(|one| one.audience.clone()).collect(),
        }),
    }
}

/// The grants that are meant and may have such a token: the one, or all of the agent's that may.
fn grants<'a>(
    state: &'a State,
    target: &Target,
    resource: &ResourceName,
    route: &JwtRoute,
    now: UnixMs,
) -> Result<Vec<&'a Grant>, Refusal> {
    let verb = route.verb.unwrap_or(Verb::Write);
    let mut refused = None;
    let mut fine = Vec::new();
    for grant in live(state, now) {
        let meant = match target {
            Target::Grant(id) => grant.id == *id,
            Target::Agent(id) => grant.agent == *id,
        };
        if meant {
            match may(grant, verb, resource) {
                Ok(()) => fine.push(grant),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
    }
    if fine.is_empty() {
        return Err(refused.unwrap_or_else(|| none(target)));
    }
    Ok(fine)
}

fn live(state: &State, now: UnixMs) -> impl Iterator<Item = &Grant> {
    let live = state
        .grants()
        .filter(move |(_, grant)| grant.status != Status::Revoked && grant.grant.expires_at > now);
    live.map(|(_, grant)| &*grant.grant)
}

fn profile_of(grant: &Grant) -> Option<&str> {
    let rule = grant.credentials.get(&Kind::Jwt)?;
    rule.profile.as_deref()
}

/// What the enclave asks of a grant before it signs an identity token, in its order.
fn may(grant: &Grant, verb: Verb, resource: &ResourceName) -> Result<(), Refusal> {
    let no = |what| {
        Err(Refusal::NotGranted {
            grant: grant.id.clone(),
            what,
        })
    };
    if grant.env != Env::Live {
        return Err(Refusal::Sandbox(grant.id.clone()));
    }
    if profile_of(grant) != Some(profile::OIDC) {
        return no("its `credentials.jwt.profile` is not `oidc`");
    }
    if !grant.permissions.allows(verb, resource) {
        return no("its `permissions` do not hold the resource");
    }
    // An identity token has no parameter that `only` could allow.
    if grant
        .only
        .get(resource)
        .is_some_and(|only| !only.is_empty())
    {
        return no("its `only` allows no identity token");
    }
    if !grant.allow_minting.contains(resource) {
        return no("its `allow_minting` does not list the resource");
    }
    Ok(())
}

/// The key that the enclave signs a grant's identity tokens with.
fn signs(state: &State, grant: &Grant) -> Option<Signing> {
    let signs = |key: &KeyState| profile::signs(profile::OIDC, key.alg);
    let (id, key) = state.key_of(grant, Kind::Jwt, grant.env, signs)?;
    Some(Signing {
        id: id.clone(),
        alg: key.alg,
        public: key.public.clone(),
        imported: key.imported,
        grant: grant.id.clone(),
    })
}

/// The issuer's documents, with the keys of every grant of this deployment that may have identity tokens.
fn published(state: &State, issuer: &str, now: UnixMs) -> Vec<(String, Value)> {
    let identities = live(state, now)
        .filter(|grant| grant.env == Env::Live && profile_of(grant) == Some(profile::OIDC));
    let keys = identities.filter_map(|grant| signs(state, grant));
    let keys: BTreeMap<_, _> = keys.map(|key| (key.id.clone(), key)).collect();
    let keys = oidc::jwks(keys.values().map(|key| (key.alg, &*key.public)));
    let name = |path: &str| path.trim_start_matches('/').to_owned();
    vec![
        (name(oidc::CONFIGURATION), oidc::discovery(issuer)),
        (name(oidc::JWKS), keys),
    ]
}
