//! JSON web tokens: `assertion`, a client assertion for one token endpoint (RFC 7523); `oidc`, an identity token; `github-app`
//! and `gcp`, what GitHub and Google Cloud take; `dpop`, a proof of possession for one request (RFC 9449); `wpt`, one that goes
//! with a workload's identity token (draft-ietf-wimse-wpt).
//!
//! Having a [`JwtCall`] means the audience is exactly that of one route of those the grant names, or, of a proof, that method
//! and URL are. docs/spec/credential-jwt.md is the layout. An identity's subject is said here, by deployment, agent and grant:
//! neither caller nor catalog can write another. What a route's answer is, a credential or not, is the catalog's word.

pub mod jws;
mod proof;
mod says;
mod workload;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{SIGNATURE_LEN, replay},
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{JwtInput, MAX_TOKEN_NONCE},
    catalog::{Catalog, JwtRoute, Route},
    credential::{Credential, Replay},
    crypto::rsa,
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind, Verb},
    grant::{Grant, profile},
    id::{AgentId, GrantId},
    owner::manifest::parse::MAX_ORIGIN,
    time::Millis,
};
pub use proof::MAX_PROOF;
pub use says::GITHUB_BACK;
use says::Says;
use std::sync::Arc;
use workload::Workload;

/// Longest life of a token of the profiles that do not say otherwise, and of any whose grant says nothing.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// Longest life of a GitHub token: ten minutes from its `iat`.
pub const MAX_GITHUB: Millis = Millis(600_000 - GITHUB_BACK * 1000);
/// Longest life of a Google Cloud token.
pub const MAX_GCP: Millis = Millis(3_600_000);
/// Longest subject (OpenID Connect Core §2).
pub const MAX_SUBJECT: usize = 255;

// INVARIANT: deployment, agent and grant, a colon between them, are within it: no grant is made whose subject is not signed.
const _: () = assert!(MAX_ORIGIN + 1 + AgentId::MAX + 1 + GrantId::MAX <= MAX_SUBJECT);

const ATH_PARAM: &str = "/ath";
const AUDIENCE_PARAM: &str = "/audience";
const METHOD_PARAM: &str = "/method";
const NONCE_PARAM: &str = "/nonce";
const PROFILE_PARAM: &str = "/profile";
const TTL_PARAM: &str = "/ttl_s";
const WIT_PARAM: &str = "/wit";

/// One token to be issued.
#[derive(Debug, Clone)]
pub struct JwtCall {
    says: Says,
    audience: String,
    ttl_s: Option<u64>,
    effects: Arc<Effects>,
}

impl Call for JwtCall {
    const KIND: Kind = Kind::Jwt;
    type Input = JwtInput;

    fn parse(
        input: &JwtInput,
        _idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        let profile = check_profile(&input.profile, grant)?;
        if let Some(place) = proof::foreign(input, profile) {
            return Err(Denial::at(Code::UnlistedMember, place));
        }
        if profile == profile::DPOP {
            let (proof, effect) = proof::parse(input, catalog, grant)?;
            return Ok(Self {
                says: Says::Proof(proof),
                audience: String::new(),
                ttl_s: None,
                effects: Arc::new(Effects::one(effect)),
            });
        }
        let max_lifetime = lifetime(profile, input.ttl_s, grant)?;
        let found = find(profile, &input.audience, catalog, grant)?;
        if let Some(nonce) = &input.nonce {
            if !found.route.nonce {
                return Err(Denial::at(Code::UnlistedMember, NONCE_PARAM));
            }
            check_nonce(nonce)?;
        }
        let workload = (profile == profile::WPT).then(|| Workload::of(input, found.route));
        let workload = workload.transpose()?;
        let effect = Effect {
            kind: Kind::Jwt,
            verb: found.verb,
            resource: found.resource.clone(),
            route: found.number,
            destination: found.route.audience.clone(),
            method: "issue".to_owned(),
            path_template: String::new(),
            parameters: Vec::new(),
            mints: found.route.mints,
            identity_only: profile::is_identity_only(profile),
            charges: Vec::new(),
            max_lifetime,
            fixed: false,
            ends_at: None,
            signer: None,
            token: workload.as_ref().map(Workload::bound),
            nonce: None,
        };
        let says = workload.map_or_else(
            || Says::by(found.route, grant, input.nonce.as_deref()),
            |workload| Says::Workload(Box::new(workload)),
        );
        Ok(Self {
            says,
            audience: found.route.audience.clone(),
            ttl_s: input.ttl_s,
            effects: Arc::new(Effects::one(effect)),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// A verifier may keep `jti` (RFC 7523 §3, RFC 9449 §11.1) but need not: never single use.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, false)
    }

    fn canonical(&self) -> Vec<u8> {
        let ttl = self.ttl_s.map(u64::to_be_bytes);
        let (name, more) = self.says.canonical();
        let parts = Canonical::of(Kind::Jwt.as_str())
            .part(name.as_bytes())
            .part(self.audience.as_bytes())
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice));
        more.into_iter()
            .fold(parts, Canonical::optional)
            .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let input = self.says.signing_input(&self.effects.first, key, moment)?;
        Ok(ToSign::Message(input.into_bytes()))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let signed = signed.message()?;
        if signature.len() != SIGNATURE_LEN && !rsa::MODULUS.contains(&signature.len()) {
            return Err(Denial::at(Code::KeyDenied, Kind::Jwt.as_str()));
        }
        let input = std::str::from_utf8(signed).map_err(|_| Code::InvalidRequest)?;
        Ok(Credential::Jwt {
            jwt: jws::compact(input, signature),
        })
    }
}

/// The profile that is asked for and granted; a grant that names none grants the first.
fn check_profile(asked: &str, grant: &Grant) -> Result<&'static str, Denial> {
    let rule = grant.credentials.get(&Kind::Jwt);
    let named = rule.and_then(|rule| rule.profile.as_deref());
    let granted = named.unwrap_or(profile::ASSERTION);
    profile::OF_JWT
        .into_iter()
        .find(|built| *built == asked && *built == granted)
        .ok_or_else(|| Denial::at(Code::Unsupported, PROFILE_PARAM))
}

fn check_nonce(nonce: &str) -> Result<(), Denial> {
    let graphic = nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if nonce.is_empty() || nonce.len() > MAX_TOKEN_NONCE || !graphic {
        return Err(Denial::at(Code::InvalidRequest, NONCE_PARAM));
    }
    Ok(())
}

/// What the call says, or the grant, or else the usual, and never longer than the profile's.
fn lifetime(profile: &str, ttl_s: Option<u64>, grant: &Grant) -> Result<Millis, Denial> {
    let most = match profile {
        profile::GITHUB_APP => MAX_GITHUB,
        profile::GCP => MAX_GCP,
        _ => MAX_LIFETIME,
    };
    let rule = grant.credentials.get(&Kind::Jwt).and_then(|rule| rule.ttl);
    let longest = rule.unwrap_or(MAX_LIFETIME).min(most);
    match ttl_s {
        None => Ok(longest),
        Some(0) => Err(Denial::at(Code::InvalidRequest, TTL_PARAM)),
        Some(secs) if Millis::from_secs(secs) > longest => {
            Err(Denial::at(Code::Outliving, TTL_PARAM))
        }
        Some(secs) => Ok(Millis::from_secs(secs)),
    }
}

fn find<'a>(
    profile: &str,
    audience: &str,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, JwtRoute>, Denial> {
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Jwt(route) = route else { continue };
        if route.profile == profile && route.audience == audience {
            let verb = route.verb.unwrap_or(Verb::Write);
            matching.push(Candidate {
                resource,
                number,
                verb,
                route,
            });
        }
    }
    let none = Denial::at(Code::DestinationDenied, AUDIENCE_PARAM);
    only_one(matching, grant, none, AUDIENCE_PARAM)
}

#[cfg(test)]
mod cloud_tests;
#[cfg(test)]
mod oidc_tests;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod workload_tests;
