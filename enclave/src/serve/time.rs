//! The enclave's time: what the NSM signed last, plus what the monotonic clock has run since; never backwards.
//!
//! The host's word is not asked. A reading that would go back is ignored.

use crate::platform::Clock;
use claviger_shared::time::UnixMs;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How often the NSM is asked again, in milliseconds (DESIGN §4: 60 s).
pub const REREAD_MS: u64 = 60_000;

/// Trusted time.
pub struct Time {
    clock: Arc<dyn Clock>,
    base: Mutex<(UnixMs, u64)>,
    last: AtomicU64,
}

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl Time {
    /// Time from a fresh NSM reading.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, nsm: UnixMs) -> Self {
        let at = ms(clock.monotonic_us());
        Self {
            clock,
            base: Mutex::new((nsm, at)),
            last: AtomicU64::new(nsm.0),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        let (nsm, at) = *self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = self.monotonic_ms().saturating_sub(at);
        let now = nsm.0.saturating_add(elapsed);
        UnixMs(self.last.fetch_max(now, Ordering::AcqRel).max(now))
    }

    /// Takes a new NSM reading; time never goes back behind what was told.
    pub fn reread(&self, nsm: UnixMs) {
        let at = self.monotonic_ms();
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = (nsm, at);
    }

    /// Milliseconds of the monotonic clock.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        ms(self.monotonic_us())
    }

    /// Microseconds of the monotonic clock.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.clock.monotonic_us()
    }
}

const fn ms(us: u64) -> u64 {
    us / 1000
}
