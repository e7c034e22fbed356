//! Transactions of Solana, matched and signed; one test for each thing that is refused.

#[path = "../../../tests/src/solana/build.rs"]
#[expect(
    unreachable_pub,
    clippy::arithmetic_side_effects,
    reason = "public in the room of tests, whose rules it has"
)]
pub(super) mod build;

use super::*;
use crate::fixture;
use build::{Call as Told, Raw, compute, create, transfer, transfer_checked};
use claviger_shared::{
    catalog::{Asset, AssetForm, Mint, Payee, Route, SolanaRoute},
    effect::{Env, Verb},
    id::{KeyId, Unit},
    owner::command::Alg,
    solana::{
        ASSOCIATED_TOKEN, COMPUTE_BUDGET, Cluster, MEMO, SYSTEM, TOKEN, TOKEN_2022, TokenProgram,
    },
    time::UnixMs,
};
use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

pub(super) const ME: [u8; 32] = [7; 32];
pub(super) const PAYEE: [u8; 32] = [21; 32];
pub(super) const OTHER: [u8; 32] = [22; 32];
pub(super) const PAYER: [u8; 32] = [23; 32];
pub(super) const USDC: [u8; 32] = [31; 32];
pub(super) const EURC: [u8; 32] = [32; 32];
const MY_TOKENS: [u8; 32] = [41; 32];

pub(super) fn unit(text: &str) -> Unit {
    Unit::parse(text).unwrap()
}

pub(super) fn asset(cluster: Cluster, mint: Option<([u8; 32], TokenProgram)>) -> Asset {
    let mint = mint.map(|(address, program)| Mint {
        address: Pubkey(address),
        program,
    });
    Asset {
        env: Env::Live,
        chain: 0,
        decimals: if mint.is_some() { 6 } else { 9 },
        form: AssetForm::Solana { cluster, mint },
    }
}

/// Where an owner's tokens are.
pub(super) fn account(owner: [u8; 32], mint: [u8; 32], program: TokenProgram) -> [u8; 32] {
    type Known = HashMap<([u8; 32], [u8; 32], &'static str), [u8; 32]>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let found = known.entry((owner, mint, program.as_str()));
    *found.or_insert_with(|| {
        let account = Pubkey::associated(&Pubkey(owner), &Pubkey(mint), program);
        account.unwrap().0
    })
}

fn usdc_of(owner: [u8; 32]) -> [u8; 32] {
    account(owner, USDC, TokenProgram::Token)
}

pub(super) fn route(
    name: &str,
    asset: Option<([u8; 32], TokenProgram)>,
    to: &[[u8; 32]],
) -> SolanaRoute {
    let payee = |owner: &[u8; 32]| Payee {
        owner: Pubkey(*owner),
        account: asset.map(|(mint, program)| Pubkey(account(*owner, mint, program))),
    };
    SolanaRoute {
        cluster: Cluster::Mainnet,
        asset: unit(name),
        coin: unit("sol"),
        to: to.iter().map(payee).collect(),
        memo: false,
        rent: None,
        fee_payer: Vec::new(),
    }
}

/// `tokens` and `coins` may be paid to [`PAYEE`]; `paid` with fees by [`PAYER`].
pub(super) fn whole(change: impl FnOnce(&mut SolanaRoute)) -> (Catalog, Grant) {
    let usdc = Some((USDC, TokenProgram::Token));
    let mut tokens = route("usdc", usdc, &[PAYEE]);
    change(&mut tokens);
    let paid = SolanaRoute {
        fee_payer: vec![Pubkey(PAYER)],
        rent: Some(2_039_280),
        ..route("usdc", usdc, &[PAYEE])
    };
    let mut catalog = fixture::catalog(vec![
        ("tokens", vec![Route::Solana(tokens)]),
        ("coins", vec![Route::Solana(route("sol", None, &[PAYEE]))]),
        ("paid", vec![Route::Solana(paid)]),
        ("unnamed", vec![Route::Solana(route("sol", None, &[OTHER]))]),
    ]);
    let assets = [("usdc", usdc), ("sol", None)];
    for (name, mint) in assets {
        let asset = asset(Cluster::Mainnet, mint);
        catalog.assets.insert(unit(name), asset);
    }
    let (_, mut grant) = fixture::whole();
    grant.permissions.write = ["tokens", "coins", "paid"].map(fixture::name).to_vec();
    (catalog, grant)
}

fn usdc(amount: u64) -> Told {
    let to = usdc_of(PAYEE);
    transfer_checked(TOKEN.0, USDC, (MY_TOKENS, ME), to, (amount, 6))
}

fn make(funder: [u8; 32]) -> Told {
    let programs = (ASSOCIATED_TOKEN.0, TOKEN.0);
    create(programs, funder, (usdc_of(PAYEE), PAYEE), USDC)
}

fn memo(text: &[u8]) -> Told {
    Told {
        program: MEMO.0,
        accounts: Vec::new(),
        data: text.to_vec(),
    }
}

pub(super) fn input(bytes: Vec<u8>) -> SolanaInput {
    SolanaInput {
        message: bytes.into(),
    }
}

fn parse_by(
    payer: [u8; 32],
    calls: &[Told],
    change: impl FnOnce(&mut SolanaRoute),
) -> Result<SolanaCall, Denial> {
    let (catalog, grant) = whole(change);
    let legacy = Raw::of(None, payer, calls).bytes();
    let zero = Raw::of(Some(0x80), payer, calls).bytes();
    let parse = |bytes| SolanaCall::parse(&input(bytes), None, &catalog, &grant);
    let (legacy, zero) = (parse(legacy), parse(zero));
    let effects = |call: &Result<SolanaCall, Denial>| {
        call.as_ref()
            .map(|one| one.effects.clone())
            .map_err(Clone::clone)
    };
    assert_eq!(effects(&legacy), effects(&zero), "both forms say the same");
    zero
}

fn parse(calls: &[Told]) -> Result<SolanaCall, Denial> {
    parse_by(ME, calls, |_| {})
}

fn refused(calls: &[Told], code: Code, at: &str) {
    let denial = parse(calls).map(|call| call.effects).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (code, Some(at)),
        "{calls:?}"
    );
}

fn charges(call: &SolanaCall) -> Vec<(String, u128)> {
    let effects = call.effects.iter();
    let charges = effects.flat_map(|effect| &effect.charges);
    charges
        .map(|charge| (charge.unit.to_string(), charge.amount.0))
        .collect()
}

fn said(list: &[(&str, u128)]) -> Vec<(String, u128)> {
    let said = list.iter();
    said.map(|(unit, amount)| ((*unit).to_owned(), *amount))
        .collect()
}

pub(super) fn key() -> SigningKeyInfo {
    SigningKeyInfo {
        id: KeyId::parse("k_sol").unwrap(),
        public: ME.to_vec(),
        ..fixture::key(Kind::Solana, Alg::Ed25519)
    }
}

pub(super) fn moment() -> Moment {
    Moment {
        now: UnixMs(1_795_424_400_000),
        expires_at: UnixMs(1_795_424_550_000),
        nonce: [7; 16],
    }
}

#[test]
fn lamports_and_tokens_are_charged_with_their_fees() {
    let call = parse(&[transfer(ME, PAYEE, 1_000_000)]).unwrap();
    assert_eq!(charges(&call), said(&[("sol", 1_000_000), ("sol", 5000)]));
    let effect = &call.effects.first;
    assert_eq!(effect.method, "transfer");
    assert_eq!(effect.verb, Verb::Write);
    let payee = Pubkey(PAYEE).to_string();
    assert_eq!(
        effect.destination,
        format!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:{payee}")
    );
    let from = Pubkey(ME).to_string();
    let parameters = [("payment.to", payee), ("payment.from", from)];
    assert_eq!(
        effect.parameters,
        parameters.map(|(name, value)| (name.to_owned(), value))
    );
    assert!(effect.fixed && !effect.mints && !effect.identity_only);
    assert_eq!(effect.max_lifetime, Millis(150_000));

    let calls = [
        compute(COMPUTE_BUDGET.0, Some(60_000), Some(1_001)),
        vec![usdc(10), usdc(20)],
    ]
    .concat();
    let call = parse(&calls).unwrap();
    // 60,000 units at 1,001 millionths: 60.06, rounded up.
    assert_eq!(
        charges(&call),
        said(&[("usdc", 10), ("sol", 5061), ("usdc", 20)])
    );
    assert_eq!(call.effects.rest.len(), 1);
}

#[test]
fn without_a_limit_every_instruction_may_use_its_default() {
    let fee = |count: usize, price: u64| {
        let calls = [
            compute(COMPUTE_BUDGET.0, None, Some(price)),
            vec![usdc(1); count],
        ]
        .concat();
        charges(&parse(&calls).unwrap())[1].1
    };
    assert_eq!(fee(1, 1_000_000), 5000 + 2 * 200_000);
    assert_eq!(
        fee(7, 1_000_000),
        5000 + 1_400_000,
        "no transaction has more"
    );
    assert_eq!(
        fee(1, u64::MAX),
        5000 + (u128::from(u64::MAX) * 400_000).div_ceil(1_000_000)
    );
}

#[test]
fn an_account_is_made_for_its_rent_where_the_route_says_so() {
    let with = |route: &mut SolanaRoute| route.rent = Some(3_000_000);
    let call = parse_by(ME, &[make(ME), usdc(5)], with).unwrap();
    assert_eq!(
        charges(&call),
        said(&[("sol", 3_000_000), ("sol", 5000), ("usdc", 5)])
    );
    assert_eq!(call.effects.first.method, "create_account");
    refused(&[make(ME)], Code::MethodDenied, "/message/instructions/0");
}

#[test]
fn another_pays_the_fees_where_the_route_names_it() {
    let call = parse_by(PAYER, &[usdc(5)], |_| {}).unwrap();
    assert_eq!(charges(&call), said(&[("usdc", 5)]));
    let call = parse_by(PAYER, &[make(PAYER), usdc(5)], |_| {}).unwrap();
    assert_eq!(
        charges(&call),
        said(&[("usdc", 5)]),
        "the rent is the payer's"
    );
    let call = parse_by(PAYER, &[make(ME), usdc(5)], |_| {}).unwrap();
    assert_eq!(charges(&call), said(&[("sol", 2_039_280), ("usdc", 5)]));
    let denial = parse_by(OTHER, &[usdc(5)], |_| {}).unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
    // The route of the coin names nobody.
    let denial = parse_by(PAYER, &[transfer(ME, PAYEE, 5)], |_| {}).unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
}

#[test]
fn nobody_is_paid_who_is_not_listed() {
    let at = "/message/instructions/0";
    let denied = Code::DestinationDenied;
    refused(&[transfer(ME, OTHER, 5)], denied, at);
    refused(&[transfer(ME, ME, 5)], denied, at);
    let pay =
        |program: [u8; 32], mint, to| transfer_checked(program, mint, (MY_TOKENS, ME), to, (5, 6));
    refused(&[pay(TOKEN.0, USDC, usdc_of(OTHER))], denied, at);
    // The owner's own address, and its account under another program, or of another token.
    refused(&[pay(TOKEN.0, USDC, PAYEE)], denied, at);
    let other = account(PAYEE, USDC, TokenProgram::Token2022);
    refused(&[pay(TOKEN.0, USDC, other)], denied, at);
    refused(&[pay(TOKEN_2022.0, USDC, other)], denied, at);
    let other = account(PAYEE, EURC, TokenProgram::Token);
    refused(&[pay(TOKEN.0, EURC, other)], denied, at);
    refused(&[pay(TOKEN.0, USDC, other)], denied, at);
    let good = [transfer(ME, PAYEE, 5), transfer(ME, OTHER, 5)];
    refused(&good, denied, "/message/instructions/1");
    let programs = (ASSOCIATED_TOKEN.0, TOKEN.0);
    for (account, owner) in [
        (usdc_of(OTHER), OTHER),
        (usdc_of(OTHER), PAYEE),
        (usdc_of(PAYEE), OTHER),
    ] {
        refused(&[create(programs, ME, (account, owner), USDC)], denied, at);
    }
}

#[test]
fn only_what_is_ours_is_moved_and_by_nobody_else() {
    let at = "/message/instructions/0";
    let bad = parse_by(PAYER, &[transfer(PAYER, PAYEE, 5), usdc(1)], |_| {}).unwrap_err();
    assert_eq!(
        (bad.code, bad.param.as_deref()),
        (Code::Unsupported, Some(at))
    );
    let theirs = transfer_checked(TOKEN.0, USDC, (MY_TOKENS, PAYER), usdc_of(PAYEE), (5, 6));
    let bad = parse_by(PAYER, &[theirs, usdc(1)], |_| {}).unwrap_err();
    assert_eq!(
        (bad.code, bad.param.as_deref()),
        (Code::Unsupported, Some(at))
    );
    // Who signs third.
    let third = parse_by(PAYER, &[usdc(1), transfer(OTHER, PAYEE, 1)], |_| {}).unwrap_err();
    assert_eq!(
        (third.code, third.param.as_deref()),
        (Code::Unsupported, Some("/message"))
    );
}

#[test]
fn amounts_decimals_and_flags_are_those_of_a_transfer() {
    let at = "/message/instructions/0";
    let invalid = Code::InvalidRequest;
    refused(&[transfer(ME, PAYEE, 0)], invalid, at);
    refused(&[usdc(0)], invalid, at);
    let pay = |decimals| {
        transfer_checked(
            TOKEN.0,
            USDC,
            (MY_TOKENS, ME),
            usdc_of(PAYEE),
            (5, decimals),
        )
    };
    refused(&[pay(5)], invalid, at);
    refused(&[pay(7)], invalid, at);
    let longer = |mut call: Told| {
        call.data.push(0);
        call
    };
    refused(&[longer(transfer(ME, PAYEE, 5))], invalid, at);
    refused(&[longer(usdc(5))], invalid, at);
    let shorter = |mut call: Told| {
        call.data.pop();
        call
    };
    refused(&[shorter(transfer(ME, PAYEE, 5))], invalid, at);
    refused(&[shorter(usdc(5))], invalid, at);
    let mut unwritten = transfer(ME, PAYEE, 5);
    unwritten.accounts[1].2 = false;
    refused(&[unwritten], invalid, at);
    let mut unwritten = usdc(5);
    unwritten.accounts[2].2 = false;
    refused(&[unwritten], invalid, at);
    let mut more = transfer(ME, PAYEE, 5);
    more.accounts.push((OTHER, false, false));
    refused(&[more], invalid, at);
}

#[test]
fn hooks_and_several_owners_are_refused() {
    let mut more = usdc(5);
    more.accounts.push((OTHER, false, false));
    refused(&[more], Code::Unsupported, "/message/instructions/0");
    let mut fewer = usdc(5);
    fewer.accounts.pop();
    refused(
        &[fewer, transfer(ME, PAYEE, 1)],
        Code::Unsupported,
        "/message/instructions/0",
    );
}

#[test]
fn every_other_instruction_is_refused() {
    let good = usdc(1);
    let told = |program: [u8; 32], data: &[u8]| Told {
        program,
        accounts: vec![(ME, true, true), (PAYEE, false, true)],
        data: data.to_vec(),
    };
    // System: all but Transfer, the nonce's 4 among them.
    for tag in (0..=12_u8).filter(|tag| *tag != 2) {
        let data = [&[tag, 0, 0, 0][..], &5_u64.to_le_bytes()].concat();
        refused(
            &[told(SYSTEM.0, &data), good.clone()],
            Code::Unsupported,
            "/message/instructions/0",
        );
    }
    refused(
        &[told(SYSTEM.0, &[2, 0, 0])],
        Code::Unsupported,
        "/message/instructions/0",
    );
    refused(
        &[told(SYSTEM.0, &[2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])],
        Code::Unsupported,
        "/message/instructions/0",
    );
    // Tokens: all but TransferChecked; Transfer, Approve, SetAuthority, CloseAccount, extensions.
    for program in [TOKEN.0, TOKEN_2022.0] {
        for tag in (0..=255_u8).filter(|tag| *tag != 12) {
            let mut other = good.clone();
            (other.program, other.data[0]) = (program, tag);
            refused(&[other], Code::Unsupported, "/message/instructions/0");
        }
    }
    for data in [&[2][..], &[3], &[0, 0], &[1, 1]] {
        let mut other = make(ME);
        other.data = data.to_vec();
        refused(&[other], Code::Unsupported, "/message/instructions/0");
    }
    // Compute budget: RequestHeapFrame, SetLoadedAccountsDataSizeLimit, and the deprecated first.
    for tag in [0, 1, 4, 5] {
        let other = Told {
            program: COMPUTE_BUDGET.0,
            accounts: Vec::new(),
            data: vec![tag, 0, 0, 1, 0],
        };
        refused(
            &[good.clone(), other],
            Code::Unsupported,
            "/message/instructions/1",
        );
    }
    refused(
        &[told([99; 32], &[1]), good],
        Code::Unsupported,
        "/message/instructions/0",
    );
}

#[test]
fn a_budget_of_units_is_said_once_and_in_bounds() {
    let one = || compute(COMPUTE_BUDGET.0, Some(1), None);
    let price = || compute(COMPUTE_BUDGET.0, None, Some(1));
    let invalid = Code::InvalidRequest;
    refused(
        &[one(), one(), vec![usdc(1)]].concat(),
        invalid,
        "/message/instructions/1",
    );
    refused(
        &[price(), vec![usdc(1)], price()].concat(),
        invalid,
        "/message/instructions/2",
    );
    let with = |units| [compute(COMPUTE_BUDGET.0, Some(units), None), vec![usdc(1)]].concat();
    refused(&with(0), invalid, "/message/instructions/0");
    refused(&with(1_400_001), invalid, "/message/instructions/0");
    parse(&with(1_400_000)).unwrap();
    refused(&one(), Code::Unsupported, "/message");
}

#[test]
fn a_memo_stands_only_where_the_route_lets_it() {
    let at = "/message/instructions/1";
    refused(&[usdc(1), memo(b"order 7")], Code::UnlistedMember, at);
    let with = |route: &mut SolanaRoute| route.memo = true;
    parse_by(ME, &[usdc(1), memo(b"order 7")], with).unwrap();
    let mut signed = memo(b"order 7");
    signed.accounts.push((ME, true, false));
    parse_by(ME, &[usdc(1), signed], with).unwrap();
    // Every route that the message uses.
    let both = [usdc(1), memo(b"order 7"), transfer(ME, PAYEE, 1)];
    assert_eq!(
        parse_by(ME, &both, with).unwrap_err().code,
        Code::UnlistedMember
    );
    let invalid = |memo: Told| {
        let denial = parse_by(ME, &[usdc(1), memo], with).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (Code::InvalidRequest, Some(at))
        );
    };
    parse_by(ME, &[usdc(1), memo(&[b'x'; 256])], with).unwrap();
    invalid(memo(&[b'x'; 257]));
    invalid(memo(&[0xff]));
    let mut read = memo(b"x");
    read.accounts.push((OTHER, false, false));
    invalid(read);
    let twice = [usdc(1), memo(b"1"), memo(b"2")];
    assert_eq!(
        parse_by(ME, &twice, with).unwrap_err().code,
        Code::InvalidRequest
    );
    assert_eq!(
        parse_by(ME, &[memo(b"1")], with).unwrap_err().code,
        Code::Unsupported
    );
}

#[test]
fn two_clusters_are_never_meant_at_once() {
    let (mut catalog, mut grant) = whole(|_| {});
    let route = SolanaRoute {
        cluster: Cluster::Devnet,
        coin: unit("devsol"),
        ..route("devsol", None, &[OTHER])
    };
    let resource = fixture::catalog(vec![("dev", vec![Route::Solana(route)])]);
    catalog.resources.extend(resource.resources);
    catalog
        .assets
        .insert(unit("devsol"), asset(Cluster::Devnet, None));
    grant.permissions.write.push(fixture::name("dev"));
    let calls = [transfer(ME, PAYEE, 1), transfer(ME, OTHER, 1)];
    let bytes = Raw::of(None, ME, &calls).bytes();
    let denial = SolanaCall::parse(&input(bytes), None, &catalog, &grant).unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
    assert_eq!(denial.param.as_deref(), Some("/message/instructions/1"));
}

#[test]
fn what_is_signed_is_the_message_and_by_its_own_account() {
    let call = parse(&[usdc(5)]).unwrap();
    let bytes = Raw::of(Some(0x80), ME, &[usdc(5)]).bytes();
    let ToSign::Solana(signing) = call.to_sign(&key(), &moment()).unwrap() else {
        panic!("another kind")
    };
    assert_eq!((signing.account.0, &signing.message), (ME, &bytes));
    for other in [
        SigningKeyInfo {
            public: OTHER.to_vec(),
            ..key()
        },
        SigningKeyInfo {
            kind: Kind::Http,
            ..key()
        },
        SigningKeyInfo {
            public: Vec::new(),
            ..key()
        },
    ] {
        assert_eq!(
            call.to_sign(&other, &moment()).unwrap_err().code,
            Code::KeyDenied
        );
    }
    let late = Moment {
        expires_at: UnixMs(1_795_424_551_000),
        ..moment()
    };
    assert_eq!(
        call.to_sign(&key(), &late).unwrap_err().code,
        Code::Outliving
    );
}

#[test]
fn a_transaction_is_its_signatures_and_its_message() {
    let assembled = |payer, second: bool| {
        let call = parse_by(payer, &[usdc(5)], |_| {}).unwrap();
        let signed = call.to_sign(&key(), &moment()).unwrap();
        for length in [0, 63, 65] {
            call.assemble(&moment(), &signed, &vec![1; length])
                .unwrap_err();
        }
        let made = call.assemble(&moment(), &signed, &[1; 64]).unwrap();
        let Credential::Solana {
            signature,
            transaction,
        } = made
        else {
            panic!("{made:?}")
        };
        assert_eq!(base58::decode(&signature), Some(vec![1; 64]));
        let message = Raw::of(Some(0x80), payer, &[usdc(5)]).bytes();
        let signatures = if second {
            [vec![2], vec![0; 64], vec![1; 64]].concat()
        } else {
            [vec![1], vec![1; 64]].concat()
        };
        let whole = [signatures, message].concat();
        assert_eq!(STANDARD.decode(transaction).unwrap(), whole);
    };
    assembled(ME, false);
    assembled(PAYER, true);
}

#[test]
fn a_message_beyond_a_packet_is_not_looked_at() {
    let (catalog, grant) = whole(|_| {});
    let denial = SolanaCall::parse(&input(vec![1; 1233]), None, &catalog, &grant).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::InvalidRequest, Some("/message"))
    );
}
