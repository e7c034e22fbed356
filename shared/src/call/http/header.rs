//! Header fields a caller may have signed.
//!
//! Having [`Headers`] means every name is a lower-case token that stands once and belongs to the caller: not to a hop,
//! not to the signature, and not to those that make a message mean something else than its covered method and host.

use crate::{
    call::MAX_HEADERS,
    denial::{Code, Denial},
};
use std::collections::BTreeSet;

/// Longest header name.
pub const MAX_HEADER_NAME: usize = 64;
/// Longest header value: what common servers take for one line.
pub const MAX_HEADER_VALUE: usize = 8 * 1024;

// RFC 9110 §7.6.1 and RFC 9113 §8.2.2: fields of one hop, which any proxy may change.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
// Made by the enclave, or a second, uncovered word for what is covered as a derived component.
const RESERVED: [&str; 12] = [
    "accept-signature",
    "content-digest",
    "content-length",
    "digest",
    "host",
    "repr-digest",
    "signature",
    "signature-agent",
    "signature-input",
    "signature-key",
    "want-content-digest",
    "want-repr-digest",
];
// De-facto fields by which frameworks let a request say that its method or URL is another one.
const OVERRIDES: [&str; 5] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Header fields in the caller's order, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads names and values.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`] with the place: `/headers` for more than [`MAX_HEADERS`], `/headers/<number>` for a name
    /// that is none, `/headers/<name>` for a name that stands twice or is refused, or a value that is no field value.
    pub fn parse(fields: &[(String, String)]) -> Result<Self, Denial> {
        if fields.len() > MAX_HEADERS {
            return Err(Denial::at(Code::InvalidRequest, "/headers"));
        }
        let mut seen = BTreeSet::new();
        for (index, (name, value)) in fields.iter().enumerate() {
            if !is_header_name(name) {
                return Err(Denial::at(
                    Code::InvalidRequest,
                    format!("/headers/{index}"),
                ));
            }
            if is_refused_header(name) || !is_header_value(value) || !seen.insert(name.as_str()) {
                return Err(Denial::at(Code::InvalidRequest, Self::param(name)));
            }
        }
        Ok(Self(fields.to_vec()))
    }

    /// The place of a header field in the caller's input, as a JSON pointer.
    #[must_use]
    pub fn param(name: &str) -> String {
        format!("/headers/{}", name.replace('~', "~0"))
    }

    /// The value of the field of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Whether a text is a header name: an RFC 9110 token in lower case, at most [`MAX_HEADER_NAME`] bytes.
#[must_use]
pub fn is_header_name(text: &str) -> bool {
    let token =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= MAX_HEADER_NAME && text.bytes().all(token)
}

/// Whether a text is a header value: visible ASCII and inner spaces, at most [`MAX_HEADER_VALUE`] bytes; it may be empty.
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    let visible = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    visible && text.len() <= MAX_HEADER_VALUE && text.trim() == text
}

/// Whether a header name is never a caller's to sign: of one hop, of the signature itself, or changing what the covered
/// components mean.
#[must_use]
pub fn is_refused_header(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || RESERVED.contains(&name) || OVERRIDES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn headers_keep_their_order_and_stand_once() {
        let headers = Headers::parse(&fields(&[("x-b", "2"), ("x-a", "")])).unwrap();
        assert_eq!(
            headers.iter().collect::<Vec<_>>(),
            [("x-b", "2"), ("x-a", "")]
        );
        assert_eq!(headers.value("x-a"), Some(""));
        assert_eq!(headers.value("x-c"), None);
        let twice = Headers::parse(&fields(&[("x-b", "2"), ("x-b", "2")])).unwrap_err();
        assert_eq!(twice.param.as_deref(), Some("/headers/x-b"));
    }

    #[test]
    fn what_is_no_field_is_refused_with_its_place() {
        for (name, value, param) in [
            ("X-A", "1", "/headers/0"),
            ("", "1", "/headers/0"),
            ("x a", "1", "/headers/0"),
            ("x:a", "1", "/headers/0"),
            ("x\n", "1", "/headers/0"),
            ("x-a", " 1", "/headers/x-a"),
            ("x-a", "1 ", "/headers/x-a"),
            ("x-a", "1\r\nx-b: 2", "/headers/x-a"),
            ("x-a", "1\t2", "/headers/x-a"),
            ("x-a", "ü", "/headers/x-a"),
            ("x~a", "\0", "/headers/x~0a"),
            ("host", "a", "/headers/host"),
            ("connection", "close", "/headers/connection"),
            ("signature-input", "a", "/headers/signature-input"),
            (
                "x-http-method-override",
                "DELETE",
                "/headers/x-http-method-override",
            ),
        ] {
            let denial = Headers::parse(&fields(&[(name, value)])).unwrap_err();
            assert_eq!(denial.code, Code::InvalidRequest, "{name:?}");
            assert_eq!(denial.param.as_deref(), Some(param), "{name:?}");
        }
    }

    #[test]
    fn counts_and_lengths_hold_on_both_sides() {
        let many =
            |n: usize| -> Vec<_> { (0..n).map(|i| (format!("x-{i}"), String::new())).collect() };
        Headers::parse(&many(MAX_HEADERS)).unwrap();
        Headers::parse(&many(MAX_HEADERS + 1)).unwrap_err();
        assert!(is_header_name(&"a".repeat(MAX_HEADER_NAME)));
        assert!(!is_header_name(&"a".repeat(MAX_HEADER_NAME + 1)));
        assert!(is_header_value(&"a".repeat(MAX_HEADER_VALUE)));
        assert!(!is_header_value(&"a".repeat(MAX_HEADER_VALUE + 1)));
    }
}
