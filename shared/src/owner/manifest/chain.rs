//! The manifest chain: signatures and succession from g0 to the newest.

use super::Manifest;
use crate::{crypto::Verifier, id::Digest, owner::Error, wire::control::Signed};

/// A chain of manifests. Having one means every link was signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    links: Vec<(Manifest, Vec<u8>)>,
}

impl Chain {
    /// Reads `{"manifests":[{"body":b64,"signatures":[…]}]}`.
    ///
    /// # Errors
    ///
    /// [`Error::MALFORMED`].
    pub fn parse_file(_bytes: &[u8]) -> Result<Vec<Signed>, Error> {
        todo!()
    }

    /// Writes what [`Self::parse_file`] reads.
    #[must_use]
    pub fn to_file(_links: &[Signed]) -> String {
        todo!()
    }

    /// Checks signatures and succession of a whole chain.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the generation in its pointer.
    pub fn verify(_links: &[Signed], _verifier: &dyn Verifier) -> Result<Self, Error> {
        todo!()
    }

    /// SHA-256 of g0: the deployment.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        todo!()
    }

    /// g0.
    #[must_use]
    pub fn g0(&self) -> &Manifest {
        todo!()
    }

    /// The newest manifest.
    #[must_use]
    pub fn newest(&self) -> &Manifest {
        todo!()
    }

    /// A generation's manifest.
    #[must_use]
    pub fn get(&self, _generation: u64) -> Option<&Manifest> {
        todo!()
    }

    /// A generation's exact bytes.
    #[must_use]
    pub fn bytes(&self, _generation: u64) -> Option<&[u8]> {
        todo!()
    }

    /// The newest manifest that is an anchor; nothing under g0 alone.
    #[must_use]
    pub fn newest_anchor(&self) -> Option<&Manifest> {
        todo!()
    }

    /// What the first command of any chain names as `prev`: g1's digest, g0's where there is no g1 yet.
    #[must_use]
    pub fn first_command_prev(&self) -> Digest {
        let _ = &self.links;
        todo!()
    }
}
