//! Credential kinds: one folder each, of one shape: parse, effects, bytes to sign, assemble.
//!
//! A kind reads structured input, matches it against the catalog's routes, says every effect, builds the very bytes that
//! will be signed and puts the signature into a credential. It holds no key, reads no clock, draws no randomness and does
//! no I/O: time and random bytes come in a [`Moment`], the signature from whoever holds the key.

pub mod any;
pub mod aws;
mod canonical;
pub mod evm;
#[cfg(test)]
mod fixture;
pub mod http;
pub mod jwt;
mod moment;
pub mod reach;
#[cfg(test)]
mod relying_party;
mod routes;
pub mod solana;
pub mod ssh;
pub mod template;
mod wit;
pub mod x402;

pub use moment::MAX_SECONDS;

use claviger_shared::{
    catalog::Catalog,
    credential::{Credential, Replay},
    denial::{Code, Denial},
    effect::{Effects, Kind},
    grant::Grant,
    id::KeyId,
    owner::command::Alg,
    time::UnixMs,
};
use std::sync::Arc;

/// What a credential is made of besides the caller's input; recorded, so that the same bytes can be built again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When it was decided.
    pub now: UnixMs,
    /// When the credential ends.
    pub expires_at: UnixMs,
    /// Random: nonce, `jti`, and the idempotency key of a charging call that has none of its own.
    pub nonce: [u8; 16],
}

/// The key a credential will be signed with, as far as a kind may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyInfo {
    /// Its name.
    pub id: KeyId,
    /// Its kind.
    pub kind: Kind,
    /// Its algorithm.
    pub alg: Alg,
    /// The deployment it was born in: the origin of its manifests.
    pub deployment: Arc<str>,
    /// Its public key, raw; of a symmetric key, the identifier that stands for it.
    pub public: Vec<u8>,
    /// RFC 7638 thumbprint of its public JWK, base64url: the `keyid` and `kid`; of a symmetric key, its identifier.
    pub thumbprint: String,
    /// Of kind `aws` with temporary credentials: what must stand in every request beside the signature.
    pub session_token: Option<SessionToken>,
}

/// The session token of temporary credentials: sent with every request that they sign, of no use without their key.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(pub Arc<str>);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken")
    }
}

/// The bytes a key is to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSign {
    /// The message; the algorithm hashes it.
    Message(Vec<u8>),
    /// A request to AWS; the key is one that follows from the secret access key for a day, Region and service.
    SigV4(aws::Signing),
    /// A transfer of a token; the key is its payer's.
    Payment(x402::authorization::Authorization),
    /// What an SSH key signs; it says whose signature it will be.
    Ssh(ssh::Signing),
    /// A request by a template, and the key that it names.
    Template(template::Signing),
    /// A transaction of Solana; it says whose account signs.
    Solana(solana::Signing),
}

impl ToSign {
    /// The message.
    ///
    /// # Errors
    ///
    /// [`Code::KeyDenied`] for what only an AWS key signs, and for what says its own key.
    pub fn message(&self) -> Result<&[u8], Denial> {
        match self {
            Self::Message(message) => Ok(message),
            Self::Template(signing) => Ok(&signing.message),
            Self::SigV4(_) | Self::Payment(_) | Self::Ssh(_) | Self::Solana(_) => {
                Err(Code::KeyDenied.into())
            }
        }
    }
}

/// One call of one kind, parsed and matched.
///
/// Having one means its input was well-formed and matched exactly one route; it does not mean the grant allows it.
pub trait Call: Sized {
    /// Which kind.
    const KIND: Kind;
    /// The caller's input.
    type Input;

    /// Parses the input and matches it against the routes of the resources the grant names.
    ///
    /// # Errors
    ///
    /// A [`Denial`] that names the failing rule and the place in the input.
    fn parse(
        input: &Self::Input,
        idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial>;

    /// Every effect of what would be signed.
    fn effects(&self) -> &Arc<Effects>;

    /// How the credential could be replayed once it is out.
    fn replay(&self, moment: &Moment) -> Replay;

    /// Canonical bytes of the input, for digests: equal for equal calls.
    fn canonical(&self) -> Vec<u8>;

    /// The bytes to sign.
    ///
    /// # Errors
    ///
    /// A [`Denial`] where the moment or key does not fit; nothing else can fail after parsing.
    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial>;

    /// The credential, from what [`Self::to_sign`] gave for this moment and the signature over it (Ed25519: 64 bytes; P-256:
    /// 64 bytes `r ‖ s`, P-521: 132; secp256k1: 65 bytes `r ‖ s ‖ y parity`; RSA: as long as the modulus; HMAC-SHA-256 and AWS:
    /// 32 bytes, HMAC-SHA-512: 64).
    ///
    /// # Errors
    ///
    /// A [`Denial`] for a signature of another length, and for bytes that are not of this form.
    fn assemble(
        &self,
        moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial>;
}
