//! Chains of the Ethereum family: accounts and contracts by their address, and which chain is meant.
//!
//! An [`Address`] says nothing about what stands there; what a contract is, the catalog's assets say.

pub mod abi;
mod atom;
mod word;

pub use abi::{AbiType, BadType};
pub use atom::{Atom, BadAtom};
pub use word::{BadWord, Word};

use crate::{
    amount::Amount,
    crypto::{keccak::keccak256, secp256k1},
    id::{parsed, to_hex},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Largest chain id: twice it and 36 must fit the `v` of a signature (EIP-155, EIP-2294).
pub const MAX_CHAIN: u64 = (u64::MAX - 36) / 2;

/// The chain of `eip155:` and an id in decimal digits (CAIP-2); nothing for any other text.
#[must_use]
pub fn of_caip2(text: &str) -> Option<u64> {
    let id = Amount::parse(text.strip_prefix("eip155:")?).ok()?;
    let id = u64::try_from(id.0).ok()?;
    (id > 0 && id <= MAX_CHAIN).then_some(id)
}

/// An account on a chain, for people and records (CAIP-10).
#[must_use]
pub fn account(chain: u64, address: &Address) -> String {
    format!("eip155:{chain}:{address}")
}

/// An account or contract: 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

/// A text that is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address: 0x and 40 hexadecimal digits, all lower case or with the checksum of EIP-55"
)]
pub struct BadAddress;

impl Address {
    /// Nobody: what is sent to it is destroyed, and as an owner it stands for none.
    pub const ZERO: Self = Self([0; 20]);

    /// Reads `0x` and 40 digits: all lower case, or in the mixed case that is their checksum (EIP-55).
    ///
    /// # Errors
    ///
    /// [`BadAddress`], also for a checksum that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let digits = text.strip_prefix("0x").ok_or(BadAddress)?;
        let mut bytes = [0; 20];
        if digits.len() != 40 {
            return Err(BadAddress);
        }
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)?.wrapping_shl(4) | digit(*low)?;
        }
        let read = Self(bytes);
        let lower = !digits.bytes().any(|b| b.is_ascii_uppercase());
        if lower || read.to_string() == text {
            Ok(read)
        } else {
            Err(BadAddress)
        }
    }

    /// The account of a public key: 65 bytes, uncompressed (Yellow Paper, appendix F).
    #[must_use]
    pub fn of_public_key(public: &[u8]) -> Option<Self> {
        if !secp256k1::is_public(public) {
            return None;
        }
        let (_, point) = public.split_first()?;
        let hash = keccak256(&[point]);
        hash.last_chunk().map(|last| Self(*last))
    }

    /// As a word of the ABI: 32 bytes, the address at their end.
    #[must_use]
    pub fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        if let Some(end) = word.last_chunk_mut::<20>() {
            *end = self.0;
        }
        word
    }

    /// The address of a word; nothing where the first 12 bytes are not zero.
    #[must_use]
    pub fn of_word(word: &[u8; 32]) -> Option<Self> {
        let (front, end) = word.split_at_checked(12)?;
        let empty = front.iter().all(|byte| *byte == 0);
        Some(Self(end.try_into().ok()?)).filter(|_| empty)
    }
}

fn digit(byte: u8) -> Result<u8, BadAddress> {
    let value = char::from(byte).to_digit(16).ok_or(BadAddress)?;
    u8::try_from(value).map_err(|_| BadAddress)
}

/// Bytes as `0x` and two hexadecimal digits each, of either case; nothing for any other text.
#[must_use]
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.strip_prefix("0x")?.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high).ok()?.wrapping_shl(4) | digit(*low).ok()?);
    pairs
        .iter()
        .map(byte)
        .collect::<Option<_>>()
        .filter(|_| rest.is_empty())
}

/// With the checksum of EIP-55.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower = to_hex(&self.0);
        let hash = keccak256(&[lower.as_bytes()]);
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = lower.chars().zip(nibbles).map(|(digit, nibble)| {
            if nibble > 7 {
                digit.to_ascii_uppercase()
            } else {
                digit
            }
        });
        let mut text = String::with_capacity(lower.len().saturating_add(2));
        text.push_str("0x");
        text.extend(digits);
        f.write_str(&text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // EIP-55, test cases.
    const MIXED: [&str; 4] = [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn addresses_of_eip_55_are_read_and_written() {
        for text in MIXED {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(&text.to_lowercase()), Ok(address));
            assert_eq!(Address::of_word(&address.word()), Some(address));
        }
    }

    #[test]
    fn a_wrong_checksum_or_form_is_refused() {
        let text = MIXED[0];
        for bad in [
            text.replace('F', "f"),
            text.replacen("0x", "0X", 1),
            text.replacen("0x", "", 1),
            text.to_uppercase().replacen("0X", "0x", 1),
            format!("{text}0"),
            text.chars().take(41).collect(),
            text.replacen('5', "g", 1),
            text.replacen('5', "é", 1),
            String::new(),
        ] {
            assert_eq!(Address::parse(&bad), Err(BadAddress), "{bad}");
        }
    }

    #[test]
    fn the_account_of_a_key_is_known() {
        // EIP-155, example: the key of 32 bytes 0x46.
        let public = secp256k1::public_of(&[0x46; 32]).unwrap();
        let address = Address::of_public_key(&public).unwrap().to_string();
        assert_eq!(
            address.to_lowercase(),
            "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"
        );
        assert_eq!(Address::of_public_key(&public[1..]), None);
        assert_eq!(Address::of_public_key(&[4; 65]), None);
    }

    #[test]
    fn a_word_with_more_than_an_address_is_none() {
        let mut word = [0; 32];
        word[11] = 1;
        assert_eq!(Address::of_word(&word), None);
    }
}
