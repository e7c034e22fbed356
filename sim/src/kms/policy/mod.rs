//! Key policies and identity policies: parsing and evaluation with AWS's semantics.
//!
//! Deny wins over Allow, and what no statement allows is denied. A policy that is not wholly understood is refused when
//! it is put, so evaluation never guesses. It knows nothing of keys beyond their ARN.

mod condition;
mod document;
mod evaluate;
mod json;
mod pattern;
mod principal;
#[cfg(test)]
mod tests;

pub(crate) use self::document::{Malformed, Policy};
pub(crate) use self::evaluate::{Context, Decision, Request, decide};
