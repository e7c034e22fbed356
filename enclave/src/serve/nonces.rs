//! Nonces and salts: 16 bytes each, many a second, without asking the security module for every one.
//!
//! Each is a draw of the crypto library's generator, mixed with a MAC of a counter under a key that the platform's
//! whole entropy made at boot: as good as the better of both. Keys are never drawn here.

use crate::platform::{Entropy, NoEntropy};
use claviger_shared::{crypto::MacKey, id::Digest};
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
        for (byte, more) in out.as_flattened_mut().iter_mut().zip(self.mask(number).0) {
            *byte ^= more;
        }
        Ok(out)
    }

    /// What a draw is mixed with: never the same twice in a boot.
    fn mask(&self, number: u64) -> Digest {
        self.key.mac(&[&number.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(self.0);
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
    fn every_draw_has_a_mask_of_its_own_under_its_boots_key() {
        let [one, same, other] = [7, 7, 8].map(|key| Nonces::new(&Constant(key)).unwrap());
        let masks: BTreeSet<_> = (0..1000)
            .flat_map(|n| [one.mask(n), other.mask(n)])
            .collect();
        assert_eq!(masks.len(), 2000);
        assert_eq!(one.mask(3), same.mask(3), "the key is the entropy's alone");
        one.pair().unwrap();
        one.draw().unwrap();
        assert_eq!(one.drawn.load(Ordering::Relaxed), 2, "each counts");
    }

    #[test]
    fn no_draw_comes_twice() {
        let boots = [0, 1].map(|_| Nonces::new(&Constant(7)).unwrap());
        let pairs = (0..1000).flat_map(|n| boots[n % 2].pair().unwrap());
        assert_eq!(pairs.collect::<BTreeSet<_>>().len(), 2000);
    }

    #[test]
    fn without_entropy_there_are_none() {
        Nonces::new(&Nothing).unwrap_err();
    }
}
