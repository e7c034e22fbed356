//! Types of a function's arguments (Solidity contract ABI): words, texts, byte strings, and lists and tuples of these.
//!
//! An [`AbiType`] is written in one way, is not nested deeper than [`MAX_DEPTH`], and has no value without bytes: lists whose
//! type says how many have at least one element, and tuples one part. What a value may be, rules say.

use super::Atom;
use crate::id::parsed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Lists and tuples in one another at most.
pub const MAX_DEPTH: usize = 4;
/// Elements of one list at most, of calldata and of typed data.
pub const MAX_ITEMS: u16 = 64;
/// Bytes of a word.
const WORD: usize = 32;

/// A type of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AbiType {
    /// One word.
    Atom(Atom),
    /// `bytes`.
    Bytes,
    /// `string`: UTF-8.
    String,
    /// `T[]`, or `T[k]`.
    List {
        /// What each of them is.
        of: Box<Self>,
        /// How many, where the type says so.
        count: Option<u16>,
    },
    /// `(T,…)`, as structures are encoded.
    Tuple(Vec<Self>),
}

/// A text that names no such type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not address, bool, bytesN, intN, uintN, bytes, string, or lists and tuples of these: at most 4 in one another, [1] to [64]"
)]
pub struct BadType;

impl AbiType {
    /// Reads a type's canonical name.
    ///
    /// # Errors
    ///
    /// [`BadType`].
    pub fn parse(text: &str) -> Result<Self, BadType> {
        one(text, MAX_DEPTH).ok_or(BadType)
    }

    /// Reads the types between a function's parentheses.
    ///
    /// # Errors
    ///
    /// [`BadType`].
    pub fn parse_all(text: &str) -> Result<Vec<Self>, BadType> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        many(text, MAX_DEPTH).ok_or(BadType)
    }

    /// Whether a value's length is its own, so that it stands behind the others and an offset in its place.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        match self {
            Self::Atom(_) => false,
            Self::Bytes | Self::String | Self::List { count: None, .. } => true,
            Self::List { of, count: Some(_) } => of.is_dynamic(),
            Self::Tuple(parts) => parts.iter().any(Self::is_dynamic),
        }
    }

    /// Itself where no tuple is in it; else what its tuples are made of, in order.
    #[must_use]
    pub fn pieces(&self) -> Vec<&Self> {
        match self {
            Self::Tuple(parts) => parts.iter().flat_map(Self::pieces).collect(),
            Self::List { of, .. } if of.has_tuple() => of.pieces(),
            Self::Atom(_) | Self::Bytes | Self::String | Self::List { .. } => vec![self],
        }
    }

    /// Whether a tuple is in it.
    #[must_use]
    pub fn has_tuple(&self) -> bool {
        match self {
            Self::Tuple(_) => true,
            Self::List { of, .. } => of.has_tuple(),
            Self::Atom(_) | Self::Bytes | Self::String => false,
        }
    }

    /// What its elements are, and theirs in turn; itself, where it is no list.
    #[must_use]
    pub fn element(&self) -> &Self {
        match self {
            Self::List { of, .. } => of.element(),
            Self::Atom(_) | Self::Bytes | Self::String | Self::Tuple(_) => self,
        }
    }

    /// Bytes of what stands in a value's own place: the value, or its offset.
    #[must_use]
    pub fn head(&self) -> usize {
        if self.is_dynamic() {
            return WORD;
        }
        match self {
            Self::List {
                of,
                count: Some(count),
            } => of.head().saturating_mul(usize::from(*count)),
            Self::Tuple(parts) => parts
                .iter()
                .fold(0, |sum, part| part.head().saturating_add(sum)),
            Self::Atom(_) | Self::Bytes | Self::String | Self::List { count: None, .. } => WORD,
        }
    }
}

fn one(text: &str, depth: usize) -> Option<AbiType> {
    if let Some((of, count)) = list_of(text) {
        let of = Box::new(one(of, depth.checked_sub(1)?)?);
        return Some(AbiType::List { of, count });
    }
    if let Some(rest) = text.strip_prefix('(') {
        let parts = many(rest.strip_suffix(')')?, depth.checked_sub(1)?)?;
        return Some(AbiType::Tuple(parts));
    }
    match text {
        "bytes" => Some(AbiType::Bytes),
        "string" => Some(AbiType::String),
        _ => Atom::parse(text).ok().map(AbiType::Atom),
    }
}

/// Types with commas between them, at least one.
fn many(text: &str, depth: usize) -> Option<Vec<AbiType>> {
    let mut open = 0_usize;
    let parts = text.split(|c| {
        match c {
            '(' => open = open.saturating_add(1),
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        c == ',' && open == 0
    });
    parts.map(|part| one(part, depth)).collect()
}

/// A list's type taken apart: the type of its elements, and how many there are where it says so. Nothing for other types, and
/// for numbers that are none from 1 to [`MAX_ITEMS`].
#[must_use]
pub fn list_of(text: &str) -> Option<(&str, Option<u16>)> {
    let (of, digits) = text.strip_suffix(']')?.rsplit_once('[')?;
    if digits.is_empty() {
        return Some((of, None));
    }
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let count = digits.parse().ok().filter(|_| plain)?;
    (count <= MAX_ITEMS).then_some((of, Some(count)))
}

/// What stands behind the type of a list's elements.
pub(crate) fn write_list(
    f: &mut fmt::Formatter<'_>,
    of: &impl fmt::Display,
    count: Option<u16>,
) -> fmt::Result {
    match count {
        None => write!(f, "{of}[]"),
        Some(count) => write!(f, "{of}[{count}]"),
    }
}

impl fmt::Display for AbiType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => atom.fmt(f),
            Self::Bytes => f.write_str("bytes"),
            Self::String => f.write_str("string"),
            Self::List { of, count } => write_list(f, of, *count),
            Self::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
                write!(f, "({})", parts.join(","))
            }
        }
    }
}

impl Serialize for AbiType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AbiType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical_or_none() {
        for name in [
            "uint256",
            "bytes",
            "string",
            "uint32[]",
            "bytes[2][]",
            "(address,uint256)",
            "((bytes,bool)[3],string)[]",
            "(uint8,(uint8,(uint8,bytes)))[64]",
        ] {
            assert_eq!(AbiType::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "()",
            "[]",
            "uint",
            "uint256[",
            "uint256]",
            "uint256[0]",
            "uint256[01]",
            "uint256[+1]",
            "uint256[ ]",
            "uint256[]()",
            "(uint256",
            "uint256)",
            "(uint256,)",
            "(uint256)(bool)",
            "(uint256),(bool)",
            "(uint256, bool)",
            "tuple(uint256)",
            "address payable",
            "string ",
        ] {
            assert_eq!(AbiType::parse(name), Err(BadType), "{name}");
        }
        assert_eq!(AbiType::parse_all("").unwrap(), []);
        let all = AbiType::parse_all("uint256,(bool,bytes)[],string").unwrap();
        assert_eq!(
            (all.len(), all[1].to_string().as_str()),
            (3, "(bool,bytes)[]")
        );
        for bad in [",", "bool,", ",bool", "bool,,bool", "bool),(bool"] {
            assert_eq!(AbiType::parse_all(bad), Err(BadType), "{bad}");
        }
    }

    #[test]
    fn nesting_and_lengths_are_limited_on_both_sides() {
        let nested = |depth: usize| format!("bool{}", "[]".repeat(depth));
        AbiType::parse(&nested(MAX_DEPTH)).unwrap();
        AbiType::parse(&nested(MAX_DEPTH + 1)).unwrap_err();
        let tuples = |depth: usize| format!("{}bool{}", "(".repeat(depth), ")".repeat(depth));
        AbiType::parse(&tuples(MAX_DEPTH)).unwrap();
        AbiType::parse(&tuples(MAX_DEPTH + 1)).unwrap_err();
        AbiType::parse(&format!("bool[{MAX_ITEMS}]")).unwrap();
        AbiType::parse(&format!("bool[{}]", MAX_ITEMS + 1)).unwrap_err();
        AbiType::parse("bool[65537]").unwrap_err();
    }

    #[test]
    fn tuples_are_taken_apart_in_order() {
        for (name, pieces) in [
            ("uint8[][2]", "uint8[][2]"),
            ("(bool,(bytes,int8)[3])[2]", "bool bytes int8"),
            (
                "(bool,(bytes,uint8[])[],string)",
                "bool bytes uint8[] string",
            ),
        ] {
            let of = AbiType::parse(name).unwrap();
            let found: Vec<_> = of.pieces().iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), pieces);
        }
    }

    #[test]
    fn what_has_a_length_of_its_own_stands_behind() {
        // Solidity ABI, "Formal Specification of the Encoding".
        for (name, dynamic, head) in [
            ("uint8", false, 32),
            ("bytes", true, 32),
            ("string", true, 32),
            ("uint8[]", true, 32),
            ("uint8[3]", false, 96),
            ("uint8[3][2]", false, 192),
            ("uint8[][2]", true, 32),
            ("string[2]", true, 32),
            ("(uint8,bool[2])", false, 96),
            ("(uint8,bytes)", true, 32),
            ("(uint8,(bool,string))[2]", true, 32),
        ] {
            let of = AbiType::parse(name).unwrap();
            assert_eq!((of.is_dynamic(), of.head()), (dynamic, head), "{name}");
        }
    }
}
