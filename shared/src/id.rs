//! Identifiers: fixed-length bytes and short names, each its own type, so that one cannot stand in for another.
//!
//! A value of a name type has been checked against its alphabet and length. Bytes are hexadecimal in JSON and byte
//! strings in CBOR. This module does not know what the named things are.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc};

/// A text that is not an identifier of the wanted type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this type")]
pub struct BadId;

/// Lower-case hexadecimal.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

fn digit(nibble: u8) -> char {
    char::from(match nibble {
        0..=9 => b'0'.wrapping_add(nibble),
        _ => b'a'.wrapping_add(nibble).wrapping_sub(10),
    })
}

/// Reads lower-case hexadecimal of exactly the array's length.
///
/// # Errors
///
/// [`BadId`] for another length, case or alphabet.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], BadId> {
    let mut out = [0_u8; N];
    if text.len() != N.saturating_mul(2) {
        return Err(BadId);
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(BadId) };
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Ok(out)
}

fn nibble(digit: u8) -> Result<u8, BadId> {
    match digit {
        b'0'..=b'9' => Ok(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(BadId),
    }
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Reads the text form that `Display` writes.
            ///
            /// # Errors
            ///
            /// [`BadId`] for anything else.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                from_hex(text.strip_prefix($prefix).ok_or(BadId)?).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    return Self::parse(&text).map_err(de::Error::custom);
                }
                serde_bytes::ByteArray::<$len>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
            }
        }
    };
}

byte_id!(
    /// A SHA-256 digest; `sha256:` and 64 hexadecimal digits in text.
    Digest, 32, "sha256:"
);
byte_id!(
    /// One boot of an enclave: random, never reused.
    InstanceId, 16, ""
);
byte_id!(
    /// One agent channel: random, named by the enclave.
    ChannelId, 16, ""
);
byte_id!(
    /// A measurement register's value: SHA-384.
    Pcr, 48, ""
);
byte_id!(
    /// A public X25519 key: an agent's identity or the enclave's channel key of one boot; `x25519:` and hexadecimal.
    X25519Public, 32, "x25519:"
);

/// Reads a text without keeping it.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T, R: fmt::Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, R>,
) -> Result<T, D::Error> {
    struct Text<F>(F);

    impl<T, R: fmt::Display, F: FnOnce(&str) -> Result<T, R>> de::Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text of this type")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(parse))
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest accepted text in bytes.
            pub const MAX: usize = $max;

            /// Checks a text against the type's prefix, alphabet and length.
            ///
            /// # Errors
            ///
            /// [`BadId`] when it is not one.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let rest = text.strip_prefix($prefix).ok_or(BadId)?;
                let extra: &[u8] = $extra;
                let fine = rest.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
                let starts = rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
                if fine && starts && text.len() <= $max { Ok(Self(text.into())) } else { Err(BadId) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer, Self::parse)
            }
        }
    };
}

name_id!(
    /// A grant: `gr_` and at most 40 letters, digits, `_` or `-`.
    GrantId, "gr_", 43, b"_-"
);
name_id!(
    /// A signing key: `k_` and at most 62 letters, digits, `_` or `-`.
    KeyId, "k_", 64, b"_-"
);
name_id!(
    /// An agent's name: at most 64 letters, digits, `_`, `-` or `.`.
    AgentId, "", 64, b"_-."
);
name_id!(
    /// A resource's name in the catalog: at most 64 letters, digits, `_`, `-` or `.`.
    ResourceName, "", 64, b"_-."
);
name_id!(
    /// A unit of budgets: `call`, `usd-cents`, or an asset such as `usdc.base`; at most 64 letters, digits, `_`, `-` or `.`.
    Unit, "", 64, b"_-."
);

impl Unit {
    /// The unit that every call costs one of.
    #[must_use]
    pub fn call() -> Self {
        Self("call".into())
    }

    /// Whether this is the unit `call`.
    #[must_use]
    pub fn is_call(&self) -> bool {
        self.as_str() == "call"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_on_both_sides_of_its_length() {
        GrantId::parse(&format!("gr_{}", "a".repeat(40))).unwrap();
        GrantId::parse(&format!("gr_{}", "a".repeat(41))).unwrap_err();
        for bad in [
            "",
            "gr_",
            "gr",
            "xx_1",
            "gr_a b",
            "gr_\u{430}",
            "gr_a/b",
            "gr_-a",
        ] {
            assert!(GrantId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_read_back_in_both_codecs() {
        let digest = Digest([7; 32]);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"sha256:{}\"", "07".repeat(32)));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        let cbor = serde_cbor::to_vec(&digest).unwrap();
        assert_eq!(cbor.len(), 34);
        assert_eq!(serde_cbor::from_slice::<Digest>(&cbor).unwrap(), digest);
        Digest::parse(&digest.to_string().to_uppercase()).unwrap_err();
    }
}
