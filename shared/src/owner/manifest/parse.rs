//! Reading a manifest from strict JSON.

use super::Manifest;
use crate::owner::Error;

impl Manifest {
    /// Reads a manifest's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(_bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }
}
