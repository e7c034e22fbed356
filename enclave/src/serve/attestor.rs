//! Documents for clients: this boot's channel key, bound to its Boot entry and manifest.
//!
//! A document without a nonce is cached for a minute; those with one are rate-limited, so that neither costs the NSM more
//! than a bounded share. The channel key is attested only by an instance whose Boot entry is durable.

use super::{hub::Hub, time::Time};
use crate::boot::attest::{self, Wanted};
use claviger_shared::{
    attest::channel_user_data,
    wire::{RefusedCode, control::MAX_NONCE},
};
use std::sync::{Arc, Mutex, PoisonError};

/// How long a document without a nonce is handed out (DESIGN §4).
const CACHE_MS: u64 = 60_000;
/// Documents with a nonce that may be made in a burst.
pub const BURST: u64 = 1024;
/// Milliseconds after which one more may be made.
const REFILL_MS: u64 = 4;

/// Makes documents for one boot.
#[derive(Debug)]
pub struct Attestor {
    hub: Arc<Hub>,
    cached: Mutex<Option<(u64, Vec<u8>)>>,
    allowance: Mutex<Allowance>,
}

/// A token bucket.
#[derive(Debug)]
struct Allowance {
    tokens: u64,
    since_ms: u64,
}

impl Allowance {
    fn take(&mut self, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.since_ms) / REFILL_MS;
        self.since_ms = self
            .since_ms
            .saturating_add(gained.saturating_mul(REFILL_MS));
        self.tokens = self.tokens.saturating_add(gained).min(BURST);
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

impl Attestor {
    /// For the instance that serves.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let since_ms = hub.time.monotonic_ms();
        let allowance = Mutex::new(Allowance {
            tokens: BURST,
            since_ms,
        });
        Self {
            hub,
            cached: Mutex::new(None),
            allowance,
        }
    }

    fn time(&self) -> &Time {
        &self.hub.time
    }

    /// A document; with an empty nonce one that may be up to a minute old.
    ///
    /// # Errors
    ///
    /// [`RefusedCode::TooLarge`] for a nonce over the limit, [`RefusedCode::Busy`] over the rate,
    /// [`RefusedCode::Unavailable`] when the NSM fails.
    pub fn document(&self, nonce: &[u8]) -> Result<Vec<u8>, RefusedCode> {
        if nonce.len() > MAX_NONCE {
            return Err(RefusedCode::TooLarge);
        }
        if nonce.is_empty() {
            return self.cached();
        }
        let now = self.time().monotonic_ms();
        let allowed = self
            .allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(now);
        if allowed {
            self.make(Some(nonce.to_vec()))
        } else {
            Err(RefusedCode::Busy)
        }
    }

    fn cached(&self) -> Result<Vec<u8>, RefusedCode> {
        let now = self.time().monotonic_ms();
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, document)) = &*cached
            && now.saturating_sub(*made) < CACHE_MS
        {
            return Ok(document.clone());
        }
        let document = self.make(None)?;
        *cached = Some((now, document.clone()));
        Ok(document)
    }

    fn make(&self, nonce: Option<Vec<u8>>) -> Result<Vec<u8>, RefusedCode> {
        let boot = &self.hub.boot;
        let user_data = channel_user_data(&boot.origin, &boot.boot_hash, &boot.manifest);
        let wanted = Wanted {
            nonce,
            public_key: Some(boot.channel_public.0.to_vec()),
            user_data: Some(user_data),
        };
        attest::document(self.hub.nsm.as_ref(), wanted).map_err(|_| RefusedCode::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_ends_and_refills() {
        let taken = |allowance: &mut Allowance, tries: u64, at: u64| {
            u64::try_from((0..tries).filter(|_| allowance.take(at)).count()).unwrap()
        };
        let mut allowance = Allowance {
            tokens: BURST,
            since_ms: 0,
        };
        assert_eq!(taken(&mut allowance, BURST + 5, 1), BURST);
        assert!(allowance.take(REFILL_MS));
        assert!(!allowance.take(REFILL_MS));
        assert_eq!(taken(&mut allowance, BURST * 2, u64::MAX / 2), BURST);
    }
}
