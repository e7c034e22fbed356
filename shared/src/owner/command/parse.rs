//! Reading a command from strict JSON, and whose signatures a command needs.

use super::{Chain, Command};
use crate::{
    crypto::Verifier,
    id::Digest,
    owner::{Error, manifest::Manifest},
};

impl Command {
    /// Reads a command's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(_bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }
}

/// Checks that those who must sign a command of a chain have: the owners' threshold of distinct people to widen, exactly
/// one owner or operator to narrow. For a narrow command the answer is the fingerprint of the signing key.
///
/// # Errors
///
/// [`Error::SIGNATURE`] or [`Error::THRESHOLD`].
pub fn verify_signers(
    _chain: Chain,
    _body: &[u8],
    _signatures: &[String],
    _manifest: &Manifest,
    _verifier: &dyn Verifier,
) -> Result<Option<Digest>, Error> {
    todo!()
}
