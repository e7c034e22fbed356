//! Transactions of Solana in a whole enclave: a key that was born inside pays what its budgets hold, fees and rent included, and only
//! what names its own account.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{Ask, Sign},
    codec::base58,
    credential::{Credential, Issued},
    denial::Code,
    effect::Kind,
    solana::{COMPUTE_BUDGET, Pubkey},
};
use claviger_tests::{
    agent::{Agent, issued},
    solana::{NETWORK, OTHER, PAYEE, PAYER, agent, build, create, input, key, serving, usdc},
};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::json;

/// The transaction of an issued credential, and its signature.
fn transaction(issued: Issued) -> (Vec<u8>, Vec<u8>) {
    let Some(Credential::Solana {
        signature,
        transaction,
    }) = issued.credential
    else {
        panic!("no transaction: {issued:?}")
    };
    (
        STANDARD.decode(transaction).unwrap(),
        base58::decode(&signature).unwrap(),
    )
}

fn sign(agent: &Agent, payer: [u8; 32], calls: &[build::Call]) -> Result<Issued, Code> {
    let issued = agent.sign(input(payer, calls));
    issued.map(|one| one.issued).map_err(|denial| denial.code)
}

fn left(agent: &Agent, unit: &str) -> u128 {
    let left = agent.whoami().remaining;
    let mut left = left.iter();
    let found = left.find(|one| one.window == "grant" && one.unit.as_str() == unit);
    found.unwrap().amount.0
}

#[test]
fn a_key_born_inside_signs_for_its_account_and_survives_a_restart() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let check = |agent: &Agent| {
        let calls = [build::transfer(me, key(PAYEE), 10)];
        let (whole, signature) = transaction(sign(agent, me, &calls).unwrap());
        let message = build::Raw::of(Some(0x80), me, &calls).bytes();
        assert_eq!(whole, [&[1][..], &signature, &message].concat());
        let public = UnparsedPublicKey::new(&ED25519, me);
        public.verify(&message, &signature).unwrap();
    };
    check(&agent(&deployment, &enclave, &granted));
    enclave.crash();
    let enclave = deployment.boot();
    check(&agent(&deployment, &enclave, &granted));
}

#[test]
fn exactly_the_budget_is_paid_fees_and_rent_included() {
    let sol = json!([
        {"unit": "call", "max": "100", "window": "grant"},
        {"unit": "sol", "max": "2059480", "window": "grant"},
        {"unit": "usdc.solana", "max": "100", "window": "grant"},
    ]);
    let (deployment, enclave, granted, me) = serving(|grant| grant["budgets"] = sol);
    let agent = agent(&deployment, &enclave, &granted);
    // 2,039,280 and 5000.
    let made = sign(
        &agent,
        me,
        &[create(me, key(PAYEE)), usdc(me, key(PAYEE), 100)],
    )
    .unwrap();
    assert_eq!(made.effects.len(), 2);
    assert_eq!(
        (left(&agent, "sol"), left(&agent, "usdc.solana")),
        (15_200, 0)
    );
    // 5000 and 200 units at one lamport.
    let price = build::compute(COMPUTE_BUDGET.0, Some(200), Some(1_000_000));
    let calls = |lamports| {
        [
            price.clone(),
            vec![build::transfer(me, key(PAYEE), lamports)],
        ]
        .concat()
    };
    assert_eq!(
        sign(&agent, me, &calls(10_001)).unwrap_err(),
        Code::BudgetExceeded
    );
    assert_eq!(left(&agent, "sol"), 15_200);
    sign(&agent, me, &calls(10_000)).unwrap();
    assert_eq!(left(&agent, "sol"), 0);
}

#[test]
fn a_sponsored_transaction_is_half_signed_and_charges_no_fee() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let before = left(&agent, "sol");
    let calls = [usdc(me, key(PAYEE), 10)];
    let (whole, signature) = transaction(sign(&agent, key(PAYER), &calls).unwrap());
    let message = build::Raw::of(Some(0x80), key(PAYER), &calls).bytes();
    assert_eq!(whole, [&[2][..], &[0; 64], &signature, &message].concat());
    assert_eq!(left(&agent, "sol"), before);
    assert_eq!(
        sign(&agent, key(OTHER), &calls).unwrap_err(),
        Code::DestinationDenied
    );
}

#[test]
fn another_account_is_refused_before_anything_is_spent() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let before = agent.whoami().remaining;
    let other = key(OTHER);
    let calls = [build::transfer(other, key(PAYEE), 10)];
    assert_eq!(sign(&agent, other, &calls).unwrap_err(), Code::KeyDenied);
    assert_eq!(
        sign(&agent, me, &[build::transfer(me, other, 10)]).unwrap_err(),
        Code::DestinationDenied
    );
    assert_eq!(agent.whoami().remaining, before);
}

#[test]
fn the_key_of_the_account_that_pays_is_the_one_that_signs() {
    let (deployment, enclave, _, first) = serving(|_| {});
    let another =
        json!({"id": "k_two", "kind": "solana", "alg": "ed25519", "env": "live", "agent": "bot"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": another}));
    let granted = deployment.grant(&enclave, "gr_two", |grant| {
        claviger_tests::solana::grant(grant);
        grant["keys"] = json!(["k_two", "k_sol"]);
    });
    let agent = agent(&deployment, &enclave, &granted);
    let state = deployment.audited();
    let (_, second) = state.keys().find(|(id, _)| id.as_str() == "k_two").unwrap();
    for account in [first, second.public.as_slice().try_into().unwrap()] {
        let calls = [build::transfer(account, key(PAYEE), 10)];
        let (whole, signature) = transaction(sign(&agent, account, &calls).unwrap());
        let public = UnparsedPublicKey::new(&ED25519, account);
        public.verify(&whole[65..], &signature).unwrap();
    }
}

#[test]
fn a_retry_is_the_same_transaction_for_one_charge() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let ask = |amount| {
        let input = input(me, &[usdc(me, key(PAYEE), amount)]);
        let idempotency_key = Some("order-1".to_owned());
        Ask::Sign(Sign {
            input,
            idempotency_key,
        })
    };
    let first = issued(agent.ask(&ask(5))).unwrap().issued;
    let again = issued(agent.ask(&ask(5))).unwrap().issued;
    assert!(again.replayed && !first.replayed);
    assert_eq!(first.credential, again.credential, "to the byte");
    assert_eq!(first.remaining, again.remaining);
    let other = issued(agent.ask(&ask(6))).unwrap_err();
    assert_eq!(other.code, Code::IdempotencyConflict);
}

#[test]
fn a_transaction_lives_its_declared_time_and_no_grant_that_ends_before_makes_one() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let bot = agent(&deployment, &enclave, &granted);
    let made = sign(&bot, me, &[usdc(me, key(PAYEE), 1)]).unwrap();
    assert!(made.replay.single_use);
    assert!(
        (149..=150).contains(&made.replay.window_s),
        "{:?}",
        made.replay
    );
    let rule = json!({"solana": {"ttl_s": 149}});
    let (deployment, enclave, granted, me) = serving(|grant| grant["credentials"] = rule);
    let bot = agent(&deployment, &enclave, &granted);
    assert_eq!(
        sign(&bot, me, &[usdc(me, key(PAYEE), 1)]).unwrap_err(),
        Code::Outliving
    );
}

#[test]
fn only_narrows_whom_a_grant_pays() {
    for (payee, outcome) in [(OTHER, Some(Code::PermissionDenied)), (PAYEE, None)] {
        let only = json!({"coins": {"payment.to": [payee]}});
        let (deployment, enclave, granted, me) = serving(|grant| grant["only"] = only);
        let agent = agent(&deployment, &enclave, &granted);
        let said = sign(&agent, me, &[build::transfer(me, key(PAYEE), 10)]);
        assert_eq!(said.err(), outcome);
    }
}

#[test]
fn an_agent_learns_whom_it_may_pay() {
    let (deployment, enclave, granted, _) = serving(|_| {});
    let routes = agent(&deployment, &enclave, &granted).whoami().routes;
    let told: Vec<_> = routes
        .iter()
        .map(|one| (one.kind, one.methods.join(" "), one.destination.clone()))
        .collect();
    let row = |methods: &str, asset: &str| {
        let to = format!("{asset} on {NETWORK} to {PAYEE}");
        (Kind::Solana, methods.to_owned(), to)
    };
    assert_eq!(
        told,
        [
            row("transfer", "sol"),
            row("transfer", "usdc.solana"),
            row("transfer create_account", "usdc.solana"),
        ]
    );
}

#[test]
fn an_imported_key_has_the_account_of_its_seed() {
    let (deployment, enclave, _, _) = serving(|_| {});
    let facts =
        json!({"id": "k_old", "kind": "solana", "alg": "ed25519", "env": "live", "agent": "bot"});
    claviger_tests::solana::import_seed(&deployment, &enclave, &facts, &[7; 32]);
    let granted = deployment.grant(&enclave, "gr_old", |grant| {
        claviger_tests::solana::grant(grant);
        grant["keys"] = json!(["k_old"]);
    });
    let agent = agent(&deployment, &enclave, &granted);
    // RFC 8032: the public key of 32 bytes of 7, as solders writes it.
    let account = Pubkey::parse("GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB")
        .unwrap()
        .0;
    sign(&agent, account, &[build::transfer(account, key(PAYEE), 10)]).unwrap();
}

#[test]
fn as_many_instructions_as_the_limit_are_one_record() {
    let (deployment, enclave, granted, me) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let calls = vec![build::transfer(me, key(PAYEE), 1); 16];
    let made = sign(&agent, me, &calls).unwrap();
    assert_eq!(made.effects.len(), 16);
    let sol = made
        .charged
        .iter()
        .find(|charge| charge.unit.as_str() == "sol");
    assert_eq!(sol.unwrap().amount.0, 5016);
}
