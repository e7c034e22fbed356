//! What leaves, read again from its bytes, never moves more than is charged, and nothing to anybody that no route names.
//!
//! The reader is written apart, after the documentation of Solana's programs: it knows no type of this kind, walks the transaction from
//! its first byte, and keeps books of what each account could lose.

use super::{
    tests::{
        EURC, ME, OTHER, PAYEE, PAYER, USDC, account, asset,
        build::{self, Call as Told, Raw},
        input, key, moment, route, unit,
    },
    *,
};
use crate::fixture;
use claviger_shared::{
    catalog::{Route, SolanaRoute},
    solana::{ASSOCIATED_TOKEN, COMPUTE_BUDGET, Cluster, MEMO, TOKEN, TOKEN_2022, TokenProgram},
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::{cell::Cell, collections::BTreeMap};

const CASES: u32 = 6000;

/// Tokens to two, lamports to one, and tokens of the other program to one; tokens with fees by another too.
fn whole() -> (Catalog, Grant) {
    let (usdc, eurc) = (
        Some((USDC, TokenProgram::Token)),
        Some((EURC, TokenProgram::Token2022)),
    );
    let a = SolanaRoute {
        rent: Some(2_100_000),
        memo: true,
        ..route("usdc", usdc, &[PAYEE, OTHER])
    };
    let c = SolanaRoute {
        fee_payer: vec![Pubkey(PAYER)],
        ..route("eurc", eurc, &[OTHER])
    };
    let paid = SolanaRoute {
        fee_payer: vec![Pubkey(PAYER)],
        ..route("usdc", usdc, &[PAYEE, OTHER])
    };
    let mut catalog = fixture::catalog(vec![
        ("a", vec![Route::Solana(a)]),
        ("b", vec![Route::Solana(route("sol", None, &[PAYEE]))]),
        ("d", vec![Route::Solana(paid)]),
        (
            "c",
            vec![
                Route::Solana(route("eurc", eurc, &[OTHER])),
                Route::Solana(c),
            ],
        ),
    ]);
    for (name, mint) in [("usdc", usdc), ("eurc", eurc), ("sol", None)] {
        let asset = asset(Cluster::Mainnet, mint);
        catalog.assets.insert(unit(name), asset);
    }
    let (_, mut grant) = fixture::whole();
    grant.permissions.write = ["a", "b", "c", "d"].map(fixture::name).to_vec();
    (catalog, grant)
}

/// What a transaction could take from [`ME`], and to whom it goes.
#[derive(Debug, Default)]
struct Books {
    lamports: u128,
    tokens: BTreeMap<[u8; 32], u128>,
    paid: Vec<[u8; 32]>,
}

/// Reads a number of 7 bits a byte.
fn number(bytes: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = usize::from(bytes[0]);
        *bytes = &bytes[1..];
        value |= (byte & 127) << shift;
        if byte < 128 {
            return value;
        }
        shift += 7;
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn le(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum * 256 + u128::from(*byte))
}

fn books(transaction: &[u8]) -> Books {
    let mut left = transaction;
    let signatures = number(&mut left);
    take(&mut left, signatures * 64);
    if left[0] == 0x80 {
        take(&mut left, 1);
    }
    let header = take(&mut left, 3);
    assert_eq!(usize::from(header[0]), signatures);
    let count = number(&mut left);
    let keys: Vec<[u8; 32]> = (0..count)
        .map(|_| take(&mut left, 32).try_into().unwrap())
        .collect();
    take(&mut left, 32);
    let mut books = Books::default();
    let (mut units, mut price) = (None, 0);
    let calls = number(&mut left);
    for _ in 0..calls {
        let program = keys[usize::from(take(&mut left, 1)[0])];
        let given = number(&mut left);
        let given: Vec<_> = take(&mut left, given)
            .iter()
            .map(|n| keys[usize::from(*n)])
            .collect();
        let length = number(&mut left);
        let data = take(&mut left, length);
        if program == [0; 32] {
            assert_eq!(&data[..4], [2, 0, 0, 0], "a transfer");
            if given[0] == ME {
                books.lamports += le(&data[4..12]);
            }
            books.paid.push(given[1]);
        } else if program == TOKEN.0 || program == TOKEN_2022.0 {
            assert_eq!((data[0], given.len(), given[3]), (12, 4, ME));
            *books.tokens.entry(given[1]).or_default() += le(&data[1..9]);
            let owners = [PAYEE, OTHER, PAYER, ME].into_iter();
            let by = if program == TOKEN.0 {
                TokenProgram::Token
            } else {
                TokenProgram::Token2022
            };
            let owner = owners
                .into_iter()
                .find(|owner| account(*owner, given[1], by) == given[2]);
            books.paid.push(owner.expect("somebody's account"));
        } else if program == ASSOCIATED_TOKEN.0 {
            // 165 bytes and 128 more, at 6960 lamports.
            if given[0] == ME {
                books.lamports += 293 * 6960;
            }
            books.paid.push(given[2]);
        } else if program == COMPUTE_BUDGET.0 {
            match data[0] {
                2 => units = Some(le(&data[1..5])),
                3 => price = le(&data[1..9]),
                other => panic!("compute budget {other}"),
            }
        } else {
            assert_eq!(program, MEMO.0, "no other program");
        }
    }
    let tail: &[u8] = if transaction[1 + signatures * 64] == 0x80 {
        &[0]
    } else {
        &[]
    };
    assert_eq!(left, tail);
    if keys[0] == ME {
        let units = units.unwrap_or_else(|| (calls as u128 * 200_000).min(1_400_000));
        books.lamports += 5000 * signatures as u128 + (units * price).div_ceil(1_000_000);
    }
    books
}

fn calls() -> impl Strategy<Value = (Option<u8>, [u8; 32], Vec<Told>)> {
    let who = || prop_oneof![6 => Just(PAYEE), 4 => Just(OTHER), 1 => Just(PAYER), 1 => Just(ME)];
    let mint = || prop_oneof![3 => Just((USDC, TokenProgram::Token)), 2 => Just((EURC, TokenProgram::Token2022)), 1 => Just((EURC, TokenProgram::Token))];
    let amount = || prop_oneof![6 => 1..1_000_000_u64, 1 => Just(0), 1 => any::<u64>()];
    let from = || prop_oneof![9 => Just(ME), 1 => Just(PAYER)];
    let coin = (from(), who(), amount()).prop_map(|(from, to, n)| build::transfer(from, to, n));
    let token = (
        mint(),
        from(),
        who(),
        amount(),
        prop_oneof![9 => Just(6), 1 => Just(9)],
    )
        .prop_map(|((mint, program), from, to, n, decimals)| {
            let to = account(to, mint, program);
            build::transfer_checked(
                program.address().0,
                mint,
                ([41; 32], from),
                to,
                (n, decimals),
            )
        });
    let made = (mint(), from(), who()).prop_map(|((mint, program), from, owner)| {
        let programs = (ASSOCIATED_TOKEN.0, program.address().0);
        build::create(programs, from, (account(owner, mint, program), owner), mint)
    });
    let budget = (
        proptest::option::of(0..2_000_000_u32),
        proptest::option::of(any::<u64>()),
    )
        .prop_map(|(units, price)| build::compute(COMPUTE_BUDGET.0, units, price));
    let other = (
        prop_oneof![Just([0; 32]), Just(TOKEN.0), Just(MEMO.0), Just([99; 32])],
        proptest::collection::vec(any::<u8>(), 0..14),
    )
        .prop_map(|(program, data)| Told {
            program,
            accounts: vec![(ME, true, true)],
            data,
        });
    let one = prop_oneof![
        6 => coin.prop_map(|call| vec![call]),
        8 => token.prop_map(|call| vec![call]),
        2 => made.prop_map(|call| vec![call]),
        2 => budget,
        1 => other.prop_map(|call| vec![call]),
    ];
    let version = prop_oneof![Just(None), Just(Some(0x80))];
    let payer = prop_oneof![2 => Just(ME), 1 => Just(PAYER)];
    let all = proptest::collection::vec(one, 1..4).prop_map(|calls| calls.concat());
    (version, payer, all)
}

#[test]
fn what_leaves_moves_no_more_and_to_nobody_else() {
    let (catalog, grant) = whole();
    let (signed, both) = (Cell::new(0_u32), Cell::new(0_u32));
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::with_cases(CASES), seed);
    let strategy = (
        calls(),
        proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    );
    runner
        .run(&strategy, |((version, payer, calls), flip)| {
            let mut bytes = Raw::of(version, payer, &calls).bytes();
            if let Some((at, to)) = flip {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            let Ok(call) = SolanaCall::parse(&input(bytes.clone()), None, &catalog, &grant) else {
                return Ok(());
            };
            let key = SigningKeyInfo {
                public: call.signing.account.0.to_vec(),
                ..key()
            };
            if key.public != ME {
                return Ok(());
            }
            signed.set(signed.get() + 1);
            let to_sign = call.to_sign(&key, &moment()).unwrap();
            let Credential::Solana { transaction, .. } =
                call.assemble(&moment(), &to_sign, &[1; 64]).unwrap()
            else {
                panic!("another kind")
            };
            let transaction = STANDARD.decode(transaction).unwrap();
            prop_assert!(
                transaction.ends_with(&bytes),
                "what was asked is what is signed"
            );
            let books = books(&transaction);
            both.set(both.get() + u32::from(transaction[0] == 2));
            let charged = |name: &str| {
                let charges = call.effects.iter().flat_map(|effect| &effect.charges);
                let of_unit = charges.filter(|charge| charge.unit.as_str() == name);
                of_unit.map(|charge| charge.amount.0).sum::<u128>()
            };
            prop_assert!(books.lamports <= charged("sol"));
            prop_assert_eq!(
                books.tokens.get(&USDC).copied().unwrap_or_default(),
                charged("usdc")
            );
            prop_assert_eq!(
                books.tokens.get(&EURC).copied().unwrap_or_default(),
                charged("eurc")
            );
            prop_assert!(books.tokens.keys().all(|mint| [USDC, EURC].contains(mint)));
            let told: Vec<_> = call
                .effects
                .iter()
                .map(|effect| effect.destination.clone())
                .collect();
            let paid: Vec<_> = books
                .paid
                .iter()
                .map(|to| Cluster::Mainnet.account(&Pubkey(*to)))
                .collect();
            prop_assert_eq!(told, paid);
            prop_assert!(books.paid.iter().all(|to| [PAYEE, OTHER].contains(to)));
            Ok(())
        })
        .unwrap();
    let (signed, both) = (signed.get(), both.get());
    assert!(
        signed > CASES / 10 && both > CASES / 200,
        "{signed} signed, {both} with another's fee"
    );
}
