//! What an issuer of identity tokens publishes (OpenID Connect Discovery 1.0, RFC 7517): the two documents, the same by whoever
//! serves them. Which keys are in the second is the caller's to say.

use crate::{jwk, owner::command::Alg};
use serde_json::{Value, json};

/// Where the discovery document stands, behind the issuer's URL (OpenID Connect Discovery §4).
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where the keys stand, behind the issuer's URL.
pub const JWKS: &str = "/.well-known/jwks.json";

/// The discovery document of an issuer.
#[must_use]
pub fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}{JWKS}"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"], "scopes_supported": ["openid"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "jti", "nonce"],
    })
}

/// Public keys as a JWK set, in their order; what is no public key is left out.
#[must_use]
pub fn jwks<'a>(keys: impl IntoIterator<Item = (Alg, &'a [u8])>) -> Value {
    let keys = keys.into_iter();
    let keys: Vec<_> = keys.filter_map(|(alg, key)| jwk::jwk(alg, key)).collect();
    json!({ "keys": keys })
}
