//! Signature Version 4: the canonical request and the string to sign.
//!
//! Whoever signs is given the canonical request, never a digest. What stands in it is the caller's of this module to say;
//! it sorts, escapes and trims as AWS does when it checks. It knows no key.

use crate::SessionToken;
use claviger_shared::{call::http::put_escaped, crypto::sha256, id::to_hex, time::UnixMs};
use std::fmt::Write;

/// The algorithm's name.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How a scope ends.
pub const TERMINATION: &str = "aws4_request";
/// What stands for the digest of a body that is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Room for a canonical request.
const ROOM: usize = 640;

/// A request to be signed, and under which derived key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// Which secret access key.
    pub access_key_id: String,
    /// Of temporary credentials.
    pub session_token: Option<SessionToken>,
    /// `20150830T123600Z`.
    pub time: String,
    /// Of the scope.
    pub region: String,
    /// Of the scope.
    pub service: String,
    /// The canonical request.
    pub canonical: Vec<u8>,
}

impl Signing {
    /// `20150830`.
    #[must_use]
    pub fn date(&self) -> &str {
        self.time.get(..8).unwrap_or_default()
    }

    /// `20150830/us-east-1/iam/aws4_request`.
    #[must_use]
    pub fn scope(&self) -> String {
        scope(&self.time, &self.region, &self.service)
    }

    /// The bytes whose HMAC is the signature.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        let digest = to_hex(&sha256(&[&self.canonical]).0);
        [ALGORITHM, &self.time, &self.scope(), &digest].join("\n")
    }

    /// The list of signed header fields, as the canonical request has it.
    #[must_use]
    pub fn signed_headers(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.canonical).ok()?;
        text.rsplit('\n').nth(1)
    }

    /// The query, as the canonical request has it.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        std::str::from_utf8(&self.canonical)
            .ok()?
            .split('\n')
            .nth(2)
    }
}

/// The scope of a credential.
#[must_use]
pub fn scope(time: &str, region: &str, service: &str) -> String {
    let date = time.get(..8).unwrap_or_default();
    [date, region, service, TERMINATION].join("/")
}

/// A time in ISO 8601 basic form.
#[must_use]
pub fn time(at: UnixMs) -> String {
    let seconds = UnixMs(at.secs().saturating_mul(1000)).to_string();
    seconds
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect()
}

/// The canonical URI: of S3 the path as it is sent; of others that path escaped once more.
#[must_use]
pub fn uri(path: &str, is_s3: bool) -> String {
    let mut out = String::with_capacity(path.len());
    if is_s3 {
        out.push_str(path);
        return out;
    }
    for (number, part) in path.split('/').enumerate() {
        if number > 0 {
            out.push('/');
        }
        put_escaped(&mut out, part);
    }
    out
}

/// The canonical request: of decoded query members, lower-case header fields each once, and the payload's digest in
/// hexadecimal or what stands for it.
#[must_use]
pub fn canonical(
    method: &str,
    uri: &str,
    query: &[(&str, &str)],
    headers: &mut [(&str, &str)],
    payload: &str,
) -> Vec<u8> {
    let mut out = String::with_capacity(ROOM);
    out.push_str(method);
    out.push('\n');
    out.push_str(uri);
    out.push('\n');
    put_query(&mut out, query);
    out.push('\n');
    headers.sort_unstable();
    for (name, value) in &*headers {
        out.push_str(name);
        out.push(':');
        put_trimmed(&mut out, value);
        out.push('\n');
    }
    out.push('\n');
    put_names(&mut out, headers);
    out.push('\n');
    out.push_str(payload);
    out.into_bytes()
}

/// The names of header fields, sorted, as lists of signed ones have them.
#[must_use]
pub fn names(headers: &mut [(&str, &str)]) -> String {
    headers.sort_unstable();
    let mut out = String::new();
    put_names(&mut out, headers);
    out
}

fn put_names(out: &mut String, headers: &[(&str, &str)]) {
    for (number, (name, _)) in headers.iter().enumerate() {
        if number > 0 {
            out.push(';');
        }
        out.push_str(name);
    }
}

fn put_query(out: &mut String, query: &[(&str, &str)]) {
    let escaped = |text: &str| {
        let mut out = String::with_capacity(text.len());
        put_escaped(&mut out, text);
        out
    };
    let mut members: Vec<_> = query
        .iter()
        .map(|(name, value)| (escaped(name), escaped(value)))
        .collect();
    members.sort_unstable();
    for (number, (name, value)) in members.iter().enumerate() {
        if number > 0 {
            out.push('&');
        }
        // Writing to a text does not fail.
        let _ = write!(out, "{name}={value}");
    }
}

/// Without white space at both ends, and inner runs of spaces as one.
fn put_trimmed(out: &mut String, value: &str) {
    for (number, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if number > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}
