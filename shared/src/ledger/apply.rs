//! Applying records: the one function that turns the log into state, in the enclave and in the auditor.
//!
//! A record is checked against the state before it changes anything. The checks are those the enclave made when it wrote
//! the record, so an honest log never fails them; one that overspends, issues after a revocation or skips a command does.

use super::{
    command::{self, CommandDenied},
    remember::{Nonce, Remembered},
    reserve,
    state::{Slot, State, Status},
};
use crate::{
    crypto::Verifier,
    grant::Budget,
    id::GrantId,
    log::record::{
        Body, Boot, Call, Command, Genesis, Outcome, Record, Renewed, RevokedSelf, Warned,
    },
    time::UnixMs,
};
use std::sync::Arc;

/// A record that an honest enclave does not write: the log, or who wrote it, is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A Boot record names a manifest the chain does not hold, or an older one.
    #[error("boot under an unknown or older manifest")]
    Boot,
    /// A call's charges are not those of its effects.
    #[error("charges do not follow from effects under grant `{0}`")]
    Charges(GrantId),
    /// A command does not follow its chain, is not signed, or does not apply.
    #[error("command refused: {0}")]
    Command(CommandDenied),
    /// The first record is not Genesis, or a later one is.
    #[error("genesis is not the first record alone")]
    Genesis,
    /// A credential was issued under a grant that was not active.
    #[error("issued under the grant `{0}` while it was not active")]
    Inactive(GrantId),
    /// A command sets a manifest that the chain does not hold.
    #[error(
        "log sets manifest {0}, which the chain does not hold: expected a chain that goes as far"
    )]
    Manifest(u64),
    /// A credential outlives its grant without the grant's word.
    #[error("credential outlives the grant `{0}`")]
    Outlives(GrantId),
    /// A budget or its unit does not cover a call.
    #[error("overspent under the grant `{0}`")]
    Overspent(GrantId),
    /// A record's own time is after its entry's.
    #[error("record is newer than its entry")]
    Time,
    /// One idempotency key was charged twice while its first credential lived.
    #[error("charged twice under one idempotency key of the grant `{0}`")]
    Twice(GrantId),
    /// A warning whose figures do not fit each other.
    #[error("warning of a budget that is not near its end under the grant `{0}`")]
    Warning(GrantId),
    /// A transaction whose number was signed before, and whose record does not say so; or one that says so without a number.
    #[error("a transaction is replaced without a word under the grant `{0}`")]
    Replaces(GrantId),
    /// A record names a grant that does not exist.
    #[error("unknown grant `{0}`")]
    UnknownGrant(GrantId),
}

impl State {
    /// Applies one record of an entry written at `entry_time`.
    ///
    /// # Errors
    ///
    /// A [`Violation`]; the state must then not be used further.
    pub fn apply(
        &mut self,
        record: &Record,
        entry_time: UnixMs,
        verifier: &dyn Verifier,
    ) -> Result<(), Violation> {
        let is_first = self.data.records == 0;
        if is_first != matches!(record.body, Body::Genesis(_)) {
            return Err(Violation::Genesis);
        }
        self.data.time = self.data.time.max(entry_time);
        match &record.body {
            Body::Boot(boot) => self.apply_boot(boot)?,
            Body::Call(call) => self.apply_call(call, entry_time)?,
            Body::Command(command) => self.apply_recorded_command(command, entry_time, verifier)?,
            Body::Denied(denied) => self.known(&denied.grant).map(drop)?,
            Body::Genesis(genesis) => self.apply_genesis(genesis)?,
            Body::Renewed(renewed) => self.apply_renewed(renewed, entry_time)?,
            Body::RevokedSelf(revoked) => self.apply_revoked_self(revoked)?,
            Body::Simulated(simulated) => self.known(&simulated.grant).map(drop)?,
            Body::Snapshot(_) => {}
            Body::Warned(warned) => self.check_warned(warned, entry_time)?,
        }
        self.count_record();
        Ok(())
    }

    /// Counts a record that the live path has applied by its own calls.
    pub fn count_record(&mut self) {
        self.data.records = self.data.records.saturating_add(1);
    }

    fn known(&self, id: &GrantId) -> Result<Slot, Violation> {
        self.slot(id)
            .ok_or_else(|| Violation::UnknownGrant(id.clone()))
    }

    /// A warning changes nothing; its own figures must fit each other. The budget may have been amended since.
    fn check_warned(&self, warned: &Warned, entry_time: UnixMs) -> Result<(), Violation> {
        self.known(&warned.grant)?;
        if warned.at > entry_time {
            return Err(Violation::Time);
        }
        let reached = warned.spent >= Budget::warning_of(warned.max);
        if reached && warned.spent <= warned.max {
            Ok(())
        } else {
            Err(Violation::Warning(warned.grant.clone()))
        }
    }

    fn apply_genesis(&mut self, genesis: &Genesis) -> Result<(), Violation> {
        let running = self.chain.newest().running.as_ref();
        let fits = running.is_none_or(|running| {
            running.bundle == genesis.bundle && running.log_vkey == genesis.vkey
        });
        if self.data.born || !fits || genesis.g0 != self.chain.fingerprint() {
            return Err(Violation::Genesis);
        }
        self.data.born = true;
        Ok(())
    }

    /// Applies a Boot record: the instance, and the manifests up to the one it names.
    pub(crate) fn apply_boot(&mut self, boot: &Boot) -> Result<(), Violation> {
        let manifest = self.chain.get(boot.generation).ok_or(Violation::Boot)?;
        let in_force = self.chain.get(self.data.generation);
        let continues = in_force.is_some_and(|known| known.digest == self.data.manifest);
        if manifest.digest != boot.manifest || boot.generation < self.data.generation || !continues
        {
            return Err(Violation::Boot);
        }
        self.data.generation = boot.generation;
        self.data.manifest = boot.manifest;
        self.data.instance = Some(boot.instance);
        self.data.channel_key = Some(boot.channel_key);
        self.data.time = self.data.time.max(boot.time);
        Ok(())
    }

    /// Applies a Boot record that this instance is about to write.
    ///
    /// # Errors
    ///
    /// [`Violation::Boot`]: its manifest is older than the log's or unknown.
    pub fn boot(&mut self, boot: &Boot) -> Result<(), Violation> {
        self.apply_boot(boot)?;
        self.count_record();
        Ok(())
    }

    fn apply_call(&mut self, call: &Call, entry_time: UnixMs) -> Result<(), Violation> {
        let slot = self.known(&call.grant)?;
        if call.decided_at > entry_time {
            return Err(Violation::Time);
        }
        let derived = reserve::charges(call.effects.iter())
            .map_err(|_| Violation::Charges(call.grant.clone()))?;
        if derived != call.charges || call.effects.is_empty() {
            return Err(Violation::Charges(call.grant.clone()));
        }
        if call.outcome == Outcome::Issued {
            self.check_issued(slot, call)?;
            self.check_once(slot, call)?;
        }
        if !self.is_told(&call.key, &call.effects, call.decided_at, call.replaces) {
            return Err(Violation::Replaces(call.grant.clone()));
        }
        if !self.is_of_terms_before(slot, call) && !self.fits(slot, &call.charges, call.decided_at)
        {
            return Err(Violation::Overspent(call.grant.clone()));
        }
        self.take_rate(slot, call.decided_at);
        self.take(slot, &call.charges, call.decided_at);
        self.take_nonces(&call.key, &call.effects, call.decided_at);
        if call.outcome == Outcome::Issued {
            for effect in &call.effects {
                self.note_outstanding(slot, effect, call.expires_at, call.decided_at);
            }
            self.remember_call(slot, call);
        }
        Ok(())
    }

    /// A key that still stands for an earlier call is not charged again.
    fn check_once(&self, slot: Slot, call: &Call) -> Result<(), Violation> {
        // Records may stand out of the order of their decisions: one decided before the known one came first.
        let known = call
            .idempotency
            .and_then(|key| self.remembered(slot, &key, call.decided_at))
            .filter(|known| known.decided_at <= call.decided_at);
        if known.is_none() {
            Ok(())
        } else {
            Err(Violation::Twice(call.grant.clone()))
        }
    }

    fn remember_call(&mut self, slot: Slot, call: &Call) {
        let Some(key) = call.idempotency else {
            return;
        };
        let entry = Remembered {
            input: call.input,
            decided_at: call.decided_at,
            expires_at: call.expires_at,
            charges: call.charges.clone(),
            signed: Some((call.key.clone(), Nonce(call.nonce))),
            replaces: call.replaces,
        };
        // Makes room for the new by forgetting what has ended; a full memory was refused before the call was charged.
        let _room = self.check_memory(slot, call.decided_at);
        self.remember(slot, key, entry);
    }

    /// Whether a call gave nothing away and was decided before its grant's terms changed: it was within the budgets of then,
    /// and counts against those of now.
    fn is_of_terms_before(&self, slot: Slot, call: &Call) -> bool {
        let amended_at = self.grant(slot).map(|state| state.amended_at);
        call.outcome != Outcome::Issued && amended_at.is_some_and(|at| call.decided_at <= at)
    }

    fn check_issued(&self, slot: Slot, call: &Call) -> Result<(), Violation> {
        let state = self
            .check_active(slot, call.decided_at)
            .map_err(|_| Violation::Inactive(call.grant.clone()))?;
        let outlives = call.expires_at > state.grant.expires_at;
        let may = call
            .effects
            .iter()
            .all(|effect| state.grant.allow_outliving.contains(&effect.resource));
        if outlives && !may {
            return Err(Violation::Outlives(call.grant.clone()));
        }
        let permitted = call.effects.iter().all(|effect| {
            state
                .grant
                .permissions
                .allows(effect.verb, &effect.resource)
        });
        let keyed = state.grant.keys.contains(&call.key)
            && self.key(&call.key).is_some_and(|key| !key.retired);
        if permitted && keyed {
            Ok(())
        } else {
            Err(Violation::Inactive(call.grant.clone()))
        }
    }

    fn apply_recorded_command(
        &mut self,
        record: &Command,
        entry_time: UnixMs,
        verifier: &dyn Verifier,
    ) -> Result<(), Violation> {
        if record.applied_at > entry_time {
            return Err(Violation::Time);
        }
        let generation = self.data.generation;
        let checked = command::authorize_under(
            &self.chain,
            generation,
            &record.body,
            &record.signatures,
            verifier,
        )
        .map_err(Violation::Command)?;
        if let Some(next) = checked.next() {
            let set = next.newest().generation;
            self.chain.get(set).ok_or(Violation::Manifest(set))?;
        }
        self.check_command(&checked, record.applied_at)
            .map_err(Violation::Command)?;
        self.apply_command(&checked, record.born.as_ref(), record.applied_at)
            .map_err(Violation::Command)
    }

    fn apply_renewed(&mut self, renewed: &Renewed, entry_time: UnixMs) -> Result<(), Violation> {
        let slot = self.known(&renewed.grant)?;
        let allowed = self.renewal(slot, renewed.at);
        if renewed.at > entry_time || allowed != Ok(renewed.expires_at) {
            return Err(Violation::Inactive(renewed.grant.clone()));
        }
        self.renew(slot, renewed.expires_at);
        Ok(())
    }

    /// Moves a grant's end.
    pub fn renew(&mut self, slot: Slot, expires_at: UnixMs) {
        if let Some(state) = self.grant_mut(slot) {
            Arc::make_mut(&mut state.grant).expires_at = expires_at;
        }
    }

    fn apply_revoked_self(&mut self, revoked: &RevokedSelf) -> Result<(), Violation> {
        let slot = self.known(&revoked.grant)?;
        self.revoke(slot);
        Ok(())
    }

    /// Ends a grant for ever.
    pub fn revoke(&mut self, slot: Slot) {
        if let Some(state) = self.grant_mut(slot) {
            state.status = Status::Revoked;
            state.epoch = state.epoch.saturating_add(1);
        }
    }
}
