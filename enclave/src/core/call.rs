//! Deciding a call: state, scope, rate, all budgets at once; and giving its record a place.

use super::{
    Core, Input, Intent, MAX_DENIALS, MAX_IN_FLIGHT, Note, Output, Reserved, Signed, Spent,
    Standing, Verdict, Withdrawn, input::ReleaseCheck,
};
use crate::authorize::{Authorized, authorize};
use claviger_shared::{
    credential::Remaining,
    denial::{Code, Denial},
    effect::{Charge, Env},
    grant::Window,
    ledger::{AuthorizedCommand, CommandDenied, Idempotency, Remembered, Slot},
    log::record::{Born, Denied, Warned},
    time::UnixMs,
};
use std::sync::Arc;

/// When to ask again for a credential whose first call is still being worked on.
pub const AGAIN_MS: u64 = 20;

impl<W> Core<W> {
    pub(super) fn decide(&mut self, intent: &Intent) -> Verdict {
        match self.try_decide(intent) {
            Ok(verdict) => verdict,
            Err(denial) => {
                self.count_denial(intent.slot, denial.code);
                Verdict::Denied(denial)
            }
        }
    }

    fn try_decide(&mut self, intent: &Intent) -> Result<Verdict, Denial> {
        match self.standing {
            Standing::Serving => {}
            Standing::Stalled | Standing::Fenced | Standing::Draining => {
                return Err(Code::Unavailable.into());
            }
        }
        if self.in_flight() >= MAX_IN_FLIGHT {
            return Err(Code::Busy.into());
        }
        let now = self.now;
        let grant = self.state.check_active(intent.slot, now)?;
        if !Arc::ptr_eq(&grant.grant, &intent.grant)
            || !Arc::ptr_eq(self.state.catalog(), &intent.catalog)
        {
            return Ok(Verdict::Stale);
        }
        let epoch = grant.epoch;
        let authorized = authorize(
            &self.state,
            &grant.grant,
            &intent.effects,
            &intent.source,
            now,
        )?;
        self.state.check_rate(intent.slot, now)?;
        if intent.simulate {
            return self.simulate(intent, &authorized);
        }
        if let Some(again) = self.again(intent, epoch, &authorized)? {
            return Ok(again);
        }
        self.state
            .check_budgets(intent.slot, authorized.charges(), now)?;
        if intent.idempotency.is_some() {
            self.state.check_memory(intent.slot, now)?;
        }
        Ok(Verdict::Reserved(self.reserve(intent, epoch, authorized)))
    }

    /// The verdict on a key that stands for an earlier call whose credential lives: the same input gives the same credential,
    /// another is refused, and one still being worked on is waited for by the caller.
    fn again(
        &mut self,
        intent: &Intent,
        epoch: u64,
        authorized: &Authorized,
    ) -> Result<Option<Verdict>, Denial> {
        let (slot, now) = (intent.slot, self.now);
        let Some(asked) = intent.idempotency else {
            return Ok(None);
        };
        let Some(known) = self.state.remembered(slot, &asked.key, now).cloned() else {
            return Ok(None);
        };
        if known.input != asked.input || known.charges != authorized.charges() {
            return Err(Code::IdempotencyConflict.into());
        }
        let Some((key, nonce)) = known.signed else {
            return Err(Denial {
                retry_after_ms: Some(AGAIN_MS),
                ..Denial::new(Code::Busy)
            });
        };
        if key != *authorized.key() {
            return Err(Code::IdempotencyConflict.into());
        }
        self.state.take_rate(slot, now);
        let grant = self.state.grant(slot);
        let reserved = Reserved {
            slot,
            epoch,
            decided_at: known.decided_at,
            expires_at: known.expires_at,
            key,
            charges: known.charges,
            remaining: grant.map(|grant| grant.remaining(now)).unwrap_or_default(),
            sandbox: grant.is_none_or(|grant| grant.grant.env == Env::Sandbox),
            idempotency: Some(asked),
            replaces: known.replaces,
        };
        Ok(Some(Verdict::Again {
            reserved,
            nonce: nonce.0,
        }))
    }

    /// Whether what was signed again may leave: the grant is still as it was when it was decided, and the credential lives.
    #[must_use]
    pub fn may_leave(&mut self, now: UnixMs, spent: &Spent) -> bool {
        self.now = self.now.max(now);
        let Reserved {
            slot,
            epoch,
            expires_at,
            ..
        } = spent.reserved();
        let same = self
            .state
            .check_active(*slot, self.now)
            .is_ok_and(|grant| grant.epoch == *epoch);
        same && self.now < *expires_at && self.standing != Standing::Fenced
    }

    fn simulate(&mut self, intent: &Intent, authorized: &Authorized) -> Result<Verdict, Denial> {
        let (slot, now) = (intent.slot, self.now);
        self.state.take_rate(slot, now);
        let entry = self.simulated.entry(slot).or_insert((0, now, now));
        entry.0 = entry.0.saturating_add(1);
        entry.2 = now;
        self.state.check_budgets(slot, authorized.charges(), now)?;
        let remaining = self
            .state
            .grant(slot)
            .map(|grant| grant.remaining(now))
            .unwrap_or_default();
        Ok(Verdict::Simulated {
            charges: authorized.charges().to_vec(),
            expires_at: authorized.expires_at(),
            remaining,
            replaces: self.state.replaces(authorized.key(), intent.effects.iter()),
        })
    }

    /// The only maker of [`Reserved`]: takes from rate and all budgets in one go.
    fn reserve(&mut self, intent: &Intent, epoch: u64, authorized: Authorized) -> Reserved {
        let (charges, key, expires_at) = authorized.into_parts();
        let (slot, now) = (intent.slot, self.now);
        let replaces = self.state.replaces(&key, intent.effects.iter());
        self.state.take_nonces(&key, intent.effects.iter(), now);
        if let Some(Idempotency { key, input }) = intent.idempotency {
            let charges = charges.clone();
            let entry = Remembered {
                input,
                decided_at: now,
                expires_at,
                charges,
                signed: None,
                replaces,
            };
            self.state.remember(slot, key, entry);
        }
        self.state.take_rate(slot, now);
        self.state.take(slot, &charges, now);
        self.working = self.working.saturating_add(1);
        let grant = self.state.grant(slot);
        let remaining = grant.map(|grant| grant.remaining(now)).unwrap_or_default();
        self.warn(slot, &charges, &remaining);
        let grant = self.state.grant(slot);
        Reserved {
            slot,
            epoch,
            decided_at: now,
            expires_at,
            key,
            charges,
            remaining,
            sandbox: grant.is_none_or(|grant| grant.grant.env == Env::Sandbox),
            idempotency: intent.idempotency,
            replaces,
        }
    }

    /// Notes each budget that these charges took from below 80 % to 80 % or more; what is left stands in the order of the
    /// grant's budgets.
    fn warn(&mut self, slot: Slot, charges: &[Charge], remaining: &[Remaining]) {
        let Some(grant) = self.state.grant(slot) else {
            return;
        };
        let budgets = grant.grant.budgets.iter().zip(remaining).enumerate();
        for (place, (budget, left)) in
            budgets.filter(|(_, (budget, _))| budget.window != Window::Call)
        {
            let Some(charge) = charges.iter().find(|charge| charge.unit == budget.unit) else {
                continue;
            };
            let spent = budget.max.less(left.amount);
            let limit = budget.warns_at();
            if spent < limit || spent.less(charge.amount) >= limit {
                continue;
            }
            let warned = Warned {
                grant: grant.grant.id.clone(),
                unit: budget.unit.clone(),
                window: budget.window.to_string(),
                max: budget.max,
                spent,
                at: self.now,
            };
            self.warned.insert((slot, place), warned);
        }
    }

    /// A reservation that gives no credential: its idempotency key is free again, its charge stays.
    pub fn forget(&mut self, spent: &Spent) {
        let Reserved {
            slot,
            decided_at,
            idempotency,
            ..
        } = spent.reserved();
        if let Some(Idempotency { key, input: _ }) = idempotency {
            self.state.forget_call(*slot, *key, *decided_at);
        }
    }

    /// Counts a refusal for the next entry.
    pub fn count_denial(&mut self, slot: Slot, code: Code) {
        let now = self.now;
        let Some(grant) = self.state.grant(slot).map(|grant| grant.grant.id.clone()) else {
            return;
        };
        if self.denials.len() >= MAX_DENIALS && !self.denials.contains_key(&(slot, code)) {
            return;
        }
        let denied = self.denials.entry((slot, code)).or_insert(Denied {
            grant,
            code,
            count: 0,
            first: now,
            last: now,
        });
        denied.count = denied.count.saturating_add(1);
        denied.last = now;
    }

    /// The record takes its place in the next entry, if the grant is still the one reserved under.
    pub(super) fn signed(&mut self, signed: Signed<W>, out: &mut Vec<Output<W>>) {
        let Signed {
            spent,
            nonce,
            record,
            hash,
            effects,
            waiting,
        } = signed;
        let reserved = spent.reserved();
        let active = self.state.check_active(reserved.slot, self.now);
        let holds = active.is_ok_and(|grant| grant.epoch == reserved.epoch)
            && self.standing != Standing::Fenced;
        if !holds {
            self.forget(&spent);
            out.push(Output::Withdrawn(Withdrawn { spent, waiting }));
            return;
        }
        for effect in effects.iter() {
            self.state.note_issued(
                reserved.slot,
                effect,
                reserved.expires_at,
                reserved.decided_at,
            );
        }
        let Spent(Reserved {
            slot,
            epoch,
            decided_at,
            expires_at,
            key,
            idempotency,
            ..
        }) = spent;
        if let Some(once) = idempotency {
            self.state
                .note_signed(slot, once.key, decided_at, &key, nonce);
        }
        let release = Some(ReleaseCheck {
            slot,
            epoch,
            decided_at,
            expires_at,
        });
        self.note(Note {
            record,
            hash,
            waiting: Some(waiting),
            release,
            settles: true,
        });
    }

    pub(super) fn note(&mut self, note: Note<W>) {
        if note.settles {
            self.working = self.working.saturating_sub(1);
        }
        self.state.count_record();
        self.building.push(note);
    }

    /// A reservation that ends without a record, because the platform failed; the charge stays until a restart.
    pub fn abandon(&mut self, spent: Spent) {
        self.forget(&spent);
        self.working = self.working.saturating_sub(1);
    }

    /// Checks and applies a command; its record must follow as an [`Input::Note`] before the lock is let go.
    ///
    /// # Errors
    ///
    /// [`CommandDenied`]; nothing was changed.
    pub fn command(
        &mut self,
        now: UnixMs,
        command: &AuthorizedCommand,
        born: Option<&Born>,
    ) -> Result<UnixMs, CommandDenied> {
        self.now = self.now.max(now);
        self.state.check_command(command, self.now)?;
        self.state.apply_command(command, born, self.now)?;
        Ok(self.now)
    }

    /// Moves a grant's end at its agent's wish; its record must follow before the lock is let go.
    ///
    /// # Errors
    ///
    /// The [`Denial`] of an inactive grant, or of one that cannot be renewed further.
    pub fn renew(&mut self, now: UnixMs, slot: Slot) -> Result<(UnixMs, UnixMs), Denial> {
        self.now = self.now.max(now);
        let end = self.state.renewal(slot, self.now)?;
        self.state.renew(slot, end);
        Ok((self.now, end))
    }

    /// Ends a grant at its agent's wish, in any state; its record must follow before the lock is let go.
    pub fn revoke_self(&mut self, now: UnixMs, slot: Slot) -> UnixMs {
        self.now = self.now.max(now);
        self.state.revoke(slot);
        self.now
    }

    pub(super) const fn drain(&mut self) {
        if matches!(self.standing, Standing::Serving | Standing::Stalled) {
            self.standing = Standing::Draining;
        }
    }

    /// Puts a record that the live path decided into the next entry, under the same lock.
    pub fn put(&mut self, record: Vec<u8>, hash: claviger_shared::id::Digest, waiting: Option<W>) {
        let mut out = Vec::new();
        let note = Note {
            record,
            hash,
            waiting,
            release: None,
            settles: false,
        };
        self.step(self.now, Input::Note(note), &mut out);
    }
}
