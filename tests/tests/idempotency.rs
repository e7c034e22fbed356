//! One idempotency key, one input, one charge, one credential: while it lives, under concurrency, across restarts.

use claviger_shared::{
    call::{Ask, Input, IssuedWithReceipt, Sign},
    credential::Credential,
    denial::{Code, Denial},
    ledger::remember::MAX_PER_GRANT,
    log::record::Body,
};
use claviger_tests::{
    agent::{Agent, charge, issued, read_order, token},
    deployment::{Deployment, Enclave},
    owner::Granted,
    store::Mood,
};
use std::{sync::Arc, thread};

fn ready() -> (Deployment, Enclave, Granted, Agent) {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    (deployment, enclave, granted, agent)
}

fn under(key: &str, input: Input) -> Ask {
    let idempotency_key = Some(key.to_owned());
    Ask::Sign(Sign {
        input,
        idempotency_key,
    })
}

/// Asks until the first call under the key is no longer worked on.
#[track_caller]
fn ask(agent: &Agent, key: &str, input: Input) -> Result<IssuedWithReceipt, Denial> {
    loop {
        match issued(agent.ask(&under(key, input.clone()))) {
            Err(denial) if denial.code == Code::Busy => assert!(denial.retry_after_ms.is_some()),
            answer => return answer,
        }
    }
}

fn calls(deployment: &Deployment) -> usize {
    let records = deployment.store.records();
    records
        .iter()
        .filter(|body| matches!(body, Body::Call(_)))
        .count()
}

#[test]
fn the_same_key_and_input_give_the_same_credential_for_one_charge() {
    let (deployment, _enclave, _granted, agent) = ready();
    let first = ask(&agent, "k1", charge(10)).unwrap();
    let left = agent.left();
    let again = ask(&agent, "k1", charge(10)).unwrap();
    assert!(!first.issued.replayed && again.issued.replayed);
    assert_eq!(again.issued.credential, first.issued.credential);
    assert_eq!(again.issued.charged, first.issued.charged);
    assert_eq!(again.issued.expires_at, first.issued.expires_at);
    assert_eq!(again.receipt, first.receipt);
    assert_eq!(agent.left(), left);
    assert_eq!(calls(&deployment), 1);
    let _state = deployment.audited();
}

#[test]
fn a_charging_route_is_bound_to_the_callers_own_key() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let answer = ask(&agent, "order-77", charge(10)).unwrap();
    let Some(Credential::Http { headers }) = answer.issued.credential else {
        panic!("no headers")
    };
    let bound = headers.iter().find(|(name, _)| name == "idempotency-key");
    assert!(bound.is_some_and(|(_, value)| value.contains("order-77")));
}

#[test]
fn a_randomised_signature_is_made_over_the_same_token() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let claims = |answer: IssuedWithReceipt| match answer.issued.credential {
        Some(Credential::Jwt { jwt }) => jwt.rsplit_once('.').unwrap().0.to_owned(),
        other => panic!("{other:?}"),
    };
    let first = claims(ask(&agent, "k1", token(None)).unwrap());
    assert_eq!(claims(ask(&agent, "k1", token(None)).unwrap()), first);
    assert_ne!(claims(ask(&agent, "k2", token(None)).unwrap()), first);
}

#[test]
fn the_same_key_with_another_input_is_refused() {
    let (_deployment, _enclave, _granted, agent) = ready();
    ask(&agent, "k1", charge(10)).unwrap();
    let left = agent.left();
    for other in [charge(11), read_order("1"), token(None)] {
        let denial = ask(&agent, "k1", other).unwrap_err();
        assert_eq!(denial.code, Code::IdempotencyConflict);
    }
    assert_eq!(agent.left(), left);
}

#[test]
fn two_grants_do_not_share_a_key() {
    let (deployment, enclave, _granted, agent) = ready();
    let other = deployment.grant(&enclave, "gr_2", |_| {});
    let other = Agent::connect(&deployment, &enclave, &other);
    ask(&agent, "k1", charge(10)).unwrap();
    assert!(!ask(&other, "k1", charge(20)).unwrap().issued.replayed);
}

#[test]
fn twenty_at_once_under_one_key_are_charged_once() {
    let (deployment, _enclave, _granted, agent) = ready();
    let agent = Arc::new(agent);
    let before = agent.left();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let agent = Arc::clone(&agent);
            thread::spawn(move || ask(&agent, "k1", charge(10)).unwrap())
        })
        .collect();
    let answers: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(
        answers
            .iter()
            .filter(|answer| !answer.issued.replayed)
            .count(),
        1
    );
    let first = &answers[0].issued.credential;
    assert!(
        answers
            .iter()
            .all(|answer| answer.issued.credential == *first)
    );
    assert_eq!(before[2] - agent.left()[2], 10);
    assert_eq!(calls(&deployment), 1);
    let _state = deployment.audited();
}

#[test]
fn nothing_leaves_again_before_the_first_record_is_stored() {
    let (deployment, _enclave, _granted, agent) = ready();
    deployment.store.be(Mood::Hold);
    let first = agent.send(&under("k1", charge(10)));
    deployment.store.wait_until_held();
    let early = issued(agent.ask(&under("k1", charge(10)))).unwrap_err();
    assert_eq!(early.code, Code::Busy);
    deployment.store.be(Mood::Honest);
    let first = issued(agent.wait(first)).unwrap();
    assert_eq!(
        ask(&agent, "k1", charge(10)).unwrap().receipt,
        first.receipt
    );
}

#[test]
fn a_restart_remembers_and_a_revocation_counts() {
    let (deployment, enclave, granted, agent) = ready();
    let first = ask(&agent, "k1", charge(10)).unwrap();
    let left = agent.left();
    enclave.crash();
    agent.link.close();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let again = ask(&agent, "k1", charge(10)).unwrap();
    assert!(again.issued.replayed);
    assert_eq!(again.issued.credential, first.issued.credential);
    assert_eq!(again.receipt, first.receipt);
    assert_eq!(agent.left(), left);
    let denial = ask(&agent, "k1", charge(11)).unwrap_err();
    assert_eq!(denial.code, Code::IdempotencyConflict);
    deployment.narrow(
        &enclave,
        &serde_json::json!({ "type": "grant.revoke", "grant": granted.id }),
    );
    let denial = ask(&agent, "k1", charge(10)).unwrap_err();
    assert_eq!(denial.code, Code::GrantRevoked);
}

#[test]
fn once_the_credential_has_ended_the_key_is_a_new_call() {
    let (deployment, _enclave, _granted, agent) = ready();
    let first = ask(&agent, "k1", charge(10)).unwrap();
    let life = first.issued.expires_at.since(deployment.clock.now());
    deployment.clock.advance_ms(life.0 - 1);
    assert!(ask(&agent, "k1", charge(10)).unwrap().issued.replayed);
    deployment.clock.advance_ms(1);
    let second = ask(&agent, "k1", charge(10)).unwrap();
    assert!(!second.issued.replayed);
    assert_ne!(second.issued.credential, first.issued.credential);
    assert_eq!(calls(&deployment), 2);
    let _state = deployment.audited();
}

#[test]
fn a_key_that_is_empty_or_too_long_is_refused() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let longest = "k".repeat(claviger_shared::call::MAX_IDEMPOTENCY_KEY);
    for bad in [String::new(), format!("{longest}k")] {
        let denial = issued(agent.ask(&under(&bad, read_order("1")))).unwrap_err();
        assert_eq!(denial.code, Code::InvalidRequest);
    }
    ask(&agent, &longest, read_order("1")).unwrap();
}

#[test]
fn a_full_memory_refuses_before_anything_is_charged() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["budgets"][0]["max"] = serde_json::json!("100000");
        grant.as_object_mut().unwrap().remove("rate");
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let sent: Vec<_> = (0..MAX_PER_GRANT)
        .map(|n| {
            let sent = agent.send(&under(&format!("k{n}"), read_order("1")));
            // A channel has 64 calls under way at most.
            issued(agent.wait(sent)).unwrap()
        })
        .collect();
    assert_eq!(sent.len(), MAX_PER_GRANT);
    let left = agent.left();
    let denial = issued(agent.ask(&under("one more", read_order("1")))).unwrap_err();
    assert_eq!(denial.code, Code::IdempotencyFull);
    assert_eq!(agent.left(), left);
    assert!(ask(&agent, "k0", read_order("1")).unwrap().issued.replayed);
    agent.sign(read_order("1")).unwrap();
    let life = sent[0].issued.expires_at.since(deployment.clock.now());
    deployment.clock.advance_ms(life.0);
    ask(&agent, "one more", read_order("1")).unwrap();
}
