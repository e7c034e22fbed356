//! Grants: what one agent may do, until when, how often and at what cost.
//!
//! A [`Grant`] is one conjunctive document: everything in it must allow. Having one means its text was strict JSON with
//! no unknown member, every limit held, and it has an expiry and a `call` budget. It does not mean an owner signed it,
//! nor that its names exist in a catalog: the command and the ledger check those.

pub mod parse;
mod wire;

use crate::{
    amount::Amount,
    effect::{Env, Kind, Verb},
    id::{AgentId, GrantId, KeyId, ResourceName, Unit, X25519Public},
    time::{Millis, UnixMs},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Profiles of the kinds, by the words of grants, catalogs and calls.
pub mod profile {
    use crate::owner::command::Alg;

    /// `http`: every request, in our own layout.
    pub const GENERIC: &str = "generic";
    /// `http`: the same, in the layout that sites ask of bots.
    pub const WEB_BOT_AUTH: &str = "web-bot-auth";
    /// `http`: what one workload sends another, with the token that says who it is (draft-ietf-wimse-http-signature).
    pub const WIMSE: &str = "wimse";
    /// `jwt`: a client assertion (RFC 7523).
    pub const ASSERTION: &str = "assertion";
    /// `jwt`: an identity token of OpenID Connect.
    pub const OIDC: &str = "oidc";
    /// `jwt`: a GitHub App's token.
    pub const GITHUB_APP: &str = "github-app";
    /// `jwt`: a token of a Google Cloud service account.
    pub const GCP: &str = "gcp";
    /// `jwt`: a proof of possession for one request (RFC 9449).
    pub const DPOP: &str = "dpop";
    /// `jwt`: a proof that goes with a workload's identity token (draft-ietf-wimse-wpt).
    pub const WPT: &str = "wpt";
    /// Of `http`, the default first.
    pub const OF_HTTP: [&str; 3] = [GENERIC, WEB_BOT_AUTH, WIMSE];
    /// Of `jwt`, the default first.
    pub const OF_JWT: [&str; 6] = [ASSERTION, OIDC, GITHUB_APP, GCP, DPOP, WPT];

    /// Whether a key of this algorithm signs tokens or requests of this profile: who verifies a bot has only public keys.
    #[must_use]
    pub fn signs(profile: &str, alg: Alg) -> bool {
        match profile {
            GENERIC => matches!(alg, Alg::Ed25519 | Alg::P256 | Alg::Ps512 | Alg::Hs256),
            WEB_BOT_AUTH => matches!(alg, Alg::Ed25519 | Alg::P256 | Alg::Ps512),
            ASSERTION | OIDC => matches!(alg, Alg::Ed25519 | Alg::P256 | Alg::Rs256),
            GITHUB_APP | GCP => alg == Alg::Rs256,
            DPOP | WIMSE | WPT => matches!(alg, Alg::Ed25519 | Alg::P256),
            _ => false,
        }
    }

    /// Whether the bytes of this profile's tokens carry no destination, or none narrower than a whole service.
    #[must_use]
    pub fn is_identity_only(profile: &str) -> bool {
        matches!(profile, GITHUB_APP | GCP | WPT)
    }
}

/// Largest grant text in bytes (DESIGN §11).
pub const MAX_BYTES: usize = 64 * 1024;

/// One agent's permission, parsed. What it may do stands in its [`Scope`], whose members are read as if they were its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "wire::Owned")]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// Whose it is.
    pub agent: AgentId,
    /// The agent's channel key.
    pub agent_key: X25519Public,
    /// From when on.
    pub not_before: UnixMs,
    /// Until when; a call at this very millisecond is refused.
    pub expires_at: UnixMs,
    /// Up to when renewals may reach; absent means no renewal.
    pub renew_until: Option<UnixMs>,
    /// The signing keys it may use, one per kind at most used for a call.
    pub keys: Vec<KeyId>,
    /// For people.
    pub purpose: Option<Box<str>>,
    /// What it may do: equal for many grants, and then held once.
    pub scope: Arc<Scope>,
}

/// What an agent may do, how often and at what cost; not who it is, nor until when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Live or sandbox.
    pub env: Env,
    /// The scope: resource names per verb.
    pub permissions: Permissions,
    /// Narrower: per resource, the values a parameter (`path.id`, `query.expand`, `git.author`) may take.
    pub only: BTreeMap<ResourceName, BTreeMap<String, Vec<String>>>,
    /// Per kind: profile and lifetime of credentials.
    pub credentials: BTreeMap<Kind, CredentialRule>,
    /// Budgets, `call` among them.
    pub budgets: Vec<Budget>,
    /// Rates, in calls.
    pub rate: Vec<Rate>,
    /// Addresses or prefixes the host must report; empty means any.
    pub reported_sources: Vec<SourcePrefix>,
    /// Resources whose credentials may carry no destination.
    pub allow_identity_only: Vec<ResourceName>,
    /// Resources whose responses may be credentials.
    pub allow_minting: Vec<ResourceName>,
    /// Resources whose credentials may outlive the grant.
    pub allow_outliving: Vec<ResourceName>,
}

impl std::ops::Deref for Grant {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

/// A changed scope is this grant's own from then on.
impl std::ops::DerefMut for Grant {
    fn deref_mut(&mut self) -> &mut Scope {
        Arc::make_mut(&mut self.scope)
    }
}

/// The three lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Looks.
    pub read: Vec<ResourceName>,
    /// Changes.
    pub write: Vec<ResourceName>,
    /// Removes.
    pub delete: Vec<ResourceName>,
}

impl Permissions {
    /// Whether a verb on a resource is in the scope.
    #[must_use]
    pub fn allows(&self, verb: Verb, resource: &ResourceName) -> bool {
        let list = match verb {
            Verb::Read => &self.read,
            Verb::Write => &self.write,
            Verb::Delete => &self.delete,
        };
        list.contains(resource)
    }

    /// Every name, once per list it stands in.
    pub fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.read.iter().chain(&self.write).chain(&self.delete)
    }
}

/// How credentials of one kind are made under a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRule {
    /// The kind's profile, one of [`profile::OF_HTTP`] or [`profile::OF_JWT`]; absent means the first.
    pub profile: Option<String>,
    /// `http` under `web-bot-auth` only, and always then: the https origin where the agent's public keys are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_agent: Option<String>,
    /// Longest lifetime; absent means the kind's maximum.
    pub ttl: Option<Millis>,
}

/// The time over which a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// Each call by itself.
    #[serde(rename = "call")]
    Call,
    /// The grant's whole life.
    #[serde(rename = "grant")]
    Grant,
    /// A UTC day.
    #[serde(rename = "day")]
    CalendarDay,
    /// A UTC month.
    #[serde(rename = "month")]
    CalendarMonth,
    /// The last so many milliseconds.
    #[serde(rename = "rolling")]
    Rolling(Millis),
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call => f.write_str("call"),
            Self::Grant => f.write_str("grant"),
            Self::CalendarDay => f.write_str("calendar:P1D"),
            Self::CalendarMonth => f.write_str("calendar:P1M"),
            Self::Rolling(length) => write!(f, "rolling:{length}"),
        }
    }
}

/// At most so much of a unit in a window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The unit.
    pub unit: Unit,
    /// At most; never zero.
    pub max: Amount,
    /// In this time.
    pub window: Window,
}

impl Budget {
    /// What must be spent for its owner to be warned: 80 % of it, rounded up.
    #[must_use]
    pub const fn warns_at(&self) -> Amount {
        Self::warning_of(self.max)
    }

    /// The same of a budget of `max`.
    #[must_use]
    pub const fn warning_of(max: Amount) -> Amount {
        Amount(max.0.saturating_sub(max.0 / 5))
    }
}

/// At most so many calls in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls; never zero.
    pub max: u64,
    /// In this time.
    pub per: Millis,
}

/// An IPv6 prefix, IPv4 mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePrefix {
    /// The address; bits after the prefix are zero.
    #[serde(with = "serde_bytes")]
    pub address: [u8; 16],
    /// Leading bits that count, 0 to 128.
    pub bits: u8,
}
