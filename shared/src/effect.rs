//! Effects: what a credential does in the world, derived from the bytes that are signed.
//!
//! Rules and budgets see only effects. A kind that cannot say every effect of its input denies the call. This module
//! knows no grant and no catalog.

use crate::{
    amount::Amount,
    id::{ResourceName, Unit},
    time::Millis,
};
use serde::{Deserialize, Serialize};

/// The credential kinds that are built, in the words of grants, catalogs and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// HTTP message signatures (RFC 9421).
    Http,
    /// JSON web tokens (RFC 7519).
    Jwt,
    /// Requests to AWS (Signature Version 4).
    Aws,
    /// Transactions and typed data of Ethereum and its kin.
    Evm,
    /// Payments by HTTP (x402), signed with keys of kind `evm`.
    X402,
    /// SSH: user certificates, and signatures over git's objects.
    Ssh,
    /// Transactions of Solana.
    Solana,
}

impl Kind {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Jwt => "jwt",
            Self::Aws => "aws",
            Self::Ssh => "ssh",
            Self::Evm => "evm",
            Self::X402 => "x402",
            Self::Solana => "solana",
        }
    }

    /// The kind of the keys that sign it.
    #[must_use]
    pub const fn of_key(self) -> Self {
        match self {
            Self::X402 => Self::Evm,
            Self::Http | Self::Jwt | Self::Aws | Self::Evm | Self::Ssh | Self::Solana => self,
        }
    }

    /// Every kind that is built.
    pub const ALL: [Self; 7] = [
        Self::Http,
        Self::Jwt,
        Self::Aws,
        Self::Evm,
        Self::X402,
        Self::Ssh,
        Self::Solana,
    ];

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The three verbs of `permissions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Looks without changing.
    Read,
    /// Changes, pays, or proves an identity.
    Write,
    /// Removes.
    Delete,
}

/// A live key or route, or one that can only ever touch a sandbox.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Env {
    /// Real effects.
    #[default]
    Live,
    /// Test destinations and test keys only.
    Sandbox,
}

/// What one signature would spend of one unit: the maximum that it authorises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The unit.
    pub unit: Unit,
    /// In the unit's smallest part.
    pub amount: Amount,
}

/// One effect of a credential.
///
/// Having one means a kind has derived it from exactly the bytes that will be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// The kind of credential.
    pub kind: Kind,
    /// What it does, in the words of `permissions`.
    pub verb: Verb,
    /// The catalog's name for the destination.
    pub resource: ResourceName,
    /// Which route of that resource matched, from 0.
    pub route: u16,
    /// Where it takes effect: a host, an audience, of a certificate the user it is for.
    pub destination: String,
    /// HTTP method, or what stands for it in the kind: `issue`, `s3:GetObject`, `certify`, `git:commit`.
    pub method: String,
    /// The route's path template; empty where the kind has no path.
    pub path_template: String,
    /// What the path's parameters are: `("path.id", "ord_1")`, or what a signed object says of itself: `("git.tag", "v1")`;
    /// matched by the grant's `only`, never recorded.
    #[serde(skip)]
    pub parameters: Vec<(String, String)>,
    /// Whether the destination's response is itself a credential.
    pub mints: bool,
    /// Whether the signed bytes carry no destination.
    pub identity_only: bool,
    /// Charges besides one `call`; always empty for a route that charges nothing.
    pub charges: Vec<Charge>,
    /// Longest the credential may live by its kind and protocol.
    pub max_lifetime: Millis,
    /// Whether it lives that long whatever is signed, so that nothing can shorten it; never recorded: its end is.
    #[serde(skip)]
    pub fixed: bool,
}

impl Effect {
    /// The effect as it is told and recorded: without what its parameters are.
    #[must_use]
    pub fn told(&self) -> Self {
        Self {
            kind: self.kind,
            verb: self.verb,
            resource: self.resource.clone(),
            route: self.route,
            destination: self.destination.clone(),
            method: self.method.clone(),
            path_template: self.path_template.clone(),
            parameters: Vec::new(),
            mints: self.mints,
            identity_only: self.identity_only,
            charges: self.charges.clone(),
            max_lifetime: self.max_lifetime,
            fixed: self.fixed,
        }
    }
}

/// Every effect of one credential, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// The first.
    pub first: Effect,
    /// The others.
    pub rest: Vec<Effect>,
}

impl Effects {
    /// One effect alone.
    #[must_use]
    pub const fn one(first: Effect) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Effect> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}
