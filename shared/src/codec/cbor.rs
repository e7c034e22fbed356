//! Canonical CBOR: one byte form per value, and nothing else is accepted.
//!
//! [`decode`] takes bytes that [`encode`] could have produced: definite lengths, shortest integers, no tags, no floats,
//! depth at most [`MAX_DEPTH`], at most [`MAX_ITEMS`] items, nothing trailing. It scans before it decodes and re-encodes
//! after, so a second byte form of the same value is refused. It does not know what the values mean.

mod de;
#[cfg(test)]
mod same;
mod ser;

use de::Shape;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes that most documents fit in: what is reserved for one.
const ROOM: usize = 1024;
/// Nesting a document may have (DESIGN §11).
pub const MAX_DEPTH: usize = 16;
/// Items a document may have, itself and the names of members included (docs/decisions/0002): what tiny items become in
/// memory weighs far more than their bytes.
pub const MAX_ITEMS: u64 = 4096;

/// Why bytes are not a canonical document of the wanted type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("cbor nested too deep")]
    Depth,
    /// More items than the caller's limit.
    #[error("cbor has too many items")]
    Items,
    /// Well-formed, but not the one form that the encoder makes.
    #[error("cbor is not canonical")]
    NotCanonical,
    /// Does not hold the wanted type.
    #[error("cbor has the wrong shape")]
    Shape,
    /// Longer than the caller's limit.
    #[error("cbor is too large")]
    TooLarge,
    /// Not well-formed.
    #[error("cbor is malformed")]
    Malformed,
}

/// The canonical bytes of a value.
///
/// # Errors
///
/// [`Error::Shape`] for a value CBOR cannot carry; no type of this crate is one.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    encode_around(0, value)
}

/// [`encode`] of a value that holds so many bytes as they are.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_around<T: Serialize>(held: usize, value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(ROOM.saturating_add(held));
    ser::write(value, &mut out).map_err(|Shape| Error::Shape)?;
    Ok(out)
}

/// Reads a value back from its canonical bytes, which hold at most [`MAX_ITEMS`].
///
/// # Errors
///
/// Any [`Error`]; until length, depth and items are known to be within their limits nothing is allocated.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max_len: usize) -> Result<T, Error> {
    decode_many(bytes, max_len, MAX_ITEMS)
}

/// [`decode`] for the few documents that honestly hold more items, each with a limit of its own.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_many<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    max_len: usize,
    max_items: u64,
) -> Result<T, Error> {
    if bytes.len() > max_len {
        return Err(Error::TooLarge);
    }
    scan(bytes, max_items)?;
    let value: T = de::read(bytes).map_err(|Shape| Error::Shape)?;
    let mut rest = Compared(bytes);
    ser::write(&value, &mut rest).map_err(|Shape| Error::NotCanonical)?;
    if rest.0.is_empty() {
        Ok(value)
    } else {
        Err(Error::NotCanonical)
    }
}

/// Takes what is written only as long as it is what stands here.
struct Compared<'a>(&'a [u8]);

impl ser::Sink for Compared<'_> {
    #[inline]
    fn put_one(&mut self, written: u8) -> Result<(), Shape> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte == written => self.0 = rest,
            Some(_) | None => return Err(Shape),
        }
        Ok(())
    }

    #[inline]
    fn put(&mut self, written: &[u8]) -> Result<(), Shape> {
        self.0 = self.0.strip_prefix(written).ok_or(Shape)?;
        Ok(())
    }
}

/// Walks the items once: well-formed, definite, shallow, few, one item exactly.
fn scan(bytes: &[u8], max_items: u64) -> Result<(), Error> {
    let mut rest = bytes;
    let mut items: u64 = 1;
    // What is left to read on each open level.
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left = left.saturating_sub(1);
        let children = item(&mut rest)?;
        if children > 0 {
            items = items.saturating_add(children);
            if items > max_items {
                return Err(Error::Items);
            }
            if open.len() > MAX_DEPTH {
                return Err(Error::Depth);
            }
            open.push(children);
        }
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Error::Malformed)
    }
}

/// Reads one item's head and body; says how many items it contains.
fn item(rest: &mut &[u8]) -> Result<u64, Error> {
    let (&head, tail) = rest.split_first().ok_or(Error::Malformed)?;
    *rest = tail;
    let argument = argument(head & 0x1f, rest)?;
    match head >> 5 {
        0 | 1 => Ok(0),
        2 | 3 => {
            let len = usize::try_from(argument).map_err(|_| Error::Malformed)?;
            *rest = rest.get(len..).ok_or(Error::Malformed)?;
            Ok(0)
        }
        4 => Ok(argument),
        5 => argument.checked_mul(2).ok_or(Error::Malformed),
        // false, true, null; no other simple value, no float
        7 if matches!(head, 0xf4..=0xf6) => Ok(0),
        _ => Err(Error::NotCanonical),
    }
}

fn argument(info: u8, rest: &mut &[u8]) -> Result<u64, Error> {
    let width = match info {
        0..=23 => return Ok(u64::from(info)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err(Error::NotCanonical),
    };
    let (bytes, tail) = rest.split_at_checked(width).ok_or(Error::Malformed)?;
    *rest = tail;
    Ok(bytes
        .iter()
        .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let value: BTreeMap<String, Vec<u32>> =
            [("a".into(), vec![1, 500, 70_000]), ("b".into(), vec![])].into();
        let bytes = encode(&value).unwrap();
        assert_eq!(
            decode::<BTreeMap<String, Vec<u32>>>(&bytes, 100).unwrap(),
            value
        );
    }

    #[test]
    fn a_second_form_of_the_same_value_is_refused() {
        assert_eq!(
            decode::<u32>(&[0x18, 0x05], 9),
            Err(Error::NotCanonical),
            "long integer"
        );
        assert_eq!(
            decode::<Vec<u32>>(&[0x9f, 0x01, 0xff], 9),
            Err(Error::NotCanonical),
            "indefinite length"
        );
        assert_eq!(
            decode::<u32>(&[0x05, 0x05], 9),
            Err(Error::Malformed),
            "trailing byte"
        );
        assert_eq!(
            decode::<f64>(&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], 9),
            Err(Error::NotCanonical),
            "float"
        );
    }

    #[test]
    fn what_has_no_one_form_is_not_written() {
        struct Endless;
        impl Serialize for Endless {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::ser::SerializeSeq::end(serializer.serialize_seq(None)?)
            }
        }
        assert_eq!(encode(&0.5_f64), Err(Error::Shape));
        assert_eq!(encode(&0.5_f32), Err(Error::Shape));
        assert_eq!(encode(&(u128::from(u64::MAX) + 1)), Err(Error::Shape));
        assert_eq!(encode(&(-1 - i128::from(u64::MAX) - 1)), Err(Error::Shape));
        assert_eq!(encode(&Endless), Err(Error::Shape));
    }

    #[test]
    fn depth_and_length_are_limited_on_both_sides() {
        let nested = |n: usize| [vec![0x81; n], vec![0x00]].concat();
        assert_eq!(scan(&nested(MAX_DEPTH), MAX_ITEMS), Ok(()));
        assert_eq!(scan(&nested(MAX_DEPTH + 1), MAX_ITEMS), Err(Error::Depth));
        assert_eq!(decode::<u32>(&[0x05], 1), Ok(5));
        assert_eq!(decode::<u32>(&[0x05], 0), Err(Error::TooLarge));
    }

    #[test]
    fn items_are_limited_on_both_sides() {
        let fits = |items: u64| {
            let bytes = encode(&vec![0_u8; usize::try_from(items).unwrap() - 1]).unwrap();
            decode::<Vec<u8>>(&bytes, 10_000).map(drop)
        };
        assert_eq!(fits(MAX_ITEMS), Ok(()));
        assert_eq!(fits(MAX_ITEMS + 1), Err(Error::Items));
        // Names count as their values do, and each level adds to the one sum.
        let value: BTreeMap<u8, Vec<u8>> = [(1, vec![1, 2]), (2, vec![3])].into();
        let bytes = encode(&value).unwrap();
        let limited = |max_items| decode_many::<BTreeMap<u8, Vec<u8>>>(&bytes, 100, max_items);
        assert_eq!(limited(8), Ok(value));
        assert_eq!(limited(7), Err(Error::Items));
    }

    #[test]
    fn a_huge_length_allocates_nothing() {
        assert_eq!(
            decode::<Vec<u8>>(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 100),
            Err(Error::Malformed)
        );
        assert_eq!(
            decode::<Vec<u8>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 100),
            Err(Error::Items)
        );
    }
}
