//! Reading a grant from an owner's strict JSON, and writing it back.

use super::Grant;
use crate::{codec::json::Place, owner::Error};

impl Grant {
    /// Reads a grant's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(_bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }

    /// Reads a grant that stands in another document.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn from_place(_place: &Place<'_>) -> Result<Self, Error> {
        todo!()
    }

    /// The grant as an owner would write it: [`Grant::parse`] reads it back as the same grant.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        todo!()
    }
}
