//! Typed data (EIP-712) as a route has it: its domain, its types, and a rule for each value.
//!
//! Having a form means that each value of the whole has one rule, elements of a list in common. What a message is, is not
//! decided here.

use super::ValueRule;
use crate::{
    chain::{Address, Atom, Word, abi},
    effect::Verb,
    id::{Unit, parsed},
    time::Millis,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What stands for the number of a list's element in the pointer of a rule: no member's name.
pub const EACH: &str = "*";

/// Structures and lists of typed data in one another at most.
pub(crate) const MAX_DEPTH: usize = 8;

/// The form of typed data, and what each of its members may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedData {
    /// Who reads it.
    pub domain: TypedDomain,
    /// The type of the whole.
    pub primary_type: String,
    /// Every structure, by name; each is part of the whole.
    pub types: BTreeMap<String, Vec<TypedMember>>,
    /// One rule for each value, by its JSON pointer in the message; elements of a list have `*` for their number.
    pub members: BTreeMap<String, MemberRule>,
    /// How far ahead a deadline may be.
    pub longest: Millis,
    /// Whether charges may be made though nothing makes it single use.
    pub replayable: bool,
    /// What it does, in the words of `permissions`.
    pub verb: Verb,
}

/// Who reads typed data; its chain is the route's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedDomain {
    /// `name`, where the contract has one.
    pub name: Option<String>,
    /// `version`, where the contract has one.
    pub version: Option<String>,
    /// `verifyingContract`.
    pub contract: Address,
    /// `salt`, where the contract has one.
    pub salt: Option<Word>,
}

/// A member of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedMember {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: MemberType,
}

/// Types of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberType {
    /// One word.
    Atom(Atom),
    /// `bytes`.
    Bytes,
    /// `string`.
    String,
    /// A structure.
    Struct(String),
    /// `T[]`, or `T[k]`.
    List(ListType),
}

/// A list of typed data. It is kept as its name, which nests no deeper however its lists do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListType {
    /// What each of its elements is.
    pub of: Box<MemberType>,
    /// How many, where the type says so.
    pub count: Option<u16>,
}

/// What a member's value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRule {
    /// Any text or bytes.
    AnyText,
    /// The number of seconds since the epoch when the reader no longer takes it.
    Deadline,
    /// Whatever makes it single use for its reader.
    Nonce,
    /// One of these texts; bytes as `0x` and hexadecimal digits in lower case.
    Texts(Vec<String>),
    /// Of a value of one word.
    Value(ValueRule),
}

impl TypedData {
    /// A structure's type as it is hashed (EIP-712, `encodeType`): itself, then what it is made of by name.
    #[must_use]
    pub fn encode_type(&self, name: &str) -> String {
        let mut names = BTreeSet::new();
        self.collect(name, &mut names);
        names.remove(name);
        let all = std::iter::once(name).chain(names);
        all.map(|name| self.own_type(name)).collect()
    }

    fn own_type(&self, name: &str) -> String {
        let members = self.types.get(name).into_iter().flatten();
        let members = members.map(|one| format!("{} {}", one.of, one.name));
        let members: Vec<_> = members.collect();
        format!("{name}({})", members.join(","))
    }

    /// A structure and all that it is made of.
    pub(crate) fn collect<'a>(&'a self, name: &'a str, into: &mut BTreeSet<&'a str>) {
        if !into.insert(name) {
            return;
        }
        for member in self.types.get(name).into_iter().flatten() {
            if let MemberType::Struct(name) = member.of.element() {
                self.collect(name, into);
            }
        }
    }

    /// The type of what a rule's pointer stands for: a member, an element of a list, or one in these.
    #[must_use]
    pub fn type_at(&self, pointer: &str) -> Option<&MemberType> {
        let member = |name: &str, part: &str| {
            let mut members = self.types.get(name)?.iter();
            members.find(|one| one.name == part).map(|one| &one.of)
        };
        let mut parts = pointer.strip_prefix('/')?.split('/');
        let first = member(&self.primary_type, parts.next()?)?;
        parts.try_fold(first, |of, part| match of {
            MemberType::Struct(name) => member(name, part),
            MemberType::List(list) if part == EACH => Some(&*list.of),
            MemberType::List(_) | MemberType::Atom(_) | MemberType::Bytes | MemberType::String => {
                None
            }
        })
    }

    /// Whether its reader takes it once.
    #[must_use]
    pub fn is_single_use(&self) -> bool {
        self.members.values().any(|rule| *rule == MemberRule::Nonce)
    }

    /// Whether a deadline ends it.
    #[must_use]
    pub fn has_deadline(&self) -> bool {
        self.members
            .values()
            .any(|rule| *rule == MemberRule::Deadline)
    }
}

impl MemberType {
    /// Reads a type's name, at most so many lists in one another; what is none of EIP-712's own types is a structure's.
    pub(crate) fn parse(text: &str, depth: usize) -> Option<Self> {
        if let Some((of, count)) = abi::list_of(text) {
            let of = Box::new(Self::parse(of, depth.checked_sub(1)?)?);
            return Some(Self::List(ListType { of, count }));
        }
        Some(match (text, Atom::parse(text)) {
            (_, Ok(atom)) => Self::Atom(atom),
            ("string", _) => Self::String,
            ("bytes", _) => Self::Bytes,
            (name, _) => Self::Struct(name.to_owned()),
        })
    }

    /// The type of one word that it is; nothing for others.
    #[must_use]
    pub const fn atom(&self) -> Option<Atom> {
        match self {
            Self::Atom(atom) => Some(*atom),
            Self::Bytes | Self::String | Self::Struct(_) | Self::List(_) => None,
        }
    }

    /// What its elements are, and theirs in turn; itself, where it is no list.
    #[must_use]
    pub fn element(&self) -> &Self {
        match self {
            Self::List(list) => list.of.element(),
            Self::Atom(_) | Self::Bytes | Self::String | Self::Struct(_) => self,
        }
    }
}

impl fmt::Display for ListType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        abi::write_list(f, &self.of, self.count)
    }
}

impl Serialize for ListType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = |text: &str| match MemberType::parse(text, MAX_DEPTH) {
            Some(MemberType::List(list)) => Ok(list),
            Some(_) | None => Err(abi::BadType),
        };
        parsed(deserializer, list)
    }
}

/// The type's name, as it is hashed.
impl fmt::Display for MemberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => atom.fmt(f),
            Self::Bytes => f.write_str("bytes"),
            Self::String => f.write_str("string"),
            Self::Struct(name) => f.write_str(name),
            Self::List(list) => list.fmt(f),
        }
    }
}

impl MemberRule {
    /// The unit that is charged, where one is.
    #[must_use]
    pub const fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Value(rule) => rule.unit(),
            Self::AnyText | Self::Deadline | Self::Nonce | Self::Texts(_) => None,
        }
    }

    /// Whether it takes whatever is of the type.
    #[must_use]
    pub fn is_any(&self) -> bool {
        matches!(self, Self::AnyText | Self::Value(ValueRule::Any))
    }
}
