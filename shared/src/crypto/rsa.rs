//! RSA keys, 2048 to 4096 bits, for RS256 (RFC 7518 §3.3): private ones in one form, public ones as PKCS#1 (RFC 8017 A.1.1).
//!
//! Having what [`Private`] holds means the provider checked every number of the key against the others. The exponent is
//! 65537 and the modulus fills its bytes, so that one key has one spelling. It signs nothing.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeyPairComponents, KeySize, PublicKeyComponents},
    signature::KeyPair,
};
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// Bytes of a modulus: 2048 to 4096 bits.
pub const MODULUS: RangeInclusive<usize> = 256..=512;
/// 65537, the one exponent.
pub const EXPONENT: [u8; 3] = [1, 0, 1];
/// DER of the exponent.
const EXPONENT_DER: [u8; 5] = [2, 3, 1, 0, 1];
/// Object identifier of `rsaEncryption` and its NULL, with the head of the BIT STRING left out (RFC 8017 A.1).
const ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// A private key: PKCS#8 in the one form that the provider writes, and its public half.
pub struct Private {
    der: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Private")
    }
}

/// The numbers of a private key (RFC 8017 §3.2), big endian.
#[expect(missing_debug_implementations, reason = "it holds a private key")]
#[derive(Clone, Copy)]
pub struct Numbers<'a> {
    /// The modulus.
    pub n: &'a [u8],
    /// The public exponent.
    pub e: &'a [u8],
    /// The private exponent, the primes, their exponents and the coefficient: `d`, `p`, `q`, `dp`, `dq`, `qi`.
    pub private: [&'a [u8]; 6],
}

impl Private {
    /// A new key of 2048 bits, by the provider's own randomness; nothing where there is none.
    #[must_use]
    pub fn generate() -> Option<Self> {
        Self::of(&RsaKeyPair::generate(KeySize::Rsa2048).ok()?)
    }

    /// Reads PKCS#8 (RFC 5208).
    #[must_use]
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Self::of(&RsaKeyPair::from_pkcs8(der).ok()?)
    }

    /// Reads PKCS#1 (RFC 8017 A.1.2).
    #[must_use]
    pub fn from_pkcs1(der: &[u8]) -> Option<Self> {
        Self::of(&RsaKeyPair::from_der(der).ok()?)
    }

    /// Takes the numbers of a key.
    #[must_use]
    pub fn from_numbers(numbers: &Numbers<'_>) -> Option<Self> {
        let Numbers { n, e, private } = *numbers;
        let [d, p, q, dp, dq, qi] = private;
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n, e },
            d,
            p,
            q,
            dP: dp,
            dQ: dq,
            qInv: qi,
        };
        Self::of(&RsaKeyPair::from_components(&components).ok()?)
    }

    fn of(pair: &RsaKeyPair) -> Option<Self> {
        let public = pair.public_key().as_ref().to_vec();
        modulus(&public)?;
        let der: Pkcs8V1Der<'static> = pair.as_der().ok()?;
        Some(Self {
            der: Zeroizing::new(der.as_ref().to_vec()),
            public,
        })
    }

    /// PKCS#8.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.der
    }

    /// PKCS#1.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

/// The modulus of a public key; nothing for bytes that are no such key in its one spelling.
#[must_use]
pub fn modulus(public: &[u8]) -> Option<&[u8]> {
    let inner = long(0x30, public)?;
    let integer = inner.strip_suffix(&EXPONENT_DER)?;
    let number = long(2, integer)?.strip_prefix(&[0])?;
    let fills = number.first().is_some_and(|first| *first >= 0x80);
    let odd = number.last().is_some_and(|last| last & 1 == 1);
    (fills && odd && MODULUS.contains(&number.len())).then_some(number)
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1) of a public key.
#[must_use]
pub fn spki(public: &[u8]) -> Option<Vec<u8>> {
    modulus(public)?;
    let bits = [&[0], public].concat();
    let inner = [&ALGORITHM[..], &with_head(3, &bits)?].concat();
    with_head(0x30, &inner)
}

/// The content of an element whose length is written in two bytes, as that of every part of these keys is.
fn long(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (head, content) = bytes.split_at_checked(4)?;
    let length = u16::try_from(content.len()).ok()?.to_be_bytes();
    (head == [tag, 0x82, length[0], length[1]] && content.len() > 255).then_some(content)
}

fn with_head(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    Some([&[tag, 0x82, high, low], content].concat())
}

#[cfg(test)]
mod tests;
