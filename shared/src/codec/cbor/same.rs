//! That the writer here writes the bytes which `serde_cbor`'s writes, and the reader takes those which its reader takes, between
//! the same scan and the same comparison, and no others, for the same value.

use super::{MAX_ITEMS, decode, encode, scan};
use crate::{
    amount::Amount,
    denial::Code,
    effect::{Charge, Effect, Kind, Verb},
    id::{Digest, GrantId, KeyId, ResourceName, Unit},
    log::{
        entry::Leaf,
        record::{Body, Born, Call, Command, Denied, Outcome, Record, RevokedSelf},
    },
    time::{Millis, UnixMs},
    wire::storage::StoredEntry,
};
use proptest::{prelude::*, sample::Index};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

/// Every shape that a type may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    number: u64,
    small: u8,
    signed: i64,
    word: bool,
    letter: char,
    text: String,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    #[serde(with = "serde_bytes")]
    fixed: [u8; 4],
    list: Vec<u16>,
    pair: (u32, Option<String>),
    names: BTreeMap<String, Vec<u8>>,
    numbers: BTreeMap<i32, bool>,
    nothing: (),
    wrapped: Wrapped,
    ways: Vec<Way>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seldom: Option<u8>,
    tagged: Tagged,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wrapped(u32);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Alone,
    One(u64),
    Two(u8, String),
    Named { a: Option<bool>, b: i8 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    Empty,
    Full { n: u32, text: String },
}

/// As it was read before.
fn before<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    scan(bytes, MAX_ITEMS).ok()?;
    let value: T = serde_cbor::from_slice(bytes).ok()?;
    (serde_cbor::to_vec(&value).ok()? == bytes).then_some(value)
}

/// The bytes of a value, which both write.
fn written<T: Serialize>(value: &T) -> Result<Vec<u8>, TestCaseError> {
    let bytes = encode(value).unwrap();
    prop_assert_eq!(&bytes, &serde_cbor::to_vec(value).unwrap());
    Ok(bytes)
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    bytes: &[u8],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(decode::<T>(bytes, usize::MAX).ok(), before::<T>(bytes));
    Ok(())
}

fn same_as_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    same::<Shapes>(bytes)?;
    same::<Record>(bytes)?;
    same::<Leaf>(bytes)?;
    same::<StoredEntry>(bytes)?;
    same::<Way>(bytes)?;
    same::<Option<Vec<i16>>>(bytes)?;
    same::<BTreeMap<String, Tagged>>(bytes)
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Alone),
        any::<u64>().prop_map(Way::One),
        (any::<u8>(), ".{0,5}").prop_map(|(n, text)| Way::Two(n, text)),
        (any::<Option<bool>>(), any::<i8>()).prop_map(|(a, b)| Way::Named { a, b }),
    ]
}

fn shapes() -> impl Strategy<Value = Shapes> {
    let plain = (
        any::<u64>(),
        any::<u8>(),
        any::<i64>(),
        any::<bool>(),
        any::<char>(),
        ".{0,40}",
        prop::collection::vec(any::<u8>(), 0..300),
        any::<[u8; 4]>(),
    );
    let nested = (
        prop::collection::vec(any::<u16>(), 0..30),
        any::<(u32, Option<String>)>(),
        prop::collection::btree_map(".{0,4}", prop::collection::vec(any::<u8>(), 0..6), 0..6),
        prop::collection::btree_map(any::<i32>(), any::<bool>(), 0..6),
        any::<u32>(),
        prop::collection::vec(ways(), 0..5),
        any::<Option<u8>>(),
        any::<Option<(u32, String)>>(),
    );
    (plain, nested).prop_map(|(plain, nested)| {
        let (number, small, signed, word, letter, text, bytes, fixed) = plain;
        let (list, pair, names, numbers, wrapped, ways, seldom, tagged) = nested;
        let tagged = tagged.map_or(Tagged::Empty, |(n, text)| Tagged::Full { n, text });
        Shapes {
            number,
            small,
            signed,
            word,
            letter,
            text,
            bytes,
            fixed,
            list,
            pair,
            names,
            numbers,
            nothing: (),
            wrapped: Wrapped(wrapped),
            ways,
            seldom,
            tagged,
        }
    })
}

fn call(amount: u128, at: u64, issued: bool) -> Call {
    let charge = |unit: &str, amount| Charge {
        unit: Unit::parse(unit).unwrap(),
        amount: Amount(amount),
    };
    Call {
        grant: GrantId::parse("gr_1").unwrap(),
        outcome: if issued {
            Outcome::Issued
        } else {
            Outcome::Failed
        },
        decided_at: UnixMs(at),
        expires_at: UnixMs(at).plus(Millis(60_000)),
        key: KeyId::parse("k_1").unwrap(),
        effects: vec![Effect {
            kind: Kind::Http,
            verb: Verb::Write,
            resource: ResourceName::parse("pay").unwrap(),
            route: 300,
            destination: "pay.example.com".to_owned(),
            method: "POST".to_owned(),
            path_template: "/pay/{id}".to_owned(),
            parameters: Vec::new(),
            mints: issued,
            identity_only: false,
            charges: vec![charge("usd-cents", amount)],
            max_lifetime: Millis(60_000),
            fixed: false,
            ends_at: None,
            signer: None,
            token: None,
            nonce: None,
        }],
        charges: vec![charge("call", 1), charge("usd-cents", amount)],
        input: Digest([7; 32]),
        idempotency: issued.then_some(Digest([8; 32])),
        nonce: [1; 16],
        source: [2; 16],
        replaces: false,
    }
}

fn bodies() -> impl Strategy<Value = Body> {
    let grant = || GrantId::parse("gr_1").unwrap();
    prop_oneof![
        (any::<u128>(), any::<u64>(), any::<bool>())
            .prop_map(|(amount, at, issued)| Body::Call(Box::new(call(amount, at, issued)))),
        (any::<Vec<u8>>(), any::<Option<[u8; 32]>>()).prop_map(|(body, born)| {
            Body::Command(Box::new(Command {
                body,
                signatures: vec!["a".to_owned(), String::new()],
                applied_at: UnixMs(5),
                born: born.map(|blob| Born {
                    key: KeyId::parse("k_1").unwrap(),
                    public: vec![1; 65],
                    blob: Digest(blob),
                }),
            }))
        }),
        (any::<u64>(), any::<u64>()).prop_map(move |(count, at)| {
            Body::Denied(Denied {
                grant: grant(),
                code: Code::Busy,
                count,
                first: UnixMs(0),
                last: UnixMs(at),
            })
        }),
        any::<bool>().prop_map(move |leaked| {
            Body::RevokedSelf(RevokedSelf {
                grant: grant(),
                agent: crate::id::AgentId::parse("bot").unwrap(),
                leaked,
                at: UnixMs(1),
            })
        }),
    ]
}

/// What changes bytes: where, how, and to what.
type Change = (Index, u8, u8);

/// Bytes with a few of them set, moved on by one, taken out, doubled, or parts of them exchanged.
fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, how, to) in changes {
        if bytes.is_empty() {
            return bytes;
        }
        let at = at.index(bytes.len());
        match how % 6 {
            0 => bytes[at] = *to,
            1 => bytes[at] = bytes[at].wrapping_add(1),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, *to),
            4 => bytes[at] ^= 1 << (to % 8),
            _ => {
                let other = (at + usize::from(*to)) % bytes.len();
                bytes.swap(at, other);
            }
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(any::<Change>(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_shape_is_taken_as_before(shapes in shapes(), changes in changes()) {
        let bytes = written(&shapes)?;
        prop_assert_eq!(decode::<Shapes>(&bytes, usize::MAX), Ok(shapes));
        same::<Shapes>(&changed(bytes, &changes))?;
    }

    #[test]
    fn every_record_is_taken_as_before(body in bodies(), salt: [u8; 16], changes in changes()) {
        let record = Record { salt, body };
        let bytes = written(&record)?;
        prop_assert_eq!(record.encode(), Ok(bytes.clone()));
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
        same::<Record>(&changed(bytes, &changes))?;
    }

    #[test]
    fn an_entry_is_taken_as_before(index: u64, leaf: Vec<u8>, records in prop::collection::vec(any::<Vec<u8>>(), 0..6), changes in changes()) {
        let records = records.into_iter().map(serde_bytes::ByteBuf::from).collect();
        let entry = StoredEntry { index, leaf, records, checkpoint: "a\nb".to_owned() };
        let bytes = written(&entry)?;
        same::<StoredEntry>(&bytes)?;
        same::<StoredEntry>(&changed(bytes, &changes))?;
    }

    #[test]
    fn numbers_and_texts_are_written_as_before(
        number in prop_oneof![any::<u64>(), 0..70_000_u64, (0..64_u32).prop_map(|bits| 1 << bits)],
        signed: i64, wide in prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)], amount: u128, length in 0..70_000_usize,
    ) {
        written(&(number, number - number.min(1), signed, signed as i8, signed as i16, signed as i32))?;
        written(&(number as u8, number as u16, number as u32, u128::from(number), Amount(amount)))?;
        written(&("x".repeat(length), serde_bytes::ByteBuf::from(vec![0; length])))?;
        prop_assert_eq!(encode(&wide).ok(), serde_cbor::to_vec(&wide).ok());
        prop_assert_eq!(encode(&amount).ok(), serde_cbor::to_vec(&amount).ok());
    }

    #[test]
    fn small_items_are_taken_as_before(bytes in prop::collection::vec(prop_oneof![
        any::<u8>(), 0x80_u8..0x84, 0xa0_u8..0xa3, 0x60_u8..0x64, Just(0xf6), Just(0x61), 0x00_u8..0x04,
    ], 0..12)) {
        same_as_all(&bytes)?;
    }
}

/// Shown in parts, its length known only then.
struct Shown<'a>(&'a [String]);

impl Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

proptest! {
    #[test]
    fn what_is_shown_in_parts_is_one_text(parts in prop::collection::vec(".{0,40}", 0..6)) {
        prop_assert_eq!(written(&Shown(&parts))?, encode(&parts.concat()).unwrap());
    }
}
