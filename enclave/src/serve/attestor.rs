//! Documents for clients: this boot's channel key, bound to its Boot entry and manifest.
//!
//! A document without a nonce is cached for a minute; those with one are rate-limited, so that neither costs the NSM more
//! than a bounded share. The channel key is attested only by an instance whose Boot entry is durable.

use super::{hub::Hub, time::Time};
use crate::allowance::{Allowance, Limit};
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
/// One more every 4 ms.
const LIMIT: Limit = Limit {
    burst: BURST,
    per_s: 250,
};

/// Makes documents for one boot.
#[derive(Debug)]
pub struct Attestor {
    hub: Arc<Hub>,
    cached: Mutex<Option<(u64, Vec<u8>)>>,
    allowance: Mutex<Allowance>,
}

impl Attestor {
    /// For the instance that serves.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let allowance = Mutex::new(Allowance::new(LIMIT, hub.time.monotonic_ms()));
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
