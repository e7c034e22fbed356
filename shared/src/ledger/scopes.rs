//! What is equal in many grants is held once: scopes, and the names of agents and keys.
//!
//! Sharing changes no value, so it is not part of what a state says or a snapshot holds.

use super::state::{Data, KeyState};
use crate::{
    grant::{Grant, Scope},
    id::KeyId,
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// Scopes held when those that nothing uses any more are first looked for.
const FIRST_SWEEP: usize = 1024;

/// Every scope of a grant, once.
#[derive(Debug, Clone, Default)]
pub(super) struct Scopes {
    known: HashSet<Arc<Scope>>,
    sweep_at: usize,
}

impl Scopes {
    /// The scopes of all grants that a snapshot held; equal ones become one.
    pub(super) fn share(data: &mut Data) -> Self {
        let mut scopes = Self::default();
        let keys = &data.keys;
        for state in data.grants.iter_mut() {
            scopes.of_grant(Arc::make_mut(&mut state.grant), keys);
        }
        scopes
    }

    /// Lets a grant hold what others hold already.
    pub(super) fn of_grant(&mut self, grant: &mut Grant, keys: &BTreeMap<KeyId, KeyState>) {
        for id in &mut grant.keys {
            let Some((known, key)) = keys.get_key_value(id) else {
                continue;
            };
            *id = known.clone();
            if let Some(agent) = key.agent.as_ref().filter(|agent| **agent == grant.agent) {
                grant.agent = agent.clone();
            }
        }
        grant.keys.shrink_to_fit();
        match self.known.get(&grant.scope) {
            Some(known) => grant.scope = Arc::clone(known),
            None => {
                self.sweep();
                self.known.insert(Arc::clone(&grant.scope));
            }
        }
    }

    /// Forgets what no grant has any more, each time there are twice as many as were left.
    fn sweep(&mut self) {
        if self.known.len() < self.sweep_at.max(FIRST_SWEEP) {
            return;
        }
        self.known.retain(|scope| Arc::strong_count(scope) > 1);
        self.sweep_at = self.known.len().saturating_mul(2);
    }
}
