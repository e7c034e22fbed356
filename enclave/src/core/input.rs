//! What goes into the core and what comes out of it.

use claviger_shared::{
    catalog::Catalog,
    credential::Remaining,
    denial::Denial,
    effect::{Charge, Effects},
    grant::Grant,
    id::{Digest, KeyId},
    ledger::{Idempotency, Slot},
    log::record::{Denied, Simulated, Warned},
    time::UnixMs,
};
use std::sync::Arc;

/// One step's input.
#[derive(Debug)]
pub enum Input<W> {
    /// Storage is idle and something waits: begin an entry.
    Begin,
    /// Storage holds other bytes at our index.
    Conflict,
    /// Finish what waits, take nothing new.
    Drain,
    /// A call: decide it and reserve.
    Intent(Intent),
    /// A record that was decided already (a command, a renewal, a withdrawn call) takes its place.
    Note(Note<W>),
    /// A call was signed: its record takes its place.
    Signed(Signed<W>),
    /// The entry being stored failed and is tried again.
    StoreFailed,
    /// The entry being stored is durable; the tree's new root.
    Stored {
        /// Root with that entry.
        root: Digest,
    },
}

/// A parsed call, before anything is decided.
#[derive(Debug)]
pub struct Intent {
    /// Whose.
    pub slot: Slot,
    /// The grant it was parsed under; another one now in force means it is parsed again.
    pub grant: Arc<Grant>,
    /// The catalog it was parsed under, likewise.
    pub catalog: Arc<Catalog>,
    /// Derived from what would be signed.
    pub effects: Arc<Effects>,
    /// By the host's word.
    pub source: [u8; 16],
    /// Only say what would happen.
    pub simulate: bool,
    /// The caller's idempotency key and input, as digests.
    pub idempotency: Option<Idempotency>,
}

/// What was decided about a call.
#[derive(Debug)]
pub enum Verdict {
    /// No; nothing was taken, or rate alone.
    Denied(Denial),
    /// The key of an earlier call whose credential lives: sign the same bytes again with its nonce; nothing was taken but
    /// rate, and nothing is recorded.
    Again {
        /// What the first call reserved.
        reserved: Reserved,
        /// The first call's.
        nonce: [u8; 16],
    },
    /// Budgets are taken: sign, then come back with [`Input::Signed`].
    Reserved(Reserved),
    /// What would have happened.
    Simulated {
        /// What would be taken.
        charges: Vec<Charge>,
        /// When the credential would end.
        expires_at: UnixMs,
        /// What would be left before the charge.
        remaining: Vec<Remaining>,
        /// Whether it may take the place of a transaction that the key signed before.
        replaces: bool,
    },
    /// Grant or catalog changed since parsing: parse again.
    Stale,
}

/// Proof that a grant permits a call and that every budget has paid for it.
///
/// Only the core makes one; it is consumed by signing and cannot be copied, so nothing is signed without a reservation and
/// nothing twice for one.
///
/// ```compile_fail
/// fn twice(reserved: claviger_enclave::core::Reserved) -> (claviger_enclave::core::Reserved, claviger_enclave::core::Reserved) {
///     (reserved, reserved)
/// }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Reserved {
    pub(super) slot: Slot,
    pub(super) epoch: u64,
    pub(super) decided_at: UnixMs,
    pub(super) expires_at: UnixMs,
    pub(super) key: KeyId,
    pub(super) charges: Vec<Charge>,
    pub(super) remaining: Vec<Remaining>,
    pub(super) sandbox: bool,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) replaces: bool,
}

impl Reserved {
    /// Uses it up.
    pub(crate) const fn spend(self) -> Spent {
        Spent(self)
    }

    /// When it was decided.
    #[must_use]
    pub const fn decided_at(&self) -> UnixMs {
        self.decided_at
    }

    /// When the credential ends.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMs {
        self.expires_at
    }

    /// Whether it may take the place of a transaction that the key signed before.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        self.replaces
    }

    /// The key to sign with.
    #[must_use]
    pub const fn key(&self) -> &KeyId {
        &self.key
    }

    /// What was taken.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// What is left.
    #[must_use]
    pub fn remaining(&self) -> &[Remaining] {
        &self.remaining
    }

    /// The idempotency key it stands under.
    #[must_use]
    pub const fn idempotency(&self) -> Option<Idempotency> {
        self.idempotency
    }

    /// Whether only a sandbox is touched.
    #[must_use]
    pub const fn sandbox(&self) -> bool {
        self.sandbox
    }
}

/// A reservation that one use of a key has used up; its charge stays, whatever came of it.
#[must_use]
#[derive(Debug)]
pub struct Spent(pub(super) Reserved);

impl Spent {
    /// What was reserved.
    pub const fn reserved(&self) -> &Reserved {
        &self.0
    }
}

/// A signed call whose record is ready.
#[derive(Debug)]
pub struct Signed<W> {
    /// The proof it was signed under.
    pub spent: Spent,
    /// The credential's nonce.
    pub nonce: [u8; 16],
    /// The record's bytes, with the outcome `issued`.
    pub record: Vec<u8>,
    /// Their hash.
    pub hash: Digest,
    /// The effects, for `outstanding`.
    pub effects: Arc<Effects>,
    /// The answer and where it goes.
    pub waiting: W,
}

/// A record with its place in the next entry, and what waits for it.
#[derive(Debug)]
pub struct Note<W> {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// Their hash.
    pub hash: Digest,
    /// What is released when the entry is stored.
    pub waiting: Option<W>,
    /// For a credential: what must still hold at release.
    pub release: Option<ReleaseCheck>,
    /// Whether a reservation ends with this note.
    pub settles: bool,
}

/// What must still hold when a credential is released.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseCheck {
    pub(super) slot: Slot,
    pub(super) epoch: u64,
    pub(super) decided_at: UnixMs,
    pub(super) expires_at: UnixMs,
}

/// A call whose grant changed while it was signed: record it as withdrawn by an [`Input::Note`] that settles.
#[derive(Debug)]
pub struct Withdrawn<W> {
    /// The reservation it was signed under.
    pub spent: Spent,
    /// Where the denial goes.
    pub waiting: W,
}

/// The records of one entry.
#[derive(Debug)]
pub struct Batch {
    /// Index of the entry.
    pub index: u64,
    /// Bytes and hash, in order.
    pub records: Vec<(Vec<u8>, Digest)>,
    /// Refusals since the last entry, to be recorded behind them.
    pub denied: Vec<Denied>,
    /// Simulations since the last entry, likewise.
    pub simulated: Vec<Simulated>,
    /// Budgets that came near their end, likewise.
    pub warned: Vec<Warned>,
}

/// What waited, with its place in its entry.
#[derive(Debug)]
pub struct Released<W> {
    /// The record's place in its entry.
    pub place: usize,
    /// The record's bytes.
    pub record: Vec<u8>,
    /// What waited.
    pub waiting: W,
    /// Whether the credential must be destroyed and a denial sent instead.
    pub withdrawn: bool,
}

/// What follows from a step.
#[derive(Debug)]
pub enum Output<W> {
    /// Build, sign and store this entry.
    Commit(Batch),
    /// The verdict on an intent.
    Decided(Verdict),
    /// This instance signs nothing more; what waits is destroyed.
    Fenced,
    /// Durable: send it.
    Release(Released<W>),
    /// The grant changed while the call was signed.
    Withdrawn(Withdrawn<W>),
}
