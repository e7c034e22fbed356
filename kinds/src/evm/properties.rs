//! Whatever is asked, what is signed does no more than is said and charged: held to a reader of signed bytes that shares
//! nothing with the kind.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test that counts wrongly or panics fails"
)]

use super::alloy;
use super::tests::{
    ITEMS, NFT, OTHER, OWN, PAYEE, POOL, USDC, assembled, base, catalog,
    lists::{SPREAD, spread},
    parse, tx,
};
use super::*;
use claviger_shared::{
    chain::{Address, Word},
    effect::Verb,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// A signed transaction as a plain reader finds it.
#[derive(Debug, Default)]
struct Plain {
    chain: u128,
    nonce: u128,
    price: u128,
    gas: u128,
    to: String,
    value: u128,
    data: Vec<u8>,
    access: usize,
}

/// The parts of a list, each with its own bytes: no check but that there are enough of them.
fn parts(mut bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some(first) = bytes.first().copied() {
        let (list, skip, length) = match first {
            0..=0x7f => (false, 0, 1),
            0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
            0xb8..=0xbf => {
                let count = usize::from(first - 0xb7);
                let length = bytes[1..=count]
                    .iter()
                    .fold(0, |sum, byte| sum * 256 + usize::from(*byte));
                (false, 1 + count, length)
            }
            0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
            0xf8..=0xff => {
                let count = usize::from(first - 0xf7);
                let length = bytes[1..=count]
                    .iter()
                    .fold(0, |sum, byte| sum * 256 + usize::from(*byte));
                (true, 1 + count, length)
            }
        };
        out.push((list, bytes[skip..skip + length].to_vec()));
        bytes = &bytes[skip + length..];
    }
    out
}

fn number(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum * 256 + u128::from(*byte))
}

fn plain(raw: &[u8]) -> Plain {
    let typed = raw[0] == 2;
    let list = parts(if typed { &raw[1..] } else { raw });
    assert_eq!(list.len(), 1, "nothing behind");
    let list = parts(&list[0].1);
    let at = |at: usize| list[at].1.as_slice();
    let address = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    if typed {
        assert_eq!(list.len(), 12);
        return Plain {
            chain: number(at(0)),
            nonce: number(at(1)),
            price: number(at(3)),
            gas: number(at(4)),
            to: address(at(5)),
            value: number(at(6)),
            data: at(7).to_vec(),
            access: at(8).len(),
        };
    }
    assert_eq!(list.len(), 9);
    Plain {
        nonce: number(at(0)),
        price: number(at(1)),
        gas: number(at(2)),
        to: address(at(3)),
        value: number(at(4)),
        data: at(5).to_vec(),
        chain: (number(at(6)) - 35) / 2,
        access: 0,
    }
}

/// What a transaction moves at most, by unit; and whom it lets have it.
fn moves(found: &Plain) -> (BTreeMap<&'static str, u128>, Vec<String>) {
    let mut all = BTreeMap::new();
    let (coin, extra) = match found.chain {
        1 => ("eth", 0),
        8453 => ("eth.base", 1000),
        other => panic!("chain {other}"),
    };
    all.insert(coin, found.value + found.gas * found.price + extra);
    let is = |address: &str| found.to == address.to_lowercase();
    let word = |at: usize| &found.data[4 + 32 * at..36 + 32 * at];
    let account = |at: usize| format!("0x{}", hex::encode(&word(at)[12..]));
    let small = |at: usize| {
        assert!(
            word(at)[..16].iter().all(|byte| *byte == 0),
            "more than a budget counts to"
        );
        number(&word(at)[16..])
    };
    let selector = found.data.get(..4).map(hex::encode).unwrap_or_default();
    let whom = match selector.as_str() {
        "" => vec![found.to.clone()],
        "a9059cbb" | "095ea7b3" | "39509351" if is(USDC) => {
            all.insert("usdc.base", small(1));
            vec![account(0)]
        }
        "23b872dd" if is(USDC) => {
            all.insert("usdc.base", small(2));
            assert_eq!(account(0), OWN);
            vec![account(1)]
        }
        "23b872dd" | "42842e0e" if is(NFT) => {
            all.insert("nft.base", 1);
            vec![account(1)]
        }
        "f242432a" if is(ITEMS) => {
            all.insert("items.base", small(3));
            assert_eq!(found.data.len(), 4 + 6 * 32);
            vec![account(1)]
        }
        "3caba5d9" if is(POOL) => {
            let count = usize::try_from(small(3)).unwrap();
            assert!((1..=64).contains(&count));
            let parts = (0..count).map(|part| {
                let whom = account(4 + 2 * part);
                assert!([PAYEE, OWN].contains(&whom.as_str()), "{whom}");
                small(5 + 2 * part)
            });
            all.insert("usdc.base", parts.sum());
            vec![POOL.to_owned()]
        }
        _ if is(POOL) => {
            if found.data.len() == 4 + 64 {
                all.insert("usdc.base", small(0));
                assert_eq!(account(1), OWN);
            }
            vec![POOL.to_owned()]
        }
        other => panic!("{other} at {}", found.to),
    };
    (all, whom)
}

/// Whatever a call says and charges covers what its bytes do.
fn holds(call: &EvmCall) {
    let Credential::Evm { raw_tx, tx_hash } = assembled(call, [0x46; 32]) else {
        panic!("no transaction");
    };
    let raw = hex::decode(&raw_tx[2..]).unwrap();
    let found = plain(&raw);
    read_alike(call, &found, &raw, tx_hash);
    let (moved, whom) = moves(&found);
    let one = &call.effects.first;
    for (unit, amount) in moved {
        let charged = one
            .charges
            .iter()
            .filter(|charge| charge.unit.as_str() == unit);
        let charged = charged.fold(0, |sum, charge| sum + charge.amount.0);
        let revoked = one.verb == Verb::Delete && amount == 0;
        assert!(
            charged >= amount || revoked,
            "{unit}: {amount} moved, {charged} charged"
        );
    }
    let listed = [PAYEE, POOL, "0x3535353535353535353535353535353535353535"];
    assert!(
        whom.iter().all(|one| listed.contains(&one.as_str())),
        "{whom:?}"
    );
    let told = one.destination.to_lowercase();
    assert!(
        whom.iter().any(|one| told.ends_with(one)),
        "{told} {whom:?}"
    );
    let nonce = one.nonce.unwrap();
    assert_eq!(
        (u128::from(nonce.chain), u128::from(nonce.nonce)),
        (found.chain, found.nonce)
    );
    assert_eq!(found.access, 0);
}

/// A client library reads what the call is, and whose it is (EIP-155: the account of the key of 32 bytes 0x46).
fn read_alike(call: &EvmCall, found: &Plain, raw: &[u8], hash: String) {
    let Signs::Transaction(transaction) = &call.signs else {
        panic!("no transaction");
    };
    let (typed, priority) = match transaction.fees {
        Fees::Dynamic { priority, .. } => (true, Some(priority)),
        Fees::Legacy { .. } => (false, None),
    };
    let told = alloy::Read {
        typed,
        chain: transaction.chain,
        nonce: transaction.nonce,
        price: transaction.fees.most(),
        priority,
        gas: transaction.gas_limit,
        to: transaction.to.0,
        value: Word::from(transaction.value).0,
        data: transaction.data.clone(),
        hash,
        sender: Address::parse("0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
            .unwrap()
            .0,
    };
    assert_eq!(alloy::read(raw), Some(told));
    assert_eq!(found.data, transaction.data);
}

fn addresses() -> impl Strategy<Value = String> {
    let known = [
        PAYEE,
        OTHER,
        OWN,
        POOL,
        USDC,
        NFT,
        ITEMS,
        "0x3535353535353535353535353535353535353535",
    ];
    proptest::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => addresses().prop_map(|text| [vec![0; 12], hex::decode(&text[2..]).unwrap()].concat()),
        4 => any::<u64>().prop_map(|small| [vec![0; 24], small.to_be_bytes().to_vec()].concat()),
        1 => any::<u128>().prop_map(|half| [vec![0; 16], half.to_be_bytes().to_vec()].concat()),
        1 => any::<[u8; 32]>().prop_map(|word| word.to_vec()),
        1 => Just(vec![0xff; 32]),
        2 => Just([vec![0; 31], vec![160]].concat()),
        2 => Just([vec![0; 31], vec![7]].concat()),
        2 => Just(vec![0; 32]),
    ]
}

fn datas() -> impl Strategy<Value = Vec<u8>> {
    let selector =
        |text: &str| claviger_shared::crypto::keccak::keccak256(&[text.as_bytes()])[..4].to_vec();
    let known = [
        "transfer(address,uint256)",
        "approve(address,uint256)",
        "increaseAllowance(address,uint256)",
        "transferFrom(address,address,uint256)",
        "safeTransferFrom(address,address,uint256)",
        "safeTransferFrom(address,address,uint256,uint256,bytes)",
        "deposit(uint256,address)",
        "wrap()",
        "set(int16,bool,bytes4,uint8)",
        SPREAD,
        "mark(uint8[2][],bool)",
        "setApprovalForAll(address,bool)",
    ];
    let selectors: Vec<_> = known.iter().map(|text| selector(text)).collect();
    let call = (
        proptest::sample::select(selectors),
        proptest::collection::vec(words(), 0..7),
        0..4_usize,
    );
    let call = call.prop_map(|(selector, words, cut)| {
        let mut data = [selector, words.concat()].concat();
        // Now and then a byte is missing or too much.
        match cut {
            1 => drop(data.pop()),
            2 => data.push(0),
            _ => {}
        }
        data
    });
    prop_oneof![2 => Just(Vec::new()), 8 => call, 1 => proptest::collection::vec(any::<u8>(), 0..80)]
}

/// A call of one of the functions as its contract has it: most of these are signed.
fn good() -> impl Strategy<Value = (String, Vec<u8>)> {
    let word = |text: &str| hex::decode(format!("{:0>64}", &text[2..])).unwrap();
    let number = |n: u128| [vec![0; 16], n.to_be_bytes().to_vec()].concat();
    let hexed = |text: &str| hex::decode(text).unwrap();
    (0..9_usize, any::<u64>()).prop_map(move |(which, amount)| {
        let amount = u128::from(amount);
        let pay = word(PAYEE);
        let (to, parts) = match which {
            0 => (PAYEE, vec![]),
            1 => (USDC, vec![hexed("a9059cbb"), pay, number(amount)]),
            2 => (USDC, vec![hexed("095ea7b3"), pay, number(amount % 3)]),
            3 => (USDC, vec![hexed("39509351"), pay, number(amount)]),
            4 => (
                USDC,
                vec![hexed("23b872dd"), word(OWN), pay, number(amount)],
            ),
            5 => (NFT, vec![hexed("42842e0e"), word(OWN), pay, number(amount)]),
            6 => (
                ITEMS,
                vec![
                    hexed("f242432a"),
                    word(OWN),
                    pay,
                    number(1 + amount % 2),
                    number(amount),
                    number(160),
                    number(0),
                ],
            ),
            7 => {
                let small = amount % 500_000;
                let data = spread(&[(PAYEE, small), (OWN, 7)], &["note"], &[0, 0xff]);
                (POOL, vec![hexed(&data[2..])])
            }
            _ => (NFT, vec![hexed("23b872dd"), word(OWN), pay, number(7)]),
        };
        (to.to_owned(), parts.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_transaction_moves_more_than_is_charged(
        chain in proptest::sample::select(vec![1_u64, 8453, 8453, 8453, 10]), legacy: bool,
        call in prop_oneof![(addresses(), datas()), good()],
        numbers in (any::<u32>(), any::<u64>(), any::<u32>(), prop_oneof![Just(0_u128), any::<u64>().prop_map(u128::from), any::<u128>()]),
    ) {
        let ((to, data), (nonce, price, gas, value)) = (call, numbers);
        let mut members = json!({
            "chainId": chain, "nonce": nonce, "gas": gas, "to": to, "value": value.to_string(), "data": format!("0x{}", hex::encode(data)),
        });
        if legacy {
            members["gasPrice"] = json!(price);
        } else {
            members["maxFeePerGas"] = json!(price);
            members["maxPriorityFeePerGas"] = json!(price / 2);
        }
        if let Ok(call) = parse(&EvmInput::Tx(members.to_string().into_bytes().into())) {
            holds(&call);
        }
    }

    #[test]
    fn no_changed_bytes_move_more_than_is_charged(
        legacy: bool, call in good(), at in any::<proptest::sample::Index>(), byte: u8, insert in 0..3_u8,
    ) {
        let (to, data) = call;
        let fees = if legacy { Fees::Legacy { price: 9 } } else { Fees::Dynamic { priority: 1, most: 9 } };
        let members = match fees {
            Fees::Legacy { .. } => json!({"chainId": 8453, "nonce": 1, "gasPrice": 9, "gas": 50_000, "to": to, "data": format!("0x{}", hex::encode(data))}),
            Fees::Dynamic { .. } => json!({"chainId": 8453, "nonce": 1, "maxFeePerGas": 9, "maxPriorityFeePerGas": 1, "gas": 50_000, "to": to, "data": format!("0x{}", hex::encode(data))}),
        };
        let whole = parse(&EvmInput::Tx(members.to_string().into_bytes().into())).unwrap();
        holds(&whole);
        let mut bytes = whole.message();
        let at = at.index(bytes.len());
        match insert {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        if let Ok(call) = parse(&EvmInput::RawTx(bytes.clone().into())) {
            prop_assert_eq!(call.message(), bytes);
            holds(&call);
        }
    }
}

#[test]
fn the_client_library_finds_fault_where_there_is_one() {
    let call = parse(&tx(&base(PAYEE, "5", "0x"))).unwrap();
    let Credential::Evm { raw_tx, .. } = assembled(&call, [0x46; 32]) else {
        panic!("no transaction");
    };
    let raw = hex::decode(&raw_tx[2..]).unwrap();
    let whole = alloy::read(&raw).unwrap();
    assert_eq!(alloy::read(&[raw.clone(), vec![0]].concat()), None);
    for at in 0..raw.len() {
        let mut other = raw.clone();
        other[at] ^= 1;
        assert_ne!(alloy::read(&other).as_ref(), Some(&whole), "{at}");
    }
}

#[test]
fn the_plain_reader_finds_fault_where_there_is_one() {
    let call = parse(&tx(&base(PAYEE, "5", "0x"))).unwrap();
    let mut cheaper = call.clone();
    let mut effects = (*call.effects).clone();
    effects.first.charges[0].amount.0 -= 1;
    cheaper.effects = Arc::new(effects);
    holds(&call);
    std::panic::catch_unwind(|| holds(&cheaper)).unwrap_err();
    assert!(catalog().assets.len() > 1);
}
