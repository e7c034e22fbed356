//! The channel key of one boot: the enclave's end of every agent channel, and what imported keys are sealed to.
//!
//! It is drawn at each boot, attested, and never stored. It does not know what is said under it.

use crate::platform::{Entropy, NoEntropy};
use claviger_shared::{crypto::noise, id::X25519Public};
use zeroize::Zeroizing;

/// This boot's channel key.
pub struct ChannelKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelKey")
    }
}

impl ChannelKey {
    /// Draws a key.
    ///
    /// # Errors
    ///
    /// [`crate::platform::NoEntropy`].
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut key = Zeroizing::new([0_u8; 32]);
        entropy.fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// The private key.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Option<X25519Public> {
        noise::public_key(&self.0).ok().map(X25519Public)
    }
}
