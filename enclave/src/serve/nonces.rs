//! Nonces and salts: 16 bytes each, many a second, without asking the security module for every one.
//!
//! Each is a draw of the operating system's generator, mixed with a MAC of a counter under a key that the platform's
//! whole entropy made at boot: as good as the better of both. Keys are never drawn here.

use crate::platform::{Entropy, NoEntropy};
use claviger_shared::crypto::MacKey;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The generator of one boot.
#[derive(Debug)]
pub struct Nonces {
    key: MacKey,
    drawn: AtomicU64,
}

impl Nonces {
    /// Draws this boot's key.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`].
    pub fn new(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut key = Zeroizing::new([0_u8; 32]);
        entropy.fill(key.as_mut())?;
        Ok(Self {
            key: MacKey::new(&key),
            drawn: AtomicU64::new(0),
        })
    }

    /// 16 bytes that nobody saw before.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`].
    pub fn draw(&self) -> Result<[u8; 16], NoEntropy> {
        self.pair().map(|[first, _]| first)
    }

    /// Two of them, for little more than one.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`].
    pub fn pair(&self) -> Result<[[u8; 16]; 2], NoEntropy> {
        let mut out = [[0_u8; 16]; 2];
        aws_lc_rs::rand::fill(out.as_flattened_mut()).map_err(|_| NoEntropy)?;
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mask = self.key.mac(&[&number.to_be_bytes()]);
        for (byte, more) in out.as_flattened_mut().iter_mut().zip(mask.0) {
            *byte ^= more;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    struct Constant;

    impl Entropy for Constant {
        fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(7);
            Ok(())
        }
    }

    struct Nothing;

    impl Entropy for Nothing {
        fn fill(&self, _: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }

    #[test]
    fn no_draw_comes_twice_even_from_a_platform_that_repeats_itself() {
        let boots = [0, 1].map(|_| Nonces::new(&Constant).unwrap());
        let drawn: BTreeSet<_> = (0..2000).map(|n| boots[n % 2].draw().unwrap()).collect();
        assert_eq!(drawn.len(), 2000);
    }

    #[test]
    fn without_entropy_there_are_none() {
        Nonces::new(&Nothing).unwrap_err();
    }
}
