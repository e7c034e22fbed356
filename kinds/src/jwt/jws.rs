//! Compact JWS (RFC 7515): header and claims as JSON in a fixed order, base64url, and the signature behind them.
//!
//! The same header and claims are always the same bytes. It knows no key and checks no claim.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::owner::command::Alg;
use serde::Serialize;
use serde_json::Value;

/// The protected header.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Header<'a> {
    /// The algorithm's JOSE name.
    pub alg: &'a str,
    /// `JWT`, `dpop+jwt` or `wpt+jwt`.
    pub typ: &'a str,
    /// The key's RFC 7638 thumbprint, or what the verifier calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<&'a str>,
    /// The public key itself, in a proof of possession.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwk: Option<&'a Value>,
}

/// Every claim that any profile has; absent ones are not written.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Claims<'a> {
    /// Who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<&'a str>,
    /// Of whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<&'a str>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<&'a str>,
    /// For what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
    /// Since when, in seconds.
    pub iat: u64,
    /// Until when, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// Unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<&'a str>,
    /// The request's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub htm: Option<&'a str>,
    /// The request's URL, without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub htu: Option<&'a str>,
    /// The access token's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ath: Option<&'a str>,
    /// The relying party's own word, where the call has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}

/// The JOSE name of an algorithm: `EdDSA` (RFC 8037), `ES256` or `RS256` (RFC 7518); nothing for one that signs no token.
#[must_use]
pub const fn alg(alg: Alg) -> Option<&'static str> {
    match alg {
        Alg::Ed25519 => Some("EdDSA"),
        Alg::P256 => Some("ES256"),
        Alg::Rs256 => Some("RS256"),
        Alg::SigV4 | Alg::Ps512 | Alg::Hs256 | Alg::Hs512 | Alg::P521 | Alg::Secp256k1 => None,
    }
}

/// The signing input; nothing where JSON cannot be written, which does not happen for texts and numbers.
#[must_use]
pub fn signing_input(header: &Header<'_>, claims: &Claims<'_>) -> Option<String> {
    let header = serde_json::to_vec(header).ok()?;
    let claims = serde_json::to_vec(claims).ok()?;
    Some(encoded(&header, &claims))
}

/// RFC 7515 §5.1: a header's and a payload's bytes as signing input.
#[must_use]
pub fn encoded(header: &[u8], payload: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(header);
    let payload = URL_SAFE_NO_PAD.encode(payload);
    format!("{header}.{payload}")
}

/// The whole token.
#[must_use]
pub fn compact(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
