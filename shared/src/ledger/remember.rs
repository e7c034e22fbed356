//! What idempotency keys stand for while their credentials live: one key, one input, one charge.
//!
//! An entry begins when its call is reserved, is filled when its record takes a place, and is gone when its credential has
//! expired; then the same key is a new call. Keys and inputs are keyed digests: this module could not read them. It keeps no
//! credential: the same bytes are signed again from the recorded time and nonce.

use super::state::{Slot, State};
use crate::{
    denial::{Code, Denial},
    effect::Charge,
    id::{AgentId, Digest, KeyId},
    time::{DAY, Millis, UnixMs},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Keys remembered for one grant (DESIGN §11).
pub const MAX_PER_GRANT: usize = 1024;
/// Keys remembered for all grants of one agent (DESIGN §11).
pub const MAX_PER_AGENT: usize = 2048;
/// Keys remembered in all (DESIGN §11).
pub const MAX_IN_ALL: usize = 65_536;

/// A call's idempotency key and canonical input, as digests under the grant's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// Of the key.
    pub key: Digest,
    /// Of the input.
    pub input: Digest,
}

/// What was decided under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Digest of the input.
    pub input: Digest,
    /// When budgets were taken.
    pub decided_at: UnixMs,
    /// When the credential ends, and this entry with it.
    pub expires_at: UnixMs,
    /// What was taken.
    pub charges: Vec<Charge>,
    /// The key that signed and the nonce; nothing while the call is still being worked on.
    pub signed: Option<(KeyId, Nonce)>,
    /// Whether it took the place of a transaction before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
}

/// How long the key of a credential without end is remembered; after that it is a new call's.
pub const REMEMBERED: Millis = DAY;

/// When an idempotency key's credential ends, or is no longer given again.
#[must_use]
pub fn forgotten_at(decided_at: UnixMs, expires_at: UnixMs) -> UnixMs {
    if expires_at == UnixMs::NEVER {
        decided_at.plus(REMEMBERED)
    } else {
        expires_at
    }
}

impl Remembered {
    fn ends(&self) -> UnixMs {
        forgotten_at(self.decided_at, self.expires_at)
    }
}

/// The random part of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// Every key that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    entries: BTreeMap<(Slot, Digest), Remembered>,
    ends: BTreeSet<(UnixMs, Slot, Digest)>,
    per_grant: BTreeMap<Slot, usize>,
    per_agent: BTreeMap<AgentId, usize>,
}

impl Memory {
    fn counts(&self, slot: Slot, agent: &AgentId) -> (usize, usize) {
        let of_grant = self.per_grant.get(&slot).copied().unwrap_or(0);
        (of_grant, self.per_agent.get(agent).copied().unwrap_or(0))
    }

    fn insert(&mut self, slot: Slot, agent: &AgentId, key: Digest, entry: Remembered) {
        self.ends.insert((entry.ends(), slot, key));
        if self.entries.insert((slot, key), entry).is_none() {
            let of_grant = self.per_grant.entry(slot).or_default();
            *of_grant = of_grant.saturating_add(1);
            let of_agent = self.per_agent.entry(agent.clone()).or_default();
            *of_agent = of_agent.saturating_add(1);
        }
    }

    fn remove(&mut self, slot: Slot, agent: &AgentId, key: Digest) {
        let Some(entry) = self.entries.remove(&(slot, key)) else {
            return;
        };
        self.ends.remove(&(entry.ends(), slot, key));
        if let Some(count) = self.per_grant.get_mut(&slot) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.per_agent.get_mut(agent) {
            *count = count.saturating_sub(1);
        }
        self.per_grant.retain(|_, count| *count > 0);
        self.per_agent.retain(|_, count| *count > 0);
    }
}

impl State {
    /// What a grant's key stands for at `now`; nothing where it is unknown or its credential has expired.
    #[must_use]
    pub fn remembered(&self, slot: Slot, key: &Digest, now: UnixMs) -> Option<&Remembered> {
        let entry = self.data.memory.entries.get(&(slot, *key))?;
        (entry.ends() > now).then_some(entry)
    }

    /// Whether there is room to remember one more key of a grant.
    ///
    /// # Errors
    ///
    /// [`Code::IdempotencyFull`].
    pub fn check_memory(&mut self, slot: Slot, now: UnixMs) -> Result<(), Denial> {
        self.forget_expired(now);
        let agent = self.grant(slot).map(|grant| grant.grant.agent.clone());
        let agent = agent.ok_or_else(|| Denial::new(Code::GrantNotFound))?;
        let memory = &self.data.memory;
        let (of_grant, of_agent) = memory.counts(slot, &agent);
        let room = of_grant < MAX_PER_GRANT
            && of_agent < MAX_PER_AGENT
            && memory.entries.len() < MAX_IN_ALL;
        if room {
            Ok(())
        } else {
            Err(Code::IdempotencyFull.into())
        }
    }

    /// Remembers a key, unless a later call stands under it already.
    pub fn remember(&mut self, slot: Slot, key: Digest, entry: Remembered) {
        let Some(agent) = self.grant(slot).map(|grant| grant.grant.agent.clone()) else {
            return;
        };
        let known = self.data.memory.entries.get(&(slot, key));
        if known.is_some_and(|known| known.decided_at > entry.decided_at) {
            return;
        }
        // An entry of the same key that has ended makes room first.
        self.data.memory.remove(slot, &agent, key);
        self.data.memory.insert(slot, &agent, key, entry);
    }

    /// Forgets the key of a call that gave no credential: the charge stays, the same key is a new call.
    pub fn forget_call(&mut self, slot: Slot, key: Digest, decided_at: UnixMs) {
        let known = self.data.memory.entries.get(&(slot, key));
        if known.is_some_and(|known| known.decided_at == decided_at) {
            self.forget(slot, key);
        }
    }

    /// Fills in what the call of a key was signed with.
    pub fn note_signed(
        &mut self,
        slot: Slot,
        key: Digest,
        decided_at: UnixMs,
        by: &KeyId,
        nonce: [u8; 16],
    ) {
        let entry = self.data.memory.entries.get_mut(&(slot, key));
        if let Some(entry) = entry.filter(|entry| entry.decided_at == decided_at) {
            entry.signed = Some((by.clone(), Nonce(nonce)));
        }
    }

    fn forget(&mut self, slot: Slot, key: Digest) {
        if let Some(agent) = self.grant(slot).map(|grant| grant.grant.agent.clone()) {
            self.data.memory.remove(slot, &agent, key);
        }
    }

    fn forget_expired(&mut self, now: UnixMs) {
        while let Some((ends, slot, key)) = self.data.memory.ends.first().copied()
            && ends <= now
        {
            self.forget(slot, key);
            // Also where the grant itself is unknown, which no state of ours has.
            self.data.memory.ends.remove(&(ends, slot, key));
        }
    }
}
