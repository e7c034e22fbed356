//! Grants under other terms and grants reissued: what may change, and what is carried on.
//!
//! Neither ever refills a budget. An amended grant keeps its counters, those of units that are no longer budgeted too. A
//! reissued grant hands counters, rates and what is still alive outside to its successor and is revoked; a line has one
//! successor at each step, so nothing spent is forgotten and nothing counts in two lines.

use super::{
    super::{
        state::{GrantState, MAX_GRANTS, Slot, State, Status, length},
        window::Spent,
    },
    CommandDenied,
    check::{check_stops, expected},
};
use crate::{
    amount::Amount,
    grant::{Grant, Rate, Window},
    id::{Digest, GrantId, Unit, X25519Public},
    time::{Millis, UnixMs},
};
use std::sync::Arc;

/// A reissue, as its command says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reissue<'a> {
    pub(super) old: &'a GrantId,
    pub(super) new: &'a GrantId,
    pub(super) agent_key: X25519Public,
    pub(super) expires_at: UnixMs,
}

impl State {
    /// Whether a grant may go on under these terms.
    pub(super) fn check_amended(
        &self,
        grant: &Grant,
        lifts: &[Digest],
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let state = self.slot(&grant.id).and_then(|slot| self.grant(slot));
        let state = state.ok_or_else(|| expected("/action/grant/id", "a grant that exists"))?;
        if state.status == Status::Revoked {
            let detail = "a grant that is not revoked: a revoked one can only be reissued";
            return Err(expected("/action/grant/id", detail));
        }
        check_stops(&state.status, lifts)?;
        let old = &state.grant;
        for (kept, pointer, detail) in [
            (
                grant.agent == old.agent,
                "/action/grant/agent/id",
                "the agent that the grant has",
            ),
            (
                grant.agent_key == old.agent_key,
                "/action/grant/agent/key",
                "the key that the grant has: another one is for a reissue",
            ),
            (
                grant.env == old.env,
                "/action/grant/env",
                "the environment that the grant has",
            ),
        ] {
            if !kept {
                return Err(expected(pointer, detail));
            }
        }
        self.check_terms(grant, now)
    }

    /// Whether a grant may be continued by another.
    pub(super) fn check_reissue(
        &self,
        reissue: Reissue<'_>,
        lifts: &[Digest],
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let unknown = || expected("/action/old", "a grant that exists");
        let slot = self.slot(reissue.old).ok_or_else(unknown)?;
        let old = self.grant(slot).ok_or_else(unknown)?;
        if old.successor.is_some() {
            let newest = self.newest_of_line(slot).ok_or_else(unknown)?;
            let detail = format!("the newest grant of its line, `{newest}`");
            return Err(expected("/action/old", detail));
        }
        check_stops(&old.status, lifts)?;
        if self.slot(reissue.new).is_some() {
            let detail = "an id that no grant has ever had";
            return Err(expected("/action/new", detail));
        }
        if self.slot_of_agent(&reissue.agent_key).is_some() {
            let detail = "a key that no grant has ever had";
            return Err(expected("/action/agent_key", detail));
        }
        if self.data.grants.len() >= MAX_GRANTS {
            let detail = format!("at most {MAX_GRANTS} grants");
            return Err(expected("/action/new", detail));
        }
        check_end(old, reissue.expires_at, now)?;
        self.check_environment(&old.grant)
    }

    fn newest_of_line(&self, mut slot: Slot) -> Option<&GrantId> {
        while let Some(next) = self.next_of_line(slot) {
            slot = next;
        }
        self.grant(slot).map(|state| &state.grant.id)
    }

    /// Puts a grant under other terms.
    pub(super) fn amend(&mut self, grant: &Grant, now: UnixMs) {
        let grant = self.claim_keys(grant);
        let state = self.slot(&grant.id).and_then(|slot| self.grant_mut(slot));
        if let Some(state) = state {
            state.amend(Arc::new(grant), now);
        }
    }

    /// Ends a grant and lets another one continue it.
    pub(super) fn reissue(
        &mut self,
        reissue: Reissue<'_>,
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let place = self.next_slot()?;
        let old = self.slot(reissue.old).and_then(|slot| self.grant_mut(slot));
        let old = old.ok_or_else(|| expected("/action/old", "a grant that exists"))?;
        let heir = old.heir(reissue, now);
        old.status = Status::Revoked;
        old.epoch = old.epoch.saturating_add(1);
        old.successor = Some(place);
        self.insert_state(place, heir);
        Ok(())
    }

    pub(super) fn next_slot(&self) -> Result<Slot, CommandDenied> {
        let place = u32::try_from(self.data.grants.len());
        place
            .map(Slot)
            .map_err(|_| expected("/action/grant", "fewer grants"))
    }

    /// Puts a grant behind all others.
    pub(super) fn insert_state(&mut self, place: Slot, state: GrantState) {
        self.data.by_id.insert(state.grant.id.clone(), place);
        self.data.by_agent_key.insert(state.grant.agent_key, place);
        self.data.grants.push(state);
    }

    /// From now on the grant's keys belong to its agent; the grant as it is held.
    pub(super) fn claim_keys(&mut self, grant: &Grant) -> Grant {
        for id in &grant.keys {
            if let Some(key) = self.data.keys.get_mut(id) {
                key.agent.get_or_insert_with(|| grant.agent.clone());
            }
        }
        let mut grant = grant.clone();
        self.scopes
            .of_grant(&mut grant, &self.data.keys, &self.data.catalog);
        grant
    }
}

/// A reissue never lasts longer than what it continues: to the old end at most, or for the old length from now on where
/// that end is over.
fn check_end(old: &GrantState, expires_at: UnixMs, now: UnixMs) -> Result<(), CommandDenied> {
    let latest = if old.grant.expires_at > now {
        old.grant.expires_at
    } else {
        now.plus(old.first_length)
    };
    if expires_at > now.max(old.grant.not_before) && expires_at <= latest {
        return Ok(());
    }
    let detail = format!("a time to come, after the grant's not_before and not after {latest}");
    Err(expected("/action/expires_at", detail))
}

impl GrantState {
    fn amend(&mut self, grant: Arc<Grant>, now: UnixMs) {
        // Documents say whole seconds; a renewal may have left a part of one.
        if grant.expires_at.secs() != self.grant.expires_at.secs() {
            self.first_length = length(&grant, now);
        }
        // As it was under the terms before, whether it is held or not.
        self.spending_mut();
        let rates = grant.rate.iter();
        let rates = rates.map(|rate| self.amended_rate(rate, now)).collect();
        let spending = self.spending_mut();
        spending.rates = rates;
        spending.align(&grant, now);
        self.grant = grant;
        self.forget_nothing();
        self.status = Status::Active;
        self.epoch = self.epoch.saturating_add(1);
        self.amended_at = now;
    }

    /// A rate over the same time keeps what it counted; another begins with the calls that may lie in its time.
    fn amended_rate(&self, rate: &Rate, now: UnixMs) -> Spent {
        let over = Window::Rolling(rate.per);
        let spending = self.spending();
        let same = spending.rates.iter().find(|spent| spent.over == over);
        let begun = || Spent::new(over, self.calls_within(rate.per, now), now);
        same.cloned().unwrap_or_else(begun)
    }

    /// Never fewer calls than were recorded in the last `per`: what a rate or a budget of calls counted that looks at least
    /// as far back, else those of the grant's whole life.
    fn calls_within(&self, per: Millis, now: UnixMs) -> Amount {
        let spending = self.spending();
        let calls = spending.counter(&Unit::call());
        let budgets = calls.into_iter().flat_map(|counter| &counter.windows);
        let reach = |over: Window| matches!(over, Window::Rolling(length) if length >= per);
        let known = spending.rates.iter().chain(budgets);
        let known = known.filter(|spent| reach(spent.over));
        let life = calls.map_or(Amount::ZERO, |counter| counter.life);
        known.map(|spent| spent.sum(now)).min().unwrap_or(life)
    }

    /// The grant that continues this one: same scope and terms, and all that this one has spent.
    fn heir(&self, reissue: Reissue<'_>, now: UnixMs) -> Self {
        let mut grant = (*self.grant).clone();
        grant.id = reissue.new.clone();
        grant.agent_key = reissue.agent_key;
        grant.expires_at = reissue.expires_at;
        grant.renew_until = grant.renew_until.filter(|until| *until >= grant.expires_at);
        Self {
            first_length: self.first_length.min(length(&grant, now)),
            grant: Arc::new(grant),
            status: Status::Active,
            epoch: 0,
            amended_at: UnixMs(0),
            successor: None,
            spending: self.spending.clone(),
        }
    }
}
