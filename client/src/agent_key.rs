//! Agent keys: one self-contained string an agent is started with.
//!
//! ```text
//! clv1_ ‖ base64url(CBOR ‖ first 4 bytes of SHA-256("clv1_" ‖ CBOR)), without padding
//! CBOR = {api, fingerprint, grant, secret, generation, size, root}
//! scanner pattern: clv1_[A-Za-z0-9_-]{150,}
//! ```
//! It holds a secret: whoever has it can use the grant until it is revoked. `Debug` shows the grant alone.

use crate::Error;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    codec::cbor,
    crypto::{noise, sha256},
    id::{Digest, GrantId, X25519Public},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// How an agent key begins.
pub const PREFIX: &str = "clv1_";
/// Longest agent key in bytes.
pub const MAX_LEN: usize = 2048;

/// An agent's secret channel key.
pub struct AgentSecret(Box<[u8; 32]>);

impl AgentSecret {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// The one door to the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key that owners put into the grant.
    ///
    /// # Errors
    ///
    /// [`Error::AgentKey`] when the provider refuses the bytes.
    pub fn public(&self) -> Result<X25519Public, Error> {
        noise::public_key(&self.0)
            .map(X25519Public)
            .map_err(|_| Error::AgentKey)
    }
}

impl Drop for AgentSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for AgentSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentSecret")
    }
}

/// Everything an agent needs to find, check and speak to its enclave.
#[derive(Debug)]
pub struct AgentKey {
    /// Base URL of the host's agent face.
    pub api: String,
    /// SHA-256 of g0: what to attest.
    pub fingerprint: Digest,
    /// The grant.
    pub grant: GrantId,
    /// The channel key.
    pub secret: AgentSecret,
    /// Newest manifest generation when the key was issued: never accept an older one.
    pub generation: u64,
    /// Log size when the key was issued: never accept a shorter log.
    pub size: u64,
    /// Log root at that size.
    pub root: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    api: String,
    fingerprint: Digest,
    grant: GrantId,
    #[serde(with = "serde_bytes")]
    secret: Vec<u8>,
    generation: u64,
    size: u64,
    root: Digest,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[PREFIX.as_bytes(), body]).0;
    [a, b, c, d]
}

impl AgentKey {
    /// Reads the string, surrounding white space aside.
    ///
    /// # Errors
    ///
    /// [`Error::AgentKey`], without a word about its content.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let encoded = text
            .strip_prefix(PREFIX)
            .filter(|_| text.len() <= MAX_LEN)
            .ok_or(Error::AgentKey)?;
        let bytes = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(encoded)
                .map_err(|_| Error::AgentKey)?,
        );
        let (body, check) = bytes.split_last_chunk::<4>().ok_or(Error::AgentKey)?;
        if *check != checksum(body) {
            return Err(Error::AgentKey);
        }
        let wire: Wire = cbor::decode(body, MAX_LEN).map_err(|_| Error::AgentKey)?;
        let secret: [u8; 32] = wire
            .secret
            .as_slice()
            .try_into()
            .map_err(|_| Error::AgentKey)?;
        Ok(Self {
            api: wire.api.clone(),
            fingerprint: wire.fingerprint,
            grant: wire.grant.clone(),
            secret: AgentSecret::new(secret),
            generation: wire.generation,
            size: wire.size,
            root: wire.root,
        })
    }

    /// Writes the string, for a file of mode 0600 alone.
    ///
    /// # Errors
    ///
    /// [`Error::AgentKey`] when a part is too long.
    pub fn expose(&self) -> Result<Zeroizing<String>, Error> {
        let wire = Wire {
            api: self.api.clone(),
            fingerprint: self.fingerprint,
            grant: self.grant.clone(),
            secret: self.secret.expose().to_vec(),
            generation: self.generation,
            size: self.size,
            root: self.root,
        };
        let mut body = Zeroizing::new(cbor::encode(&wire).map_err(|_| Error::AgentKey)?);
        let check = checksum(&body);
        body.extend_from_slice(&check);
        let text = Zeroizing::new(format!(
            "{PREFIX}{}",
            URL_SAFE_NO_PAD.encode(body.as_slice())
        ));
        if text.len() > MAX_LEN {
            Err(Error::AgentKey)
        } else {
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AgentKey {
        AgentKey {
            api: "http://127.0.0.1:8443".into(),
            fingerprint: Digest([1; 32]),
            grant: GrantId::parse("gr_01JD").unwrap(),
            secret: AgentSecret::new([3; 32]),
            generation: 1,
            size: 7,
            root: Digest([2; 32]),
        }
    }

    #[test]
    fn a_key_reads_back() {
        let text = key().expose().unwrap();
        let back = AgentKey::parse(&format!("{}\n", *text)).unwrap();
        assert_eq!(
            (back.api, back.grant, back.size),
            (key().api, key().grant, 7)
        );
        assert_eq!(back.secret.expose(), &[3; 32]);
    }

    #[test]
    fn any_changed_letter_is_refused() {
        let text = key().expose().unwrap();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(
                AgentKey::parse(std::str::from_utf8(&bytes).unwrap()).is_err(),
                "{at}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", key()).contains("3, 3"));
    }
}
