//! Sums over the log for metrics: calls by kind and outcome, denials by code, warnings by unit. No names of
//! agents, grants or keys.

use super::record::outcome;
use claviger_shared::{effect::Kind, log::record::Body};
use std::collections::BTreeMap;

/// What was counted since the log's first record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// By credential kind and outcome.
    pub calls: BTreeMap<(Kind, &'static str), u64>,
    /// By code.
    pub denials: BTreeMap<&'static str, u64>,
    /// Calls that were only simulated.
    pub simulated: u64,
    /// Budgets that came to 80 %, by unit.
    pub warnings: BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, body: &Body) {
        match body {
            Body::Call(call) => {
                if let Some(effect) = call.effects.first() {
                    let key = (effect.kind, outcome(call.outcome));
                    *self.calls.entry(key).or_default() += 1;
                }
            }
            Body::Denied(denied) => {
                let sum = self.denials.entry(denied.code.as_str()).or_default();
                *sum = sum.saturating_add(denied.count);
            }
            Body::Simulated(simulated) => {
                self.simulated = self.simulated.saturating_add(simulated.count);
            }
            Body::Warned(warned) => {
                let unit = warned.unit.to_string();
                *self.warnings.entry(unit).or_default() += 1;
            }
            Body::Boot(_)
            | Body::Command(_)
            | Body::Genesis(_)
            | Body::Renewed(_)
            | Body::RevokedSelf(_)
            | Body::Snapshot(_) => {}
        }
    }
}
