//! The vault: every signing key of this deployment, in memory; the only place where one is used.
//!
//! A signature costs a [`Reserved`]: [`Vault::sign`] takes it by value, so nothing is signed without a reservation and
//! nothing twice for one. Keys are born here from the enclave's entropy, or
//! were sealed to it by their owners, and leave only wrapped. The vault does not know
//! what it signs.

use crate::{
    core::{Reserved, Spent},
    platform::Entropy,
    secret::{AccessKey, ChainKey, Failed, RootKeys, Secret, on_wiped_stack},
};
use aws_lc_rs::{
    agreement, hmac,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaEncoding,
    },
};
use claviger_kinds::{SessionToken, SigningKeyInfo, ToSign};
use claviger_shared::{
    codec::cbor,
    crypto::{import, rsa, sha256},
    effect::{Env, Kind},
    id::{Digest, KeyId},
    jwk, label,
    ledger::KeyState,
    owner::{
        command::{Alg, KeyCreate, KeyImport},
        sshsig::PublicKey,
    },
};
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// Draws of a scalar before giving up: of P-256 and secp256k1 each fails with a chance of 2^-32 at most, of P-521 of 2^-260.
const MAX_DRAWS: usize = 8;
/// Bytes of a P-521 scalar, and what its first byte may hold: 521 is 65 times 8 and one.
const P521_SCALAR: usize = 66;
const P521_FIRST: u8 = 1;

enum Signer {
    Ed25519(Ed25519KeyPair),
    /// P-256 and P-521, each with its hash.
    Ecdsa(EcdsaKeyPair),
    /// The provider wipes its numbers when it is dropped. The second is how it signs, and nothing else is signed with it.
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    SigV4(Box<AccessKey>),
    Secp256k1(ChainKey),
    /// The provider wipes it when it is dropped.
    Hmac(Box<hmac::Key>),
}

/// A key that can sign.
struct Held {
    info: Arc<SigningKeyInfo>,
    signer: Signer,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("id", &self.info.id)
            .finish_non_exhaustive()
    }
}

/// A key just born or taken in, before the log names it.
#[derive(Debug)]
pub struct Born {
    /// Its name.
    pub id: KeyId,
    /// Its public key.
    pub public: Vec<u8>,
    /// The wrapped key, for storage.
    pub blob: Vec<u8>,
    /// SHA-256 of the blob.
    pub digest: Digest,
    held: Held,
}

/// The keys.
#[derive(Debug, Default)]
pub struct Vault {
    keys: RwLock<HashMap<KeyId, Arc<Held>>>,
}

/// What a wrapped key is bound to; its canonical CBOR is the AAD.
#[derive(Serialize)]
struct Facts<'a> {
    #[serde(with = "serde_bytes")]
    label: &'a [u8],
    origin: &'a str,
    id: &'a KeyId,
    kind: Kind,
    alg: Alg,
    env: Env,
    #[serde(with = "serde_bytes")]
    public: &'a [u8],
}

impl Facts<'_> {
    fn aad(&self) -> Result<Vec<u8>, Failed> {
        cbor::encode(self).map_err(|_| Failed)
    }
}

impl Vault {
    fn held(&self, id: &KeyId) -> Option<Arc<Held>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(id).map(Arc::clone)
    }

    /// What kinds may know of a key; nothing for one that is not held.
    #[must_use]
    pub fn info(&self, id: &KeyId) -> Option<Arc<SigningKeyInfo>> {
        self.held(id).map(|held| Arc::clone(&held.info))
    }

    /// Signs with the key that was reserved, using the reservation up.
    pub fn sign(&self, reserved: Reserved, to_sign: &ToSign) -> (Spent, Result<Vec<u8>, Failed>) {
        let signature = self.held(reserved.key()).ok_or(Failed);
        let signature = signature.and_then(|held| held.sign(to_sign));
        (reserved.spend(), signature)
    }

    /// Makes a key and wraps it; it signs nothing before [`Self::insert`].
    ///
    /// # Errors
    ///
    /// [`Failed`].
    pub fn create(
        &self,
        entropy: &dyn Entropy,
        keys: &RootKeys,
        origin: &str,
        key: &KeyCreate,
    ) -> Result<Born, Failed> {
        on_wiped_stack(|| {
            let (secret, signer) = Signer::generate(entropy, key.alg)?;
            let public = signer.public();
            Self::wrap(entropy, keys, origin, key, (&secret, signer, public))
        })
    }

    /// Takes a key that was made elsewhere and wraps it; it signs nothing before [`Self::insert`].
    ///
    /// # Errors
    ///
    /// [`Failed`], also for a private key that is not of the declared algorithm or does not fit the declared public key.
    pub fn import(
        &self,
        entropy: &dyn Entropy,
        keys: &RootKeys,
        origin: &str,
        import: &KeyImport,
        secret: &[u8],
    ) -> Result<Born, Failed> {
        on_wiped_stack(|| {
            let signer = Signer::of(import.key.alg, secret, &import.public)?;
            let public = import.public.clone();
            Self::wrap(entropy, keys, origin, &import.key, (secret, signer, public))
        })
    }

    fn wrap(
        entropy: &dyn Entropy,
        keys: &RootKeys,
        origin: &str,
        key: &KeyCreate,
        (secret, signer, public): (&[u8], Signer, Vec<u8>),
    ) -> Result<Born, Failed> {
        let facts = Facts {
            label: label::WRAPPED_KEY,
            origin,
            id: &key.id,
            kind: key.kind,
            alg: key.alg,
            env: key.env,
            public: &public,
        };
        let blob = keys.wrap(entropy, &facts.aad()?, secret)?;
        let held = Held::new(&key.id, &facts, signer)?;
        Ok(Born {
            id: key.id.clone(),
            public,
            digest: sha256(&[&blob]),
            blob,
            held,
        })
    }

    /// Takes a born key in.
    pub fn insert(&self, born: Born) {
        self.put(born.held);
    }

    /// Takes a key in that the log names, from its stored blob.
    ///
    /// # Errors
    ///
    /// [`Failed`] when the blob is not that key's.
    pub fn load(
        &self,
        keys: &RootKeys,
        origin: &str,
        id: &KeyId,
        state: &KeyState,
        blob: &[u8],
    ) -> Result<(), Failed> {
        let facts = Facts {
            label: label::WRAPPED_KEY,
            origin,
            id,
            kind: state.kind,
            alg: state.alg,
            env: state.env,
            public: &state.public,
        };
        let aad = facts.aad()?;
        let signer = on_wiped_stack(|| {
            let bytes = keys.unwrap(&aad, blob)?;
            Signer::of(state.alg, &bytes, &state.public)
        })?;
        self.put(Held::new(id, &facts, signer)?);
        Ok(())
    }

    /// Forgets a key for ever.
    pub fn forget(&self, id: &KeyId) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.remove(id);
    }

    fn put(&self, held: Held) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(held.info.id.clone(), Arc::new(held));
    }
}

impl Held {
    fn new(id: &KeyId, facts: &Facts<'_>, signer: Signer) -> Result<Self, Failed> {
        let (alg, public) = (facts.alg, facts.public);
        let named = alg.access_key_id(public).or_else(|| alg.key_id(public));
        let thumbprint = named
            .map(str::to_owned)
            .or_else(|| jwk::thumbprint(alg, public));
        let info = SigningKeyInfo {
            id: id.clone(),
            kind: facts.kind,
            alg: facts.alg,
            deployment: facts.origin.into(),
            public: facts.public.to_vec(),
            thumbprint: thumbprint.ok_or(Failed)?,
            session_token: signer.session_token(),
        };
        Ok(Self {
            info: Arc::new(info),
            signer,
        })
    }

    fn sign(&self, to_sign: &ToSign) -> Result<Vec<u8>, Failed> {
        match (&self.signer, to_sign) {
            (Signer::SigV4(key), ToSign::SigV4(signing)) => {
                // The signature says whose it is: another key's name never stands beside this key's.
                if signing.access_key_id != self.info.thumbprint {
                    return Err(Failed);
                }
                let scope = (
                    signing.date(),
                    signing.region.as_str(),
                    signing.service.as_str(),
                );
                Ok(key.sign(scope, signing.string_to_sign().as_bytes()))
            }
            (signer, ToSign::Ssh(signing)) => {
                // The key stands beside its signature: another's never does beside this one's.
                let own = PublicKey::of(self.info.alg, &self.info.public).ok_or(Failed)?;
                if signing.key != own {
                    return Err(Failed);
                }
                signer.sign(&signing.message)
            }
            (Signer::Secp256k1(key), ToSign::Payment(payment)) => {
                // Nor does another account's.
                if self.info.alg.address(&self.info.public) != Some(payment.from) {
                    return Err(Failed);
                }
                Ok(key.sign(&payment.message()).to_vec())
            }
            (signer @ Signer::Ed25519(_), ToSign::Solana(signing)) => {
                // A transaction names its signer: nor does another account's.
                if self.info.kind != Kind::Solana || self.info.public != signing.account.0 {
                    return Err(Failed);
                }
                signer.sign(&signing.message)
            }
            (Signer::SigV4(_), _) | (_, ToSign::SigV4(_) | ToSign::Payment(_)) => Err(Failed),
            // The same of HMAC; what a service calls a key of another algorithm is the catalog's word.
            (Signer::Hmac(_), ToSign::Template(signing))
                if signing.key_id != self.info.thumbprint =>
            {
                Err(Failed)
            }
            (signer, ToSign::Message(message)) => signer.sign(message),
            (signer, ToSign::Template(signing)) if signing.alg == self.info.alg => {
                signer.sign(&signing.message)
            }
            (_, ToSign::Template(_) | ToSign::Solana(_)) => Err(Failed),
        }
    }
}

impl Signer {
    /// A signature over a message; none by what signs no message.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        match self {
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| Failed)?.as_ref().to_vec())
            }
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(*encoding, &random, message, &mut signature)
                    .map_err(|_| Failed)?;
                Ok(signature)
            }
            Self::Secp256k1(key) => Ok(key.sign(message).to_vec()),
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::SigV4(_) => Err(Failed),
        }
    }

    /// A key that is the one of this public key.
    fn of(alg: Alg, secret: &[u8], public: &[u8]) -> Result<Self, Failed> {
        let signer = Self::new(alg, secret)?;
        // Nothing about a symmetric key says which public name it has: that is its owners' word.
        let fits = if alg.is_symmetric() {
            alg.is_public(public)
        } else {
            signer.public() == public
        };
        if fits { Ok(signer) } else { Err(Failed) }
    }

    fn session_token(&self) -> Option<SessionToken> {
        match self {
            Self::SigV4(key) => key.session_token(),
            Self::Ed25519(_)
            | Self::Ecdsa(_)
            | Self::Rsa(..)
            | Self::Hmac(_)
            | Self::Secp256k1(_) => None,
        }
    }

    fn generate(entropy: &dyn Entropy, alg: Alg) -> Result<(Zeroizing<Vec<u8>>, Self), Failed> {
        if matches!(alg, Alg::Rs256 | Alg::Ps512) {
            // Primes are the provider's to find, from its own randomness, as those of the boot's key are.
            let key = rsa::Private::generate().ok_or(Failed)?;
            let secret = Zeroizing::new(key.expose().to_vec());
            let signer = Self::new(alg, &secret)?;
            return Ok((secret, signer));
        }
        if alg.is_symmetric() {
            return Err(Failed);
        }
        for _ in 0..MAX_DRAWS {
            let secret = Self::draw(entropy, alg)?;
            // A draw that is no scalar is refused by the provider and drawn again.
            if let Ok(signer) = Self::new(alg, &secret) {
                return Ok((secret, signer));
            }
        }
        Err(Failed)
    }

    fn draw(entropy: &dyn Entropy, alg: Alg) -> Result<Zeroizing<Vec<u8>>, Failed> {
        if alg != Alg::P521 {
            let secret = Secret::generate(entropy).map_err(|_| Failed)?;
            return Ok(Zeroizing::new(secret.expose().to_vec()));
        }
        let mut secret = Zeroizing::new(vec![0; P521_SCALAR]);
        entropy.fill(&mut secret).map_err(|_| Failed)?;
        if let Some(first) = secret.first_mut() {
            *first &= P521_FIRST;
        }
        Ok(secret)
    }

    fn rsa(secret: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Self, Failed> {
        let pair = RsaKeyPair::from_pkcs8(secret).map_err(|_| Failed)?;
        // Only of the sizes and with the exponent that its public half may have.
        rsa::modulus(pair.public_key().as_ref()).ok_or(Failed)?;
        Ok(Self::Rsa(pair, encoding))
    }

    fn new(alg: Alg, secret: &[u8]) -> Result<Self, Failed> {
        let ecdsa = |algorithm, curve| {
            let scalar = agreement::PrivateKey::from_private_key(curve, secret);
            let scalar = scalar.map_err(|_| Failed)?;
            let public = scalar.compute_public_key().map_err(|_| Failed)?;
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, public.as_ref())
                .map(Self::Ecdsa)
                .map_err(|_| Failed)
        };
        match alg {
            Alg::Ed25519 => Ed25519KeyPair::from_seed_unchecked(secret)
                .map(Self::Ed25519)
                .map_err(|_| Failed),
            Alg::P256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, &agreement::ECDH_P256),
            Alg::P521 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, &agreement::ECDH_P521),
            Alg::Rs256 => Self::rsa(secret, &RSA_PKCS1_SHA256),
            // The provider's salt is as long as the hash: the 64 bytes of RFC 9421 §3.3.1.
            Alg::Ps512 => Self::rsa(secret, &RSA_PSS_SHA512),
            Alg::Hs256 => Self::hmac(hmac::HMAC_SHA256, secret),
            Alg::Hs512 => Self::hmac(hmac::HMAC_SHA512, secret),
            Alg::Secp256k1 => {
                ChainKey::new(secret.try_into().map_err(|_| Failed)?).map(Self::Secp256k1)
            }
            Alg::SigV4 => AccessKey::new(secret)
                .map(|key| Self::SigV4(Box::new(key)))
                .ok_or(Failed),
        }
    }

    fn hmac(hash: hmac::Algorithm, secret: &[u8]) -> Result<Self, Failed> {
        let long_enough = import::HMAC_SECRET.contains(&secret.len());
        let key = long_enough.then(|| Box::new(hmac::Key::new(hash, secret)));
        key.map(Self::Hmac).ok_or(Failed)
    }

    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair, _) => pair.public_key().as_ref().to_vec(),
            Self::SigV4(_) | Self::Hmac(_) => Vec::new(),
            Self::Secp256k1(key) => key.public().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
