//! What happens when storage answers: release, hold back, or stop for ever.
//!
//! A credential is released only if its grant is still the one it was reserved under, nothing is frozen, it has not
//! expired, and it waited at most five seconds; else it is destroyed and the charge stays.

use super::{Core, ECHO_ROOTS, MAX_WAIT, Output, Released, Standing, input::ReleaseCheck};
use claviger_shared::id::Digest;

impl<W> Core<W> {
    pub(super) fn stored_now(&mut self, root: Digest, out: &mut Vec<Output<W>>) {
        let Some(notes) = self.storing.take() else {
            return;
        };
        self.size = self.size.saturating_add(1);
        self.root = root;
        // First, so that a full list does not take twice its room.
        if self.roots.len() >= ECHO_ROOTS {
            self.roots.pop_front();
        }
        self.roots.push_back(root);
        if self.standing == Standing::Stalled {
            self.standing = Standing::Serving;
        }
        for (place, note) in notes.into_iter().enumerate() {
            let withdrawn = note.release.is_some_and(|check| !self.may_release(&check));
            if let Some(waiting) = note.waiting {
                out.push(Output::Release(Released {
                    place,
                    record: note.record,
                    waiting,
                    withdrawn,
                }));
            }
        }
    }

    pub(super) fn may_release(&self, check: &ReleaseCheck) -> bool {
        let same = self
            .state
            .check_active(check.slot, self.now)
            .is_ok_and(|grant| grant.epoch == check.epoch);
        same && self.now < check.expires_at && self.now.since(check.decided_at) <= MAX_WAIT
    }

    pub(super) const fn stall(&mut self) {
        if matches!(self.standing, Standing::Serving) {
            self.standing = Standing::Stalled;
        }
    }

    pub(super) fn fence(&mut self, out: &mut Vec<Output<W>>) {
        self.standing = Standing::Fenced;
        self.building.clear();
        self.storing = None;
        out.push(Output::Fenced);
    }
}
