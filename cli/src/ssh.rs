//! Signing as an owner or operator: an OpenSSH Ed25519 key file, SSHSIG over exact bytes.
//!
//! The private key is in memory for as long as a command runs. Hardware keys and passphrases are `ssh-keygen -Y sign`'s
//! business: any owner verb writes its bytes with `--out` for it, and `claviger submit` sends what comes back.

use crate::Error;
use claviger_shared::owner::{
    sshkey::PrivateKey,
    sshsig::{self, PublicKey},
};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// A key that can sign.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Reads an unencrypted OpenSSH private key file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Usage`] with what to do about a key that cannot be read here.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(Error::io("cannot read the key", path))?;
        let key = PrivateKey::parse(&text).map_err(|error| {
            let path = path.display();
            let how =
                format!("use --out FILE, `ssh-keygen -Y sign -f {path}` and `claviger submit`");
            Error::Usage(format!("key `{path}` cannot sign here ({error}): {how}"))
        })?;
        Self::of(&key)
    }

    fn of(key: &PrivateKey) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(key.seed.expose(), &key.point);
        let pair = pair.map_err(|_| Error::Usage("the key's halves do not fit".to_owned()))?;
        let public = PublicKey::ed25519(&key.point);
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The armoured SSHSIG over exact bytes in a namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the library's signature has another length than Ed25519's.
    pub fn sign(&self, namespace: &str, bytes: &[u8]) -> Result<String, Error> {
        let signature = self.pair.sign(&sshsig::signed_data(namespace, bytes));
        let signature: &[u8; 64] = signature
            .as_ref()
            .try_into()
            .map_err(|_| Error::Usage("signature of another length".to_owned()))?;
        Ok(sshsig::armor(&self.public, namespace, signature))
    }
}

/// Makes a new Ed25519 key: the private file's text and the public line.
///
/// # Errors
///
/// [`Error::Unavailable`] without randomness.
pub fn generate(comment: &str) -> Result<(Zeroizing<String>, String), Error> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    let random = SystemRandom::new();
    random
        .fill(seed.as_mut())
        .map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref());
    let pair = pair.map_err(|_| Error::Unavailable("no key".to_owned()))?;
    let point: [u8; 32] = pair
        .public_key()
        .as_ref()
        .try_into()
        .map_err(|_| Error::Unavailable("no key".to_owned()))?;
    let mut bytes = *seed;
    let key = PrivateKey {
        seed: claviger_shared::owner::sshkey::Seed::take(&mut bytes),
        point,
    };
    bytes.zeroize();
    Ok((
        key.format(comment),
        format!("{} {comment}", line(&key.public_key())),
    ))
}

/// A public key as `authorized_keys` and manifests write it.
#[must_use]
pub fn line(public: &PublicKey) -> String {
    public.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_verify::ring_verifier::RingVerifier;

    #[test]
    fn a_generated_key_signs_what_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        let (private, public) = generate("ana").unwrap();
        std::fs::write(&path, private.as_bytes()).unwrap();
        let signer = Signer::read(&path).unwrap();
        assert!(public.starts_with("ssh-ed25519 AAAA") && public.ends_with(" ana"));
        let armored = signer.sign("command@claviger", b"bytes").unwrap();
        let key = sshsig::verify(&armored, "command@claviger", b"bytes", &RingVerifier).unwrap();
        assert_eq!(&key, signer.public());
        sshsig::verify(&armored, "command@claviger", b"other", &RingVerifier).unwrap_err();
        sshsig::verify(&armored, "manifest@claviger", b"bytes", &RingVerifier).unwrap_err();
    }

    #[test]
    fn debug_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        std::fs::write(&path, generate("x").unwrap().0.as_bytes()).unwrap();
        assert_eq!(format!("{:?}", Signer::read(&path).unwrap()), "Signer");
    }
}
