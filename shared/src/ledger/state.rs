//! The state itself: plain data, and look-ups that change nothing.
//!
//! It holds no key material: public keys and digests only. Grants sit in a slab and never move, so a [`Slot`] stays good
//! for the life of the process.

use super::{
    nonces::Nonces, remember::Memory, scopes::Scopes, slab::Slab, spending::Spending, written,
};
use crate::{
    amount::Amount,
    catalog::Catalog,
    credential::Remaining,
    effect::{Env, Kind},
    grant::{Grant, Window},
    id::{AgentId, Digest, GrantId, InstanceId, KeyId, Unit, X25519Public},
    owner::{command::Alg, manifest::chain::Chain},
    time::{Millis, UnixMs},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Grants a deployment may have (DESIGN §11).
pub const MAX_GRANTS: usize = 100_000;
/// Destinations remembered per grant for `outstanding`; further ones are told as `other`.
pub const MAX_OUTSTANDING: usize = 256;

/// A grant's place in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u32);

/// Everything the log says.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) chain: Arc<Chain>,
    pub(super) data: Data,
    pub(super) scopes: Scopes,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.data == other.data
    }
}

impl Eq for State {}

/// The part of the state that snapshots hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Whether the Genesis record was seen.
    pub(super) born: bool,
    /// Newest manifest that a Boot record named or a command set.
    pub(super) generation: u64,
    /// Its digest: a chain that parts from it is not this log's.
    pub(super) manifest: Digest,
    pub(super) widen: Head,
    pub(super) narrow: BTreeMap<Digest, Head>,
    pub(super) freezes: Vec<Digest>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) keys: BTreeMap<KeyId, KeyState>,
    pub(super) grants: Slab,
    pub(super) by_id: BTreeMap<GrantId, Slot>,
    pub(super) by_agent_key: BTreeMap<X25519Public, Slot>,
    /// Idempotency keys whose credentials live.
    pub(super) memory: Memory,
    /// The highest numbers of transactions that keys signed.
    #[serde(default, skip_serializing_if = "Nonces::is_empty")]
    pub(super) nonces: Nonces,
    pub(super) instance: Option<InstanceId>,
    /// The newest instance's channel key: what imported keys are sealed to.
    pub(super) channel_key: Option<X25519Public>,
    /// Newest time in the log.
    pub(super) time: UnixMs,
    pub(super) records: u64,
}

/// The end of a command chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last command; 0 before the first.
    pub seq: u64,
    /// Its digest; g1's before the first.
    pub digest: Digest,
}

/// A signing key, as far as anyone may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyState {
    /// Its one kind.
    pub kind: Kind,
    /// Its algorithm.
    pub alg: Alg,
    /// Live or sandbox.
    pub env: Env,
    /// Its public key.
    #[serde(with = "serde_bytes")]
    pub public: Vec<u8>,
    /// The one agent it belongs to, once a grant or its owner said so.
    pub agent: Option<AgentId>,
    /// Digest of the wrapped key's blob.
    pub blob: Digest,
    /// Made elsewhere: others may hold it too.
    pub imported: bool,
    /// Refused for ever.
    pub retired: bool,
}

/// Whether a grant may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It may, within its time.
    Active,
    /// Never again.
    Revoked,
    /// Not until owners lift these commands.
    Suspended(Vec<Digest>),
}

/// A grant and what became of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "written::Owned")]
pub struct GrantState {
    /// The grant; `expires_at` moves with renewals.
    pub grant: Arc<Grant>,
    /// Whether it may be used.
    pub status: Status,
    /// Changes with everything that could withdraw a call under way.
    pub epoch: u64,
    /// How long the grant was when its end was last set by owners: what a renewal adds.
    pub first_length: Millis,
    /// When its terms last changed; zero before. What was decided by then and given to nobody was within the terms before.
    pub(super) amended_at: UnixMs,
    /// The grant that took its place: what this one spends, that one has spent.
    pub(super) successor: Option<Slot>,
    /// Nothing where nothing was spent: see [`Self::spending`].
    pub(super) spending: Option<Box<Spending>>,
}

impl PartialEq for GrantState {
    fn eq(&self, other: &Self) -> bool {
        self.grant == other.grant
            && self.status == other.status
            && self.epoch == other.epoch
            && self.first_length == other.first_length
            && self.amended_at == other.amended_at
            && self.successor == other.successor
            && self.spending() == other.spending()
    }
}

impl Eq for GrantState {}

/// A credential that may still be used outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outstanding {
    /// Its kind.
    pub kind: Kind,
    /// Where.
    pub destination: String,
    /// Until when.
    pub dies_at: UnixMs,
}

impl State {
    /// The state before the first record, under a verified manifest chain.
    #[must_use]
    pub fn new(chain: Arc<Chain>) -> Self {
        let first = chain.first_command_prev();
        let data = Data {
            born: false,
            generation: 0,
            manifest: chain.fingerprint(),
            widen: Head {
                seq: 0,
                digest: first,
            },
            narrow: BTreeMap::new(),
            freezes: Vec::new(),
            catalog: Arc::default(),
            keys: BTreeMap::new(),
            grants: Slab::default(),
            by_id: BTreeMap::new(),
            by_agent_key: BTreeMap::new(),
            memory: Memory::default(),
            nonces: Nonces::default(),
            instance: None,
            channel_key: None,
            time: UnixMs(0),
            records: 0,
        };
        Self {
            chain,
            data,
            scopes: Scopes::default(),
        }
    }

    /// The state a snapshot held, under the same chain.
    #[must_use]
    pub fn restore(chain: Arc<Chain>, mut data: Data) -> Self {
        let scopes = Scopes::share(&mut data);
        Self {
            chain,
            data,
            scopes,
        }
    }

    /// What a snapshot holds.
    #[must_use]
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// The manifest chain.
    #[must_use]
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Generation of the newest manifest that the log names.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.data.generation
    }

    /// The catalog in force.
    #[must_use]
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.data.catalog
    }

    /// Newest time in the log.
    #[must_use]
    pub const fn time(&self) -> UnixMs {
        self.data.time
    }

    /// Records applied.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.data.records
    }

    /// Whether an operator's freeze is in force.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        !self.data.freezes.is_empty()
    }

    /// Digests of the freezes in force: what a thaw must lift.
    #[must_use]
    pub fn freezes(&self) -> &[Digest] {
        &self.data.freezes
    }

    /// The end of the widening chain.
    #[must_use]
    pub const fn widen_head(&self) -> Head {
        self.data.widen
    }

    /// The end of one signer's narrowing chain.
    #[must_use]
    pub fn narrow_head(&self, signer: &Digest) -> Head {
        let first = Head {
            seq: 0,
            digest: self.chain.first_command_prev(),
        };
        self.data.narrow.get(signer).copied().unwrap_or(first)
    }

    /// A key by name.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&KeyState> {
        self.data.keys.get(id)
    }

    /// Every key, by name.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &KeyState)> {
        self.data.keys.iter()
    }

    /// A grant by place.
    #[must_use]
    pub fn grant(&self, slot: Slot) -> Option<&GrantState> {
        self.data.grants.get(slot)
    }

    /// Whether a grant can touch only a sandbox.
    #[must_use]
    pub fn is_sandbox(&self, slot: Slot) -> bool {
        self.grant(slot)
            .is_some_and(|grant| grant.grant.env == Env::Sandbox)
    }

    pub(super) fn grant_mut(&mut self, slot: Slot) -> Option<&mut GrantState> {
        self.data.grants.get_mut(slot)
    }

    /// The grant that took this one's place. It stands behind it, whatever a snapshot says: so a line ends.
    pub(super) fn next_of_line(&self, slot: Slot) -> Option<Slot> {
        let next = self.grant(slot)?.successor;
        next.filter(|next| *next > slot)
    }

    /// Every grant, by name.
    pub fn grants(&self) -> impl Iterator<Item = (&GrantId, &GrantState)> {
        self.data
            .by_id
            .iter()
            .filter_map(|(id, slot)| Some((id, self.grant(*slot)?)))
    }

    /// The place of a grant.
    #[must_use]
    pub fn slot(&self, id: &GrantId) -> Option<Slot> {
        self.data.by_id.get(id).copied()
    }

    /// The grant an agent key belongs to.
    #[must_use]
    pub fn slot_of_agent(&self, key: &X25519Public) -> Option<Slot> {
        self.data.by_agent_key.get(key).copied()
    }
}

impl GrantState {
    pub(super) fn new(grant: Arc<Grant>, now: UnixMs) -> Self {
        Self {
            first_length: length(&grant, now),
            grant,
            status: Status::Active,
            epoch: 0,
            amended_at: UnixMs(0),
            successor: None,
            spending: None,
        }
    }

    /// The grant that took its place, if it was reissued.
    #[must_use]
    pub const fn successor(&self) -> Option<Slot> {
        self.successor
    }

    /// What is left of every budget at `now`.
    #[must_use]
    pub fn remaining(&self, now: UnixMs) -> Vec<Remaining> {
        self.grant
            .budgets
            .iter()
            .map(|budget| self.remaining_of(&budget.unit, budget.window, budget.max, now))
            .collect()
    }

    pub(super) fn remaining_of(
        &self,
        unit: &Unit,
        window: Window,
        max: Amount,
        now: UnixMs,
    ) -> Remaining {
        let spent = self.spent(unit, window);
        Remaining {
            unit: unit.clone(),
            window: window.to_string(),
            amount: spent
                .as_ref()
                .map_or(Amount::ZERO, |spent| max.less(spent.sum(now))),
            resets_at: spent.and_then(|spent| spent.resets_at(now)),
        }
    }

    /// Credentials that may still be used outside at `now`, one line per kind and destination.
    #[must_use]
    pub fn outstanding(&self, now: UnixMs) -> Vec<Outstanding> {
        let all = self.spending.iter();
        let alive = all
            .flat_map(|spending| &spending.outstanding)
            .filter(|(_, dies_at)| **dies_at > now);
        alive
            .map(|((kind, destination), dies_at)| Outstanding {
                kind: *kind,
                destination: destination.clone(),
                dies_at: *dies_at,
            })
            .collect()
    }

    /// The grant's state in one word, as agents and owners read it.
    #[must_use]
    pub fn word(&self, frozen: bool, now: UnixMs) -> &'static str {
        match self.status {
            Status::Revoked => "revoked",
            Status::Suspended(_) => "suspended",
            Status::Active if now >= self.grant.expires_at => "expired",
            Status::Active if frozen => "frozen",
            Status::Active if now < self.grant.not_before => "not_yet_valid",
            Status::Active => "active",
        }
    }
}

/// How long a grant whose terms are set now lasts.
pub(super) fn length(grant: &Grant, now: UnixMs) -> Millis {
    grant.expires_at.since(grant.not_before.max(now))
}
