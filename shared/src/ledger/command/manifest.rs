//! The next manifest, set while an instance runs: whoever it names signs from the next command on.
//!
//! A state's chain may be longer than what is in force: an auditor brings the newest one, and what the log sets must be in
//! it. What an instance measured and attests stays as it booted.

use super::{super::state::State, CommandDenied, check::expected};
use crate::owner::manifest::chain::Chain;
use std::sync::Arc;

impl State {
    /// Whether a chain goes exactly one generation beyond the one in force, and not beside what is known already.
    pub(super) fn check_next_manifest(&self, next: &Chain) -> Result<(), CommandDenied> {
        let generation = self.generation().saturating_add(1);
        let newest = next.newest();
        if newest.generation != generation {
            let detail = format!("generation {generation}");
            return Err(expected("/action/body", detail));
        }
        match self.chain().get(generation) {
            Some(known) if known.digest != newest.digest => {
                let detail = format!("the generation {generation} that the chain holds");
                Err(expected("/action/body", detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Puts the chain's newest manifest into force.
    pub(super) fn set_manifest(&mut self, next: &Arc<Chain>) {
        let newest = next.newest();
        if self.chain.get(newest.generation).is_none() {
            self.chain = Arc::clone(next);
        }
        self.data.generation = newest.generation;
        self.data.manifest = newest.digest;
    }
}
