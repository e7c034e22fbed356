//! Payments by HTTP in a whole enclave: a key that was born inside pays what a budget holds, and not one unit more.

use claviger_shared::{
    call::{Ask, Sign},
    chain::Address,
    credential::Credential,
    denial::Code,
    effect::Kind,
};
use claviger_tests::{
    agent::{Agent, issued},
    x402::{OTHER, PAYEE, agent, input, requirements, serving},
};
use serde_json::{Value, json};

/// The payment of an issued credential.
fn payment(credential: Option<Credential>) -> Value {
    let Some(Credential::X402 { payload, .. }) = credential else {
        panic!("no payment: {credential:?}")
    };
    serde_json::from_str(&payload).unwrap()
}

fn pay(agent: &Agent, amount: &str) -> Result<Value, Code> {
    let issued = agent.sign(input(&requirements(amount)));
    let issued = issued.map_err(|denial| denial.code)?;
    Ok(payment(issued.issued.credential))
}

#[test]
fn a_key_born_inside_pays_from_its_account_and_survives_a_restart() {
    let (deployment, enclave, granted) = serving(|_| {});
    let payer = |payment: &Value| payment["payload"]["authorization"]["from"].clone();
    let before = payer(&pay(&agent(&deployment, &enclave, &granted), "1000").unwrap());
    enclave.crash();
    let enclave = deployment.boot();
    let after = payer(&pay(&agent(&deployment, &enclave, &granted), "1000").unwrap());
    assert_eq!(before, after);
    let state = deployment.audited();
    let (_, key) = state.keys().find(|(id, _)| id.as_str() == "k_evm").unwrap();
    assert_eq!(key.kind, Kind::Evm);
    let address = key
        .alg
        .address(&key.public)
        .as_ref()
        .map(Address::to_string);
    assert_eq!(before.as_str(), address.as_deref());
}

#[test]
fn exactly_the_budget_is_paid() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    assert_eq!(pay(&agent, "60001"), Err(Code::PerCallExceeded));
    pay(&agent, "60000").unwrap();
    assert_eq!(pay(&agent, "40001"), Err(Code::BudgetExceeded));
    pay(&agent, "40000").unwrap();
    assert_eq!(pay(&agent, "1"), Err(Code::BudgetExceeded));
    let left = agent.whoami().remaining;
    let whole = left
        .iter()
        .find(|one| one.window == "grant" && !one.unit.is_call());
    assert_eq!(whole.unwrap().amount.0, 0);
}

#[test]
fn a_payment_without_a_budget_in_its_token_is_refused() {
    let calls = json!([{"unit": "call", "max": "100", "window": "grant"}]);
    let (deployment, enclave, granted) = serving(|grant| grant["budgets"] = calls);
    let agent = agent(&deployment, &enclave, &granted);
    assert_eq!(pay(&agent, "1"), Err(Code::UnbudgetedUnit));
}

#[test]
fn a_retry_is_the_same_payment_for_one_charge() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let sign = |amount: &str| {
        Ask::Sign(Sign {
            input: input(&requirements(amount)),
            idempotency_key: Some("order-1".to_owned()),
        })
    };
    let first = issued(agent.ask(&sign("50000"))).unwrap().issued;
    let again = issued(agent.ask(&sign("50000"))).unwrap().issued;
    assert!(again.replayed && !first.replayed);
    assert_eq!(first.credential, again.credential, "to the byte");
    assert_eq!(first.remaining, again.remaining);
    let other = issued(agent.ask(&sign("50001"))).unwrap_err();
    assert_eq!(other.code, Code::IdempotencyConflict);
}

#[test]
fn another_payee_or_domain_is_refused_and_nothing_is_spent() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let before = agent.whoami().remaining;
    for (member, value) in [
        ("payTo", json!(OTHER)),
        ("asset", json!(OTHER)),
        ("network", json!("eip155:8453")),
        ("extra", json!({"name": "USD Coin", "version": "2"})),
    ] {
        let mut asked = requirements("1000");
        asked[member] = value;
        assert_eq!(
            agent.denied(input(&asked)),
            Code::DestinationDenied,
            "{member}"
        );
    }
    assert_eq!(agent.whoami().remaining, before);
}

#[test]
fn only_narrows_whom_a_grant_pays() {
    let only = json!({"data": {"payment.to": [OTHER]}});
    let (deployment, enclave, granted) = serving(|grant| grant["only"] = only);
    let agent_of_other = agent(&deployment, &enclave, &granted);
    assert_eq!(pay(&agent_of_other, "1"), Err(Code::PermissionDenied));
    let only = json!({"data": {"payment.to": [PAYEE]}});
    let (deployment, enclave, granted) = serving(|grant| grant["only"] = only);
    pay(&agent(&deployment, &enclave, &granted), "1").unwrap();
}

#[test]
fn an_agent_learns_whom_it_may_pay() {
    let (deployment, enclave, granted) = serving(|_| {});
    let routes = agent(&deployment, &enclave, &granted).whoami().routes;
    let told: Vec<_> = routes
        .iter()
        .map(|one| (one.kind, one.methods.join(" "), one.destination.as_str()))
        .collect();
    let to = format!("usdc.base-sepolia on eip155:84532 to {PAYEE}");
    assert_eq!(told, [(Kind::X402, "pay".to_owned(), to.as_str())]);
}
