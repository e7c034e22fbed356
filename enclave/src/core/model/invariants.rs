//! What must hold after every action.

use super::{
    actions::hash,
    deployment::{Over, TERMS},
    world::{Fate, Line, PATIENCE, World},
};
use crate::core::MAX_IN_FLIGHT;
use claviger_shared::ledger::Status;

impl World {
    pub(super) fn check(&self) {
        self.invariant_never_overspent();
        self.invariant_charges_stay();
        self.invariant_no_grant_comes_back();
        self.invariant_in_flight_is_bounded();
        self.invariant_the_log_agrees();
    }

    fn charged(&self, grant: usize) -> impl Iterator<Item = &Line> {
        let counts = move |line: &&Line| line.grant == grant && line.fate != Fate::Lost;
        self.lines.iter().filter(counts)
    }

    /// The exact sum that a window ending at `line` holds.
    fn in_window(&self, grant: usize, over: Over, at: u64) -> u128 {
        let counts = |line: &&Line| match over {
            Over::Day => line.at.0 / 86_400_000 == at / 86_400_000,
            Over::Life => true,
            Over::Rolling(length) => line.at.0 <= at && at < line.at.0 + length,
        };
        self.charged(grant)
            .filter(counts)
            .map(|line| line.cents)
            .sum()
    }

    /// Stored, released, held and waiting charges never exceed a budget, in any window that ends with one of them.
    fn invariant_never_overspent(&self) {
        for (grant, terms) in TERMS.iter().enumerate() {
            for line in self.charged(grant) {
                assert!(line.cents <= terms.per_call, "{}: per call", terms.id);
                let sum = self.in_window(grant, terms.window, line.at.0);
                assert!(
                    sum <= terms.cents,
                    "{}: {sum} in {:?}",
                    terms.id,
                    terms.window
                );
            }
            let calls = u128::try_from(self.charged(grant).count()).unwrap();
            assert!(calls <= terms.calls, "{}: {calls} calls", terms.id);
        }
    }

    /// What the core says is left is never more than the exact ledger's, and for a grant's life exactly it: charges of
    /// failed, abandoned and withdrawn calls stay.
    fn invariant_charges_stay(&self) {
        let now = self.core.now();
        for (grant, terms) in TERMS.iter().enumerate() {
            let state = self.core.state().grant(self.slot(grant)).unwrap();
            let left = state.remaining(now);
            let calls = u128::try_from(self.charged(grant).count()).unwrap();
            assert_eq!(left[0].amount.0, terms.calls - calls, "{}: calls", terms.id);
            let exact = terms.cents - self.in_window(grant, terms.window, now.0);
            assert!(left[2].amount.0 <= exact, "{}: cents", terms.id);
            if !matches!(terms.window, Over::Rolling(_)) {
                assert_eq!(left[2].amount.0, exact, "{}: cents", terms.id);
            }
        }
    }

    /// What was revoked is revoked, what was suspended is not active, in this life and after what was stored in the last.
    fn invariant_no_grant_comes_back(&self) {
        for grant in 0..TERMS.len() {
            let state = self.core.state().grant(self.slot(grant)).unwrap();
            assert_eq!(state.status == Status::Revoked, self.stops.revoked[grant]);
            let suspended = !self.stops.suspended[grant].is_empty();
            assert!(!suspended || state.status != Status::Active);
            assert_eq!(state.grant.expires_at, self.stops.ends[grant]);
        }
        assert_eq!(
            self.core.state().is_frozen(),
            !self.stops.freezes.is_empty()
        );
    }

    fn invariant_in_flight_is_bounded(&self) {
        let waiting = |line: &&Line| line.fate == Fate::Waiting;
        let least = self.held.len() + self.lines.iter().filter(waiting).count();
        let in_flight = self.core.in_flight();
        assert!(in_flight <= MAX_IN_FLIGHT);
        assert!(self.fenced || in_flight >= least, "{in_flight} < {least}");
    }

    /// The auditor, who applied every stored record as it came, never knows of more than the core.
    fn invariant_the_log_agrees(&self) {
        let now = self.core.now();
        for (grant, terms) in TERMS.iter().enumerate() {
            let slot = self.slot(grant);
            let told = self.shadow.grant(slot).unwrap().remaining(now);
            let live = self.core.state().grant(slot).unwrap().remaining(now);
            for (told, live) in told.iter().zip(live) {
                assert!(told.amount >= live.amount, "{}: {}", terms.id, told.window);
            }
        }
    }

    /// Nothing leaves whose very record is not in the store.
    pub(super) fn invariant_released_is_stored(&self, number: usize, record: &[u8]) {
        let newest = self.entries.last().unwrap();
        let there = newest.records.iter().any(|kept| hash(kept) == hash(record));
        assert!(there && self.lines[number].stored, "call {number}");
    }

    /// Nothing leaves after its grant was stopped, its time or the credential's was over, or it waited too long.
    pub(super) fn invariant_released_is_permitted(&self, number: usize) {
        let line = &self.lines[number];
        let now = self.core.now();
        assert!(!self.fenced, "released by a fenced core");
        assert!(self.stops.is_open(line.grant, now), "stopped: {line:?}");
        assert_eq!(
            line.stops, self.stops.count[line.grant],
            "stopped meanwhile"
        );
        assert!(now < line.expires_at, "expired: {line:?}");
        assert!(now.since(line.at) <= PATIENCE, "waited too long: {line:?}");
    }
}
