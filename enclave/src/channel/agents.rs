//! What each agent may cost this enclave: frames opened, in all its channels and under all its grants together.
//!
//! An agent over its allowance is told so before a call is parsed or anything reserved, so that a flood of one leaves the others
//! their share. It knows agents by name, not what they ask.

use crate::allowance::{Allowance, Limit};
use claviger_shared::id::AgentId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Frames of one agent: above the goal for one sidecar, 20,000 calls a second (DESIGN §10).
pub const LIMIT: Limit = Limit {
    burst: 8192,
    per_s: 32_000,
};

/// One agent's allowance.
#[derive(Debug)]
pub struct Share(Mutex<Allowance>);

impl Share {
    /// Takes one frame, if there is one left.
    pub fn take(&self, now_ms: u64) -> bool {
        let mut allowance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        allowance.take(now_ms)
    }
}

/// Every agent that opened a channel in this boot: at most as many as the log has grants.
#[derive(Debug, Default)]
pub struct Agents(Mutex<HashMap<AgentId, Arc<Share>>>);

impl Agents {
    /// An agent's allowance; full at first.
    #[must_use]
    pub fn share(&self, agent: &AgentId, now_ms: u64) -> Arc<Share> {
        let mut agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = agents.get(agent) {
            return Arc::clone(known);
        }
        let share = Arc::new(Share(Mutex::new(Allowance::new(LIMIT, now_ms))));
        agents.insert(agent.clone(), Arc::clone(&share));
        share
    }
}
