//! The channel key of one boot: the enclave's end of every agent channel, and what imported keys are sealed to.
//!
//! It is drawn at each boot, attested, and never stored. It does not know what is said under it.

use crate::{
    platform::{Entropy, NoEntropy},
    secret::Secret,
};
use claviger_shared::{crypto::noise, id::X25519Public};

/// This boot's channel key.
pub struct ChannelKey(Secret);

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
        Secret::generate(entropy).map(Self)
    }

    /// The private key.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Option<X25519Public> {
        noise::public_key(self.expose()).ok().map(X25519Public)
    }
}
