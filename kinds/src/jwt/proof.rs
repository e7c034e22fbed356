//! Proofs of possession (RFC 9449): which route a request is, by its method and URL alone, as those are all of it that is signed.
//!
//! Having a [`Proof`] means the method and the URL, which has no query, are those of one route, and that the access token's
//! hash stands where the route is one that takes a token, and nowhere else. It never sees the token.

use super::{
    ATH_PARAM, AUDIENCE_PARAM, METHOD_PARAM, TTL_PARAM, WIT_PARAM, check_nonce, says::Proof,
};
use crate::{
    http::{
        charge::Parts,
        content::Content,
        matching::{Far, matches, path_parameters, verb_of},
    },
    routes::{Candidate, named, only_one},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    call::{
        JwtInput,
        http::{Headers, URL_PARAM, Url, is_method},
    },
    catalog::{Catalog, HttpRoute, JwtRoute, Route},
    denial::{Code, Denial},
    effect::{Effect, Kind},
    grant::{Grant, profile},
    time::Millis,
};

/// How long a proof is taken to be of use. It has no end of its own: a server takes one whose `iat` is recent, seconds or
/// minutes (RFC 9449 §11.1).
pub const MAX_PROOF: Millis = Millis(300_000);
/// Bytes of SHA-256.
const HASH: usize = 32;

/// Where an input says something that only other profiles' proofs say.
pub(super) fn foreign(input: &JwtInput, profile: &str) -> Option<&'static str> {
    let request = profile == profile::DPOP;
    let workload = profile == profile::WPT;
    if input.method.is_some() && !request {
        Some(METHOD_PARAM)
    } else if input.url.is_some() && !request {
        Some(URL_PARAM)
    } else if input.ath.is_some() && !request && !workload {
        Some(ATH_PARAM)
    } else if input.wit.is_some() && !workload {
        Some(WIT_PARAM)
    } else {
        None
    }
}

/// The proof, and what it does.
pub(super) fn parse(
    input: &JwtInput,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<(Proof, Effect), Denial> {
    if !input.audience.is_empty() {
        return Err(Denial::at(Code::UnlistedMember, AUDIENCE_PARAM));
    }
    // Nothing in a proof says when it ends, so nothing can shorten it.
    if input.ttl_s.is_some() {
        return Err(Denial::at(Code::UnlistedMember, TTL_PARAM));
    }
    let method = input.method.as_deref().filter(|text| is_method(text));
    let method = method.ok_or_else(|| Denial::at(Code::InvalidRequest, METHOD_PARAM))?;
    let url = input.url.as_deref();
    let url = Url::parse(url.ok_or_else(|| Denial::at(Code::InvalidRequest, URL_PARAM))?)?;
    let (found, http) = find(method, &url, catalog, grant)?;
    check_ath(input.ath.as_deref(), found.route.token_endpoint)?;
    if let Some(nonce) = &input.nonce {
        check_nonce(nonce)?;
    }
    let parameters = path_parameters(&http.path, &url).into_iter();
    let effect = Effect {
        kind: Kind::Jwt,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: url.authority(),
        method: method.to_owned(),
        path_template: http.template.clone(),
        parameters: parameters
            .map(|(name, value)| (format!("path.{name}"), value))
            .collect(),
        mints: found.route.mints,
        identity_only: false,
        charges: Vec::new(),
        max_lifetime: MAX_PROOF,
        fixed: true,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    };
    let proof = Proof {
        method: method.to_owned(),
        url: format!("https://{}{}", url.authority(), url.path),
        ath: input.ath.clone(),
        nonce: input.nonce.clone(),
    };
    Ok((proof, effect))
}

fn find<'a>(
    method: &str,
    url: &Url,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<(Candidate<'a, JwtRoute>, &'a HttpRoute), Denial> {
    let parts = Parts {
        url,
        headers: &Headers::parse(&[])?,
        content: &Content::new(None),
    };
    let none = || Denial::at(Code::DestinationDenied, URL_PARAM);
    let mut furthest = (Far::Nowhere, none());
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Jwt(route) = route else { continue };
        let Some(http) = route.http.as_deref() else {
            continue;
        };
        match matches(http, method, &parts) {
            Ok(()) => matching.push(Candidate {
                resource,
                number,
                verb: route.verb.unwrap_or_else(|| verb_of(method)),
                route,
            }),
            Err((far, denial)) if far > furthest.0 => furthest = (far, denial),
            Err(_) => {}
        }
    }
    let one = only_one(matching, grant, furthest.1, URL_PARAM)?;
    let http = one.route.http.as_deref().ok_or_else(none)?;
    Ok((one, http))
}

/// RFC 9449 §4.3: beside an access token the proof carries its hash; where a token is only asked for there is none yet.
fn check_ath(ath: Option<&str>, token_endpoint: bool) -> Result<(), Denial> {
    match ath {
        Some(_) if token_endpoint => Err(Denial::at(Code::UnlistedMember, ATH_PARAM)),
        None if token_endpoint => Ok(()),
        None => Err(Denial::at(Code::InvalidRequest, ATH_PARAM)),
        Some(ath) => is_hash(ath)
            .then_some(())
            .ok_or_else(|| Denial::at(Code::InvalidRequest, ATH_PARAM)),
    }
}

/// SHA-256 in base64url without padding.
pub(super) fn is_hash(text: &str) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.is_ok_and(|bytes| bytes.len() == HASH)
}
