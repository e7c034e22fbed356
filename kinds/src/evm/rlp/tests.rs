//! The published vectors of RLP (tests/vectors/rlp), both ways, and what is written is read.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that counts wrongly or panics fails"
)]

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const VALID: &str = include_str!("../../../../tests/vectors/rlp/rlptest.json");
const INVALID: &str = include_str!("../../../../tests/vectors/rlp/invalidRLPTest.json");

fn cases(text: &str) -> Vec<(String, Value, Vec<u8>)> {
    let all: Value = serde_json::from_str(text).unwrap();
    let one = |(name, case): (&String, &Value)| {
        let out = case["out"].as_str().unwrap();
        let out = hex::decode(out.strip_prefix("0x").unwrap_or(out)).unwrap();
        (name.clone(), case["in"].clone(), out)
    };
    all.as_object().unwrap().iter().map(one).collect()
}

/// A number of any size, from decimal digits.
fn big(digits: &str) -> Vec<u8> {
    let mut bytes = vec![0_u8; 40];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            let sum = u32::from(*byte) * 10 + carry;
            *byte = (sum & 255) as u8;
            carry = sum >> 8;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.split_off(zeros)
}

/// The bytes that a value of the file stands for.
fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(match (text.strip_prefix('#'), text.strip_prefix("0x")) {
            (Some(digits), _) => big(digits),
            (_, Some(digits)) => hex::decode(digits).unwrap(),
            _ => text.clone().into_bytes(),
        }),
        Value::Number(number) => Some(big(&number.to_string())),
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_) => None,
    }
}

fn is_same(value: &Value, item: &Item<'_>) -> bool {
    match (value, item) {
        (Value::Array(values), Item::List(items)) => {
            let mut pairs = values.iter().zip(items);
            values.len() == items.len() && pairs.all(|(value, item)| is_same(value, item))
        }
        (value, Item::Bytes(bytes)) => bytes_of(value).as_deref() == Some(*bytes),
        (_, Item::List(_)) => false,
    }
}

fn put(list: List, item: &Item<'_>) -> List {
    match item {
        Item::Bytes(bytes) => list.bytes(bytes),
        Item::List(items) => {
            let inner = items.iter().fold(List::default(), put).after(&[]);
            List([list.0, inner].concat())
        }
    }
}

#[test]
fn every_published_encoding_is_read_and_written() {
    let cases = cases(VALID);
    assert_eq!(cases.len(), 28);
    for (name, value, encoded) in cases {
        let item = read(&encoded).unwrap_or_else(|_| panic!("{name}"));
        assert!(is_same(&value, &item), "{name}");
        assert_eq!(put(List::default(), &item).0, encoded, "{name}");
    }
}

#[test]
fn every_published_fault_is_refused() {
    let cases = cases(INVALID);
    assert!(cases.len() >= 17);
    for (name, _, encoded) in cases {
        assert_eq!(read(&encoded), Err(NotCanonical), "{name}");
    }
    assert_eq!(read(&[]), Err(NotCanonical));
    assert_eq!(read(&[0xc0, 0xc0]), Err(NotCanonical), "behind the end");
    let deep = |depth: usize| {
        let mut bytes = vec![0xc0];
        for _ in 1..depth {
            bytes = List(bytes).after(&[]);
        }
        bytes
    };
    read(&deep(MAX_DEPTH)).unwrap();
    read(&deep(MAX_DEPTH + 1)).unwrap_err();
}

#[test]
fn a_number_has_no_zero_before_it() {
    let number = |bytes: &[u8]| Item::Bytes(bytes).as_number();
    assert_eq!(number(&[]).unwrap().as_u128(), Some(0));
    assert_eq!(number(&[1, 0]).unwrap().as_u128(), Some(256));
    assert_eq!(number(&[0]), None);
    assert_eq!(number(&[0, 1]), None);
    assert_eq!(number(&[1; 33]), None);
}

proptest! {
    #[test]
    fn no_bytes_are_read_that_would_not_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(item) = read(&bytes) {
            prop_assert_eq!(put(List::default(), &item).0, bytes);
        }
    }

    #[test]
    fn what_is_written_is_read(items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70), 0..12), number in any::<u128>()) {
        let list = items.iter().fold(List::default(), |list, item| list.bytes(item)).number(number).after(&[]);
        let item = read(&list).unwrap();
        let found = item.as_list().unwrap();
        prop_assert_eq!(found.len(), items.len() + 1);
        for (item, found) in items.iter().zip(found) {
            prop_assert_eq!(Some(item.as_slice()), found.as_bytes());
        }
        prop_assert_eq!(found.last().unwrap().as_number().unwrap().as_u128(), Some(number));
    }
}
