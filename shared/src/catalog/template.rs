//! Templates: how a service that signs requests in a way of its own spells what is signed, and where signature, time and
//! names go.
//!
//! Having a [`Text`] means it holds only placeholders of the closed set, printable ASCII and line feeds. Whether a template
//! covers a request is checked where it is read ([`super::parse`]). Nothing here knows a request, a key or a clock.

use super::HttpRoute;
use crate::owner::command::Alg;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest text of a template in bytes.
pub const MAX_TEXT: usize = 512;
/// Longest window in seconds.
pub const MAX_WINDOW_S: u64 = 300;

/// An HTTP endpoint of a service with a scheme of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateRoute {
    /// Where, how and with what.
    pub http: HttpRoute,
    /// The algorithm, and so which keys sign.
    pub alg: Alg,
    /// What the service calls the key; absent means its thumbprint. Of HMAC the one key that signs, by its own identifier; absent
    /// means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// What the enclave writes into the query before it is signed.
    pub insert_query: Vec<Insert>,
    /// The same, into a form.
    pub insert_body: Vec<Insert>,
    /// What is signed, joined without anything between.
    pub sign: Vec<Part>,
    /// How the signature is written.
    pub signature: Encoding,
    /// Of [`Encoding::Jws`]: what stands in the protected header after `alg`, in order.
    pub protected: Vec<(String, Text)>,
    /// Header fields of the credential, names in lower case.
    pub add_headers: Vec<(String, Text)>,
    /// Members appended to the query once it is signed.
    pub add_query: Vec<(String, Text)>,
    /// Seconds for which the service takes what is signed.
    pub window_s: u64,
    /// Whether the service takes a nonce once only.
    pub single_use: bool,
    /// Whether nothing that is signed says a time.
    pub undated: bool,
    /// What is sent and not signed, each with one value that the route fixes.
    pub uncovered: Vec<Uncovered>,
}

/// A member that the enclave writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Insert {
    /// Its name, as it is sent.
    pub name: String,
    /// Its value; of unreserved characters alone.
    pub value: Text,
    /// Whether it stands before the caller's members, else after them.
    pub first: bool,
}

/// One part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A text.
    Text(Text),
    /// The hash of a text.
    Hash(Hash, Spelling, Text),
}

/// Hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spelling {
    /// Its bytes.
    Raw,
    /// Hexadecimal in lower case.
    Hex,
    /// Padded base64.
    Base64,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal in lower case.
    Hex,
    /// Padded base64.
    Base64,
    /// Base64url without padding.
    Base64url,
    /// A JWS whose payload is left out (RFC 7515 appendix F); what is signed is then its payload.
    Jws,
}

/// A part of a request that a scheme does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncovered {
    /// The host, exact in every route.
    Host,
    /// The method, where the route has one.
    Method,
    /// The path, where the route has no parameter.
    Path,
    /// The query, where the route has none.
    Query,
    /// The body, where the route has none.
    Body,
    /// The media type, where the body is a form or JSON.
    ContentType,
}

impl Uncovered {
    /// The words of catalogs.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Host, "host"),
        (Self::Method, "method"),
        (Self::Path, "path"),
        (Self::Query, "query"),
        (Self::Body, "body"),
        (Self::ContentType, "content-type"),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(one, _)| *one == self)
            .map_or("", |(_, word)| word)
    }
}

/// What stands in the place of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// `{method}`.
    Method,
    /// `{host}`: the host, and the port unless it is 443.
    Host,
    /// `{path}` as sent.
    Path,
    /// `{query}` as sent, without `?`, before members are appended; nothing where there is none.
    Query,
    /// `{target}`: the path, and where there is a query `?` and the query.
    Target,
    /// `{body}`: the very bytes.
    Body,
    /// `{body_sha256_hex}` and so on; of no body, the hash of nothing.
    BodyHash(Hash, Spelling),
    /// `{timestamp}` in seconds.
    Seconds,
    /// `{timestamp_ms}`.
    Milliseconds,
    /// `{timestamp_iso}`: RFC 3339 with milliseconds, UTC.
    Iso,
    /// `{expires}`: when the credential ends, in seconds.
    Expires,
    /// `{nonce_ms}`: milliseconds.
    NonceMs,
    /// `{nonce_us}`: milliseconds and three random digits.
    NonceUs,
    /// `{nonce_hex}`: 32 random digits.
    NonceHex,
    /// `{key_id}`.
    KeyId,
    /// `{header:NAME}`: the value of a field of the caller's.
    Header(String),
    /// `{idempotency_key}`: the call's own, else random.
    IdempotencyKey,
    /// `{signature}`.
    Signature,
}

/// The placeholders without a name in them.
const WORDS: [(&str, Slot); 20] = [
    ("method", Slot::Method),
    ("host", Slot::Host),
    ("path", Slot::Path),
    ("query", Slot::Query),
    ("target", Slot::Target),
    ("body", Slot::Body),
    (
        "body_sha256_hex",
        Slot::BodyHash(Hash::Sha256, Spelling::Hex),
    ),
    (
        "body_sha256_base64",
        Slot::BodyHash(Hash::Sha256, Spelling::Base64),
    ),
    (
        "body_sha512_hex",
        Slot::BodyHash(Hash::Sha512, Spelling::Hex),
    ),
    (
        "body_sha512_base64",
        Slot::BodyHash(Hash::Sha512, Spelling::Base64),
    ),
    ("timestamp", Slot::Seconds),
    ("timestamp_ms", Slot::Milliseconds),
    ("timestamp_iso", Slot::Iso),
    ("expires", Slot::Expires),
    ("nonce_ms", Slot::NonceMs),
    ("nonce_us", Slot::NonceUs),
    ("nonce_hex", Slot::NonceHex),
    ("key_id", Slot::KeyId),
    ("idempotency_key", Slot::IdempotencyKey),
    ("signature", Slot::Signature),
];
const HEADER: &str = "header:";
const NEWLINE: &str = "newline";

impl Slot {
    fn parse(word: &str) -> Option<Self> {
        if let Some(name) = word.strip_prefix(HEADER) {
            let fine = crate::call::http::is_header_name(name);
            return fine.then(|| Self::Header(name.to_owned()));
        }
        let mut words = WORDS.into_iter();
        words
            .find(|(known, _)| *known == word)
            .map(|(_, slot)| slot)
    }

    /// The field whose value it is.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        if let Self::Header(name) = self {
            Some(name)
        } else {
            None
        }
    }

    /// Whether it says when.
    #[must_use]
    pub const fn is_time(&self) -> bool {
        matches!(
            self,
            Self::Seconds
                | Self::Milliseconds
                | Self::Iso
                | Self::Expires
                | Self::NonceMs
                | Self::NonceUs
        )
    }

    /// Whether a service can take it once only.
    #[must_use]
    pub const fn is_nonce(&self) -> bool {
        matches!(self, Self::NonceMs | Self::NonceUs | Self::NonceHex)
    }

    /// Whether the enclave makes it, so that it must be both signed and sent.
    #[must_use]
    pub const fn is_made(&self) -> bool {
        self.is_time() || self.is_nonce() || matches!(self, Self::IdempotencyKey)
    }

    /// Whether the caller chooses its length and bytes.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        matches!(
            self,
            Self::Path | Self::Query | Self::Target | Self::Body | Self::Header(_)
        )
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Header(name) = self {
            return write!(f, "{{{HEADER}{name}}}");
        }
        let mut words = WORDS.iter();
        let word = words.find(|(_, slot)| slot == self);
        write!(f, "{{{}}}", word.map_or("", |(word, _)| *word))
    }
}

/// A literal or a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These very bytes.
    Literal(String),
    /// What stands in its place.
    Slot(Slot),
}

/// A text with placeholders in braces; written and stored as its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(Vec<Piece>);

/// No text of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a text of a template")]
pub struct BadText;

impl Text {
    /// Reads a text; nothing for an unknown placeholder, another brace, or a byte that is neither printable nor a line feed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return None;
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        loop {
            let (before, after) = rest
                .split_once('{')
                .map_or((rest, None), |(before, after)| (before, Some(after)));
            is_literal(before).then_some(())?;
            literal.push_str(before);
            let Some(after) = after else { break };
            let (word, more) = after.split_once('}')?;
            rest = more;
            if word == NEWLINE {
                literal.push('\n');
                continue;
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Slot(Slot::parse(word)?));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Some(Self(pieces))
    }

    /// Its pieces in order; no literal beside another.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Its placeholders in order.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot),
            Piece::Literal(_) => None,
        })
    }
}

fn is_literal(text: &str) -> bool {
    let fine = |b: u8| (b == b' ' || b == b'\n' || b.is_ascii_graphic()) && b != b'}';
    text.bytes().all(fine)
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(&text.replace('\n', "{newline}")),
            Piece::Slot(slot) => slot.fmt(f),
        })
    }
}

impl TryFrom<String> for Text {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        Self::parse(&text).ok_or(BadText)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.to_string()
    }
}

impl Part {
    /// The text, hashed or not.
    #[must_use]
    pub const fn text(&self) -> &Text {
        match self {
            Self::Text(text) | Self::Hash(_, _, text) => text,
        }
    }
}

impl TemplateRoute {
    /// Every placeholder of what is signed, also through what is inserted and the protected header.
    pub fn signed_slots(&self) -> impl Iterator<Item = &Slot> {
        let inserts = self.insert_query.iter().chain(&self.insert_body);
        let texts = self.sign.iter().map(Part::text);
        let texts = texts.chain(inserts.map(|insert| &insert.value));
        let texts = texts.chain(self.protected.iter().map(|(_, text)| text));
        texts.flat_map(Text::slots)
    }

    /// Whether a key of this algorithm and public half, or identifier, signs.
    #[must_use]
    pub fn takes(&self, alg: Alg, public: &[u8]) -> bool {
        let named = self.key_id.as_ref().filter(|_| alg.is_symmetric());
        self.alg == alg && named.is_none_or(|name| name.as_bytes() == public)
    }

    /// Whether calls are bound to an idempotency key.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.signed_slots()
            .any(|slot| *slot == Slot::IdempotencyKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_is_written() {
        for (text, pieces) in [
            ("a", 1),
            ("{method}{newline}{path}\n{query}", 5),
            ("{newline}", 1),
            ("x={header:x-a}&{body_sha512_base64}", 4),
        ] {
            let read = Text::parse(text).unwrap();
            assert_eq!(read.pieces().len(), pieces, "{text}");
            assert_eq!(read.to_string(), text.replace('\n', "{newline}"));
            assert_eq!(Text::parse(&read.to_string()), Some(read));
        }
        for (word, slot) in WORDS {
            assert_eq!(slot.to_string(), format!("{{{word}}}"));
        }
        for bad in [
            "",
            "{",
            "}",
            "{}",
            "{Method}",
            "{ method}",
            "a}b",
            "{{method}}",
            "{header:}",
            "{header:X-A}",
            "{header:a b}",
            "ü",
            "\t",
            "\0",
            "{unknown}",
            &"x".repeat(MAX_TEXT + 1),
        ] {
            assert_eq!(Text::parse(bad), None, "{bad:?}");
        }
        Text::parse(&"x".repeat(MAX_TEXT)).unwrap();
    }
}
