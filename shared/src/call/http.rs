//! THE rules for what an HTTP call may look like: URL, host, path, query, method, header fields.
//!
//! Having a [`Url`] means the text was an absolute https URL in normal form: one spelling per host, no byte of the path
//! that two servers could read in two ways, every query member once. Having [`Headers`] means every name is lower case,
//! stands once, and means the same to every hop. Nothing is ever repaired: what is not in normal form is refused.
//!
//! The catalog's parser, the `http` kind, the client and the sidecar all use this module. It knows no route.

mod escape;
mod header;
mod host;

pub use escape::{is_form_text, object_segment, put_escaped, query_name, query_value, segment};
pub use header::{
    Headers, MAX_HEADER_NAME, MAX_HEADER_VALUE, is_header_name, is_header_value, is_refused_header,
};
pub use host::{MAX_HOST, MAX_LABEL, is_host};

use super::MAX_URL;
use crate::denial::{Code, Denial};
use std::collections::BTreeSet;

/// The port of https, never written.
pub const DEFAULT_PORT: u16 = 443;
/// Longest method; the longest registered one (RFC 9110 registry) has 17 letters.
pub const MAX_METHOD: usize = 32;
/// Where a URL stands in the caller's input.
pub const URL_PARAM: &str = "/url";

/// An absolute https URL in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Lower case, without port.
    pub host: String,
    /// [`DEFAULT_PORT`] unless the URL names another.
    pub port: u16,
    /// The path as written, `/` where the URL has none.
    pub path: String,
    /// The path's segments, decoded; none for `/`.
    pub segments: Vec<String>,
    /// The query as written, without `?`; absent where the URL has none.
    pub query: Option<String>,
    /// The query's members in order, decoded; each name once.
    pub members: Vec<(String, String)>,
}

impl Url {
    /// Reads an absolute https URL.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`] for what is no https URL of at most [`MAX_URL`] bytes, or has userinfo or a fragment;
    /// [`Code::NotNormalForm`] for a host, port, path or query that is not in normal form. The place is always `/url`.
    pub fn parse(text: &str) -> Result<Self, Denial> {
        Self::read(text, path_segments)
    }

    /// Reads an absolute https URL whose path is a key of an object store: its parts may be empty, and have the one
    /// spelling of [`object_segment`].
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_object(text: &str) -> Result<Self, Denial> {
        Self::read(text, |path| match path.strip_prefix('/')? {
            "" => Some(Vec::new()),
            rest => rest.split('/').map(object_segment).collect(),
        })
    }

    fn read(text: &str, segments: impl Fn(&str) -> Option<Vec<String>>) -> Result<Self, Denial> {
        if text.len() > MAX_URL || text.contains('#') {
            return Err(invalid());
        }
        let rest = text.strip_prefix("https://").ok_or_else(invalid)?;
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(authority_end).ok_or_else(invalid)?;
        if authority.is_empty() || authority.contains('@') {
            return Err(invalid());
        }
        let (host, port) = split_port(authority).ok_or_else(malformed)?;
        if !is_host(host) {
            return Err(malformed());
        }
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (tail, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            segments: segments(path).ok_or_else(malformed)?,
            members: query
                .map_or(Some(Vec::new()), query_members)
                .ok_or_else(malformed)?,
            query: query.map(str::to_owned),
        })
    }

    /// RFC 9421 `@authority`: the host, and the port unless it is [`DEFAULT_PORT`].
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// The decoded value of the query member of this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The host, and the port unless it is [`DEFAULT_PORT`].
#[must_use]
pub fn authority(host: &str, port: u16) -> String {
    if port == DEFAULT_PORT {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// The decoded segments of an absolute path in normal form; none for `/`, nothing for a path that is not.
///
/// An empty segment, and so a trailing slash, is not in normal form.
#[must_use]
pub fn path_segments(path: &str) -> Option<Vec<String>> {
    match path.strip_prefix('/')? {
        "" => Some(Vec::new()),
        rest => rest.split('/').map(segment).collect(),
    }
}

/// The decoded members of a query in normal form, each name once; nothing for a query that is not.
///
/// `name` alone has an empty value. An empty query, an empty name and a name that stands twice are refused.
#[must_use]
pub fn query_members(query: &str) -> Option<Vec<(String, String)>> {
    let mut seen = BTreeSet::new();
    query
        .split('&')
        .map(|member| {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            let name = query_name(name)?;
            seen.insert(name.clone())
                .then_some((name, query_value(value)?))
        })
        .collect()
}

/// Whether a text is a method: upper-case letters and hyphens, at most [`MAX_METHOD`], and none of those that are not
/// about a resource (`CONNECT`, `TRACE`).
#[must_use]
pub fn is_method(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    letters && starts && text.len() <= MAX_METHOD && !matches!(text, "CONNECT" | "TRACE")
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let Some((host, digits)) = authority.split_once(':') else {
        return Some((authority, DEFAULT_PORT));
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    plain.then_some(())?;
    digits.parse().ok().map(|port| (host, port))
}

fn invalid() -> Denial {
    Denial::at(Code::InvalidRequest, URL_PARAM)
}

fn malformed() -> Denial {
    Denial::at(Code::NotNormalForm, URL_PARAM)
}

#[cfg(test)]
mod tests;
