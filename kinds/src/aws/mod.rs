//! Requests to AWS (Signature Version 4), as header fields or as a URL: one request, one signature.
//!
//! Having an [`AwsCall`] means the request was in normal form and is exactly one route of those the grant names: service,
//! Region, the one host of both, an action that is known and admitted, the resource that it reaches, and no member besides.
//! Every header field of the caller is signed, and so is the body, unless the route lets it go unsigned.
//! docs/spec/credential-aws.md is the layout. Whether the grant allows the verb is not decided here.

mod content;
mod derive;
mod matching;
mod place;
mod s3;
pub mod sigv4;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    http::{charge::Parts, content::Content},
    moment::{Span, replay},
};
use claviger_shared::{
    call::{
        AwsInput, MAX_BODY,
        aws::{Protocol, Service},
        http::{Headers, URL_PARAM, Url, is_method, put_escaped},
    },
    catalog::Catalog,
    credential::{Credential, Replay},
    crypto::sha256,
    denial::{Code, Denial},
    effect::{Effects, Kind},
    grant::Grant,
    id::to_hex,
    time::Millis,
};
pub use sigv4::Signing;
use sigv4::{ALGORITHM, UNSIGNED_PAYLOAD};
use std::{borrow::Cow, sync::Arc};

/// Longest life of a signed URL, and the whole life of signed header fields: AWS takes them for so long after their time.
pub const MAX_LIFETIME: Millis = Millis(900_000);
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 32;

pub(crate) const BODY_PARAM: &str = "/body";
pub(crate) const METHOD_PARAM: &str = "/method";
const PRESIGN_PARAM: &str = "/presign";
const SERVICE_PARAM: &str = "/service";
const TTL_PARAM: &str = "/ttl_s";
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// One request, matched.
#[derive(Debug, Clone)]
pub struct AwsCall {
    method: String,
    authority: String,
    path: String,
    members: Vec<(String, String)>,
    headers: Headers,
    payload: Payload,
    presign: bool,
    ttl_s: Option<u64>,
    region: String,
    scope: String,
    is_s3: bool,
    effects: Arc<Effects>,
}

/// What is signed of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Digest([u8; 32]),
    Unsigned,
}

/// A request before it is matched.
pub(crate) struct Request<'a> {
    pub(crate) input: &'a AwsInput,
    pub(crate) parts: Parts<'a>,
    /// Whether the body goes unsigned.
    pub(crate) unsigned: bool,
    /// The longest the credential may live, and whether it lives so long whatever is asked.
    pub(crate) lifetime: (Millis, bool),
}

impl Call for AwsCall {
    const KIND: Kind = Kind::Aws;
    type Input = AwsInput;

    fn parse(
        input: &AwsInput,
        _idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        if !is_method(&input.method) {
            return Err(Denial::at(Code::InvalidRequest, METHOD_PARAM));
        }
        let service = Service::named(&input.service);
        let is_s3 = service.is_some_and(|service| service.protocol == Protocol::S3);
        let url = read_url(&input.url, is_s3)?;
        let (headers, unsigned) = read_headers(&input.headers)?;
        let bytes = input.body.as_ref().map(|body| body.as_slice());
        let unread = input.presign || unsigned;
        if bytes.is_some_and(|bytes| bytes.len() > MAX_BODY || unread) {
            return Err(Denial::at(Code::InvalidRequest, BODY_PARAM));
        }
        if unsigned && (input.presign || !is_s3) {
            return Err(Denial::at(
                Code::InvalidRequest,
                Headers::param(CONTENT_SHA256),
            ));
        }
        let content = Content::new(bytes);
        let request = Request {
            input,
            parts: Parts {
                url: &url,
                headers: &headers,
                content: &content,
            },
            unsigned: unsigned || (input.presign && is_s3),
            lifetime: lifetime(input, is_s3, grant)?,
        };
        let effects = match service {
            Some(service) => matching::effects(service, &request, catalog, grant)?,
            None => place::effects(&request, catalog, grant)?,
        };
        let payload = if request.unsigned {
            Payload::Unsigned
        } else {
            Payload::Digest(sha256(&[bytes.unwrap_or_default()]).0)
        };
        Ok(Self {
            method: input.method.clone(),
            authority: url.authority(),
            path: url.path,
            members: url.members,
            headers,
            payload,
            presign: input.presign,
            ttl_s: input.ttl_s,
            region: input.region.clone(),
            scope: service
                .map_or(input.service.as_str(), |service| service.scope)
                .to_owned(),
            is_s3,
            effects: Arc::new(effects),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// AWS remembers no signature: never single use.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, false)
    }

    /// Equal only for equal requests, the body by its SHA-256 digest.
    fn canonical(&self) -> Vec<u8> {
        let (payload, ttl) = (self.payload(), self.ttl_s.map(u64::to_be_bytes));
        let parts = Canonical::of(Kind::Aws.as_str())
            .part(self.scope.as_bytes())
            .part(self.region.as_bytes())
            .part(self.method.as_bytes())
            .part(self.authority.as_bytes())
            .part(self.path.as_bytes())
            .part(payload.as_bytes())
            .part(&[u8::from(self.presign)])
            .count(self.members.len());
        let pairs = self
            .members
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let parts = pairs.fold(parts, |parts, (name, value)| {
            parts.part(name.as_bytes()).part(value.as_bytes())
        });
        let parts = parts
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice))
            .count(self.headers.iter().count());
        let fold = self.headers.iter().fold(parts, |parts, (name, value)| {
            parts.part(name.as_bytes()).part(value.as_bytes())
        });
        fold.into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        let mut signing = Signing {
            access_key_id: key.thumbprint.clone(),
            session_token: key.session_token.clone(),
            time: sigv4::time(moment.now),
            region: self.region.clone(),
            service: self.scope.clone(),
            canonical: Vec::new(),
        };
        signing.canonical = if self.presign {
            self.as_url(&signing, span.to.saturating_sub(span.from))
        } else {
            self.as_headers(&signing)
        };
        Ok(ToSign::SigV4(signing))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let ToSign::SigV4(signing) = signed else {
            return Err(Code::InvalidRequest.into());
        };
        if signature.len() != SIGNATURE_LEN {
            return Err(Denial::at(Code::KeyDenied, Kind::Aws.as_str()));
        }
        let signature = to_hex(signature);
        if self.presign {
            let query = signing.query().ok_or(Code::InvalidRequest)?;
            let (authority, path) = (&self.authority, &self.path);
            return Ok(Credential::Aws {
                headers: Vec::new(),
                url: Some(format!(
                    "https://{authority}{path}?{query}&X-Amz-Signature={signature}"
                )),
            });
        }
        let names = signing.signed_headers().ok_or(Code::InvalidRequest)?;
        let (id, scope) = (&signing.access_key_id, signing.scope());
        let mut headers = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        add(
            "authorization",
            format!(
                "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        );
        if self.is_s3 {
            add(CONTENT_SHA256, self.payload().into_owned());
        }
        add("x-amz-date", signing.time.clone());
        if let Some(token) = &signing.session_token {
            add("x-amz-security-token", token.0.as_ref().to_owned());
        }
        Ok(Credential::Aws { headers, url: None })
    }
}

impl AwsCall {
    fn payload(&self) -> Cow<'static, str> {
        match &self.payload {
            Payload::Digest(digest) => Cow::Owned(to_hex(digest)),
            Payload::Unsigned => Cow::Borrowed(UNSIGNED_PAYLOAD),
        }
    }

    fn members(&self) -> Vec<(&str, &str)> {
        let pairs = self.members.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// The canonical request whose signature stands in header fields.
    fn as_headers(&self, signing: &Signing) -> Vec<u8> {
        let payload = self.payload();
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.push(("host", &self.authority));
        headers.push(("x-amz-date", &signing.time));
        if self.is_s3 {
            headers.push((CONTENT_SHA256, &payload));
        }
        if let Some(token) = &signing.session_token {
            headers.push(("x-amz-security-token", &token.0));
        }
        let uri = sigv4::uri(&self.path, self.is_s3);
        sigv4::canonical(&self.method, &uri, &self.members(), &mut headers, &payload)
    }

    /// The canonical request whose signature stands in the query.
    fn as_url(&self, signing: &Signing, seconds: u64) -> Vec<u8> {
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.push(("host", &self.authority));
        let names = sigv4::names(&mut headers);
        let credential = format!("{}/{}", signing.access_key_id, signing.scope());
        let seconds = seconds.to_string();
        let mut query = self.members();
        query.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &signing.time),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", &names),
        ]);
        if let Some(token) = &signing.session_token {
            query.push(("X-Amz-Security-Token", &token.0));
        }
        let uri = sigv4::uri(&self.path, self.is_s3);
        sigv4::canonical(&self.method, &uri, &query, &mut headers, &self.payload())
    }
}

/// A URL in normal form whose every part has the one spelling that AWS writes it in when it checks a signature.
fn read_url(text: &str, is_s3: bool) -> Result<Url, Denial> {
    let url = if is_s3 {
        Url::parse_object(text)?
    } else {
        Url::parse(text)?
    };
    let is_escaped = |raw: &str, text: &str| {
        let mut escaped = String::with_capacity(raw.len());
        put_escaped(&mut escaped, text);
        escaped == raw
    };
    let path = url.path.split('/').skip(1).zip(&url.segments);
    let path = path.fold(true, |fine, (raw, text)| fine && is_escaped(raw, text));
    let query = url
        .query
        .as_deref()
        .into_iter()
        .flat_map(|query| query.split('&'));
    let query = query
        .zip(&url.members)
        .fold(true, |fine, (raw, (name, value))| {
            let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
            fine && is_escaped(raw_name, name) && is_escaped(raw_value, value)
        });
    if path && query {
        Ok(url)
    } else {
        Err(Denial::at(Code::NotNormalForm, URL_PARAM))
    }
}

/// The caller's header fields, and whether they ask for a body that is not signed.
fn read_headers(fields: &[(String, String)]) -> Result<(Headers, bool), Denial> {
    let headers = Headers::parse(fields)?;
    match headers.value(CONTENT_SHA256) {
        None => Ok((headers, false)),
        Some(UNSIGNED_PAYLOAD) => {
            let rest = fields.iter().filter(|(name, _)| name != CONTENT_SHA256);
            let rest: Vec<_> = rest.cloned().collect();
            Ok((Headers::parse(&rest)?, true))
        }
        // A digest of the caller's is never signed; one of chunks says nothing of what they hold.
        Some(_) => Err(Denial::at(
            Code::InvalidRequest,
            Headers::param(CONTENT_SHA256),
        )),
    }
}

/// S3 alone keeps to the life that a URL says; whatever else is signed is taken for [`MAX_LIFETIME`].
fn lifetime(input: &AwsInput, is_s3: bool, grant: &Grant) -> Result<(Millis, bool), Denial> {
    let fixed = !(input.presign && is_s3);
    let rule = grant.credentials.get(&Kind::Aws).and_then(|rule| rule.ttl);
    let longest = match rule {
        Some(ttl) if !fixed => ttl.min(MAX_LIFETIME),
        Some(_) | None => MAX_LIFETIME,
    };
    match input.ttl_s.map(Millis::from_secs) {
        None => Ok((longest, fixed)),
        Some(Millis(0)) => Err(Denial::at(Code::InvalidRequest, TTL_PARAM)),
        Some(wanted) if wanted > longest || (fixed && wanted != longest) => {
            Err(Denial::at(Code::Outliving, TTL_PARAM))
        }
        Some(wanted) => Ok((wanted, fixed)),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
