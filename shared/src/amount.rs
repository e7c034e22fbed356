//! Amounts and units: unsigned integers in the smallest part of a unit, and the unit's name.
//!
//! An amount is never a float, never negative and never converted. This module knows no asset and no price.

use crate::id::parsed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A count in the smallest part of its unit; written as a decimal string without sign or leading zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub u128);

/// A text that is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an unsigned integer in decimal digits")]
pub struct BadAmount;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1);

    /// Reads decimal digits: no sign, no leading zero, no exponent, within 128 bits.
    ///
    /// # Errors
    ///
    /// [`BadAmount`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(BadAmount);
        }
        text.parse().map(Self).map_err(|_| BadAmount)
    }

    /// The sum, or nothing when it would not fit.
    #[must_use]
    pub const fn plus(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The product, or nothing when it would not fit.
    #[must_use]
    pub const fn times(self, other: Self) -> Option<Self> {
        match self.0.checked_mul(other.0) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// How many parts of `size` hold all of it, the last one perhaps not full; nothing for parts of no size.
    #[must_use]
    pub const fn parts_of(self, size: Self) -> Option<Self> {
        let (Some(full), Some(rest)) = (self.0.checked_div(size.0), self.0.checked_rem(size.0))
        else {
            return None;
        };
        // A part that is not full leaves room for one more: its size is above one.
        match rest {
            0 => Some(Self(full)),
            _ => Self(full).plus(Self::ONE),
        }
    }

    /// What is left after taking `other`, never below zero.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_an_amount() {
        assert_eq!(Amount::parse("0"), Ok(Amount(0)));
        assert_eq!(
            Amount::parse("340282366920938463463374607431768211455"),
            Ok(Amount(u128::MAX))
        );
        for bad in [
            "",
            "-1",
            "+1",
            "01",
            "1.0",
            "1e3",
            " 1",
            "1_000",
            "340282366920938463463374607431768211456",
            "٣",
        ] {
            assert_eq!(Amount::parse(bad), Err(BadAmount), "{bad}");
        }
    }

    #[test]
    fn parts_are_counted_up_and_products_never_wrap() {
        let parts = |all, size| Amount(all).parts_of(Amount(size)).map(|parts| parts.0);
        for (all, size, wanted) in [
            (0, 1, 0),
            (0, 4, 0),
            (1, 4, 1),
            (4, 4, 1),
            (5, 4, 2),
            (u128::MAX, 1, u128::MAX),
            (u128::MAX, 2, u128::MAX / 2 + 1),
            (u128::MAX - 1, u128::MAX, 1),
            (u128::MAX, u128::MAX, 1),
        ] {
            assert_eq!(parts(all, size), Some(wanted), "{all} / {size}");
        }
        assert_eq!(parts(1, 0), None);
        let times = |a, b| Amount(a).times(Amount(b)).map(|product| product.0);
        assert_eq!(
            times(1 << 64, (1 << 64) - 1),
            Some(u128::MAX - (1 << 64) + 1)
        );
        assert_eq!(times(1 << 64, 1 << 64), None);
        assert_eq!(times(u128::MAX, 0), Some(0));
    }

    proptest::proptest! {
        #[test]
        fn an_amount_is_written_as_it_is_shown(amount: u128, cut in 0_u32..128) {
            let amount = Amount(amount >> cut);
            let written = serde_json::to_string(&amount).unwrap();
            proptest::prop_assert_eq!(&written, &format!("\"{amount}\""));
            proptest::prop_assert_eq!(serde_json::from_str::<Amount>(&written).unwrap(), amount);
        }
    }
}
