//! P4: the sum of what was signed never exceeds a budget, under concurrency, crashes, restarts and lying stores.

use claviger_shared::{
    call::Reply,
    denial::Code,
    log::record::{Body, Outcome},
    wire::{Phase, control::PhaseEvent},
};
use claviger_tests::{
    agent::{Agent, Sent, charge, issued, read_order, sign},
    courier::Answer,
    deployment::Deployment,
    store::Mood,
};
use std::{sync::Arc, thread, time::Duration};

/// Cents that the stored log says were charged.
fn charged(deployment: &Deployment) -> u128 {
    let records = deployment.store.records();
    let calls = records.iter().filter_map(|body| match body {
        Body::Call(call) => Some(call),
        _ => None,
    });
    calls
        .flat_map(|call| &call.charges)
        .filter(|charge| charge.unit.as_str() == "usd-cents")
        .map(|charge| charge.amount.0)
        .sum()
}

#[test]
fn p4_fifty_calls_at_the_edge_spend_exactly_the_budget() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    // A thousand cents: forty calls of twenty-five fit, the rest must be refused.
    let agents: Vec<Arc<Agent>> = (0..2)
        .map(|_| Arc::new(Agent::connect(&deployment, &enclave, &granted)))
        .collect();
    let threads: Vec<_> = (0..50)
        .map(|at| {
            let agent = Arc::clone(&agents[at % 2]);
            thread::spawn(move || agent.sign(charge(25)).map_err(|denial| denial.code))
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let fine = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(fine, 40);
    let refused = |outcome: &Result<_, Code>| matches!(outcome, Err(Code::BudgetExceeded));
    assert_eq!(
        outcomes.iter().filter(|outcome| refused(outcome)).count(),
        10
    );
    assert_eq!(agents[0].left()[2], 0);
    assert_eq!(charged(&deployment), 1000);
}

/// Lives that end while calls wait for storage, with and without the entry having reached it.
#[test]
fn p4_no_crash_hands_a_budget_back() {
    let deployment = Deployment::born();
    let mut enclave = deployment.boot();
    deployment.furnish(&enclave);
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let mut released = 0;
    for life in 0..4 {
        let agent = Agent::connect(&deployment, &enclave, &granted);
        for _ in 0..3 {
            released += u128::from(agent.sign(charge(70)).is_ok()) * 70;
        }
        deployment.store.be(if life % 2 == 0 {
            Mood::Hold
        } else {
            Mood::Ambiguous
        });
        let seen = deployment.store.appends().len();
        let sent: Vec<Sent> = (0..3).map(|_| agent.send(&sign(charge(70)))).collect();
        deployment.store.wait_for_appends(seen + 1);
        enclave.crash();
        for sent in sent {
            if let Some(Reply::Issued(_)) = agent.wait_for(sent, Duration::from_millis(20)) {
                panic!("released what was not acknowledged");
            }
        }
        agent.link.close();
        deployment.store.be(Mood::Honest);
        enclave = deployment.boot();
        let agent = Agent::connect(&deployment, &enclave, &granted);
        let spent = 1000 - agent.left()[2];
        assert_eq!(spent, charged(&deployment), "life {life}");
        assert!(spent >= released && spent <= 1000);
        agent.link.close();
    }
    let agent = Agent::connect(&deployment, &enclave, &granted);
    while agent.sign(charge(70)).is_ok() {
        released += 70;
    }
    assert!(released <= 1000 && charged(&deployment) <= 1000);
    let _ = deployment.audited();
}

#[test]
fn p4_a_failed_store_is_tried_again_byte_for_byte() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let seen = deployment.store.appends().len();
    deployment.store.be(Mood::Fail);
    let sent = agent.send(&sign(charge(5)));
    deployment.store.wait_for_appends(seen + 2);
    // What comes meanwhile is refused before anything is reserved.
    assert_eq!(agent.denied(charge(5)), Code::Unavailable);
    deployment.store.be(Mood::Ambiguous);
    deployment.store.wait_for_appends(seen + 3);
    deployment.store.be(Mood::Honest);
    issued(agent.wait(sent)).unwrap();
    let appends = deployment.store.appends();
    let tries = &appends[seen..];
    assert!(tries.len() >= 3);
    assert!(tries.iter().all(|body| *body == tries[0]), "the same bytes");
    assert_eq!(agent.left()[2], 995);
}

#[test]
fn p4_another_writer_fences() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    deployment.store.be(Mood::Conflict);
    let sent = agent.send(&sign(charge(5)));
    let event: PhaseEvent = enclave
        .control
        .event(|event: &PhaseEvent| event.phase == Phase::Fenced);
    assert!(event.reason.is_some());
    assert!(agent.wait_for(sent, Duration::from_millis(100)).is_none());
    deployment.store.be(Mood::Honest);
    // The process may be gone by now; if it still answers, it says no.
    let late = agent.send(&sign(read_order("1")));
    if let Some(Answer::Reply(body)) = agent.link.wait_for(late.id, Duration::from_secs(1)) {
        let answer = agent.open(late.seq, &body).unwrap();
        assert!(matches!(answer.reply, Reply::Denied(denial) if denial.code == Code::Unavailable));
    }
}

/// Two lives on one log: the one that comes second to an index is fenced, and what it had reserved is not released.
#[test]
fn p4_of_two_instances_one_is_fenced() {
    let (deployment, first) = Deployment::serving();
    let granted = deployment.grant(&first, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &first, &granted);
    agent.sign(charge(500)).unwrap();
    // The second life writes its Boot entry where the first would go on.
    let second = deployment.boot();
    let sent = agent.send(&sign(charge(500)));
    let _: PhaseEvent = first
        .control
        .event(|event: &PhaseEvent| event.phase == Phase::Fenced);
    assert!(agent.wait_for(sent, Duration::from_millis(50)).is_none());
    let agent = Agent::connect(&deployment, &second, &granted);
    agent.sign(charge(500)).unwrap();
    assert_eq!(agent.denied(charge(1)), Code::BudgetExceeded);
    assert_eq!(charged(&deployment), 1000);
}

#[test]
fn p4_a_withdrawn_call_stays_charged() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    deployment.store.be(Mood::Hold);
    let sent = agent.send(&sign(charge(100)));
    deployment.store.wait_until_held();
    deployment.clock.advance_ms(5001);
    deployment.store.be(Mood::Honest);
    assert_eq!(issued(agent.wait(sent)).unwrap_err().code, Code::Withdrawn);
    assert_eq!(agent.left()[2], 900);
    let recorded = deployment
        .store
        .records()
        .iter()
        .any(|body| matches!(body, Body::Call(call) if call.outcome == Outcome::Issued));
    assert!(recorded);
}

#[test]
fn p4_pending_witnesses_are_refused_not_ignored() {
    let (_deployment, enclave) = Deployment::serving();
    let refused = enclave
        .control
        .ask(claviger_shared::wire::FrameType::Witnessed, &())
        .refusal();
    assert_eq!(
        refused.code,
        claviger_shared::wire::RefusedCode::NotSupported
    );
}
