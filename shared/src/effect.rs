//! Effects: what a credential does in the world, derived from the bytes that are signed.
//!
//! Rules and budgets see only effects. A kind that cannot say every effect of its input denies the call. This module
//! knows no grant and no catalog.

use crate::{
    amount::Amount,
    chain::Address,
    id::{ResourceName, Unit},
    time::{Millis, UnixMs},
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
    /// Requests signed in a service's own way, by a template of the catalog.
    Template,
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
            Self::Template => "template",
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
            Self::Http
            | Self::Jwt
            | Self::Aws
            | Self::Evm
            | Self::Ssh
            | Self::Template
            | Self::Solana => self,
        }
    }

    /// Every kind that is built.
    pub const ALL: [Self; 8] = [
        Self::Http,
        Self::Jwt,
        Self::Aws,
        Self::Evm,
        Self::X402,
        Self::Ssh,
        Self::Template,
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
    /// Longest the credential may live by its kind and protocol; [`Millis::ENDLESS`] for what nothing ends.
    pub max_lifetime: Millis,
    /// Whether it lives that long whatever is signed, so that nothing can shorten it; never recorded: its end is.
    #[serde(skip)]
    pub fixed: bool,
    /// When it ends, where that stands in what is signed and is the caller's word; never recorded: its end is.
    #[serde(skip)]
    pub ends_at: Option<UnixMs>,
    /// The account whose key must sign, where that stands in what is signed; never recorded: the key is.
    #[serde(skip)]
    pub signer: Option<Address>,
    /// The token whose key must sign, where what is signed proves that its bearer holds that key; never recorded.
    #[serde(skip)]
    pub token: Option<Bound>,
    /// Of a transaction: the number that makes it single use on its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<ChainNonce>,
}

/// A token that is bound to a key (RFC 7800), as far as its bearer's side reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// RFC 7638 thumbprint of the key.
    pub key: String,
    /// From when on it is good; zero where it does not say.
    pub from: UnixMs,
    /// Until when: a proof ends no later.
    pub ends_at: UnixMs,
    /// Where it stands in the caller's input.
    pub param: &'static str,
}

/// An account's number of a transaction on one chain: one transaction of a number takes effect, whoever signed how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainNonce {
    /// The chain's id.
    pub chain: u64,
    /// The number.
    pub nonce: u64,
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
            ends_at: self.ends_at,
            signer: self.signer,
            token: self.token.clone(),
            nonce: self.nonce,
        }
    }
}

/// How far what was checked and charged reaches into what a credential can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// Every effect is bound to the one call that was checked: nobody can do more with the credential than was charged.
    Call,
    /// What it is good for is decided by whoever takes it: it is exchanged for another credential, or says who sends it and
    /// not what for. What is done with it stands in no budget and no log of ours.
    Token,
}

impl Assurance {
    /// Of a credential with these effects; without one nothing is known, so nothing is bound.
    #[must_use]
    pub fn of(effects: &[Effect]) -> Self {
        let bound = |effect: &Effect| !effect.mints && !effect.identity_only;
        if !effects.is_empty() && effects.iter().all(bound) {
            Self::Call
        } else {
            Self::Token
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_effect_that_is_not_bound_to_the_call_makes_a_token() {
        let effect = |mints, identity_only| Effect {
            kind: Kind::Http,
            verb: Verb::Read,
            resource: ResourceName::parse("orders").unwrap(),
            route: 0,
            destination: "api.example.com".to_owned(),
            method: "GET".to_owned(),
            path_template: "/v1/orders".to_owned(),
            parameters: Vec::new(),
            mints,
            identity_only,
            charges: Vec::new(),
            max_lifetime: Millis(1),
            fixed: false,
            ends_at: None,
            nonce: None,
            signer: None,
            token: None,
        };
        let bound = effect(false, false);
        assert_eq!(
            Assurance::of(&[bound.clone(), bound.clone()]),
            Assurance::Call
        );
        for loose in [effect(true, false), effect(false, true), effect(true, true)] {
            assert_eq!(Assurance::of(&[bound.clone(), loose]), Assurance::Token);
        }
        assert_eq!(Assurance::of(&[]), Assurance::Token);
        assert_eq!(
            serde_json::to_string(&Assurance::Call).unwrap(),
            r#""call""#
        );
        assert_eq!(
            serde_json::to_string(&Assurance::Token).unwrap(),
            r#""token""#
        );
    }
}
