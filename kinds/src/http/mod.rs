//! HTTP message signatures (RFC 9421), profiles `generic`, `web-bot-auth` and `wimse`: one request, one signature.
//!
//! Having an [`HttpCall`] means the request was in normal form, is exactly one route of those the grant names, and every
//! member of its query, headers and body is listed by that route. What is signed covers method, authority, path, query,
//! body, and every header field the caller gave, under `wimse` its audience in place of the authority;
//! docs/spec/credential-http.md is the layout. Whether the grant allows
//! the verb is not decided here.

pub mod base;
pub(crate) mod charge;
pub(crate) mod content;
mod directory;
pub mod form;
pub(crate) mod matching;
mod profile;
mod wimse;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{SIGNATURE_LEN, Span, nonce, replay},
    routes::Candidate,
};
use base::{Component, Parameter};
use base64::{Engine, engine::general_purpose::STANDARD};
use charge::Parts;
use claviger_shared::{
    call::{
        HttpInput, MAX_BODY,
        http::{Headers, Url, is_header_value, is_method},
    },
    catalog::{Catalog, HttpRoute},
    credential::{Credential, Replay},
    crypto::{rsa, sha256},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind},
    grant::Grant,
    owner::command::Alg,
    time::Millis,
};
use content::Content;
pub use directory::TAG as DIRECTORY_TAG;
use profile::Profile;
pub use profile::{TAG, WEB_BOT_AUTH_TAG, WIMSE_TAG};
use std::sync::Arc;

/// Longest life of an HTTP credential.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// RFC 9421 §3.3: the algorithms by name.
const ED25519: &str = "ed25519";
const HMAC: &str = "hmac-sha256";
const P256: &str = "ecdsa-p256-sha256";
const RSA_PSS: &str = "rsa-pss-sha512";
/// Components of an ordinary request.
const COMPONENTS: usize = 8;
/// Bytes of an HMAC-SHA-256.
const HMAC_LEN: usize = 32;
/// The label of the signature in every field.
pub const LABEL: &str = "sig1";

/// What makes a charge single use at its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Binding {
    /// Nothing is charged, or the route says it may be charged again.
    None,
    /// The call's own key.
    Own(String),
    /// The moment's random bytes.
    Nonce,
}

/// One request, matched.
#[derive(Debug, Clone)]
pub struct HttpCall {
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
    headers: Headers,
    body: Option<Body>,
    binding: Binding,
    profile: Profile,
    /// Whether it is no request: a directory's response is signed.
    directory: bool,
    effects: Arc<Effects>,
}

/// What is kept of a body.
#[derive(Debug, Clone)]
struct Body {
    digest: [u8; 32],
    media: String,
}

impl Call for HttpCall {
    const KIND: Kind = Kind::Http;
    type Input = HttpInput;

    fn parse(
        input: &HttpInput,
        idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        if !is_method(&input.method) {
            return Err(Denial::at(Code::InvalidRequest, "/method"));
        }
        let url = Url::parse(&input.url)?;
        let headers = Headers::parse(&input.headers)?;
        let bytes = input.body.as_ref().map(|body| body.as_slice());
        if bytes.is_some_and(|bytes| bytes.len() > MAX_BODY) {
            return Err(Denial::at(Code::InvalidRequest, content::BODY));
        }
        let parts = Parts {
            url: &url,
            headers: &headers,
            content: &Content::new(bytes),
        };
        let found = matching::find(&input.method, &parts, catalog, grant)?;
        let profile = Profile::of(grant, found.route, &parts)?;
        if found.route.directory {
            directory::check(&profile, &url.authority())?;
        }
        let mut effect = effect(&input.method, &parts, &found)?;
        if let Profile::Wimse(wimse) = &profile {
            wimse.put_into(&mut effect);
        }
        let binding = binding(found.route, idempotency_key)?;
        let body = bytes.map(|bytes| Body {
            digest: sha256(&[bytes]).0,
            media: headers.value("content-type").unwrap_or_default().to_owned(),
        });
        Ok(Self {
            method: input.method.clone(),
            authority: url.authority(),
            path: url.path,
            query: url.query,
            headers,
            body,
            binding,
            profile,
            directory: found.route.directory,
            effects: Arc::new(Effects::one(effect)),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, self.binding != Binding::None)
    }

    /// Equal only for equal requests, the body by its SHA-256 digest.
    fn canonical(&self) -> Vec<u8> {
        let parts = Canonical::of(Kind::Http.as_str())
            .part(self.method.as_bytes())
            .part(self.authority.as_bytes())
            .part(self.path.as_bytes())
            .optional(self.query.as_deref().map(str::as_bytes))
            .optional(self.body.as_ref().map(|body| body.digest.as_slice()))
            .count(self.headers.iter().count());
        let parts = self.headers.iter().fold(parts, |parts, (name, value)| {
            parts.part(name.as_bytes()).part(value.as_bytes())
        });
        let parts = self.profile.canonical(parts);
        if self.directory {
            return parts.part(directory::TAG.as_bytes()).into_bytes();
        }
        parts.into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let parameters = self.parameters(key, moment)?;
        let components = if self.directory {
            directory::components(&self.authority, key)?
        } else {
            self.components(moment)
        };
        base::base(&components, &parameters)
            .map(ToSign::Message)
            .ok_or_else(|| Code::InvalidRequest.into())
    }

    fn assemble(
        &self,
        moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let signed = signed.message()?;
        let input = base::signature_input(signed).ok_or(Code::InvalidRequest)?;
        let fits = match &self.profile {
            Profile::Wimse(_) => signature.len() == SIGNATURE_LEN,
            Profile::Generic | Profile::WebBotAuth(_) => is_length(input, signature.len()),
        };
        if !fits {
            return Err(Denial::at(Code::KeyDenied, Kind::Http.as_str()));
        }
        let signature = STANDARD.encode(signature);
        let mut headers = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        if let Some(body) = &self.body {
            add("content-digest", content_digest(&body.digest));
        }
        if self.directory {
            let digest = directory::digest(signed).ok_or(Code::InvalidRequest)?;
            add("content-digest", digest.to_owned());
        }
        if let Some(key) = self.idempotency_key(moment) {
            add("idempotency-key", key);
        }
        if let Some(agent) = self.profile.field().filter(|_| !self.directory) {
            add(profile::SIGNATURE_AGENT, agent);
        }
        add("signature-input", [LABEL, "=", input].concat());
        add("signature", [LABEL, "=:", &signature, ":"].concat());
        Ok(Credential::Http { headers })
    }
}

impl HttpCall {
    /// What is covered, in order.
    fn components(&self, moment: &Moment) -> Vec<Component<'_>> {
        let query = ["?", self.query.as_deref().unwrap_or_default()].concat();
        let mut all = Vec::with_capacity(COMPONENTS);
        all.push(Component::new("@method", self.method.as_str()));
        // Who terminates TLS may rewrite the authority: between workloads the audience says whom it is for.
        if !matches!(self.profile, Profile::Wimse(_)) {
            all.push(Component::new("@authority", self.authority.as_str()));
        }
        all.push(Component::new("@path", self.path.as_str()));
        all.push(Component::new("@query", query));
        if let Some(body) = &self.body {
            all.push(Component::new(
                "content-digest",
                content_digest(&body.digest),
            ));
            all.push(Component::new("content-type", body.media.as_str()));
        }
        let others = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "content-type");
        all.extend(others.map(|(name, value)| Component::new(name, value)));
        if let Some(key) = self.idempotency_key(moment) {
            all.push(Component::new("idempotency-key", key));
        }
        all.extend(self.profile.component());
        all
    }

    fn parameters<'a>(
        &'a self,
        key: &'a SigningKeyInfo,
        moment: &Moment,
    ) -> Result<Vec<(&'static str, Parameter<'a>)>, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        if let Profile::Wimse(wimse) = &self.profile {
            return wimse.parameters(span, key, moment);
        }
        let alg = match key.alg {
            Alg::Ed25519 => ED25519,
            Alg::P256 => P256,
            Alg::Ps512 => RSA_PSS,
            // Who verifies a bot holds only what its operator published.
            Alg::Hs256 if self.profile == Profile::Generic => HMAC,
            Alg::Hs256 | Alg::Hs512 | Alg::Rs256 | Alg::SigV4 | Alg::P521 | Alg::Secp256k1 => {
                return Err(Denial::at(Code::KeyDenied, Kind::Http.as_str()));
            }
        };
        Ok(vec![
            ("created", Parameter::Integer(span.from)),
            ("expires", Parameter::Integer(span.to)),
            ("nonce", Parameter::Text(nonce(moment).into())),
            ("keyid", Parameter::Text(key.thumbprint.as_str().into())),
            ("alg", Parameter::Text(alg.into())),
            ("tag", Parameter::Text(self.tag().into())),
        ])
    }

    const fn tag(&self) -> &'static str {
        if self.directory {
            directory::TAG
        } else {
            self.profile.tag()
        }
    }

    fn idempotency_key(&self, moment: &Moment) -> Option<String> {
        match &self.binding {
            Binding::None => None,
            Binding::Own(key) => Some(key.clone()),
            Binding::Nonce => Some(nonce(moment)),
        }
    }
}

/// Whether a signature's length is one of the algorithm that its parameters name. A keyid cannot pretend to be the
/// parameter: what stands in quotes has no quote that is not escaped.
fn is_length(input: &str, length: usize) -> bool {
    let name = input.rsplit_once(";alg=\"").map(|(_, rest)| rest);
    match name.and_then(|rest| rest.split('"').next()) {
        Some(ED25519 | P256) => length == SIGNATURE_LEN,
        Some(HMAC) => length == HMAC_LEN,
        Some(RSA_PSS) => rsa::MODULUS.contains(&length),
        Some(_) | None => false,
    }
}

/// RFC 9530: the value of `content-digest` for a SHA-256 digest.
#[must_use]
pub fn content_digest(digest: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest))
}

fn effect(
    method: &str,
    parts: &Parts<'_>,
    found: &Candidate<'_, HttpRoute>,
) -> Result<Effect, Denial> {
    let path = matching::path_parameters(&found.route.path, parts.url);
    let path = path
        .into_iter()
        .map(|(name, value)| (["path.", name.as_ref()].concat(), value));
    let query = parts.url.members.iter();
    let query = query.map(|(name, value)| (["query.", name.as_ref()].concat(), value.clone()));
    Ok(Effect {
        kind: Kind::Http,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: parts.url.authority(),
        method: method.to_owned(),
        path_template: found.route.template.clone(),
        parameters: path.chain(query).collect(),
        mints: found.route.mints,
        identity_only: false,
        charges: charge::charges(&found.route.charge, &found.route.path, parts)?,
        max_lifetime: MAX_LIFETIME,
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    })
}

fn binding(route: &HttpRoute, key: Option<&str>) -> Result<Binding, Denial> {
    match key {
        _ if !matching::is_bound(route) => Ok(Binding::None),
        None => Ok(Binding::Nonce),
        Some(key) if !key.is_empty() && is_header_value(key) => Ok(Binding::Own(key.to_owned())),
        Some(_) => Err(Denial::at(Code::InvalidRequest, "/idempotency_key")),
    }
}

#[cfg(test)]
mod charge_tests;
#[cfg(test)]
mod directory_tests;
#[cfg(test)]
mod price_properties;
#[cfg(test)]
mod price_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod web_bot_auth_tests;
#[cfg(test)]
mod wimse_tests;
