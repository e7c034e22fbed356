//! Arguments of every shape: published encodings, and another library (alloy) that decides what is canonical.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that counts wrongly fails"
)]

use super::*;
use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, I256, U256};
use claviger_shared::crypto::keccak::keccak256;
use proptest::prelude::*;

/// Solidity documentation, "Contract ABI Specification", the examples (GPL-3.0): signatures, and arguments in words, those of
/// one number by its digits.
const EXAMPLES: [(&str, &str, &str); 5] = [
    ("cdcd77c0", "baz(uint32,bool)", "45 1"),
    (
        "fce353f6",
        "bar(bytes3[2])",
        "6162630000000000000000000000000000000000000000000000000000000000 \
         6465660000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a5643bf2",
        "sam(bytes,bool,uint256[])",
        "60 1 a0 4 6461766500000000000000000000000000000000000000000000000000000000 3 1 2 3",
    ),
    (
        "8be65246",
        "f(uint256,uint32[],bytes10,bytes)",
        "123 80 3132333435363738393000000000000000000000000000000000000000000000 e0 2 456 789 d \
         48656c6c6f2c20776f726c642100000000000000000000000000000000000000",
    ),
    (
        "2289b18c",
        "g(uint256[][],string[])",
        "40 140 2 40 a0 2 1 2 1 3 3 60 a0 e0 3 6f6e650000000000000000000000000000000000000000000000000000000000 \
         3 74776f0000000000000000000000000000000000000000000000000000000000 \
         5 7468726565000000000000000000000000000000000000000000000000000000",
    ),
];

fn words_of(text: &str) -> Vec<u8> {
    let words = text.split_whitespace().map(|word| format!("{word:0>64}"));
    hex::decode(words.collect::<String>()).unwrap()
}

fn types_of(signature: &str) -> Vec<AbiType> {
    let (_, types) = signature.split_once('(').unwrap();
    AbiType::parse_all(types.strip_suffix(')').unwrap()).unwrap()
}

fn read<'a>(data: &'a [u8], types: &[AbiType]) -> Option<Vec<Value<'a>>> {
    arguments(data, types.iter()).ok()
}

/// What the other library reads, and what it would write for that.
fn theirs(data: &[u8], types: &[AbiType]) -> Option<(Vec<DynSolValue>, Vec<u8>)> {
    let types = types
        .iter()
        .map(|of| DynSolType::parse(&of.to_string()).unwrap());
    let read = DynSolType::Tuple(types.collect())
        .abi_decode_sequence(data)
        .ok()?;
    let written = read.abi_encode_sequence().unwrap();
    let DynSolValue::Tuple(values) = read else {
        panic!("{read:?}")
    };
    Some((values, written))
}

fn alike(ours: &Value<'_>, theirs: &DynSolValue) -> bool {
    match ours {
        Value::Word(word) => theirs.as_word() == Some(B256::new(word.0)),
        Value::Bytes(bytes) => matches!(theirs, DynSolValue::Bytes(own) if own == bytes),
        Value::Text(text) => theirs.as_str() == Some(text),
        Value::Many(values) => {
            let list = theirs.as_array().or_else(|| theirs.as_fixed_array());
            let list = list.or_else(|| theirs.as_tuple()).unwrap();
            all_alike(values, list)
        }
    }
}

fn all_alike(ours: &[Value<'_>], theirs: &[DynSolValue]) -> bool {
    let mut pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len() && pairs.all(|(ours, theirs)| alike(ours, theirs))
}

/// Whether a value is in its type's range; the other library passes on bits that a type has not.
fn in_range(value: &DynSolValue) -> bool {
    match value {
        DynSolValue::Uint(number, bits) => number.bit_len() <= *bits,
        DynSolValue::Int(number, bits) => {
            let shift = 256 - *bits;
            number.wrapping_shl(shift).asr(shift) == *number
        }
        DynSolValue::FixedBytes(word, count) => word[*count..].iter().all(|byte| *byte == 0),
        DynSolValue::Array(list) | DynSolValue::FixedArray(list) | DynSolValue::Tuple(list) => {
            list.iter().all(in_range)
        }
        DynSolValue::Bool(_)
        | DynSolValue::Address(_)
        | DynSolValue::Function(_)
        | DynSolValue::Bytes(_)
        | DynSolValue::String(_)
        | DynSolValue::CustomStruct { .. } => true,
    }
}

/// Ours takes it exactly where the other library reads it and would write it so, and reads the same. Whether that one reads
/// it at all.
fn judged(data: &[u8], types: &[AbiType]) -> bool {
    let (ours, theirs) = (read(data, types), theirs(data, types));
    match (&ours, &theirs) {
        (Some(ours), Some((theirs, written))) => {
            assert!(
                written == data && all_alike(ours, theirs),
                "{ours:?} {theirs:?}"
            );
        }
        (None, Some((values, written))) => {
            let canonical = written == data && values.iter().all(in_range);
            assert!(!canonical, "{values:?} {types:?}");
        }
        (Some(values), None) => panic!("{values:?} {types:?}"),
        (None, None) => {}
    }
    theirs.is_some()
}

#[test]
fn the_published_examples_are_read() {
    for (selector, signature, text) in EXAMPLES {
        assert_eq!(
            hex::encode(&keccak256(&[signature.as_bytes()])[..4]),
            selector
        );
        let (data, types) = (words_of(text), types_of(signature));
        assert!(
            read(&data, &types).is_some() && judged(&data, &types),
            "{signature}"
        );
    }
    let word = |n: u128| Value::Word(Word::from(n));
    let list = |n: &[u128]| Value::Many(n.iter().map(|n| word(*n)).collect());
    let data = words_of(EXAMPLES[3].2);
    let found = read(&data, &types_of(EXAMPLES[3].1)).unwrap();
    let Value::Word(ten) = &found[2] else {
        panic!("{found:?}")
    };
    assert_eq!(&ten.0[..10], b"1234567890");
    assert_eq!(
        (&found[0], &found[1]),
        (&word(0x123), &list(&[0x456, 0x789]))
    );
    assert_eq!(found[3], Value::Bytes(b"Hello, world!"));
    let data = words_of(EXAMPLES[4].2);
    let found = read(&data, &types_of(EXAMPLES[4].1)).unwrap();
    assert_eq!(found[0], Value::Many(vec![list(&[1, 2]), list(&[3])]));
    let texts = ["one", "two", "three"].map(Value::Text).to_vec();
    assert_eq!(found[1], Value::Many(texts));
}

#[test]
fn no_other_encoding_of_the_examples_is_read() {
    let (mut taken_elsewhere, mut all) = (0, 0);
    for (_, signature, text) in EXAMPLES {
        let (data, types) = (words_of(text), types_of(signature));
        let whole = read(&data, &types).unwrap();
        let mut others = Vec::new();
        for at in (0..=data.len()).step_by(32) {
            let (front, rest) = data.split_at(at);
            others.push([front, &[0; 32], rest].concat());
            if at == data.len() {
                continue;
            }
            others.push([front, &rest[32..]].concat());
            for byte in 0..32 {
                for changed in [1, 0x20, 0x40, 0x80, 0xff] {
                    let mut other = data.clone();
                    other[at + byte] ^= changed;
                    others.push(other);
                }
            }
        }
        for cut in 1..32 {
            others.push(data[..data.len() - cut].to_vec());
            others.push([data.clone(), vec![0; cut]].concat());
        }
        for other in others {
            let taken = judged(&other, &types);
            let ours = read(&other, &types);
            assert_ne!(ours.as_ref(), Some(&whole), "{signature}");
            taken_elsewhere += usize::from(taken && ours.is_none());
            all += 1;
        }
    }
    assert!(taken_elsewhere > 100, "{taken_elsewhere} of {all}");
}

#[test]
fn other_encodings_that_a_contract_would_take_are_not_read() {
    for (types, canonical, others) in [
        (
            "uint8[],bytes",
            "40 80 1 7 1 ff00000000000000000000000000000000000000000000000000000000000000",
            vec![
                // A gap; the other order; one byte too far.
                "60 a0 0 1 7 1 ff00000000000000000000000000000000000000000000000000000000000000",
                "80 40 1 ff00000000000000000000000000000000000000000000000000000000000000 1 7",
                // Behind it another word; filled up with other bits; more bits than the type has.
                "40 80 1 7 1 ff00000000000000000000000000000000000000000000000000000000000000 0",
                "40 80 1 7 1 ff00000000000000000000000000000000000000000000000000000000000001",
                "40 80 1 107 1 ff00000000000000000000000000000000000000000000000000000000000000",
            ],
        ),
        // Two lists in one place.
        (
            "uint8[],uint8[]",
            "40 80 1 7 1 7",
            vec!["40 40 1 7", "40 40 1 7 1 7"],
        ),
        // A list in its own head, and an offset that turns around.
        (
            "uint8[][]",
            "20 1 20 0",
            vec![
                "20 1 0 0",
                "20 1 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0 0",
                "20 1 100000000000000000000000000000000000000000000000000000000000020 0",
            ],
        ),
        (
            "string",
            "20 2 c3a9000000000000000000000000000000000000000000000000000000000000",
            vec!["20 1 c300000000000000000000000000000000000000000000000000000000000000"],
        ),
        ("bool[]", "20 2 0 1", vec!["20 2 0 2"]),
        (
            "address[1]",
            "1",
            vec!["10000000000000000000000000000000000000001"],
        ),
        ("int16[1]", "7fff", vec!["8000", "ffff"]),
        ("bytes", "20 0", vec!["20 0 0"]),
    ] {
        let types = AbiType::parse_all(types).unwrap();
        assert!(read(&words_of(canonical), &types).is_some(), "{canonical}");
        for other in others {
            assert_eq!(read(&words_of(other), &types), None, "{other}");
            judged(&words_of(other), &types);
        }
    }
}

#[test]
fn lists_and_data_are_limited_on_both_sides() {
    let list = |of: &str, count: usize| {
        let types = AbiType::parse_all(&format!("{of}[]")).unwrap();
        let data = [words_of(&format!("20 {count:x}")), vec![0; 32 * count]].concat();
        read(&data, &types).is_some()
    };
    let most = usize::from(MAX_ITEMS);
    assert!(list("uint8", most) && !list("uint8", most + 1));
    let bytes = |count: usize| {
        let data = [words_of(&format!("20 {count:x}")), vec![1; count]].concat();
        arguments(&data, [AbiType::Bytes].iter()).is_ok()
    };
    assert!(bytes(MAX_ARGUMENTS - 64) && !bytes(MAX_ARGUMENTS - 32));
    let huge = words_of("20 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    for of in ["bytes", "string", "uint8[]", "(bytes,bool)[]"] {
        let types = AbiType::parse_all(of).unwrap();
        assert_eq!(read(&huge, &types), None);
        assert_eq!(read(&words_of("20 ffffffffffffffff"), &types), None);
    }
    assert!(read(&[], &[]).is_some() && read(&[0; 32], &[]).is_none());
}

fn atoms() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("address".to_owned()),
        Just("bool".to_owned()),
        (1..=32_u8).prop_map(|n| format!("bytes{n}")),
        (1..=32_u16).prop_map(|n| format!("int{}", 8 * n)),
        (1..=32_u16).prop_map(|n| format!("uint{}", 8 * n)),
        Just("bytes".to_owned()),
        Just("string".to_owned()),
    ]
}

/// Types of arguments, nested as deep as may be.
fn types() -> impl Strategy<Value = Vec<AbiType>> {
    let one = atoms().prop_recursive(4, 12, 3, |of| {
        prop_oneof![
            of.clone().prop_map(|of| format!("{of}[]")),
            (of.clone(), 1..4_u8).prop_map(|(of, n)| format!("{of}[{n}]")),
            proptest::collection::vec(of, 1..4).prop_map(|parts| format!("({})", parts.join(","))),
        ]
    });
    let one = one.prop_map(|name| AbiType::parse(&name).unwrap());
    proptest::collection::vec(one, 0..4)
}

/// A value of a type, from bytes that are alike in every run.
fn value(of: &AbiType, next: &mut impl FnMut() -> u8) -> DynSolValue {
    let mut word = || -> [u8; 32] { std::array::from_fn(|_| next()) };
    match of {
        AbiType::Atom(atom) => match atom {
            Atom::Address => DynSolValue::Address(Address::from_word(word().into())),
            Atom::Bool => DynSolValue::Bool(next() % 2 == 1),
            Atom::Bytes(n) => {
                let mut word = word();
                word[usize::from(*n)..].fill(0);
                DynSolValue::FixedBytes(word.into(), usize::from(*n))
            }
            Atom::Uint(bits) => {
                let number = U256::from_be_bytes(word()) >> usize::from(256 - bits);
                DynSolValue::Uint(number, usize::from(*bits))
            }
            Atom::Int(bits) => {
                let number = I256::from_be_bytes(word()).asr(usize::from(256 - bits));
                DynSolValue::Int(number, usize::from(*bits))
            }
        },
        AbiType::Bytes => DynSolValue::Bytes((0..next() % 70).map(|_| next()).collect()),
        AbiType::String => {
            let text = (0..next() % 40).map(|_| char::from_u32(u32::from(next()) * 9).unwrap());
            DynSolValue::String(text.collect())
        }
        AbiType::List { of, count: None } => {
            let count = next() % 4;
            DynSolValue::Array((0..count).map(|_| value(of, next)).collect())
        }
        AbiType::List {
            of,
            count: Some(count),
        } => DynSolValue::FixedArray((0..*count).map(|_| value(of, next)).collect()),
        AbiType::Tuple(parts) => {
            DynSolValue::Tuple(parts.iter().map(|of| value(of, next)).collect())
        }
    }
}

fn values(types: &[AbiType], seed: u64) -> Vec<DynSolValue> {
    let (mut count, mut bytes) = (seed, Vec::new());
    let mut next = move || {
        if bytes.is_empty() {
            count = count.wrapping_add(1);
            bytes = keccak256(&[&count.to_be_bytes()]).to_vec();
        }
        bytes.pop().unwrap()
    };
    types.iter().map(|of| value(of, &mut next)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_another_library_writes_is_read_alike(types in types(), seed: u64) {
        let values = values(&types, seed);
        let data = DynSolValue::Tuple(values.clone()).abi_encode_sequence().unwrap();
        prop_assume!(data.len() <= MAX_ARGUMENTS);
        let ours = read(&data, &types);
        prop_assert!(ours.is_some_and(|ours| all_alike(&ours, &values)));
    }

    #[test]
    fn what_is_changed_is_read_only_where_another_library_writes_it(
        types in types(), seed: u64, at in any::<proptest::sample::Index>(), other in any::<proptest::sample::Index>(), byte: u8, how in 0..7_u8,
    ) {
        let mut data = DynSolValue::Tuple(values(&types, seed)).abi_encode_sequence().unwrap();
        prop_assume!(!data.is_empty() && data.len() <= MAX_ARGUMENTS);
        let (place, word) = (at.index(data.len()), 32 * at.index(data.len() / 32));
        let other = 32 * other.index(data.len() / 32);
        match how {
            0 => data[place] = byte,
            1 => data[word + 31] = data[word + 31].wrapping_add(32),
            2 => data[word + 31] = data[word + 31].wrapping_sub(32),
            3 => drop(data.splice(word..word, [0; 32])),
            4 => drop(data.drain(word..word + 32)),
            5 => data.copy_within(other..other + 32, word),
            _ => data.truncate(place),
        }
        judged(&data, &types);
    }
}
