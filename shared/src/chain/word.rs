//! Words: unsigned numbers of 256 bits, as chains of the Ethereum family count in.
//!
//! A word is 32 bytes, big endian, and no more than a number: what it is a number of, others say. Budgets count in 128 bits;
//! what does not fit them is never cut.

use crate::id::{parsed, to_hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes of a word.
const BYTES: usize = 32;
/// Digits of the largest: 2^256 has 78.
const MAX_DIGITS: usize = 78;

/// A number; ordered as numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Word(pub [u8; BYTES]);

/// A text that is no number of 256 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an unsigned integer of 256 bits in decimal digits, or in hexadecimal ones after 0x")]
pub struct BadWord;

impl Word {
    /// Zero.
    pub const ZERO: Self = Self([0; BYTES]);
    /// One.
    pub const ONE: Self = {
        let mut bytes = [0; BYTES];
        if let Some(last) = bytes.last_mut() {
            *last = 1;
        }
        Self(bytes)
    };
    /// All bits set: what stands for an allowance without end.
    pub const MAX: Self = Self([0xff; BYTES]);

    /// Reads decimal digits, or hexadecimal ones after `0x` (Ethereum JSON-RPC, quantities): no sign, no leading zero.
    ///
    /// # Errors
    ///
    /// [`BadWord`] for anything else, and for what does not fit.
    pub fn parse(text: &str) -> Result<Self, BadWord> {
        let (digits, radix, most) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16_u16, BYTES.saturating_mul(2)),
            None => (text, 10, MAX_DIGITS),
        };
        let leading = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || digits.len() > most || leading {
            return Err(BadWord);
        }
        let mut word = Self::ZERO;
        for character in digits.chars() {
            let digit = character.to_digit(u32::from(radix)).ok_or(BadWord)?;
            word = word.times_plus(radix, digit).ok_or(BadWord)?;
        }
        Ok(word)
    }

    /// `self * factor + digit`; nothing where it does not fit.
    fn times_plus(self, factor: u16, digit: u32) -> Option<Self> {
        let (mut word, mut carry) = (self, digit);
        for byte in word.0.iter_mut().rev() {
            let sum = u32::from(*byte)
                .checked_mul(u32::from(factor))?
                .checked_add(carry)?;
            let [_, _, _, low] = sum.to_be_bytes();
            *byte = low;
            carry = sum.wrapping_shr(8);
        }
        (carry == 0).then_some(word)
    }

    /// A number of up to 32 bytes, big endian; nothing for more.
    #[must_use]
    pub fn of_be(bytes: &[u8]) -> Option<Self> {
        let mut word = [0; BYTES];
        let (_, end) = word.split_at_mut_checked(BYTES.checked_sub(bytes.len())?)?;
        end.copy_from_slice(bytes);
        Some(Self(word))
    }

    /// The number, where 128 bits hold it.
    #[must_use]
    pub fn as_u128(&self) -> Option<u128> {
        let (high, low) = self.halves();
        (high == 0).then_some(low)
    }

    /// The number, where 64 bits hold it.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        u64::try_from(self.as_u128()?).ok()
    }

    fn halves(&self) -> (u128, u128) {
        let half = |bytes: Option<&[u8; 16]>| bytes.map_or(0, |bytes| u128::from_be_bytes(*bytes));
        (
            half(self.0.first_chunk::<16>()),
            half(self.0.last_chunk::<16>()),
        )
    }

    /// Whether only the lowest so many bits may be set.
    #[must_use]
    pub fn fits(&self, bits: u16) -> bool {
        let bytes = usize::from(bits.div_ceil(8)).min(BYTES);
        let (front, _) = self.0.split_at(BYTES.saturating_sub(bytes));
        front.iter().all(|byte| *byte == 0)
    }

    /// The bytes without zeros before them: how RLP writes a number.
    #[must_use]
    pub fn trimmed(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }

    /// With all digits, in hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        format!("0x{}", to_hex(&self.0))
    }
}

impl From<u128> for Word {
    fn from(number: u128) -> Self {
        Self::of_be(&number.to_be_bytes()).unwrap_or_default()
    }
}

/// Decimal digits.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(small) = self.as_u128() {
            return small.fmt(f);
        }
        let (mut left, mut digits) = (self.0, Vec::with_capacity(MAX_DIGITS));
        while left.iter().any(|byte| *byte != 0) {
            let mut rest = 0_u32;
            for byte in &mut left {
                let dividend = rest.wrapping_shl(8) | u32::from(*byte);
                *byte = u8::try_from(dividend / 10).unwrap_or_default();
                rest = dividend % 10;
            }
            digits.push(char::from_digit(rest, 10).unwrap_or('0'));
        }
        let text: String = digits.iter().rev().collect();
        f.pad_integral(true, "", &text)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: &str =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn the_largest_is_read_and_one_more_is_not() {
        assert_eq!(Word::parse(MOST), Ok(Word::MAX));
        assert_eq!(Word::MAX.to_string(), MOST);
        let more = MOST.replace("935", "936");
        assert_eq!(Word::parse(&more), Err(BadWord));
        assert_eq!(Word::parse(&format!("0x1{}", "0".repeat(64))), Err(BadWord));
        assert_eq!(Word::parse(&format!("0x{}", "f".repeat(64))), Ok(Word::MAX));
        assert_eq!(Word::parse("0x0"), Ok(Word::ZERO));
        assert_eq!(Word::parse("1"), Ok(Word::ONE));
    }

    #[test]
    fn other_forms_are_no_numbers() {
        for text in [
            "", "0x", "00", "0x00", "01", "-1", "+1", "1.0", "1e3", "0X1", " 1", "a", "0xg",
        ] {
            assert_eq!(Word::parse(text), Err(BadWord), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_never_cut() {
        let over = Word::parse("340282366920938463463374607431768211456").unwrap();
        assert_eq!(over.as_u128(), None);
        assert_eq!(Word::from(u128::MAX).as_u128(), Some(u128::MAX));
        assert_eq!(Word::from(u128::MAX).as_u64(), None);
        assert!(Word::from(255).fits(8) && !Word::from(256).fits(8));
        assert_eq!(Word::of_be(&[0; 33]), None);
        assert_eq!(Word::from(0x0102).trimmed(), [1, 2]);
        assert_eq!(Word::ZERO.trimmed(), [0_u8; 0]);
    }

    proptest! {
        #[test]
        fn a_word_reads_back(bytes in any::<[u8; 32]>(), small in any::<u128>()) {
            let word = Word(bytes);
            prop_assert_eq!(Word::parse(&word.to_string()), Ok(word));
            prop_assert_eq!(Word::from(small).to_string(), small.to_string());
            prop_assert_eq!(Word::of_be(word.trimmed()), Some(word));
        }
    }
}
