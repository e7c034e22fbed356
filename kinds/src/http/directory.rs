//! The key directory of a bot's operator, signed by its key (draft-ietf-webbotauth-httpsig-protocol, appendix B.1).
//!
//! What is signed is the response that the key's own directory is: its one key, at the authority that the grant names as its
//! agent. The body is made here, of the public key that signs; a caller brings no byte of it. Other keys' directories, and
//! directories of several keys, are not signed.

use super::{base::Component, content_digest, profile::Profile};
use crate::SigningKeyInfo;
use claviger_shared::{
    call::http::URL_PARAM,
    crypto::sha256,
    denial::{Code, Denial},
    effect::Kind,
    jwk,
};

/// The `tag` of a directory's signature.
pub const TAG: &str = "http-message-signatures-directory";
const DIGEST: &str = "content-digest";

/// Whether the grant's agent has its keys at this authority.
///
/// # Errors
///
/// [`Code::Unsupported`] under another profile, [`Code::DestinationDenied`] for another origin than the agent's.
pub(super) fn check(profile: &Profile, authority: &str) -> Result<(), Denial> {
    match profile {
        Profile::Generic | Profile::Wimse(_) => Err(Code::Unsupported.into()),
        Profile::WebBotAuth(agent) if agent.strip_prefix("https://") == Some(authority) => Ok(()),
        Profile::WebBotAuth(_) => Err(Denial::at(Code::DestinationDenied, URL_PARAM)),
    }
}

/// What a directory's signature covers: whom it was asked of, and its bytes.
///
/// # Errors
///
/// [`Code::KeyDenied`] for a key that signs no HTTP message.
pub(super) fn components<'a>(
    authority: &'a str,
    key: &SigningKeyInfo,
) -> Result<Vec<Component<'a>>, Denial> {
    let body = jwk::directory(key.alg, &key.public)
        .ok_or_else(|| Denial::at(Code::KeyDenied, Kind::Http.as_str()))?;
    let digest = content_digest(&sha256(&[body.as_bytes()]).0);
    Ok(vec![
        Component::of_request("@authority", authority),
        Component::new(DIGEST, digest),
    ])
}

/// The digest's field, as it stands in the bytes that were signed.
pub(super) fn digest(base: &[u8]) -> Option<&str> {
    let base = std::str::from_utf8(base).ok()?;
    let line = base.lines().nth(1)?;
    line.strip_prefix("\"content-digest\": ")
}
