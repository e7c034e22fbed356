//! SSHSIG.

use crate::id::Digest;

/// A public key that owners and operators sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key blob as SSH encodes it.
    pub blob: Vec<u8>,
}

impl PublicKey {
    /// SHA-256 of the blob: what `ssh-keygen -l` shows, and the name of a narrow chain.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        crate::crypto::sha256(&[&self.blob])
    }
}
