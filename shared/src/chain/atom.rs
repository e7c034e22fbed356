//! Types of values that fill one word: what a call's arguments and typed data's members are made of.
//!
//! An [`Atom`] says which bits of a word may be set; a word with others is not of the type (Solidity ABI, strict decoding).
//! Texts, byte strings and lists are none of these.

use super::{Address, Word, bytes};
use crate::{codec::json::Value, id::parsed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A type of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Atom {
    /// `address`.
    Address,
    /// `bool`.
    Bool,
    /// `bytes1` to `bytes32`.
    Bytes(u8),
    /// `int8` to `int256`.
    Int(u16),
    /// `uint8` to `uint256`.
    Uint(u16),
}

/// A text that names no such type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not address, bool, bytesN, intN or uintN")]
pub struct BadAtom;

impl Atom {
    /// Reads a type's canonical name; `uint` and `int` alone are not.
    ///
    /// # Errors
    ///
    /// [`BadAtom`].
    pub fn parse(text: &str) -> Result<Self, BadAtom> {
        let number = |digits: &str, most: u16| {
            let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            let number: u16 = digits.parse().ok().filter(|_| plain)?;
            (number > 0 && number <= most).then_some(number)
        };
        let bits = |digits: &str| number(digits, 256).filter(|bits| bits.is_multiple_of(8));
        if text == "address" {
            return Ok(Self::Address);
        }
        if text == "bool" {
            return Ok(Self::Bool);
        }
        let read = if let Some(digits) = text.strip_prefix("bytes") {
            let count = number(digits, 32).and_then(|count| u8::try_from(count).ok());
            count.map(Self::Bytes)
        } else if let Some(digits) = text.strip_prefix("uint") {
            bits(digits).map(Self::Uint)
        } else {
            text.strip_prefix("int").and_then(bits).map(Self::Int)
        };
        read.ok_or(BadAtom)
    }

    /// Whether a word is of this type, with no other bit set.
    #[must_use]
    pub fn holds(self, word: &Word) -> bool {
        match self {
            Self::Address => word.fits(160),
            Self::Bool => *word <= Word::ONE,
            Self::Bytes(count) => {
                let end = word.0.get(usize::from(count)..).unwrap_or_default();
                end.iter().all(|byte| *byte == 0)
            }
            Self::Int(bits) => {
                let front = usize::from(256_u16.saturating_sub(bits) / 8);
                let (front, rest) = word.0.split_at(front.min(word.0.len()));
                let sign = rest.first().is_some_and(|byte| byte & 0x80 != 0);
                let fill = if sign { 0xff } else { 0 };
                front.iter().all(|byte| *byte == fill)
            }
            Self::Uint(bits) => word.fits(bits),
        }
    }

    /// A value as JSON writes it: an address and bytes as hexadecimal text, a number as text or integer, `true` or `false`.
    #[must_use]
    pub fn read(self, value: &Value) -> Option<Word> {
        let word = match (self, value) {
            (Self::Bool, Value::Bool(word)) => Word::from(u128::from(*word)),
            (Self::Address, Value::String(text)) => Word(Address::parse(text).ok()?.word()),
            (Self::Bytes(count), Value::String(text)) => {
                let bytes = bytes(text)?;
                let mut word = Word::ZERO;
                let (front, _) = word.0.split_at_mut_checked(bytes.len())?;
                front.copy_from_slice(&bytes);
                (bytes.len() == usize::from(count)).then_some(word)?
            }
            (Self::Uint(_), Value::String(text)) => Word::parse(text).ok()?,
            (Self::Int(_), Value::String(text)) => match text.strip_prefix('-') {
                None => Word::parse(text).ok()?,
                Some(digits) => negative(Word::parse(digits).ok()?)?,
            },
            (Self::Uint(_) | Self::Int(_), Value::Integer(number)) => {
                let magnitude = Word::from(number.unsigned_abs());
                match (self, *number < 0) {
                    (_, false) => magnitude,
                    (Self::Int(_), true) => negative(magnitude)?,
                    (_, true) => return None,
                }
            }
            _ => return None,
        };
        // A positive number that would be read as a negative one is none of the type.
        let sign = word.0.first().is_some_and(|byte| byte & 0x80 != 0);
        let minus = match value {
            Value::String(text) => text.starts_with('-'),
            Value::Integer(number) => *number < 0,
            Value::Array(_)
            | Value::Bool(_)
            | Value::NotInteger
            | Value::Null
            | Value::Object(_) => false,
        };
        let fits = !matches!(self, Self::Int(_)) || sign == minus;
        (fits && self.holds(&word)).then_some(word)
    }

    /// A word of this type as rules and grants write it.
    #[must_use]
    pub fn show(self, word: &Word) -> String {
        match self {
            Self::Address => match Address::of_word(&word.0) {
                Some(address) => address.to_string(),
                None => word.to_hex(),
            },
            Self::Bool => (*word != Word::ZERO).to_string(),
            Self::Bytes(count) => {
                let front = word.0.get(..usize::from(count)).unwrap_or_default();
                format!("0x{}", crate::id::to_hex(front))
            }
            Self::Int(_) if word.0.first().is_some_and(|byte| byte & 0x80 != 0) => {
                format!("-{}", complement(*word))
            }
            Self::Int(_) | Self::Uint(_) => word.to_string(),
        }
    }
}

/// Two's complement; nothing for zero, which has no sign.
fn negative(word: Word) -> Option<Word> {
    (word != Word::ZERO).then(|| complement(word))
}

fn complement(word: Word) -> Word {
    let (mut out, mut carry) = (word, true);
    for byte in out.0.iter_mut().rev() {
        let (sum, more) = (!*byte).overflowing_add(u8::from(carry));
        (*byte, carry) = (sum, more);
    }
    out
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Bool => f.write_str("bool"),
            Self::Bytes(count) => write!(f, "bytes{count}"),
            Self::Int(bits) => write!(f, "int{bits}"),
            Self::Uint(bits) => write!(f, "uint{bits}"),
        }
    }
}

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Atom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn names_are_canonical_or_none() {
        for name in [
            "address", "bool", "bytes1", "bytes32", "int8", "int256", "uint8", "uint256",
        ] {
            assert_eq!(Atom::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "uint",
            "int",
            "bytes",
            "string",
            "uint0",
            "uint7",
            "uint264",
            "uint08",
            "bytes0",
            "bytes33",
            "uint256[]",
            "address payable",
            "byte",
            "uint+8",
        ] {
            assert_eq!(Atom::parse(name), Err(BadAtom), "{name}");
        }
    }

    #[test]
    fn values_are_read_as_they_are_shown() {
        for (name, value) in [
            ("uint8", "255"),
            (
                "uint256",
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            ),
            ("int8", "-128"),
            ("int8", "127"),
            ("int256", "-1"),
            (
                "int256",
                "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
            ),
            ("bytes4", "0x01020304"),
            ("address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ] {
            let atom = Atom::parse(name).unwrap();
            let word = atom.read(&text(value)).unwrap();
            assert_eq!(atom.show(&word), value);
            assert!(atom.holds(&word));
        }
        assert_eq!(Atom::Bool.read(&Value::Bool(true)), Some(Word::ONE));
        assert_eq!(Atom::Int(16).read(&Value::Integer(-2)).unwrap().0, {
            let mut bytes = [0xff; 32];
            bytes[31] = 0xfe;
            bytes
        });
    }

    #[test]
    fn values_of_another_type_or_size_are_none() {
        for (name, value) in [
            ("uint8", "256"),
            ("uint8", "-1"),
            ("int8", "128"),
            ("int8", "-129"),
            (
                "int256",
                "57896044618658097711785492504343953926634992332820282019728792003956564819968",
            ),
            ("int8", "-0"),
            ("bytes4", "0x010203"),
            ("bytes4", "0x0102030405"),
            ("bytes4", "01020304"),
            ("address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"),
            ("bool", "true"),
        ] {
            assert_eq!(
                Atom::parse(name).unwrap().read(&text(value)),
                None,
                "{name} {value}"
            );
        }
        assert_eq!(Atom::Uint(8).read(&Value::Integer(-1)), None);
        assert_eq!(Atom::Uint(8).read(&Value::NotInteger), None);
    }

    #[test]
    fn other_bits_are_not_of_the_type() {
        let mut dirty = Word::ONE;
        dirty.0[0] = 1;
        for name in ["address", "bool", "uint8", "uint248", "int8", "bytes1"] {
            assert!(!Atom::parse(name).unwrap().holds(&dirty), "{name}");
        }
        assert!(Atom::Uint(256).holds(&dirty) && Atom::Bytes(32).holds(&dirty));
        assert!(!Atom::Bool.holds(&Word::from(2)));
        assert!(Atom::Int(8).holds(&Word::MAX) && !Atom::Int(8).holds(&Word::from(128)));
    }
}
