//! Why a federation cannot work, each reason by a code of its own (docs/errors.md).

use claviger_shared::id::{AgentId, GrantId, KeyId, ResourceName};

/// A federation that is not to be set up: the provider would refuse its tokens, or the enclave would not sign them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The provider takes another audience.
    #[error(
        "{provider} takes {wants}, and the route says `{audience}`: {next}",
        next = "owners change the route's audience with `claviger catalog set`"
    )]
    Audience {
        /// Who.
        provider: &'static str,
        /// What it takes.
        wants: &'static str,
        /// What the catalog says.
        audience: String,
    },
    /// The issuer's URL is none that the provider can use.
    #[error("{provider} takes {wants}, and the catalog's issuer is `{issuer}`")]
    Issuer {
        /// Who.
        provider: &'static str,
        /// What it takes.
        wants: &'static str,
        /// What the catalog says.
        issuer: String,
    },
    /// The key that signs is of an algorithm that the provider does not take.
    #[error(
        "{provider} takes {wants}, and tokens of `{grant}` are signed with `{key}` ({alg}): make a key that it takes, and \
         name it first in the grant's `keys`"
    )]
    KeyAlgorithm {
        /// Who.
        provider: &'static str,
        /// What it takes.
        wants: String,
        /// Whose token.
        grant: GrantId,
        /// The grant's key.
        key: KeyId,
        /// What that key signs by.
        alg: &'static str,
    },
    /// There is no such grant, or it has ended; or the agent has none that lives.
    #[error("no grant that lives: `{0}`; `claviger grant list` shows all")]
    NoGrant(String),
    /// The catalog has no `oidc` route there.
    #[error(
        "`{0}` has no route of kind jwt and profile oidc: nothing says whom its tokens are for"
    )]
    NoRoute(ResourceName),
    /// The enclave would not sign such a token under this grant.
    #[error("`{grant}` gets no such token: {what}")]
    NotGranted {
        /// Which.
        grant: GrantId,
        /// What is missing.
        what: &'static str,
    },
    /// Its keys are published by nobody.
    #[error("`{0}` is a sandbox grant: its keys are not to be trusted by a provider")]
    Sandbox(GrantId),
    /// Several `oidc` routes.
    #[error("`{resource}` has several audiences: say which with --audience ({})", audiences.join(", "))]
    SeveralRoutes {
        /// Where.
        resource: ResourceName,
        /// Of whom.
        audiences: Vec<String>,
    },
    /// The provider compares a whole subject only.
    #[error("{provider} compares whole subjects: name a grant instead of the agent `{agent}`")]
    SubjectPrefix {
        /// Who.
        provider: &'static str,
        /// Whose grants were meant.
        agent: AgentId,
    },
    /// The subject does not fit.
    #[error("{provider} takes subjects up to {most} bytes, and `{subject}` may be {bytes}")]
    SubjectTooLong {
        /// Who.
        provider: &'static str,
        /// Its limit.
        most: usize,
        /// The subject, or what it begins with.
        subject: String,
        /// How long it is, or may be.
        bytes: usize,
    },
}

impl Refusal {
    /// A stable word for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "audience_unfit",
            Self::Issuer { .. } => "issuer_unfit",
            Self::KeyAlgorithm { .. } => "key_algorithm",
            Self::NoGrant(_) => "no_grant",
            Self::NoRoute(_) => "no_route",
            Self::NotGranted { .. } => "not_granted",
            Self::Sandbox(_) => "sandbox",
            Self::SeveralRoutes { .. } => "several_routes",
            Self::SubjectPrefix { .. } => "subject_prefix",
            Self::SubjectTooLong { .. } => "subject_too_long",
        }
    }
}
