//! Requests to services that sign in a way of their own, by a template of the catalog: one request, one signature.
//!
//! Having a [`TemplateCall`] means the request was in normal form and is exactly one route of those the grant names, as of
//! `http`, and brings all that the route's template signs. The catalog's parser saw to it that nothing of the request goes
//! unsigned which the route does not fix. docs/spec/credential-template.md is the layout. Whether the grant allows the verb
//! is not decided here.

mod render;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    http::{
        charge::{self, Parts},
        content::{BODY, Content},
        matching::{self, Far, path_parameters, verb_of},
    },
    moment::{Span, nonce, replay},
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{
        HttpInput, MAX_BODY,
        http::{Headers, URL_PARAM, Url, is_header_value, is_method},
    },
    catalog::{
        Catalog, Route, TemplateRoute,
        template::{Encoding, Part, Slot, Text, Uncovered},
    },
    credential::{Credential, Replay},
    crypto::{rsa, sha256},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind},
    grant::Grant,
    owner::command::Alg,
    time::Millis,
};
use render::{Context, Sent, encode, jose_header};
use std::sync::Arc;

const METHOD_PARAM: &str = "/method";
const IDEMPOTENCY_PARAM: &str = "/idempotency_key";

/// One request, matched.
#[derive(Debug, Clone)]
pub struct TemplateCall {
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
    headers: Headers,
    body: Option<Vec<u8>>,
    idempotency_key: Option<String>,
    route: Arc<TemplateRoute>,
    effects: Arc<Effects>,
}

/// What a template signs, and for which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The message; the algorithm hashes it.
    pub message: Vec<u8>,
    /// The algorithm that the route asks for.
    pub alg: Alg,
    /// What the service calls the key.
    pub key_id: String,
}

impl Call for TemplateCall {
    const KIND: Kind = Kind::Template;
    type Input = HttpInput;

    fn parse(
        input: &HttpInput,
        idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        if !is_method(&input.method) {
            return Err(Denial::at(Code::InvalidRequest, METHOD_PARAM));
        }
        let url = Url::parse(&input.url)?;
        let headers = Headers::parse(&input.headers)?;
        let bytes = input.body.as_ref().map(|body| body.as_slice());
        if bytes.is_some_and(|bytes| bytes.len() > MAX_BODY) {
            return Err(Denial::at(Code::InvalidRequest, BODY));
        }
        let content = Content::new(bytes);
        let parts = Parts {
            url: &url,
            headers: &headers,
            content: &content,
        };
        let found = find(&input.method, &parts, catalog, grant)?;
        let route = found.route;
        check_present(route, &parts, bytes)?;
        if route.undated && !grant.allow_outliving.contains(found.resource) {
            return Err(Denial::at(Code::Outliving, found.resource.as_str()));
        }
        let effect = effect(&input.method, &parts, &found)?;
        let idempotency_key = match idempotency_key.filter(|_| route.is_bound()) {
            Some(key) if key.is_empty() || !is_header_value(key) => {
                return Err(Denial::at(Code::InvalidRequest, IDEMPOTENCY_PARAM));
            }
            key => key.map(str::to_owned),
        };
        Ok(Self {
            method: input.method.clone(),
            authority: url.authority(),
            path: url.path,
            query: url.query,
            headers,
            body: bytes.map(<[u8]>::to_vec),
            idempotency_key,
            route: Arc::new(route.clone()),
            effects: Arc::new(Effects::one(effect)),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, self.route.single_use || self.route.is_bound())
    }

    /// Equal only for equal requests, the body by its SHA-256 digest.
    fn canonical(&self) -> Vec<u8> {
        let digest = self.body.as_ref().map(|body| sha256(&[body]).0);
        let parts = Canonical::of(Kind::Template.as_str())
            .part(self.method.as_bytes())
            .part(self.authority.as_bytes())
            .part(self.path.as_bytes())
            .optional(self.query.as_deref().map(str::as_bytes))
            .optional(digest.as_ref().map(<[u8; 32]>::as_slice))
            .count(self.headers.iter().count());
        let fold = self.headers.iter().fold(parts, |parts, (name, value)| {
            parts.part(name.as_bytes()).part(value.as_bytes())
        });
        fold.into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        Span::of(&self.effects.first, key, moment)?;
        let named = key.thumbprint.as_bytes();
        if !self.route.takes(key.alg, named) {
            return Err(Denial::at(Code::KeyDenied, Kind::Template.as_str()));
        }
        let key_id = self.route.key_id.as_ref().unwrap_or(&key.thumbprint);
        let sent = self.sent(moment);
        let context = self.context(&sent, moment, key_id);
        let mut message = Vec::new();
        for part in &self.route.sign {
            context.put_part(&mut message, part);
        }
        if self.route.signature == Encoding::Jws {
            let header = jose_header(&context, self.route.alg, &self.route.protected);
            message = crate::jwt::jws::encoded(header.as_bytes(), &message).into_bytes();
        }
        Ok(ToSign::Template(Signing {
            message,
            alg: self.route.alg,
            key_id: key_id.clone(),
        }))
    }

    fn assemble(
        &self,
        moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let ToSign::Template(signing) = signed else {
            return Err(Code::InvalidRequest.into());
        };
        if !is_length(signing.alg, signature.len()) {
            return Err(Denial::at(Code::KeyDenied, Kind::Template.as_str()));
        }
        let sent = self.sent(moment);
        let mut context = self.context(&sent, moment, &signing.key_id);
        let signature = encode(self.route.signature, signature, &signing.message);
        let signature = signature.ok_or(Code::InvalidRequest)?;
        context.signature = &signature;
        let headers = self.route.add_headers.iter();
        let headers = headers.map(|(name, text)| (name.clone(), context.text(text)));
        let headers = headers.collect();
        let mut url = None;
        if !self.route.insert_query.is_empty() || !self.route.add_query.is_empty() {
            url = Some(self.url(&context));
        }
        let body = (!self.route.insert_body.is_empty()).then(|| sent.body.clone());
        Ok(Credential::Template {
            headers,
            url,
            body: body.flatten().map(Into::into),
        })
    }
}

impl TemplateCall {
    /// Query and body as they go out, with what the enclave writes into them.
    fn sent(&self, moment: &Moment) -> Sent {
        let of = |inserts| render::inserted(inserts, moment);
        let query = self.query.as_deref().map(str::as_bytes);
        let query = of(&self.route.insert_query).around(query);
        let body = of(&self.route.insert_body).around(self.body.as_deref());
        Sent {
            // A query is text, and what is written into it as well.
            query: query.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            body,
        }
    }

    fn context<'a>(&'a self, sent: &'a Sent, moment: &'a Moment, key_id: &'a str) -> Context<'a> {
        let own = self.idempotency_key.clone();
        Context {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
            sent,
            moment,
            key_id,
            idempotency_key: own.unwrap_or_else(|| nonce(moment)),
            signature: "",
        }
    }

    /// The whole URL, with what is appended once it is signed.
    fn url(&self, context: &Context<'_>) -> String {
        let mut query = context.sent.query.clone().unwrap_or_default();
        for (name, text) in &self.route.add_query {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            claviger_shared::call::http::put_escaped(&mut query, &context.text(text));
        }
        let (authority, path) = (&self.authority, &self.path);
        format!("https://{authority}{path}?{query}")
    }
}

/// The one route of a request, by the rules of `http`.
fn find<'a>(
    method: &str,
    parts: &Parts<'_>,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, TemplateRoute>, Denial> {
    let mut furthest = (Far::Nowhere, Denial::at(Code::DestinationDenied, URL_PARAM));
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Template(route) = route else {
            continue;
        };
        match matching::matches(&route.http, method, parts) {
            Ok(()) => matching.push(Candidate {
                resource,
                number,
                verb: route.http.verb.unwrap_or_else(|| verb_of(method)),
                route: route.as_ref(),
            }),
            Err((far, denial)) if far > furthest.0 => furthest = (far, denial),
            Err(_) => {}
        }
    }
    only_one(matching, grant, furthest.1, URL_PARAM)
}

/// Whether the request brings every field that is signed, and a form where something is written into one.
fn check_present(
    route: &TemplateRoute,
    parts: &Parts<'_>,
    body: Option<&[u8]>,
) -> Result<(), Denial> {
    for slot in route.sign.iter().map(Part::text).flat_map(Text::slots) {
        if let Slot::Header(name) = slot
            && parts.headers.value(name).is_none()
        {
            return Err(Denial::at(Code::UnparsableContent, Headers::param(name)));
        }
    }
    if body.is_none() && !route.insert_body.is_empty() {
        return Err(Denial::at(Code::UnparsableContent, BODY));
    }
    Ok(())
}

fn effect(
    method: &str,
    parts: &Parts<'_>,
    found: &Candidate<'_, TemplateRoute>,
) -> Result<Effect, Denial> {
    let http = &found.route.http;
    let path = path_parameters(&http.path, parts.url);
    let path = path
        .into_iter()
        .map(|(name, value)| (format!("path.{name}"), value));
    let query = parts.url.members.iter();
    let query = query.map(|(name, value)| (format!("query.{name}"), value.clone()));
    Ok(Effect {
        kind: Kind::Template,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: parts.url.authority(),
        method: method.to_owned(),
        path_template: http.template.clone(),
        parameters: path.chain(query).collect(),
        mints: http.mints,
        // Neither host nor path is signed: it says who, not where.
        identity_only: found.route.uncovered.contains(&Uncovered::Path),
        charges: charge::charges(&http.charge, &http.path, parts)?,
        max_lifetime: Millis::from_secs(found.route.window_s),
        // Where nothing signed says when it ends, the service alone decides.
        fixed: !found
            .route
            .signed_slots()
            .any(|slot| *slot == Slot::Expires),
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    })
}

fn is_length(alg: Alg, length: usize) -> bool {
    match alg {
        Alg::Hs256 => length == 32,
        Alg::Hs512 | Alg::Ed25519 | Alg::P256 => length == 64,
        Alg::P521 => length == 132,
        Alg::Rs256 => rsa::MODULUS.contains(&length),
        Alg::Ps512 | Alg::SigV4 | Alg::Secp256k1 => false,
    }
}

#[cfg(test)]
mod price_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
