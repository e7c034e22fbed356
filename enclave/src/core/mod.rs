//! The core: one serial step after the other over plain data. No lock, thread, clock, randomness or I/O.
//!
//! [`Core::step`] takes one input and says what follows. Credentials wait in it until the record of them is stored; it does
//! not look into what waits. Crypto and parsing happen outside: a call is two inputs, [`Input::Intent`] before anything is
//! signed and [`Input::Signed`] after.

pub mod call;
pub mod commit;
pub mod input;
pub mod release;

#[cfg(test)]
mod model;

pub use input::{
    Batch, Input, Intent, Note, Output, Released, Reserved, Signed, Spent, Verdict, Withdrawn,
};

use claviger_shared::{
    denial::{Code, Denial},
    id::Digest,
    ledger::{Slot, State},
    log::record::{Denied, Warned},
    time::{Millis, UnixMs},
};
use std::collections::BTreeMap;

/// Calls reserved or waiting at most (DESIGN §8).
pub const MAX_IN_FLIGHT: usize = 2048;
/// Records after which an entry is begun though calls are still worked on (DESIGN §8).
pub const COMMIT_RECORDS: usize = 64;
/// Time after which an entry is begun though calls are still worked on (DESIGN §8: 300 µs).
pub const COMMIT_WAIT_US: u64 = 300;
/// Longest a credential may wait for storage (DESIGN §6).
pub const MAX_WAIT: Millis = Millis(5000);
/// Roots remembered for echoes; older echoes are not checked.
pub const ECHO_ROOTS: usize = 65_536;
/// Kinds of denial remembered between two entries.
const MAX_DENIALS: usize = 4096;

/// Why nothing is accepted just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Calls are decided.
    Serving,
    /// The last store failed and is being tried again: nothing new is reserved.
    Stalled,
    /// Another writer was found: nothing is released again.
    Fenced,
    /// Closing: what waits is finished, nothing new is reserved.
    Draining,
}

/// The serial core. `W` is what waits for durability: an answer and where it goes.
#[derive(Debug)]
pub struct Core<W> {
    state: State,
    now: UnixMs,
    standing: Standing,
    /// Reserved and not yet recorded.
    working: usize,
    building: Vec<Note<W>>,
    storing: Option<Vec<Note<W>>>,
    denials: BTreeMap<(Slot, Code), Denied>,
    simulated: BTreeMap<Slot, (u64, UnixMs, UnixMs)>,
    /// By grant and the budget's place in it.
    warned: BTreeMap<(Slot, usize), Warned>,
    size: u64,
    root: Digest,
    roots: std::collections::VecDeque<Digest>,
}

impl<W> Core<W> {
    /// A core that goes on from a replayed state, at a log of `size` entries with `root`.
    #[must_use]
    pub fn new(state: State, size: u64, root: Digest) -> Self {
        Self {
            now: state.time(),
            state,
            standing: Standing::Serving,
            working: 0,
            building: Vec::new(),
            storing: None,
            denials: BTreeMap::new(),
            simulated: BTreeMap::new(),
            warned: BTreeMap::new(),
            size,
            root,
            roots: [root].into(),
        }
    }

    /// The state, to look at.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether calls are decided.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The last stored tree head.
    #[must_use]
    pub const fn stored(&self) -> (u64, Digest) {
        (self.size, self.root)
    }

    /// Index of the entry that is being stored, if any.
    #[must_use]
    pub fn pending(&self) -> Option<u64> {
        self.storing.as_ref().map(|_| self.size)
    }

    /// Whether every record so far is stored.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.building.is_empty() && self.storing.is_none()
    }

    /// The newest time any step was given; it never goes back.
    #[must_use]
    pub const fn now(&self) -> UnixMs {
        self.now
    }

    /// Calls reserved, recorded or waiting for storage.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let storing = self.storing.as_ref().map_or(0, Vec::len);
        self.working
            .saturating_add(self.building.len())
            .saturating_add(storing)
    }

    /// Whether what an agent has seen fits this log: not ahead of it, and the same root where the root is remembered.
    ///
    /// # Errors
    ///
    /// [`Code::EchoMismatch`].
    pub fn check_echo(&self, size: u64, root: &Digest) -> Result<(), Denial> {
        let back = self
            .size
            .checked_sub(size)
            .ok_or_else(|| Denial::new(Code::EchoMismatch))?;
        let known = usize::try_from(back)
            .ok()
            .and_then(|back| self.roots.len().checked_sub(back.saturating_add(1)));
        match known.and_then(|at| self.roots.get(at)) {
            Some(known) if known != root && size != 0 => Err(Code::EchoMismatch.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes one input at `now` and says what follows.
    pub fn step(&mut self, now: UnixMs, input: Input<W>, out: &mut Vec<Output<W>>) {
        self.now = self.now.max(now);
        match input {
            Input::Begin => self.begin(out),
            Input::Conflict => self.fence(out),
            Input::Drain => self.drain(),
            Input::Intent(intent) => {
                let verdict = self.decide(&intent);
                out.push(Output::Decided(verdict));
            }
            Input::Note(note) => self.note(note),
            Input::Signed(signed) => self.signed(signed, out),
            Input::StoreFailed => self.stall(),
            Input::Stored { root } => self.stored_now(root, out),
        }
    }
}
