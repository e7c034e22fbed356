//! Messages that others wrote are read and written again; every other spelling is refused.

use super::*;
use crate::solana::tests::build::{Raw, transfer};
use base64::{Engine, engine::general_purpose::STANDARD};

fn simple(version: Option<u8>) -> Raw {
    Raw::of(version, [1; 32], &[transfer([1; 32], [2; 32], 5)])
}

#[test]
fn what_another_implementation_wrote_is_read_and_written_again() {
    let text = include_str!("../../../../tests/vectors/solana/messages.json");
    let table: serde_json::Value = serde_json::from_str(text).unwrap();
    let rows = table["messages"].as_array().unwrap();
    assert!(rows.len() >= 10);
    for row in rows {
        let bytes = STANDARD.decode(row["message"].as_str().unwrap()).unwrap();
        let message = Message::parse(&bytes).unwrap_or_else(|code| panic!("{code:?} {row}"));
        assert_eq!(message.bytes(), Some(bytes), "{row}");
        let said: Vec<_> = row["accounts"].as_array().unwrap().iter().collect();
        assert_eq!(message.accounts.len(), said.len());
        for (number, said) in (0..).zip(said) {
            let account = message.account(number).unwrap();
            assert_eq!(account.key.to_string(), said["key"].as_str().unwrap());
            assert_eq!(account.signs, said["signs"], "{row}");
            assert_eq!(account.writable, said["writable"], "{row}");
        }
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let [payer, to, system] = [[1; 32], [2; 32], [0; 32]];
    assert_eq!(simple(None).accounts, [payer, to, system]);
    for (header, code) in [
        ([0, 0, 1], Code::InvalidRequest),
        ([1, 1, 1], Code::InvalidRequest),
        ([1, 2, 1], Code::InvalidRequest),
        ([1, 0, 3], Code::InvalidRequest),
        // The program is written to; the program signs.
        ([1, 0, 0], Code::InvalidRequest),
        ([2, 0, 0], Code::InvalidRequest),
        ([3, 0, 0], Code::Unsupported),
    ] {
        let raw = Raw {
            header,
            ..simple(None)
        };
        assert_eq!(Message::parse(&raw.bytes()), Err(code), "{header:?}");
    }
}

#[test]
fn accounts_are_named_once_and_used() {
    let mut twice = simple(None);
    twice.accounts.insert(1, [2; 32]);
    assert_eq!(Message::parse(&twice.bytes()), Err(Code::InvalidRequest));
    let mut unused = simple(None);
    unused.accounts.insert(1, [3; 32]);
    for (_, accounts, _) in &mut unused.calls {
        accounts[1] = 2;
    }
    unused.calls[0].0 = 3;
    assert_eq!(Message::parse(&unused.bytes()), Err(Code::InvalidRequest));
    for (program, account) in [(3, 1), (2, 3), (2, 255)] {
        let mut beyond = simple(None);
        beyond.calls[0].0 = program;
        beyond.calls[0].1[1] = account;
        assert_eq!(Message::parse(&beyond.bytes()), Err(Code::InvalidRequest));
    }
    let mut itself = simple(None);
    itself.calls[0].0 = 0;
    assert_eq!(Message::parse(&itself.bytes()), Err(Code::InvalidRequest));
}

#[test]
fn nothing_stands_behind_and_nothing_is_missing() {
    for version in [None, Some(0x80)] {
        let whole = simple(version).bytes();
        Message::parse(&whole).unwrap();
        for end in 0..whole.len() {
            assert_eq!(
                Message::parse(&whole[..end]),
                Err(Code::InvalidRequest),
                "{end}"
            );
        }
        for more in [0, 1, 0x80] {
            let longer = [whole.as_slice(), &[more]].concat();
            assert_eq!(Message::parse(&longer), Err(Code::InvalidRequest));
        }
    }
}

#[test]
fn other_versions_and_tables_are_refused() {
    for version in 0x81..=0xff {
        let parsed = Message::parse(&simple(Some(version)).bytes());
        assert_eq!(parsed, Err(Code::Unsupported), "{version:x}");
    }
    let table = Raw {
        tail: [vec![1], vec![7; 32], vec![1, 0, 0]].concat(),
        ..simple(Some(0x80))
    };
    assert_eq!(Message::parse(&table.bytes()), Err(Code::Unsupported));
}

#[test]
fn a_count_has_one_spelling() {
    let whole = simple(None).bytes();
    // The count of accounts, 3, in two bytes and in three; and more than 16 bits.
    for longer in [
        &[0x83, 0][..],
        &[0x83, 0x80, 0],
        &[0x83, 0x80, 4],
        &[0xff, 0xff, 0xff],
    ] {
        let bytes = [&whole[..3], longer, &whole[4..]].concat();
        assert_eq!(
            Message::parse(&bytes),
            Err(Code::InvalidRequest),
            "{longer:x?}"
        );
    }
    for (count, bytes) in [
        (0, &[0][..]),
        (127, &[127]),
        (128, &[0x80, 1]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 1]),
        (65_535, &[0xff, 0xff, 3]),
    ] {
        let mut out = Vec::new();
        put_count(&mut out, count).unwrap();
        assert_eq!(out, bytes);
        assert_eq!(Reader(bytes).count(), Ok(count));
    }
    assert_eq!(put_count(&mut Vec::new(), 65_536), None);
}

#[test]
fn a_transaction_fits_a_packet_and_instructions_are_few() {
    let with = |length: usize| {
        let mut raw = simple(None);
        raw.calls[0].2 = vec![0; length];
        raw.bytes()
    };
    let most = 1232 - 65;
    let length = most - with(200).len() + 200;
    assert_eq!(with(length).len(), most);
    Message::parse(&with(length)).unwrap();
    assert_eq!(Message::parse(&with(length + 1)), Err(Code::InvalidRequest));
    let many = |count: usize| {
        let calls = vec![transfer([1; 32], [2; 32], 5); count];
        Message::parse(&Raw::of(None, [1; 32], &calls).bytes())
    };
    many(MAX_INSTRUCTIONS).unwrap();
    assert_eq!(many(MAX_INSTRUCTIONS + 1), Err(Code::Unsupported));
    let mut none = simple(None);
    none.calls.clear();
    assert_eq!(Message::parse(&none.bytes()), Err(Code::InvalidRequest));
}
