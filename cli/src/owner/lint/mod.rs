//! What of a grant or a catalog is broader than it needs to be.
//!
//! A lint refuses nothing: it warns, says why, and proposes the narrower document. What it cannot know it does not guess.

pub mod catalog;
pub mod narrower;
mod prices;
mod scope;
mod terms;

use super::words::Around;
use crate::finding::Finding;
use claviger_shared::grant::Grant;

/// Everything that is broad about a grant.
#[must_use]
pub fn grant(grant: &Grant, around: &Around<'_>) -> Vec<Finding> {
    let mut found = scope::check(grant, around);
    found.extend(terms::check(grant, around));
    once(found)
}

/// Each finding once, however many members it was found through.
fn once(all: Vec<Finding>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for finding in all {
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found
}

/// A finding.
fn finding(
    code: &'static str,
    at: impl Into<String>,
    what: impl Into<String>,
    why: &str,
    mend: impl Into<String>,
) -> Finding {
    Finding {
        code,
        at: at.into(),
        what: what.into(),
        why: why.to_owned(),
        mend: mend.into(),
    }
}

#[cfg(test)]
mod tests;
