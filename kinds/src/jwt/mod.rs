//! JSON web tokens: `assertion`, a client assertion for one token endpoint (RFC 7523), and `oidc`, an identity token.
//!
//! Having a [`JwtCall`] means the audience is exactly that of one route of those the grant names. What is signed names
//! issuer, subject, audience, lifetime and a unique `jti`; docs/spec/credential-jwt.md is the layout. An identity's
//! subject is said here, by deployment, agent and grant: neither caller nor catalog can write another. What the audience
//! answers is itself a credential, so every effect of this kind mints.

pub mod jws;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{Span, checked_signature, nonce, replay},
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{JwtInput, MAX_TOKEN_NONCE},
    catalog::{Catalog, JwtRoute, Route},
    credential::{Credential, Replay},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind, Verb},
    grant::{Grant, profile},
    id::{AgentId, GrantId},
    owner::manifest::parse::MAX_ORIGIN,
    time::Millis,
};
use jws::{Claims, Header, Identity};
use std::sync::Arc;

/// Longest life of a token.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// Longest subject (OpenID Connect Core §2).
pub const MAX_SUBJECT: usize = 255;

// INVARIANT: deployment, agent and grant, a colon between them, are within it: no grant is made whose subject is not signed.
const _: () = assert!(MAX_ORIGIN + 1 + AgentId::MAX + 1 + GrantId::MAX <= MAX_SUBJECT);

const AUDIENCE_PARAM: &str = "/audience";
const NONCE_PARAM: &str = "/nonce";
const PROFILE_PARAM: &str = "/profile";
const TTL_PARAM: &str = "/ttl_s";

/// One token to be issued.
#[derive(Debug, Clone)]
pub struct JwtCall {
    says: Says,
    issuer: String,
    audience: String,
    ttl_s: Option<u64>,
    effects: Arc<Effects>,
}

/// What a token says besides issuer, audience and time.
#[derive(Debug, Clone)]
enum Says {
    /// A client assertion: its subject.
    Assertion(String),
    /// An identity: agent and grant, and the relying party's own word.
    Identity {
        agent: AgentId,
        grant: GrantId,
        nonce: Option<String>,
    },
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
        let max_lifetime = lifetime(input.ttl_s, grant)?;
        let found = find(profile, &input.audience, catalog, grant)?;
        let says = says(input, found.route, grant)?;
        let effect = Effect {
            kind: Kind::Jwt,
            verb: found.verb,
            resource: found.resource.clone(),
            route: found.number,
            destination: found.route.audience.clone(),
            method: "issue".to_owned(),
            path_template: String::new(),
            parameters: Vec::new(),
            mints: true,
            identity_only: false,
            charges: Vec::new(),
            max_lifetime,
            fixed: false,
        };
        Ok(Self {
            says,
            issuer: found.route.issuer.clone(),
            audience: found.route.audience.clone(),
            ttl_s: input.ttl_s,
            effects: Arc::new(Effects::one(effect)),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// A verifier may keep `jti` (RFC 7523 §3) but need not: never single use.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, false)
    }

    fn canonical(&self) -> Vec<u8> {
        let ttl = self.ttl_s.map(u64::to_be_bytes);
        let (name, nonce) = match &self.says {
            Says::Assertion(_) => (profile::ASSERTION, None),
            Says::Identity { nonce, .. } => (profile::OIDC, Some(nonce.as_deref())),
        };
        let parts = Canonical::of(Kind::Jwt.as_str())
            .part(name.as_bytes())
            .part(self.audience.as_bytes())
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice));
        match nonce {
            None => parts,
            Some(nonce) => parts.optional(nonce.map(str::as_bytes)),
        }
        .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let input = self.signing_input(key, moment)?;
        Ok(ToSign::Message(input.into_bytes()))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let signed = signed.message()?;
        let signature = checked_signature(Kind::Jwt, signature)?;
        let input = std::str::from_utf8(signed).map_err(|_| Code::InvalidRequest)?;
        Ok(Credential::Jwt {
            jwt: jws::compact(input, signature),
        })
    }
}

impl JwtCall {
    fn signing_input(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<String, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        let header = Header {
            alg: jws::alg(key.alg)
                .ok_or_else(|| Denial::at(Code::KeyDenied, Kind::Jwt.as_str()))?,
            typ: "JWT",
            kid: &key.thumbprint,
        };
        let (iss, aud, jti) = (&self.issuer, &self.audience, &nonce(moment));
        let (iat, exp) = (span.from, span.to);
        let input = match &self.says {
            Says::Assertion(sub) => {
                let claims = Claims {
                    iss,
                    sub,
                    aud,
                    iat,
                    exp,
                    jti,
                };
                jws::signing_input(&header, &claims)
            }
            Says::Identity {
                agent,
                grant,
                nonce,
            } => {
                let sub = &format!("{}:{agent}:{grant}", key.deployment);
                let claims = Identity {
                    iss,
                    sub,
                    aud,
                    iat,
                    exp,
                    jti,
                    nonce: nonce.as_deref(),
                };
                (sub.len() <= MAX_SUBJECT)
                    .then(|| jws::signing_input(&header, &claims))
                    .flatten()
            }
        };
        input.ok_or_else(|| Code::InvalidRequest.into())
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

fn says(input: &JwtInput, route: &JwtRoute, grant: &Grant) -> Result<Says, Denial> {
    if let Some(nonce) = &input.nonce {
        if !route.nonce {
            return Err(Denial::at(Code::UnlistedMember, NONCE_PARAM));
        }
        let graphic = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > MAX_TOKEN_NONCE || !graphic {
            return Err(Denial::at(Code::InvalidRequest, NONCE_PARAM));
        }
    }
    if route.profile == profile::OIDC {
        Ok(Says::Identity {
            agent: grant.agent.clone(),
            grant: grant.id.clone(),
            nonce: input.nonce.clone(),
        })
    } else {
        Ok(Says::Assertion(route.subject.clone()))
    }
}

fn lifetime(ttl_s: Option<u64>, grant: &Grant) -> Result<Millis, Denial> {
    let rule = grant.credentials.get(&Kind::Jwt).and_then(|rule| rule.ttl);
    let longest = rule.map_or(MAX_LIFETIME, |ttl| ttl.min(MAX_LIFETIME));
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
mod oidc_tests;
#[cfg(test)]
mod tests;
