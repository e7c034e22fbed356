//! What owners and operators sign: manifests and commands, by SSHSIG, over exact bytes.
//!
//! Every refusal of an owner document is one [`Error`]: a stable code, the place in the document, what was expected
//! there. It never repeats what stood in the place.

pub mod command;
pub mod manifest;
pub(crate) mod read;
pub mod sshkey;
pub mod sshsig;
pub mod sshwire;
mod threshold;

use crate::codec::json;

/// Why an owner document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at `{pointer}`: expected {expected}")]
pub struct Error {
    code: &'static str,
    pointer: String,
    expected: String,
}

impl Error {
    /// Not strict JSON of the wanted shape.
    pub const MALFORMED: &'static str = "malformed";
    /// Well-formed, but a rule of the document does not hold.
    pub const INVALID: &'static str = "invalid";
    /// Well-formed, but its mechanism is not built.
    pub const UNSUPPORTED: &'static str = "unsupported";
    /// A signature is malformed, does not verify or is nobody's.
    pub const SIGNATURE: &'static str = "signature";
    /// Too few distinct people signed.
    pub const THRESHOLD: &'static str = "threshold";
    /// Does not follow the manifest before it.
    pub const SUCCESSION: &'static str = "succession";

    /// A refusal.
    #[must_use]
    pub fn new(
        code: &'static str,
        pointer: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            expected: expected.into(),
        }
    }

    /// A rule that does not hold at a place.
    #[must_use]
    pub fn invalid(place: &json::Place<'_>, expected: impl Into<String>) -> Self {
        Self::new(Self::INVALID, place.pointer(), expected)
    }

    /// A member or word whose mechanism is not built.
    #[must_use]
    pub fn unsupported(place: &json::Place<'_>, expected: impl Into<String>) -> Self {
        Self::new(Self::UNSUPPORTED, place.pointer(), expected)
    }

    /// The same refusal, seen from a document that holds this one at `prefix`.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        Self {
            pointer: format!("{prefix}{}", self.pointer),
            ..self
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// JSON pointer (RFC 6901) to the place at fault; empty means the whole document.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is expected there, in plain words.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::new(Self::MALFORMED, error.pointer, error.what)
    }
}
