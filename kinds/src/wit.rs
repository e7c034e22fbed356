//! Workload Identity Tokens (draft-ietf-wimse-workload-creds): who a workload is, and which key proves it.
//!
//! Having a [`Wit`] means the token is a JWT in its one spelling, is typed as one, is signed by some asymmetric algorithm,
//! ends, names one workload, and is bound to one public key of Ed25519 or P-256. It does not mean that its issuer signed it:
//! nobody here holds an issuer's key, and whoever receives it must check that. It reads no clock.

use crate::{Moment, SigningKeyInfo, moment::Span};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    codec::json::{self, Object, Place},
    denial::{Code, Denial},
    effect::Bound,
    jwk,
    owner::command::Alg,
    time::UnixMs,
};

/// The field that carries one.
pub(crate) const FIELD: &str = "workload-identity-token";
/// Where that stands in the caller's input.
pub(crate) const PARAM: &str = "/headers/workload-identity-token";
const TYPE: &str = "wit+jwt";
/// Asymmetric signature algorithms of JOSE (RFC 7518 §3.1, RFC 8037 §3.1, RFC 8812 §3.2, RFC 9864 §2); `none` and the
/// symmetric ones are not among them.
const SIGNED: [&str; 13] = [
    "ES256", "ES256K", "ES384", "ES512", "Ed25519", "Ed448", "EdDSA", "PS256", "PS384", "PS512",
    "RS256", "RS384", "RS512",
];
/// Bytes of a key of Ed25519, and of one coordinate of P-256.
const COORDINATE: usize = 32;

/// A token, as far as who presents it can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wit {
    /// The workload that it names.
    pub(crate) subject: String,
    /// The algorithm that a proof has.
    pub(crate) alg: Alg,
    /// What the token calls it: a proof calls it the same.
    pub(crate) name: &'static str,
    /// The key, and when it is good.
    pub(crate) bound: Bound,
}

impl Wit {
    /// Reads a token that stands at `param` of the caller's input; nothing for what is none.
    pub(crate) fn parse(text: &str, param: &'static str) -> Option<Self> {
        let mut parts = text.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(())?;
        (!decoded(signature)?.is_empty()).then_some(())?;
        check_header(&decoded(header)?).then_some(())?;
        let value = json::parse(&decoded(claims)?).ok()?;
        let mut claims = Object::new(&value, "").ok()?;
        let subject = claims.required("sub").ok()?.str().ok()?.to_owned();
        let ends_at = moment(&claims.required("exp").ok()?)?;
        let from = match claims.optional("nbf") {
            Some(place) => moment(&place)?,
            None => UnixMs(0),
        };
        let mut cnf = claims.required("cnf").ok()?.object().ok()?;
        let mut key = cnf.required("jwk").ok()?.object().ok()?;
        // RFC 7800 §3.1: one key, in one form.
        cnf.finish().ok()?;
        let (alg, name, public) = confirmed(&mut key)?;
        key.finish().ok()?;
        Some(Self {
            subject,
            alg,
            name,
            bound: Bound {
                key: jwk::thumbprint(alg, &public)?,
                from,
                ends_at,
                param,
            },
        })
    }

    /// Whether a key and a moment are the token's.
    ///
    /// # Errors
    ///
    /// [`Code::KeyDenied`] for a key that is not the token's; [`Code::Outliving`] for a proof that would be made before the
    /// token begins or end after it.
    pub(crate) fn check(
        &self,
        span: Span,
        key: &SigningKeyInfo,
        moment: &Moment,
    ) -> Result<(), Denial> {
        let Self { alg, bound, .. } = self;
        if key.alg != *alg || key.thumbprint != bound.key {
            return Err(Denial::at(Code::KeyDenied, key.kind.as_str()));
        }
        let ends_at = UnixMs(span.to.saturating_mul(1000));
        if ends_at > bound.ends_at || moment.now < bound.from {
            return Err(Denial::at(Code::Outliving, bound.param));
        }
        Ok(())
    }
}

/// RFC 7515 §4.1: typed, signed asymmetrically, and without extensions that must be understood.
fn check_header(bytes: &[u8]) -> bool {
    let read = || {
        let value = json::parse(bytes).ok()?;
        let mut header = Object::new(&value, "").ok()?;
        let (alg, typ) = (header.required("alg").ok()?, header.required("typ").ok()?);
        let fine = SIGNED.contains(&alg.str().ok()?) && typ.str().ok()? == TYPE;
        (fine && header.optional("crit").is_none()).then_some(())
    };
    read().is_some()
}

/// The public key alone, and nothing beside it but its name and use: a private one has members that are not asked for.
fn confirmed(key: &mut Object<'_>) -> Option<(Alg, &'static str, Vec<u8>)> {
    let mut word = |name: &str| key.required(name).ok()?.str().ok();
    let (kty, crv, alg) = (word("kty")?, word("crv")?, word("alg")?);
    let x = coordinate(word("x")?)?;
    let found = match (kty, crv, alg) {
        // RFC 9864 §2.2 names `Ed25519` what RFC 8037 named `EdDSA`.
        ("OKP", "Ed25519", "EdDSA") => (Alg::Ed25519, "EdDSA", x),
        ("OKP", "Ed25519", "Ed25519") => (Alg::Ed25519, "Ed25519", x),
        ("EC", "P-256", "ES256") => {
            let y = coordinate(word("y")?)?;
            (Alg::P256, "ES256", [&[4][..], &x, &y].concat())
        }
        _ => return None,
    };
    if let Some(kid) = key.optional("kid") {
        kid.str().ok()?;
    }
    if let Some(usage) = key.optional("use") {
        (usage.str().ok()? == "sig").then_some(())?;
    }
    Some(found)
}

fn coordinate(text: &str) -> Option<Vec<u8>> {
    decoded(text).filter(|bytes| bytes.len() == COORDINATE)
}

/// RFC 7519 §2 lets a date have a fraction: none that a token would need.
fn moment(place: &Place<'_>) -> Option<UnixMs> {
    place.u64().ok()?.checked_mul(1000).map(UnixMs)
}

/// RFC 7515 §2: without padding, and in the one spelling.
fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
