//! One test for every rule of a document, a real document of AWS's, and the tools to make bad ones.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::assertions_on_result_states,
    reason = "tests say which side of a rule they are on"
)]

mod chain;
mod document;
mod envelope;
mod members;
mod pki;
mod sample;

use super::{Archived, At, Document, Error, Root, verify_at};

/// A document verified at the time it states.
fn at_own_time(doc: &[u8], root: &Root) -> Result<Document, Error> {
    verify_at(doc, root, At::Own).map(Archived::into_document)
}
