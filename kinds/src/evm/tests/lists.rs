//! Lists, tuples, texts and bytes in calldata and in typed data: each element keeps its rule, amounts add up, and another
//! library (alloy) writes the calldata and hashes the messages.

#![expect(clippy::string_slice, reason = "a test that cuts a text wrongly fails")]

use super::*;
use alloy_dyn_abi::DynSolValue;
use alloy_primitives::U256;
use claviger_shared::{chain::abi::MAX_ITEMS, crypto::keccak::keccak256};
use proptest::prelude::*;

pub(in crate::evm) const SPREAD: &str = "spread((address,uint256)[],string[],bytes)";

fn address(text: &str) -> DynSolValue {
    DynSolValue::Address(text.parse().unwrap())
}

fn number(number: u128) -> DynSolValue {
    DynSolValue::Uint(U256::from(number), 256)
}

/// A call's data as alloy writes it.
fn call(signature: &str, arguments: Vec<DynSolValue>) -> String {
    let words = DynSolValue::Tuple(arguments).abi_encode_sequence().unwrap();
    let selector = &keccak256(&[signature.as_bytes()])[..4];
    format!("0x{}{}", hex::encode(selector), hex::encode(words))
}

pub(in crate::evm) fn spread(parts: &[(&str, u128)], notes: &[&str], blob: &[u8]) -> String {
    let parts = parts
        .iter()
        .map(|(whom, amount)| DynSolValue::Tuple(vec![address(whom), number(*amount)]));
    let notes = notes
        .iter()
        .map(|note| DynSolValue::String((*note).to_owned()));
    let arguments = vec![
        DynSolValue::Array(parts.collect()),
        DynSolValue::Array(notes.collect()),
        DynSolValue::Bytes(blob.to_vec()),
    ];
    call(SPREAD, arguments)
}

fn pool(data: &str) -> Result<EvmCall, Denial> {
    parse(&tx(&base(POOL, "0", data)))
}

fn refused(data: &str) -> (Code, String) {
    let denied = pool(data).expect_err(data);
    (denied.code, denied.param.unwrap_or_default())
}

fn parameters(call: &EvmCall, name: &str) -> Vec<String> {
    let all = effect(call).parameters.iter();
    all.filter(|(own, _)| own == name)
        .map(|(_, value)| value.clone())
        .collect()
}

#[test]
fn elements_keep_the_rule_of_their_list_and_amounts_add_up() {
    let data = spread(&[(PAYEE, 5), (OWN, 7)], &["a", "\u{65e5}"], &[0, 0xff]);
    let one = pool(&data).unwrap();
    assert_eq!(charges(&one)[1..], [("usdc.base".to_owned(), 12)]);
    assert_eq!(effect(&one).method, "spread");
    assert_eq!(parameters(&one, "path.whom"), [PAYEE, OWN]);
    assert_eq!(parameters(&one, "path.notes"), ["a", "\u{65e5}"]);
    // Nothing in the one list that takes anything is a value of its own.
    let none = pool(&spread(&[(PAYEE, 5)], &[], &[])).unwrap();
    assert_eq!(parameters(&none, "path.notes"), ["[]"]);
    let at = |code| (code, "/tx/data".to_owned());
    for (data, code) in [
        (
            spread(&[(PAYEE, 5), (OTHER, 1)], &[], &[]),
            Code::UnlistedMember,
        ),
        (spread(&[], &[], &[]), Code::UnlistedMember),
        (spread(&[(PAYEE, 1)], &[], &[0]), Code::UnlistedMember),
        (
            spread(&[(PAYEE, 999_999), (OWN, 2)], &[], &[]),
            Code::PerCallExceeded,
        ),
        (
            spread(&[(PAYEE, u128::MAX), (OWN, 2)], &[], &[]),
            Code::PerCallExceeded,
        ),
    ] {
        assert_eq!(refused(&data), at(code), "{data}");
    }
    let items = |count: u16| spread(&vec![(PAYEE, 1); usize::from(count)], &[], &[]);
    let most = pool(&items(MAX_ITEMS)).unwrap();
    assert_eq!(charges(&most)[1].1, u128::from(MAX_ITEMS));
    assert_eq!(refused(&items(MAX_ITEMS + 1)), at(Code::UnparsableContent));
}

#[test]
fn lists_in_lists_keep_their_rule() {
    let pairs = |pairs: &[[u8; 2]]| {
        let pair = |pair: &[u8; 2]| {
            let numbers = pair.iter().map(|n| DynSolValue::Uint(U256::from(*n), 8));
            DynSolValue::FixedArray(numbers.collect())
        };
        let pairs = DynSolValue::Array(pairs.iter().map(pair).collect());
        call(
            "mark(uint8[2][],bool)",
            vec![pairs, DynSolValue::Bool(true)],
        )
    };
    pool(&pairs(&[[1, 9], [0, 0]])).unwrap();
    assert_eq!(refused(&pairs(&[[1, 9], [10, 0]])).0, Code::PerCallExceeded);
    assert_eq!(refused(&pairs(&[])).0, Code::UnlistedMember);
}

#[test]
fn another_encoding_of_the_same_arguments_is_refused() {
    let good = spread(&[(PAYEE, 5)], &["a"], &[0, 0xff]);
    pool(&good).unwrap();
    let unreadable = (Code::UnparsableContent, "/tx/data".to_owned());
    let word = |text: &str| format!("{text:0>64}");
    let last = format!("00ff{}", "0".repeat(60));
    for (from, to) in [
        // The first offset, a length, the end filled up with other bits.
        (word("60"), word("80")),
        (word("60"), word("61")),
        (last.clone(), format!("00ff{}1", "0".repeat(59))),
        (last.clone(), format!("{last}{}", word("0"))),
        (last, String::new()),
        (word(&PAYEE[2..]), format!("1{:0>63}", &PAYEE[2..])),
    ] {
        let other = good.replacen(&from, &to, 1);
        assert_ne!(other, good, "{from}");
        assert_eq!(refused(&other), unreadable, "{to}");
    }
    // Both lists of texts in one place: what a contract would read twice.
    let bytes = hex::decode(&good[10..]).unwrap();
    let twice = [
        &bytes[..32],
        &[vec![0; 31], vec![0x60]].concat(),
        &bytes[64..],
    ]
    .concat();
    let twice = format!("{}{}", &good[..10], hex::encode(twice));
    assert_eq!(refused(&twice), unreadable);
}

fn basket() -> Value {
    let member = |name: &str, of: &str| json!({"name": name, "type": of});
    json!({
        "types": {
            "EIP712Domain": [member("name", "string"), member("chainId", "uint256"), member("verifyingContract", "address")],
            "Basket": [
                member("items", "Item[]"), member("marks", "bytes4[2][]"), member("notes", "string[]"), member("blobs", "bytes[1]"),
                member("nonce", "uint256"),
            ],
            "Item": [member("price", "uint256"), member("whom", "address[]")],
        },
        "primaryType": "Basket",
        "domain": {"name": "Shop", "chainId": 8453, "verifyingContract": POOL},
        "message": {
            "items": [{"price": "200", "whom": [PAYEE, OWN]}, {"price": "300", "whom": [OWN]}],
            "marks": [["0x01020304", "0x00000000"]], "notes": ["a", "", "\u{65e5}"], "blobs": ["0x00ff"], "nonce": 1,
        },
    })
}

fn typed(value: &Value) -> Result<EvmCall, Denial> {
    let text = value.to_string().into_bytes();
    parse(&EvmInput::TypedData(text.into()))
}

fn with(name: &str, value: Value) -> Value {
    let mut basket = basket();
    *basket.pointer_mut(&format!("/message/{name}")).expect(name) = value;
    basket
}

#[test]
fn lists_of_typed_data_are_hashed_as_another_library_does() {
    for value in [
        basket(),
        with("marks", json!([])),
        with("notes", json!([])),
        with(
            "marks",
            json!([["0xffffffff", "0x00000001"], ["0x01020304", "0x00000000"]]),
        ),
    ] {
        let one = typed(&value).unwrap();
        let hash = keccak256(&[&one.message()]);
        assert_eq!(alloy::typed_hash(&value.to_string()), hash, "{value}");
    }
    let one = typed(&basket()).unwrap();
    assert_eq!(charges(&one), [("usdc.base".to_owned(), 500)]);
    assert_eq!(parameters(&one, "path.items.whom"), [PAYEE, OWN, OWN]);
    assert_eq!(parameters(&one, "path.marks"), ["0x01020304", "0x00000000"]);
    let none = typed(&with("notes", json!([]))).unwrap();
    assert_eq!(parameters(&none, "path.notes"), ["[]"]);
}

#[test]
fn lists_of_typed_data_keep_their_rules() {
    let many = |count: u16| json!(vec![""; usize::from(count)]);
    for (name, value, code, place) in [
        ("items", json!([]), Code::UnlistedMember, "items"),
        (
            "items/1/whom",
            json!([]),
            Code::UnlistedMember,
            "items/1/whom",
        ),
        (
            "items/1/whom/0",
            json!(OTHER),
            Code::UnlistedMember,
            "items/1/whom/0",
        ),
        (
            "items/1/price",
            json!("301"),
            Code::PerCallExceeded,
            "items/1/price",
        ),
        ("items", json!({}), Code::InvalidRequest, "items"),
        ("notes", json!("a"), Code::InvalidRequest, "notes"),
        ("notes/0", json!(["a"]), Code::InvalidRequest, "notes/0"),
        ("notes", many(MAX_ITEMS + 1), Code::InvalidRequest, "notes"),
        (
            "marks/0",
            json!(["0x01020304"]),
            Code::InvalidRequest,
            "marks/0",
        ),
        (
            "marks/0/1",
            json!("0x0102"),
            Code::InvalidRequest,
            "marks/0/1",
        ),
        ("blobs", json!([]), Code::InvalidRequest, "blobs"),
        ("blobs/0", json!("0x00"), Code::UnlistedMember, "blobs/0"),
        ("blobs", json!(null), Code::InvalidRequest, "blobs"),
    ] {
        let denied = typed(&with(name, value.clone())).expect_err(name);
        let place = format!("/typed_data/message/{place}");
        let found = (denied.code, denied.param.as_deref());
        assert_eq!(found, (code, Some(place.as_str())), "{value}");
    }
    typed(&with("notes", many(MAX_ITEMS))).unwrap();
    let mut other = basket();
    other["types"]["Basket"][2]["type"] = json!("string[3]");
    assert_eq!(typed(&other).unwrap_err().code, Code::UnlistedMember);
}

#[test]
fn elements_of_all_lists_are_limited_together_on_both_sides() {
    // Each mark is one element and two within it; besides are two items, three payees and a blob, and no notes.
    let marks = |count: usize, notes: usize| {
        let mut value = with("marks", json!(vec![["0x00000000"; 2]; count]));
        value["message"]["notes"] = json!(vec![""; notes]);
        value
    };
    let rest = crate::evm::typed::MAX_ELEMENTS - 6 - 3 * 64;
    typed(&marks(64, rest)).unwrap();
    let denied = typed(&marks(64, rest + 1)).unwrap_err();
    assert_eq!(denied.code, Code::InvalidRequest);
    // The last list is the one too long.
    assert_eq!(denied.param.as_deref(), Some("/typed_data/message/blobs"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_a_list_moves_is_what_is_charged(
        parts in proptest::collection::vec((0..3_usize, prop_oneof![0..400_000_u128, any::<u128>()]), 0..5),
        notes in proptest::collection::vec("[a-z]{0,40}", 0..3), blob in 0..3_usize,
    ) {
        let whom = [PAYEE, OWN, OTHER];
        let parts: Vec<_> = parts.iter().map(|(at, amount)| (whom[*at], *amount)).collect();
        let notes: Vec<_> = notes.iter().map(String::as_str).collect();
        let data = spread(&parts, &notes, [&[][..], &[0, 0xff], &[1]][blob]);
        let sum = parts.iter().try_fold(0_u128, |sum, (_, amount)| sum.checked_add(*amount));
        let listed = !parts.is_empty() && parts.iter().all(|(whom, _)| *whom != OTHER) && blob < 2;
        match pool(&data) {
            Ok(one) => {
                prop_assert!(listed);
                prop_assert_eq!(Some(charges(&one)[1].1), sum);
                prop_assert!(sum.is_some_and(|sum| sum <= 1_000_000));
            }
            Err(_) => prop_assert!(!listed || sum.is_none_or(|sum| sum > 1_000_000)),
        }
    }

    #[test]
    fn messages_with_lists_are_hashed_alike(
        items in proptest::collection::vec((0..50_u64, proptest::collection::vec(any::<bool>(), 1..4)), 1..6),
        marks in proptest::collection::vec(any::<[[u8; 4]; 2]>(), 0..5), notes in proptest::collection::vec(".{0,12}", 0..5),
    ) {
        let item = |(price, whom): &(u64, Vec<bool>)| {
            let whom: Vec<_> = whom.iter().map(|own| if *own { OWN } else { PAYEE }).collect();
            json!({"price": price, "whom": whom})
        };
        let mut value = with("items", items.iter().map(item).collect());
        let mark = |[a, b]: &[[u8; 4]; 2]| json!([format!("0x{}", hex::encode(a)), format!("0x{}", hex::encode(b))]);
        value["message"]["marks"] = marks.iter().map(mark).collect();
        value["message"]["notes"] = json!(notes);
        let one = typed(&value).unwrap();
        prop_assert_eq!(alloy::typed_hash(&value.to_string()), keccak256(&[&one.message()]));
        let sum: u64 = items.iter().map(|(price, _)| price).sum();
        prop_assert_eq!(charges(&one)[0].1, u128::from(sum));
    }
}
