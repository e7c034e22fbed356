//! When a credential begins and ends, in the whole seconds that signatures and tokens count in.
//!
//! Having a [`Span`] means the key is of the kind, and the credential ends after it begins and within the effect's
//! longest lifetime. It reads no clock.

use crate::{Moment, SigningKeyInfo};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    credential::Replay,
    denial::{Code, Denial},
    effect::Effect,
    time::Millis,
};

/// The largest integer of a structured field (RFC 9651 §3.3.1): fifteen digits.
pub const MAX_SECONDS: u64 = 999_999_999_999_999;
/// Bytes of a signature of Ed25519 or P-256.
pub(crate) const SIGNATURE_LEN: usize = 64;

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Seconds since the epoch, rounded down.
    pub(crate) from: u64,
    /// Seconds since the epoch.
    pub(crate) to: u64,
}

impl Span {
    /// Checks a key and a moment against an effect.
    ///
    /// # Errors
    ///
    /// [`Code::KeyDenied`] for a key of another kind; [`Code::Outliving`] for a moment that does not end after it begins,
    /// or too late.
    pub(crate) fn of(
        effect: &Effect,
        key: &SigningKeyInfo,
        moment: &Moment,
    ) -> Result<Self, Denial> {
        if key.kind != effect.kind.of_key() {
            return Err(Denial::at(Code::KeyDenied, effect.kind.as_str()));
        }
        let (from, to) = (moment.now.secs(), moment.expires_at.secs());
        let length = Millis::from_secs(to.saturating_sub(from));
        if to <= from || length > effect.max_lifetime || to > MAX_SECONDS {
            return Err(Code::Outliving.into());
        }
        Ok(Self { from, to })
    }
}

/// The moment's random bytes as text: base64url without padding.
pub(crate) fn nonce(moment: &Moment) -> String {
    URL_SAFE_NO_PAD.encode(moment.nonce)
}

/// A replay note: how long from now.
pub(crate) fn replay(moment: &Moment, single_use: bool) -> Replay {
    let window_s = moment.expires_at.secs().saturating_sub(moment.now.secs());
    Replay {
        single_use,
        window_s,
    }
}
