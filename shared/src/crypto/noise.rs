//! The primitives of `Noise_IK_25519_ChaChaPoly_SHA256` for `snow`, over aws-lc.
//!
//! `snow` runs the handshake; every primitive and every random byte comes from here. An all-zero shared secret (a
//! low-order public key) is refused, as RFC 7748 §6.1 allows and Noise leaves to the application.

use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    agreement, digest, rand,
};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use zeroize::{Zeroize, Zeroizing};

/// The one suite of agent channels.
pub const SUITE: &str = "Noise_IK_25519_ChaChaPoly_SHA256";

/// Resolves the suite's primitives to aws-lc and everything else to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resolver;

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519)
            .then(|| -> Box<dyn Dh> { Box::new(X25519::default()) })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256)
            .then(|| -> Box<dyn Hash> { Box::new(Sha256::default()) })
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly)
            .then(|| -> Box<dyn Cipher> { Box::new(ChaChaPoly::default()) })
    }
}

/// The X25519 public key of a private key.
///
/// # Errors
///
/// [`Error::Dh`] when the provider refuses the key.
pub fn public_key(private: &[u8; 32]) -> Result<[u8; 32], Error> {
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private)
        .map_err(|_| Error::Dh)?;
    let public = key.compute_public_key().map_err(|_| Error::Dh)?;
    public.as_ref().try_into().map_err(|_| Error::Dh)
}

struct SystemRandom;

impl Random for SystemRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        rand::fill(dest).map_err(|_| Error::Rng)
    }
}

#[derive(Default)]
struct X25519 {
    private: [u8; 32],
    public: [u8; 32],
}

impl Drop for X25519 {
    fn drop(&mut self) {
        self.private.zeroize();
    }
}

impl X25519 {
    fn load(&mut self) {
        // A refused key leaves the all-zero public key, with which no handshake finishes.
        self.public = public_key(&self.private).unwrap_or_default();
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        if let Ok(private) = privkey.try_into() {
            self.private = private;
        }
        self.load();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut self.private)?;
        self.load();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.private
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let peer = pubkey.get(..32).ok_or(Error::Dh)?;
        let private = agreement::PrivateKey::from_private_key(&agreement::X25519, &self.private)
            .map_err(|_| Error::Dh)?;
        agreement::agree(
            &private,
            agreement::UnparsedPublicKey::new(&agreement::X25519, peer),
            Error::Dh,
            |secret| {
                let target = out.get_mut(..32).ok_or(Error::Dh)?;
                if secret.len() != 32 || secret.iter().all(|byte| *byte == 0) {
                    return Err(Error::Dh);
                }
                target.copy_from_slice(secret);
                Ok(())
            },
        )
    }
}

struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = digest::Context::new(&digest::SHA256);
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let context = std::mem::replace(&mut self.0, digest::Context::new(&digest::SHA256));
        for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
    }
}

#[derive(Default)]
struct ChaChaPoly(Option<LessSafeKey>);

/// Noise §12.3: 32 zero bits and the counter in little endian.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0_u8; 12];
    for (to, from) in bytes.iter_mut().skip(4).zip(counter.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = UnboundKey::new(&CHACHA20_POLY1305, key)
            .ok()
            .map(LessSafeKey::new);
    }

    fn encrypt(&self, counter: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        // Without a key or room nothing is written, and the peer's tag check fails.
        let Some(key) = &self.0 else { return 0 };
        let Some((text, rest)) = out.split_at_mut_checked(plaintext.len()) else {
            return 0;
        };
        text.copy_from_slice(plaintext);
        let Ok(tag) = key.seal_in_place_separate_tag(nonce(counter), Aad::from(authtext), text)
        else {
            return 0;
        };
        let Some(room) = rest.get_mut(..tag.as_ref().len()) else {
            return 0;
        };
        room.copy_from_slice(tag.as_ref());
        plaintext.len().saturating_add(tag.as_ref().len())
    }

    fn decrypt(
        &self,
        counter: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let key = self.0.as_ref().ok_or(Error::Decrypt)?;
        // What is opened may be a private key that is brought in: no copy of it stays behind.
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let plain = key
            .open_in_place(nonce(counter), Aad::from(authtext), &mut buffer)
            .map_err(|_| Error::Decrypt)?;
        let target = out.get_mut(..plain.len()).ok_or(Error::Decrypt)?;
        target.copy_from_slice(plain);
        Ok(plain.len())
    }
}
