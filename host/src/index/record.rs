//! What records are about, in the words that operators ask by: kind, decision, grant.
//!
//! How a record is shown is `shared::log::show`'s. It checks nothing.

use claviger_shared::log::record::{Body, Outcome};
use serde_json::Value;

/// The words of `kind`, one per sort of record.
pub const KINDS: [&str; 10] = [
    "boot",
    "call",
    "command",
    "denied",
    "genesis",
    "renewed",
    "revoked_self",
    "simulated",
    "snapshot",
    "warned",
];
/// The words of `decision`.
pub const DECISIONS: [&str; 5] = ["denied", "failed", "issued", "simulated", "withdrawn"];

/// The word for what was decided, where something was.
pub(super) const fn decision(body: &Body) -> Option<&'static str> {
    match body {
        Body::Call(call) => Some(outcome(call.outcome)),
        Body::Denied(_) => Some("denied"),
        Body::Simulated(_) => Some("simulated"),
        Body::Boot(_)
        | Body::Command(_)
        | Body::Genesis(_)
        | Body::Renewed(_)
        | Body::RevokedSelf(_)
        | Body::Snapshot(_)
        | Body::Warned(_) => None,
    }
}

/// The word for a call's outcome.
pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "failed",
        Outcome::Issued => "issued",
        Outcome::Withdrawn => "withdrawn",
    }
}

/// The grant that a record is about.
pub(super) fn grant(body: &Body) -> Option<String> {
    match body {
        Body::Call(call) => Some(call.grant.to_string()),
        Body::Denied(denied) => Some(denied.grant.to_string()),
        Body::Renewed(renewed) => Some(renewed.grant.to_string()),
        Body::RevokedSelf(revoked) => Some(revoked.grant.to_string()),
        Body::Simulated(simulated) => Some(simulated.grant.to_string()),
        Body::Warned(warned) => Some(warned.grant.to_string()),
        Body::Command(command) => {
            let command: Value = serde_json::from_slice(&command.body).ok()?;
            let action = command.get("action")?;
            let named = ["grant", "new"].iter().find_map(|name| action.get(name))?;
            let id = named.get("id").unwrap_or(named);
            id.as_str().map(str::to_owned)
        }
        Body::Boot(_) | Body::Genesis(_) | Body::Snapshot(_) => None,
    }
}
