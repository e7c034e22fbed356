//! Reserving: the grant, its time and rate, and all budgets at once, before anything is signed.
//!
//! [`State::check_budgets`] says no or nothing; [`State::take`] takes from every window of every matching budget together. Neither
//! looks at what a call does: effects are matched by `authorize` in the enclave. Charges are never handed back.

use super::state::{GrantState, MAX_OUTSTANDING, Slot, State, Status};
use crate::{
    amount::Amount,
    denial::{Code, Denial, RENEW_UNTIL, Requested},
    effect::{Charge, Effect},
    grant::Window,
    id::Unit,
    time::UnixMs,
};

/// All charges of one call: one `call`, and what its effects charge, one line per unit.
///
/// # Errors
///
/// [`Code::PerCallExceeded`] when a sum does not fit 128 bits.
pub fn charges<'a>(effects: impl Iterator<Item = &'a Effect>) -> Result<Vec<Charge>, Denial> {
    let mut all = vec![Charge {
        unit: Unit::call(),
        amount: Amount::ONE,
    }];
    for charge in effects.flat_map(|effect| &effect.charges) {
        match all.iter_mut().find(|known| known.unit == charge.unit) {
            Some(known) => {
                let sum = known.amount.plus(charge.amount);
                known.amount = sum.ok_or_else(|| Denial::new(Code::PerCallExceeded))?;
            }
            None => all.push(charge.clone()),
        }
    }
    Ok(all)
}

impl State {
    /// Whether a grant may be used at all at `now`.
    ///
    /// # Errors
    ///
    /// A [`Denial`], in this order: revoked, suspended, expired, not yet valid, frozen.
    pub fn check_active(&self, slot: Slot, now: UnixMs) -> Result<&GrantState, Denial> {
        let grant = self
            .grant(slot)
            .ok_or_else(|| Denial::new(Code::GrantNotFound))?;
        let code = match grant.status {
            Status::Revoked => Code::GrantRevoked,
            Status::Suspended(_) => Code::GrantSuspended,
            Status::Active if now >= grant.grant.expires_at => Code::GrantExpired,
            Status::Active if now < grant.grant.not_before => Code::NotYetValid,
            Status::Active if self.is_frozen() => Code::Frozen,
            Status::Active => return Ok(grant),
        };
        Err(code.into())
    }

    /// Whether every rate has room for one more call at `now`.
    ///
    /// # Errors
    ///
    /// [`Code::RateLimited`] with a time to wait.
    pub fn check_rate(&self, slot: Slot, now: UnixMs) -> Result<(), Denial> {
        let grant = self
            .grant(slot)
            .ok_or_else(|| Denial::new(Code::GrantNotFound))?;
        let spending = grant.spending();
        for (rate, spent) in grant.grant.rate.iter().zip(&spending.rates) {
            if spent.sum(now).0 >= u128::from(rate.max) {
                let wait = spent.resets_at(now).map_or(rate.per, |at| at.since(now));
                return Err(Denial {
                    retry_after_ms: Some(wait.0),
                    ..Denial::new(Code::RateLimited)
                });
            }
        }
        Ok(())
    }

    /// Whether every budget covers these charges at `now`.
    ///
    /// # Errors
    ///
    /// [`Code::UnbudgetedUnit`], [`Code::PerCallExceeded`] or [`Code::BudgetExceeded`], with what is left.
    pub fn check_budgets(&self, slot: Slot, charges: &[Charge], now: UnixMs) -> Result<(), Denial> {
        let grant = self
            .grant(slot)
            .ok_or_else(|| Denial::new(Code::GrantNotFound))?;
        for charge in charges {
            let mut budgets = grant
                .grant
                .budgets
                .iter()
                .filter(|budget| budget.unit == charge.unit)
                .peekable();
            if budgets.peek().is_none() {
                return Err(Denial::at(Code::UnbudgetedUnit, charge.unit.as_str()));
            }
            for budget in budgets {
                let left = grant.remaining_of(&budget.unit, budget.window, budget.max, now);
                if charge.amount <= left.amount {
                    continue;
                }
                let code = if budget.window == Window::Call {
                    Code::PerCallExceeded
                } else {
                    Code::BudgetExceeded
                };
                let wait = left.resets_at.map(|at| at.since(now).0);
                let requested = Requested {
                    unit: charge.unit.clone(),
                    amount: charge.amount,
                };
                return Err(Denial {
                    requested: Some(requested),
                    remaining: Some(left),
                    retry_after_ms: wait,
                    ..Denial::new(code)
                });
            }
        }
        Ok(())
    }

    /// Whether charges recorded as taken at `at` fit every budget, in every window that they fall into. Records stand in
    /// the order of their signing: what was decided later may be counted already, and an honest log fits in any order.
    pub(super) fn fits(&self, slot: Slot, charges: &[Charge], at: UnixMs) -> bool {
        let Some(state) = self.grant(slot) else {
            return false;
        };
        charges.iter().all(|charge| {
            let mut budgets = state
                .grant
                .budgets
                .iter()
                .filter(|budget| budget.unit == charge.unit)
                .peekable();
            budgets.peek().is_some()
                && budgets.all(|budget| {
                    let spent = state.spent(&budget.unit, budget.window);
                    spent.is_some_and(|spent| charge.amount <= budget.max.less(spent.peak(at)))
                })
        })
    }

    /// Takes one call from every rate, of the grant and of those reissued from it.
    pub fn take_rate(&mut self, slot: Slot, now: UnixMs) {
        self.each_of_line(slot, |grant| {
            if grant.grant.rate.is_empty() {
                return;
            }
            for spent in &mut grant.spending_mut().rates {
                spent.add(Amount::ONE, now);
            }
        });
    }

    /// Takes the charges from every window of every matching budget, of the grant and of those reissued from it: a call
    /// that a reissue withdrew may be recorded behind it.
    pub fn take(&mut self, slot: Slot, charges: &[Charge], now: UnixMs) {
        self.each_of_line(slot, |grant| {
            for charge in charges {
                grant.take(charge, now);
            }
        });
    }

    /// A grant, and its successors from the next to the newest.
    fn each_of_line(&mut self, slot: Slot, mut act: impl FnMut(&mut GrantState)) {
        let mut next = Some(slot);
        while let Some(slot) = next {
            if let Some(grant) = self.grant_mut(slot) {
                act(grant);
            }
            next = self.next_of_line(slot);
        }
    }

    /// Remembers that a credential may be used outside until `dies_at`.
    pub(crate) fn note_outstanding(
        &mut self,
        slot: Slot,
        effect: &Effect,
        dies_at: UnixMs,
        now: UnixMs,
    ) {
        let Some(grant) = self.grant_mut(slot) else {
            return;
        };
        let outstanding = &mut grant.spending_mut().outstanding;
        let mut key = (effect.kind, effect.destination.clone());
        if !outstanding.contains_key(&key) && outstanding.len() >= MAX_OUTSTANDING {
            outstanding.retain(|_, dies_at| *dies_at > now);
            if outstanding.len() >= MAX_OUTSTANDING {
                key.1 = "other".to_owned();
            }
        }
        let known = outstanding.entry(key).or_default();
        *known = (*known).max(dies_at);
    }

    /// The live path's word that a credential was made.
    pub fn note_issued(&mut self, slot: Slot, effect: &Effect, dies_at: UnixMs, now: UnixMs) {
        self.note_outstanding(slot, effect, dies_at, now);
    }

    /// The end a renewal at `now` would give.
    ///
    /// # Errors
    ///
    /// The denial of an inactive grant; [`Code::PermissionDenied`] where renewal is not allowed or would not move the end.
    pub fn renewal(&self, slot: Slot, now: UnixMs) -> Result<UnixMs, Denial> {
        let state = self.check_active(slot, now)?;
        let until = state
            .grant
            .renew_until
            .ok_or_else(|| Denial::at(Code::PermissionDenied, RENEW_UNTIL))?;
        let end = now.plus(state.first_length).min(until);
        if end > state.grant.expires_at {
            Ok(end)
        } else {
            Err(Denial::at(Code::PermissionDenied, RENEW_UNTIL))
        }
    }
}

impl GrantState {
    fn take(&mut self, charge: &Charge, now: UnixMs) {
        let counters = self.spending_mut().counters.iter_mut();
        for counter in counters.filter(|counter| counter.unit == charge.unit) {
            counter.life = Amount(counter.life.0.saturating_add(charge.amount.0));
            for spent in &mut counter.windows {
                spent.add(charge.amount, now);
            }
        }
    }
}
