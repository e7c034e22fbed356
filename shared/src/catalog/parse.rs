//! Reading a catalog from an owner's strict JSON.

use super::Catalog;
use crate::{codec::json::Place, owner::Error};

impl Catalog {
    /// Reads a catalog's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(_bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }

    /// Reads a catalog that stands in another document.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn from_place(_place: &Place<'_>) -> Result<Self, Error> {
        todo!()
    }
}
