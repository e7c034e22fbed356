//! The replay window: which of the last 1,024 frame numbers were seen.
//!
//! A number is fresh once. Numbers older than the window are never fresh. It knows nothing else about frames.

/// Numbers the window spans (DESIGN §6.1).
pub const WIDTH: u64 = 1024;
const WORDS: usize = 16;

/// Seen numbers, relative to the highest.
#[derive(Debug, Clone)]
pub struct Window {
    /// One more than the highest number seen; 0 before the first.
    next: u64,
    bits: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            next: 0,
            bits: [0; WORDS],
        }
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % WIDTH;
    // A shift by more than 63 wraps by itself.
    (
        usize::try_from(at / 64).unwrap_or(0),
        1_u64.wrapping_shl(u32::try_from(at).unwrap_or(0)),
    )
}

impl Window {
    /// Whether a number was not seen and is not too old. The last number is never fresh, so that counting stays possible.
    #[must_use]
    pub fn is_fresh(&self, number: u64) -> bool {
        if number == u64::MAX || number.saturating_add(WIDTH) < self.next {
            return false;
        }
        let (word, bit) = place(number);
        number >= self.next || self.bits.get(word).is_some_and(|bits| bits & bit == 0)
    }

    /// Marks a number as seen; says whether it was fresh.
    pub fn mark(&mut self, number: u64) -> bool {
        if !self.is_fresh(number) {
            return false;
        }
        if number >= self.next {
            self.forget(number);
            self.next = number.saturating_add(1);
        }
        let (word, bit) = place(number);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= bit;
        }
        true
    }

    /// Clears the places of the numbers from `next` up to `number`: they stood for numbers a whole width older.
    fn forget(&mut self, number: u64) {
        if number.saturating_sub(self.next) >= WIDTH {
            self.bits = [0; WORDS];
            return;
        }
        for old in self.next..=number {
            let (word, bit) = place(old);
            if let Some(bits) = self.bits.get_mut(word) {
                *bits &= !bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_width_is_limited_on_both_sides() {
        let mut window = Window::default();
        assert!(window.mark(1024));
        assert!(window.is_fresh(1));
        assert!(!window.is_fresh(0), "1,024 back");
        assert!(!window.mark(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_number_is_fresh_once(numbers in proptest::collection::vec(prop_oneof![0_u64..3000, 0_u64..40, 100_000_u64..100_100], 1..600)) {
            let mut window = Window::default();
            let mut seen = BTreeSet::new();
            for number in numbers {
                let highest = seen.iter().next_back().copied();
                let expected = !seen.contains(&number) && highest.is_none_or(|high: u64| number.saturating_add(WIDTH) > high);
                prop_assert_eq!(window.mark(number), expected, "{}", number);
                seen.insert(number);
                if !expected { continue }
            }
        }
    }
}
