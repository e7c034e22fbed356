//! Signing as an owner or operator, with whatever key they have: SSHSIG over exact bytes.
//!
//! An unencrypted Ed25519 file signs here, and is in memory for as long as a command runs. Everything else (a passphrase, an
//! agent, a hardware key) is stock `ssh-keygen`'s business, which asks on the terminal by itself; what it gives is checked
//! before anybody sends it.

mod keygen;

use crate::Error;
use claviger_shared::owner::{
    sshkey::PrivateKey,
    sshsig::{self, PublicKey},
};
use claviger_verify::ring_verifier::RingVerifier;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// A key that can sign.
pub struct Signer {
    hand: Hand,
    public: PublicKey,
}

/// Who makes the signature.
enum Hand {
    /// This process.
    Here(Ed25519KeyPair),
    /// `ssh-keygen -Y sign -f` this file, itself or through an agent.
    Keygen(PathBuf),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Opens a key: an unencrypted Ed25519 file, any other OpenSSH private key file, or the `.pub` file of a key that an
    /// agent holds.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Usage`] with what to do about a file that names no accepted key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(Error::io("cannot read the key", path))?;
        if let Ok(key) = PrivateKey::parse(&text) {
            return Self::of(&key);
        }
        let public = PublicKey::parse_line(text.trim());
        let public = public.ok().or_else(|| keygen::public_half(&text));
        let public = public.ok_or_else(|| {
            let path = path.display();
            Error::Usage(format!(
                "`{path}` is no key that owners sign with: expected an OpenSSH private key file or a .pub file of type \
                 ssh-ed25519, sk-ssh-ed25519 or ecdsa-sha2-nistp256"
            ))
        })?;
        Ok(Self {
            hand: Hand::Keygen(path.to_owned()),
            public,
        })
    }

    fn of(key: &PrivateKey) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(key.seed.expose(), &key.point);
        let pair = pair.map_err(|_| Error::Usage("the key's halves do not fit".to_owned()))?;
        let public = PublicKey::ed25519(&key.point);
        Ok(Self {
            hand: Hand::Here(pair),
            public,
        })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The armoured SSHSIG over exact bytes in a namespace. It verifies, whoever made it.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where nothing signs with this key, [`Error::Distrust`] for a signature that is none of its.
    pub fn sign(&self, namespace: &str, bytes: &[u8]) -> Result<String, Error> {
        let armored = match &self.hand {
            Hand::Here(pair) => self.sign_here(pair, namespace, bytes)?,
            Hand::Keygen(path) => keygen::sign(path, namespace, bytes)?,
        };
        let signed = sshsig::verify(&armored, namespace, bytes, &RingVerifier);
        if signed.is_ok_and(|key| key == self.public) {
            Ok(armored)
        } else {
            let what = "the signature that was made is not of the named key over these bytes";
            Err(Error::Distrust(what.to_owned()))
        }
    }

    fn sign_here(
        &self,
        pair: &Ed25519KeyPair,
        namespace: &str,
        bytes: &[u8],
    ) -> Result<String, Error> {
        let signature = pair.sign(&sshsig::signed_data(namespace, bytes));
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
