//! Strict JSON: one value, no duplicate member, no trailing byte, bounded depth and size.
//!
//! [`parse`] gives a tree that keeps what rules need: order of members, integers apart from every other number. A float,
//! an exponent or an integer beyond 64 bits is [`Value::NotInteger`]: it is there, and nothing can be read from it.
//! [`Place`] and [`Object`] read a document member by member and refuse what nobody asked for. This module does not know
//! what the values mean.

mod de;
mod read;

pub use read::{Object, Place};

/// Nesting a document may have (DESIGN §11).
pub const MAX_DEPTH: usize = 32;
/// Values a document may hold, containers included: bounds the tree's memory to a few MiB whatever the text.
pub const MAX_VALUES: usize = 65_536;
/// Longest pointer that an error shows, in bytes; longer ones are cut.
pub const MAX_SHOWN_POINTER: usize = 512;

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Elements in order.
    Array(Vec<Self>),
    /// `true` or `false`.
    Bool(bool),
    /// A number written as an integer that fits 64 bits, signed or unsigned.
    Integer(i128),
    /// Any other number.
    NotInteger,
    /// `null`.
    Null,
    /// Members in order, names distinct.
    Object(Vec<(String, Self)>),
    /// Text.
    String(String),
}

/// Why a text is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at `{pointer}`: expected {what}")]
pub struct Error {
    /// JSON pointer (RFC 6901) to the place; empty means the whole document.
    pub pointer: String,
    /// What was expected there.
    pub what: &'static str,
}

/// Reads one document.
///
/// # Errors
///
/// [`Error`] for anything that is not strict JSON within the limits.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    de::parse(bytes)
}

impl Value {
    /// The value at a JSON pointer (RFC 6901); nothing for a pointer that is malformed or leads nowhere.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut value = self;
        for part in pointer.strip_prefix('/')?.split('/') {
            value = match value {
                Self::Object(members) => {
                    let name = unescape(part)?;
                    members
                        .iter()
                        .find(|(key, _)| *key == name)
                        .map(|(_, member)| member)?
                }
                Self::Array(elements) => elements.get(index(part)?)?,
                Self::Bool(_)
                | Self::Integer(_)
                | Self::NotInteger
                | Self::Null
                | Self::String(_) => return None,
            };
        }
        Some(value)
    }

    /// The text, where this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// Shows every leaf with its pointer, in order: scalars, and containers without content. Stops at the first error.
    ///
    /// # Errors
    ///
    /// Whatever `see` returns.
    pub fn each_leaf<E>(&self, see: &mut dyn FnMut(&str, &Self) -> Result<(), E>) -> Result<(), E> {
        self.leaves_under(&mut String::new(), see)
    }

    fn leaves_under<E>(
        &self,
        pointer: &mut String,
        see: &mut dyn FnMut(&str, &Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = pointer.len();
        match self {
            Self::Array(elements) if !elements.is_empty() => {
                for (at, element) in elements.iter().enumerate() {
                    push_index(pointer, at);
                    element.leaves_under(pointer, see)?;
                    pointer.truncate(length);
                }
                Ok(())
            }
            Self::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    push_name(pointer, name);
                    member.leaves_under(pointer, see)?;
                    pointer.truncate(length);
                }
                Ok(())
            }
            Self::Array(_)
            | Self::Object(_)
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::NotInteger
            | Self::Null
            | Self::String(_) => see(pointer, self),
        }
    }
}

/// Whether a text is a JSON pointer that names something inside a document (RFC 6901, the empty one left out).
#[must_use]
pub fn is_pointer(text: &str) -> bool {
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| unescape(part).is_some()))
}

fn push_index(pointer: &mut String, at: usize) {
    use std::fmt::Write;
    // Writing to a String does not fail.
    let _ = write!(pointer, "/{at}");
}

fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut out = String::with_capacity(part.len());
    let mut rest = part.chars();
    while let Some(character) = rest.next() {
        out.push(match character {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// RFC 6901 §4: digits without a leading zero.
fn index(part: &str) -> Option<usize> {
    let plain = part.bytes().all(|byte| byte.is_ascii_digit())
        && (part.len() == 1 || !part.starts_with('0'));
    if plain { part.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> Error {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn numbers_are_integers_or_nothing() {
        let read = |text: &str| parse(text.as_bytes()).unwrap();
        assert_eq!(read("0"), Value::Integer(0));
        assert_eq!(read("-7"), Value::Integer(-7));
        assert_eq!(
            read("18446744073709551615"),
            Value::Integer(i128::from(u64::MAX))
        );
        for other in ["1.0", "1e3", "1E0", "18446744073709551616", "-0", "0.5"] {
            assert_eq!(read(other), Value::NotInteger, "{other}");
        }
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "nul",
            "01",
            "+1",
            "[1,]",
            "{\"a\":1,}",
            "'a'",
            "\"\u{1}\"",
            "NaN",
            "1e999",
            "\"\\ud800\"",
            "1 2",
            "{} x",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        parse(b"\"\xff\"").unwrap_err();
        assert!(parse(b"\xef\xbb\xbf{}").is_err(), "byte order mark");
    }

    #[test]
    fn a_duplicate_member_is_refused_at_its_place_however_it_is_escaped() {
        assert_eq!(
            refused(r#"{"x":[{"a/b":1,"c":2,"a\u002fb":3}]}"#).pointer,
            "/x/0/a~1b"
        );
        parse(br#"{"a":1,"b":{"a":1}}"#).unwrap();
    }

    #[test]
    fn depth_is_limited_on_both_sides() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        parse(nested(MAX_DEPTH).as_bytes()).unwrap();
        assert_eq!(
            refused(&nested(MAX_DEPTH + 1)).what,
            "nesting of at most 32"
        );
        parse("[".repeat(1_000_000).as_bytes()).unwrap_err();
    }

    #[test]
    fn the_number_of_values_is_limited_on_both_sides() {
        let wide = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        parse(wide(MAX_VALUES - 1).as_bytes()).unwrap();
        assert_eq!(refused(&wide(MAX_VALUES)).what, "at most 65536 values");
    }

    #[test]
    fn pointers_of_rfc_6901_section_5() {
        let text = br#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8," ":7}"#;
        let value = parse(text).unwrap();
        assert_eq!(value.pointer(""), Some(&value));
        assert_eq!(value.pointer("/foo/0"), Some(&Value::String("bar".into())));
        for (pointer, n) in [("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/m~0n", 8), ("/ ", 7)] {
            assert_eq!(
                value.pointer(pointer),
                Some(&Value::Integer(n)),
                "{pointer}"
            );
        }
        for none in [
            "foo", "/foo/2", "/foo/00", "/foo/-", "/foo/+1", "/m~n", "/m~2n", "/foo/0/x", "/nope",
        ] {
            assert_eq!(value.pointer(none), None, "{none}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Integer(n.into())),
            "[a-z/~]{0,4}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[a-z/~\"]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn write(value: &Value) -> serde_json::Value {
        match value {
            Value::Array(elements) => elements.iter().map(write).collect(),
            Value::Bool(word) => (*word).into(),
            Value::Integer(n) => i64::try_from(*n).unwrap().into(),
            Value::NotInteger => 0.5.into(),
            Value::Null => serde_json::Value::Null,
            Value::Object(members) => serde_json::Value::Object(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), write(member)))
                    .collect(),
            ),
            Value::String(text) => text.as_str().into(),
        }
    }

    proptest! {
        #[test]
        fn a_tree_reads_back_from_another_writer(value in values()) {
            prop_assert_eq!(parse(write(&value).to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn every_leaf_is_found_again_by_its_pointer(value in values()) {
            let mut seen = Vec::new();
            value.each_leaf::<()>(&mut |pointer, leaf| {
                seen.push(pointer.to_owned());
                assert_eq!(value.pointer(pointer), Some(leaf), "{pointer}");
                Ok(())
            }).unwrap();
            prop_assert!(!seen.is_empty());
        }

        #[test]
        fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
