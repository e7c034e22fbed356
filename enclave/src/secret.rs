//! Secrets of the deployment: the root, and every key that follows from it, each under its own label.
//!
//! | key | HKDF-SHA-256 info | for |
//! |---|---|---|
//! | log key | `label::ROOT_LOG_KEY` | Ed25519 seed: signs checkpoints |
//! | wrap key | `label::ROOT_WRAP_KEY` | wraps signing keys at rest |
//! | input key | `label::ROOT_INPUT_KEY` | makes the per-grant keys of input digests |
//! | snapshot key | `label::ROOT_SNAPSHOT_KEY` | authenticates snapshots |
//!
//! The salt is SHA-256 of g0. No type here can be cloned, printed, compared or serialised, and all memory is wiped on
//! drop. This module does not know how the root was sealed, nor what is signed with a signing key.

mod access_key;
mod chain_key;

pub use access_key::AccessKey;
pub use chain_key::ChainKey;

use crate::platform::{Entropy, NoEntropy};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey},
    hkdf,
    signature::{Ed25519KeyPair, KeyPair},
};
use claviger_shared::{
    codec::cbor,
    crypto::MacKey,
    id::{Digest, GrantId},
    label,
    log::checkpoint::{Checkpoint, LogKey},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes.
///
/// Having one means the bytes are in this process's memory and nowhere else in the clear. [`Secret::expose`] is the only
/// way to them: to audit every use, search for that name.
pub struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Draws a secret.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`].
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut secret = Self::room();
        entropy.fill(secret.0.as_mut())?;
        Ok(secret)
    }

    /// Takes bytes over and wipes where they stood.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let mut secret = Self::room();
        // Into its place: an array that is handed over by value leaves a copy on the stack.
        secret.0.copy_from_slice(bytes);
        bytes.zeroize();
        secret
    }

    /// A copy of bytes that somebody else wipes.
    ///
    /// # Errors
    ///
    /// [`Failed`] unless there are 32.
    pub fn copy_of(bytes: &[u8]) -> Result<Self, Failed> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| Failed)?;
        let mut secret = Self::room();
        secret.0.copy_from_slice(bytes);
        Ok(secret)
    }

    fn room() -> Self {
        Self(Box::new([0; 32]))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Bytes of stack that are wiped: more than the calls of any step that handles a secret go down.
const DEPTH: usize = 64 * 1024;

/// Does something with a secret, and wipes the stack that it used.
///
/// A cipher keeps a block of what it opens on the stack, a compiler puts what is moved there: what a thread does next would
/// cover it sooner or later, or never.
#[inline(never)]
pub fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let done = below(work);
    wipe();
    done
}

/// A frame of its own, so that what `work` keeps on the stack stands where [`wipe`] writes.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    let mut room = [0_u8; DEPTH];
    room.zeroize();
}

/// The crypto provider refused; nothing was signed, sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cryptographic operation failed")]
pub struct Failed;

/// 32 bytes by HKDF-SHA-256 (RFC 5869).
///
/// # Errors
///
/// [`Failed`].
pub fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<Secret, Failed> {
    let mut out = Secret::room();
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| Failed)?;
    okm.fill(out.0.as_mut()).map_err(|_| Failed)?;
    Ok(out)
}

/// AES-256-GCM under a key that is used for one message only, with the zero nonce.
///
/// # Errors
///
/// [`Failed`].
pub fn seal_once(key: &Secret, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new);
    let key = key.map_err(|_| Failed)?;
    // Room for the tag is made first, so that no copy of the text is left behind by growing.
    let mut buffer = Vec::with_capacity(text.len().saturating_add(MAX_TAG_LEN));
    buffer.extend_from_slice(text);
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let sealed = key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut buffer);
    if sealed.is_err() {
        buffer.zeroize();
        return Err(Failed);
    }
    Ok(buffer)
}

/// Opens what [`seal_once`] sealed.
///
/// # Errors
///
/// [`Failed`] when the tag does not fit.
pub fn open_once(key: &Secret, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
    open_with(key, [0; 12], aad, sealed)
}

/// AES-256-GCM under a random nonce.
///
/// # Errors
///
/// [`Failed`].
pub fn seal_with(
    key: &Secret,
    nonce: [u8; 12],
    aad: &[u8],
    mut buffer: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, Failed> {
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new);
    let key = key.map_err(|_| Failed)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut *buffer)
        .map_err(|_| Failed)?;
    Ok(std::mem::take(&mut *buffer))
}

/// Opens what [`seal_with`] sealed.
///
/// # Errors
///
/// [`Failed`] when the tag does not fit.
pub fn open_with(
    key: &Secret,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new);
    let key = key.map_err(|_| Failed)?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = key.open_in_place(nonce, Aad::from(aad), &mut buffer);
    let length = opened.map_err(|_| Failed)?.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Every key that follows from the root secret. The root itself is not kept.
pub struct RootKeys {
    log: Ed25519KeyPair,
    log_key: LogKey,
    wrap: Secret,
    input: MacKey,
    snapshot: MacKey,
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKeys")
    }
}

/// Digests inputs of one grant's calls: alike within the grant, of no use for comparing across grants or by guessing.
/// There is one for each channel: the bytes are kept, which a call makes a key of again. A key that is ready to use is forty
/// times as long.
#[derive(Debug)]
pub struct GrantDigests(Secret);

impl GrantDigests {
    /// The digest under which a call's canonical input stands in its record.
    #[must_use]
    pub fn input(&self, canonical: &[u8]) -> Digest {
        self.key().mac(&[label::INPUT_DIGEST, canonical])
    }

    /// The digest under which an idempotency key stands in a record.
    #[must_use]
    pub fn idempotency(&self, key: &str) -> Digest {
        self.key().mac(&[label::IDEMPOTENCY_DIGEST, key.as_bytes()])
    }

    fn key(&self) -> MacKey {
        MacKey::new(self.0.expose())
    }
}

/// A signing key wrapped for storage.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    v: u16,
    #[serde(with = "serde_bytes")]
    nonce: [u8; 24],
    #[serde(with = "serde_bytes")]
    ct: Vec<u8>,
}

/// Version of the wrapped form.
const WRAPPED_VERSION: u16 = 1;
/// Longest wrapped key.
const MAX_WRAPPED: usize = 4096;

impl RootKeys {
    /// Derives every key.
    ///
    /// # Errors
    ///
    /// [`Failed`].
    pub fn derive(root: &Secret, g0: &Digest, log_origin: &str) -> Result<Self, Failed> {
        let key = |info: &[u8]| derive(root.expose(), &g0.0, info);
        let seed = key(label::ROOT_LOG_KEY)?;
        let log = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| Failed)?;
        let public = log.public_key().as_ref().try_into().map_err(|_| Failed)?;
        Ok(Self {
            log,
            log_key: LogKey {
                name: log_origin.to_owned(),
                public,
            },
            wrap: key(label::ROOT_WRAP_KEY)?,
            input: MacKey::new(key(label::ROOT_INPUT_KEY)?.expose()),
            snapshot: MacKey::new(key(label::ROOT_SNAPSHOT_KEY)?.expose()),
        })
    }

    /// The log's public key.
    #[must_use]
    pub const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// The key that authenticates snapshots.
    #[must_use]
    pub const fn snapshot(&self) -> &MacKey {
        &self.snapshot
    }

    /// Signs a tree head of this log.
    ///
    /// # Errors
    ///
    /// [`Failed`], also for a checkpoint of another log.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<[u8; 64], Failed> {
        if checkpoint.origin != self.log_key.name {
            return Err(Failed);
        }
        let signature = self.log.sign(checkpoint.body().as_bytes());
        signature.as_ref().try_into().map_err(|_| Failed)
    }

    /// The key that a grant's inputs are digested with.
    #[must_use]
    pub fn digests_of(&self, grant: &GrantId) -> GrantDigests {
        let mut key = self.input.mac(&[grant.as_str().as_bytes()]);
        GrantDigests(Secret::take(&mut key.0))
    }

    /// Wraps a signing key. The 192-bit nonce is the salt that makes a key of its own for each blob, so that nonces drawn
    /// at random never meet.
    ///
    /// # Errors
    ///
    /// [`Failed`], also without entropy.
    pub fn wrap(&self, entropy: &dyn Entropy, aad: &[u8], key: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut nonce = [0_u8; 24];
        entropy.fill(&mut nonce).map_err(|_| Failed)?;
        let once = derive(self.wrap.expose(), &nonce, label::WRAPPED_KEY)?;
        let wrapped = Wrapped {
            v: WRAPPED_VERSION,
            nonce,
            ct: seal_once(&once, aad, key)?,
        };
        cbor::encode(&wrapped).map_err(|_| Failed)
    }

    /// Unwraps a signing key.
    ///
    /// # Errors
    ///
    /// [`Failed`] when the blob is not this deployment's, or was wrapped for other facts.
    pub fn unwrap(&self, aad: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let wrapped: Wrapped = cbor::decode(blob, MAX_WRAPPED).map_err(|_| Failed)?;
        if wrapped.v != WRAPPED_VERSION {
            return Err(Failed);
        }
        let once = derive(self.wrap.expose(), &wrapped.nonce, label::WRAPPED_KEY)?;
        open_once(&once, aad, &wrapped.ct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    fn keys(root: u8) -> RootKeys {
        RootKeys::derive(&Secret::take(&mut [root; 32]), &Digest([1; 32]), "o/1").unwrap()
    }

    #[test]
    fn hkdf_is_rfc_5869_case_1() {
        // RFC 5869 A.1, first 32 bytes of OKM.
        let secret = derive(
            &[0x0b; 22],
            &hex::decode("000102030405060708090a0b0c").unwrap(),
            &hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap(),
        );
        let okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
        assert_eq!(hex::encode(secret.unwrap().expose()), okm);
    }

    #[test]
    fn a_wrapped_key_opens_only_for_its_facts_and_root() {
        let entropy = Counting(std::sync::atomic::AtomicU8::new(7));
        let blob = keys(1).wrap(&entropy, b"facts", b"a signing key").unwrap();
        assert_eq!(
            &**keys(1).unwrap(b"facts", &blob).unwrap(),
            b"a signing key"
        );
        keys(1).unwrap(b"other", &blob).unwrap_err();
        keys(2).unwrap(b"facts", &blob).unwrap_err();
        let again = keys(1).wrap(&entropy, b"facts", b"a signing key").unwrap();
        assert_ne!(blob, again, "a nonce of its own");
        for at in 0..blob.len() {
            let mut bad = blob.clone();
            bad[at] ^= 1;
            assert!(keys(1).unwrap(b"facts", &bad).is_err(), "{at}");
        }
    }

    #[test]
    fn digests_differ_by_grant_purpose_and_root() {
        let (a, b) = (
            GrantId::parse("gr_a").unwrap(),
            GrantId::parse("gr_b").unwrap(),
        );
        let one = keys(1);
        let all = [
            one.digests_of(&a).input(b"x"),
            one.digests_of(&b).input(b"x"),
            one.digests_of(&a).idempotency("x"),
            keys(2).digests_of(&a).input(b"x"),
        ];
        for (i, left) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|right| left != right));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::take(&mut [9; 32])), "Secret");
        assert_eq!(format!("{:?}", keys(1)), "RootKeys");
    }

    #[test]
    fn another_logs_checkpoint_is_not_signed() {
        let checkpoint = |origin: &str| Checkpoint {
            origin: origin.to_owned(),
            size: 1,
            root: Digest([0; 32]),
        };
        keys(1).sign_checkpoint(&checkpoint("o/1")).unwrap();
        keys(1).sign_checkpoint(&checkpoint("o/2")).unwrap_err();
    }
}
