//! Proofs that go with a workload's identity token (draft-ietf-wimse-wpt): for whom, beside which tokens, and by whose key.
//!
//! Having a [`Workload`] means the call's token names the workload that the route does, and the audience is the route's. The
//! proof says neither method nor path, query or body: it is an identity's, not a request's. An access token is never seen, its
//! hash is; other tokens beside it (`tth`, `oth`) are not proved.

use super::{
    ATH_PARAM, WIT_PARAM,
    jws::{self, Header},
    proof::is_hash,
};
use crate::{
    Moment, SigningKeyInfo,
    moment::{Span, nonce},
    wit::Wit,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    call::{JwtInput, MAX_SHOWN_TOKEN},
    catalog::JwtRoute,
    crypto::sha256,
    denial::{Code, Denial},
    effect::Bound,
};
use serde::Serialize;

/// §2 of the draft, as its text and its sample have it.
const TYPE: &str = "wpt+jwt";

/// One token's proof.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    audience: String,
    wit: Wit,
    /// `wth`, in base64url.
    wth: String,
    /// `ath`, in base64url.
    ath: Option<String>,
}

/// In the order of the draft's sample; there is no `iat`.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'a str>,
    aud: &'a str,
    exp: u64,
    jti: &'a str,
    wth: &'a str,
}

impl Workload {
    /// The proof that a call asks for on its route.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`] where the token is missing, too long or none, or `ath` no hash; [`Code::PermissionDenied`] for
    /// another workload's token.
    pub(super) fn of(input: &JwtInput, route: &JwtRoute) -> Result<Self, Denial> {
        let token = input.wit.as_deref();
        let token = token.filter(|token| token.len() <= MAX_SHOWN_TOKEN);
        let read = token.and_then(|token| Some((token, Wit::parse(token, WIT_PARAM)?)));
        let (token, wit) = read.ok_or_else(|| Denial::at(Code::InvalidRequest, WIT_PARAM))?;
        if wit.subject != route.subject {
            return Err(Denial::at(Code::PermissionDenied, WIT_PARAM));
        }
        if !input.ath.as_deref().is_none_or(is_hash) {
            return Err(Denial::at(Code::InvalidRequest, ATH_PARAM));
        }
        Ok(Self {
            audience: route.audience.clone(),
            wit,
            wth: URL_SAFE_NO_PAD.encode(sha256(&[token.as_bytes()]).0),
            ath: input.ath.clone(),
        })
    }

    /// Whose key signs, and until when.
    pub(super) fn bound(&self) -> Bound {
        self.wit.bound.clone()
    }

    /// The parts of the input that are not its audience and lifetime.
    pub(super) fn canonical(&self) -> Vec<Option<&[u8]>> {
        let ath = self.ath.as_deref().map(str::as_bytes);
        vec![Some(self.wth.as_bytes()), ath]
    }

    /// The bytes to sign; the algorithm is called what the token calls it.
    ///
    /// # Errors
    ///
    /// As [`Wit::check`].
    pub(super) fn signing_input(
        &self,
        span: Span,
        key: &SigningKeyInfo,
        moment: &Moment,
    ) -> Result<Option<String>, Denial> {
        self.wit.check(span, key, moment)?;
        let header = Header {
            alg: self.wit.name,
            typ: TYPE,
            kid: None,
            jwk: None,
        };
        let claims = Claims {
            ath: self.ath.as_deref(),
            aud: &self.audience,
            exp: span.to,
            jti: &nonce(moment),
            wth: &self.wth,
        };
        let parts = (serde_json::to_vec(&header), serde_json::to_vec(&claims));
        let (Ok(header), Ok(claims)) = parts else {
            return Ok(None);
        };
        Ok(Some(jws::encoded(&header, &claims)))
    }
}
