//! JSON web tokens, profile `assertion`: a client assertion for one token endpoint (RFC 7523).
//!
//! Having a [`JwtCall`] means the audience is exactly that of one route of those the grant names. What is signed names
//! issuer, subject, audience, lifetime and a unique `jti`; docs/spec/credential-jwt.md is the layout. What the audience
//! answers is itself a credential, so every effect of this kind mints.

pub mod jws;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{Span, checked_signature, nonce, replay},
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::JwtInput,
    catalog::{Catalog, JwtRoute, Route},
    credential::{Credential, Replay},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind, Verb},
    grant::Grant,
    time::Millis,
};
use jws::{Claims, Header};

/// Longest life of a token.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// The one profile.
pub const PROFILE: &str = "assertion";

const AUDIENCE_PARAM: &str = "/audience";
const PROFILE_PARAM: &str = "/profile";
const TTL_PARAM: &str = "/ttl_s";

/// One token to be issued.
#[derive(Debug, Clone)]
pub struct JwtCall {
    issuer: String,
    subject: String,
    audience: String,
    ttl_s: Option<u64>,
    effects: Effects,
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
        check_profile(&input.profile, grant)?;
        let max_lifetime = lifetime(input.ttl_s, grant)?;
        let found = find(&input.audience, catalog, grant)?;
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
        };
        Ok(Self {
            issuer: found.route.issuer.clone(),
            subject: found.route.subject.clone(),
            audience: found.route.audience.clone(),
            ttl_s: input.ttl_s,
            effects: Effects::one(effect),
        })
    }

    fn effects(&self) -> &Effects {
        &self.effects
    }

    /// A verifier may keep `jti` (RFC 7523 §3) but need not: never single use.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, false)
    }

    fn canonical(&self) -> Vec<u8> {
        let ttl = self.ttl_s.map(u64::to_be_bytes);
        Canonical::of(Kind::Jwt.as_str())
            .part(PROFILE.as_bytes())
            .part(self.audience.as_bytes())
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice))
            .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let input = self.signing_input(key, moment)?;
        Ok(ToSign::Message(input.into_bytes()))
    }

    fn assemble(
        &self,
        key: &SigningKeyInfo,
        moment: &Moment,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let signature = checked_signature(Kind::Jwt, signature)?;
        let input = self.signing_input(key, moment)?;
        Ok(Credential::Jwt {
            jwt: jws::compact(&input, signature),
        })
    }
}

impl JwtCall {
    fn signing_input(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<String, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        let header = Header {
            alg: jws::alg(key.alg),
            typ: "JWT",
            kid: &key.thumbprint,
        };
        let claims = Claims {
            iss: &self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            iat: span.from,
            exp: span.to,
            jti: &nonce(moment),
        };
        jws::signing_input(&header, &claims).ok_or_else(|| Code::InvalidRequest.into())
    }
}

fn check_profile(asked: &str, grant: &Grant) -> Result<(), Denial> {
    let rule = grant.credentials.get(&Kind::Jwt);
    let granted = rule
        .and_then(|rule| rule.profile.as_deref())
        .unwrap_or(PROFILE);
    if asked == PROFILE && granted == PROFILE {
        Ok(())
    } else {
        Err(Denial::at(Code::Unsupported, PROFILE_PARAM))
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
    audience: &str,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, JwtRoute>, Denial> {
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Jwt(route) = route else { continue };
        if route.profile == PROFILE && route.audience == audience {
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
mod tests;
