//! Agent channels: who is at the other end, which frames were seen, and how many are under way.
//!
//! Having a [`Channel`] means a holder of the agent key finished a handshake with this boot's attested key. A frame is
//! opened at most once: its number is marked only after its tag fitted. Channels know a grant's place, not its terms.

pub mod agents;
pub mod key;
pub mod table;
#[cfg(test)]
mod tests;
pub mod window;

use crate::secret::GrantDigests;
use agents::Share;
use claviger_shared::{
    crypto::handshake::{FrameKey, Session},
    id::{ChannelId, X25519Public},
    ledger::Slot,
    wire::{RefusedCode, call::MAX_IN_FLIGHT},
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use window::Window;

/// One agent channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name in frames.
    pub id: ChannelId,
    /// Whose it is.
    pub slot: Slot,
    /// The agent's static key.
    pub agent: X25519Public,
    /// Digests what its grant's calls say.
    pub digests: GrantDigests,
    opening: FrameKey,
    sealing: FrameKey,
    seen: Mutex<Window>,
    in_flight: AtomicU32,
    share: Arc<Share>,
    confirmed: AtomicBool,
}

impl Channel {
    /// A channel of a finished handshake.
    #[must_use]
    pub fn new(
        id: ChannelId,
        (slot, digests): (Slot, GrantDigests),
        session: Session,
        share: Arc<Share>,
    ) -> Self {
        Self {
            id,
            slot,
            agent: session.peer,
            digests,
            opening: session.opening,
            sealing: session.sealing,
            seen: Mutex::new(Window::default()),
            in_flight: AtomicU32::new(0),
            share,
            confirmed: AtomicBool::new(false),
        }
    }

    /// Opens a frame, once.
    ///
    /// # Errors
    ///
    /// [`RefusedCode::Replayed`] for a number seen or too old, [`RefusedCode::Invalid`] for a tag that does not fit; the
    /// window is unchanged then.
    pub fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, RefusedCode> {
        let fresh = |seen: &Window| seen.is_fresh(number);
        if !fresh(&self.seen.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Err(RefusedCode::Replayed);
        }
        let text = self
            .opening
            .open(number, sealed)
            .map_err(|_| RefusedCode::Invalid)?;
        // Two copies of one frame may both have come this far: the mark decides.
        let marked = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .mark(number);
        if marked {
            Ok(text)
        } else {
            Err(RefusedCode::Replayed)
        }
    }

    /// Seals the one answer to a frame that was opened.
    #[must_use]
    pub fn seal(&self, number: u64, mut text: Vec<u8>) -> Option<Vec<u8>> {
        self.sealing.seal(number, &mut text).ok().map(|()| text)
    }

    /// Whether this is the first frame opened.
    pub fn confirm(&self) -> bool {
        !self.confirmed.swap(true, Ordering::AcqRel)
    }

    /// Whether a frame has opened.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed.load(Ordering::Acquire)
    }

    /// Takes one frame from what its agent may cost.
    pub fn is_within_share(&self, now_ms: u64) -> bool {
        self.share.take(now_ms)
    }

    /// Takes one of the places for calls under way.
    pub fn enter(&self) -> bool {
        let entered = self
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                (n < MAX_IN_FLIGHT).then(|| n.saturating_add(1))
            });
        entered.is_ok()
    }

    /// Gives it back.
    pub fn leave(&self) {
        let _ = self
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                Some(n.saturating_sub(1))
            });
    }
}
