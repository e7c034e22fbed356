//! Whether 32 bytes are a point of Edwards25519, as Solana asks it to tell accounts of programs from those of keys.
//!
//! The provider tells nobody whether a public key is a point before a signature is checked. All that is asked here is public, so it
//! takes the time it takes; nothing secret may come here. It adds no points and knows no key.

/// An element of the field of 2^255 − 19: eight limbs of 32 bits, the lowest first, not always reduced below the prime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field([u128; 8]);

const LIMB: u128 = 0xffff_ffff;
/// 2^255 − 19.
const PRIME: Field = Field([0xffff_ffed, LIMB, LIMB, LIMB, LIMB, LIMB, LIMB, 0x7fff_ffff]);
const ZERO: Field = Field([0; 8]);
const ONE: Field = Field([1, 0, 0, 0, 0, 0, 0, 0]);
/// −121665/121666 (RFC 8032 §5.1).
const D: Field = Field([
    0x1359_78a3,
    0x75eb_4dca,
    0x4141_d8ab,
    0x0070_0a4d,
    0x7779_e898,
    0x8cc7_4079,
    0x2b6f_fe73,
    0x5203_6cee,
]);
/// (2^255 − 20) / 2 in bytes, the highest first: what a square's power is one for (Euler's criterion).
const HALF: [u8; 32] = [
    0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf6,
];

/// Whether bytes decompress to a point, as `curve25519-dalek` and with it Solana decides: the highest bit is the sign of x and not
/// looked at, and y may be written unreduced.
#[must_use]
pub fn is_point(bytes: &[u8; 32]) -> bool {
    let y = Field::of(bytes);
    let square = y.times(&y);
    // x² = (y² − 1) / (d·y² + 1): a square, or none. The divisor is never zero, for −1/d is no square; times it twice changes nothing.
    let u = square.less(&ONE);
    let v = D.times(&square).plus(&ONE);
    let power = u.times(&v).power(&HALF).reduced();
    power == ONE || power == ZERO
}

impl Field {
    /// Little endian, without the highest bit.
    fn of(bytes: &[u8; 32]) -> Self {
        let (chunks, _) = bytes.as_chunks::<4>();
        let mut limbs = [0; 8];
        for (limb, chunk) in limbs.iter_mut().zip(chunks) {
            *limb = u128::from(u32::from_le_bytes(*chunk));
        }
        if let Some(last) = limbs.last_mut() {
            *last &= 0x7fff_ffff;
        }
        Self(limbs)
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.0;
        for (limb, more) in sum.iter_mut().zip(other.0) {
            *limb = limb.wrapping_add(more);
        }
        Self::carried(sum)
    }

    /// Both are below 2^256: four times the prime is added so that no limb is below zero.
    fn less(&self, other: &Self) -> Self {
        let mut difference = self.0;
        let parts = difference.iter_mut().zip(other.0).zip(PRIME.0);
        for ((limb, less), prime) in parts {
            *limb = limb.wrapping_add(prime.wrapping_mul(4)).wrapping_sub(less);
        }
        Self::carried(difference)
    }

    fn times(&self, other: &Self) -> Self {
        let mut columns = [0_u128; 16];
        for (place, a) in self.0.iter().enumerate() {
            for (column, b) in columns.iter_mut().skip(place).zip(other.0) {
                // Eight products of 64 bits at most.
                *column = column.wrapping_add(a.wrapping_mul(b));
            }
        }
        let (low, high) = columns.split_at(8);
        let mut limbs = [0; 8];
        for (limb, (low, high)) in limbs.iter_mut().zip(low.iter().zip(high)) {
            // 2^256 is 38.
            *limb = low.wrapping_add(high.wrapping_mul(38));
        }
        Self::carried(limbs)
    }

    /// Limbs of 32 bits again, from columns of less than 2^76.
    fn carried(mut limbs: [u128; 8]) -> Self {
        // What is carried out is below 2^50 the first time, and 0 or 1 then.
        for _ in 0..3 {
            let mut carry = 0_u128;
            for limb in &mut limbs {
                let all = limb.wrapping_add(carry);
                *limb = all & LIMB;
                carry = all >> 32;
            }
            if let Some(first) = limbs.first_mut() {
                *first = first.wrapping_add(carry.wrapping_mul(38));
            }
        }
        Self(limbs)
    }

    fn power(&self, exponent: &[u8; 32]) -> Self {
        let mut result = ONE;
        for byte in exponent {
            for bit in (0..8).rev() {
                result = result.times(&result);
                if (byte >> bit) & 1 == 1 {
                    result = result.times(self);
                }
            }
        }
        result
    }

    /// Below the prime: what is below 2^256 is less than three primes.
    fn reduced(&self) -> Self {
        let mut all = *self;
        for _ in 0..2 {
            if let Some(less) = all.without_prime() {
                all = less;
            }
        }
        all
    }

    fn without_prime(&self) -> Option<Self> {
        let mut limbs = self.0;
        let mut borrow = 0_u128;
        for (limb, prime) in limbs.iter_mut().zip(PRIME.0) {
            let taken = prime.wrapping_add(borrow);
            borrow = u128::from(*limb < taken);
            *limb = limb.wrapping_add(borrow << 32).wrapping_sub(taken);
        }
        (borrow == 0).then_some(Self(limbs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256;
    use curve25519_dalek::edwards::CompressedEdwardsY;

    fn other(bytes: &[u8; 32]) -> bool {
        CompressedEdwardsY(*bytes).decompress().is_some()
    }

    #[test]
    fn another_implementation_finds_the_same_points() {
        let mut points = 0;
        for n in 0..2000_u32 {
            let bytes = sha256(&[&n.to_be_bytes()]).0;
            assert_eq!(is_point(&bytes), other(&bytes), "{n}");
            points += u32::from(is_point(&bytes));
        }
        assert!((800..1200).contains(&points), "about half: {points}");
    }

    #[test]
    fn the_edges_of_the_field_are_decided_the_same_way() {
        let near = |highest: u8, lowest: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (lowest, highest);
            bytes
        };
        for low in 0..=255 {
            let mut small = [0; 32];
            small[0] = low;
            let mut signed = small;
            signed[31] = 0x80;
            for bytes in [small, signed, near(0x7f, low), near(0xff, low)] {
                assert_eq!(is_point(&bytes), other(&bytes), "{bytes:x?}");
            }
        }
    }
}
