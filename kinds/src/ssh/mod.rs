//! SSH: user certificates (OpenSSH `PROTOCOL.certkeys`), and signatures over git's commits and tags (`PROTOCOL.sshsig`).
//!
//! A certificate is built here from a route's own words; the caller chooses a key, users and a shorter life. An object is
//! read whole before its digest is made, so that what is signed is a commit or a tag of the people that the route names, and
//! nothing else. docs/spec/credential-ssh.md is the layout. Where a certificate is used its bytes do not say: every
//! certificate is identity-only. A signature has no end.

mod certificate;
pub mod git;
mod signature;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{SIGNATURE_LEN, Span, replay},
};
use claviger_shared::{
    call::SshInput,
    catalog::Catalog,
    credential::{Credential, Replay, SshMade},
    denial::{Code, Denial},
    effect::{Effects, Kind},
    grant::Grant,
    owner::sshsig::PublicKey,
};
use std::sync::Arc;

/// What a certificate's effects are called.
pub const CERTIFY: &str = "certify";
const PUBLIC_KEY_PARAM: &str = "/public_key";
const PRINCIPALS_PARAM: &str = "/principals";
const TTL_PARAM: &str = "/ttl_s";
const NAMESPACE_PARAM: &str = "/namespace";
const OBJECT_PARAM: &str = "/object";
const IDEMPOTENCY_PARAM: &str = "/idempotency_key";

/// The bytes that an SSH key signs, and whose signature stands beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The one key that may sign them.
    pub key: PublicKey,
    /// The bytes.
    pub message: Vec<u8>,
}

/// One certificate, or one signature.
#[derive(Debug, Clone)]
pub struct SshCall {
    what: What,
    effects: Arc<Effects>,
}

#[derive(Debug, Clone)]
enum What {
    Certificate(certificate::Certificate),
    Signature(signature::Signature),
}

impl Call for SshCall {
    const KIND: Kind = Kind::Ssh;
    type Input = SshInput;

    fn parse(
        input: &SshInput,
        idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        let (what, effects) = match input {
            SshInput::Certificate(input) => {
                let (one, effects) = certificate::parse(input, catalog, grant)?;
                (What::Certificate(one), effects)
            }
            // A key is remembered until its credential ends, which this one never does.
            SshInput::Signature(_) if idempotency_key.is_some() => {
                return Err(Denial::at(Code::Unsupported, IDEMPOTENCY_PARAM));
            }
            SshInput::Signature(input) => {
                let (one, effect) = signature::parse(input, catalog, grant)?;
                (What::Signature(one), Effects::one(effect))
            }
        };
        Ok(Self {
            what,
            effects: Arc::new(effects),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// Whoever holds the certified key uses its certificate as often as it likes; a signature can be copied for ever.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, false)
    }

    /// Equal only for equal calls, an object by its SHA-512 digest.
    fn canonical(&self) -> Vec<u8> {
        let parts = Canonical::of(Kind::Ssh.as_str());
        match &self.what {
            What::Certificate(one) => one.canonical(parts),
            What::Signature(one) => one.canonical(parts),
        }
        .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        let public = PublicKey::of(key.alg, &key.public);
        let public = public.ok_or_else(|| Denial::at(Code::KeyDenied, Kind::Ssh.as_str()))?;
        let message = match &self.what {
            What::Certificate(one) => one.message(&public, &key.deployment, span, moment)?,
            What::Signature(one) => one.message(),
        };
        Ok(ToSign::Ssh(Signing {
            key: public,
            message,
        }))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let ToSign::Ssh(signing) = signed else {
            return Err(Code::InvalidRequest.into());
        };
        if signature.len() != SIGNATURE_LEN {
            return Err(Denial::at(Code::KeyDenied, Kind::Ssh.as_str()));
        }
        let raw = signature.try_into().map_err(|_| Code::KeyDenied)?;
        let made = match &self.what {
            What::Certificate(one) => SshMade::Certificate(one.line(signing, raw)?),
            What::Signature(one) => SshMade::Signature(one.armored(signing, raw)),
        };
        Ok(Credential::Ssh { made })
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
