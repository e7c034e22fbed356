//! P8: what was issued ends: at the earliest of the grant's end, the kind's maximum and what the grant or caller asks.

use claviger_shared::{denial::Code, time::Millis};
use claviger_tests::{
    agent::{Agent, read_order, token},
    deployment::Deployment,
};
use serde_json::{Value, json};

/// Seconds until what was issued ends, under a changed grant.
#[track_caller]
fn life(change: impl FnOnce(&mut Value), input: claviger_shared::call::Input) -> Result<u64, Code> {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", change);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let issued = agent.sign(input).map_err(|denial| denial.code)?.issued;
    assert!(issued.replay.window_s * 1000 >= issued.expires_at.since(deployment.clock.now()).0);
    Ok(issued.expires_at.since(deployment.clock.now()).0 / 1000)
}

#[test]
fn p8_the_grants_own_length_holds() {
    let ttl = |grant: &mut Value| grant["credentials"]["http"]["ttl_s"] = json!(17);
    assert_eq!(life(ttl, read_order("1")), Ok(17));
}

#[test]
fn p8_nothing_outlives_its_grant() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    deployment.clock.advance_ms(3_600_000 - 20_000);
    let issued = agent.sign(read_order("1")).unwrap().issued;
    assert_eq!(issued.expires_at, agent.whoami().grant.expires_at);
    // In the grant's last second nothing of whole seconds is left.
    deployment.clock.advance_ms(19_999);
    assert!(
        agent.sign(read_order("1")).is_ok(),
        "one millisecond and it ends"
    );
}

#[test]
fn p8_outliving_needs_the_grants_word() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["allow_outliving"] = json!(["orders"]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    deployment.clock.advance_ms(3_600_000 - 20_000);
    let end = agent.whoami().grant.expires_at;
    let issued = agent.sign(read_order("1")).unwrap().issued;
    assert_eq!(issued.expires_at, end.plus(Millis(40_000)));
    let other = agent.sign(token(None)).unwrap().issued;
    assert_eq!(other.expires_at, end, "another resource is not allowed to");
}

#[test]
fn p8_a_token_ends_when_its_caller_or_grant_says() {
    assert_eq!(life(|_| {}, token(Some(10))), Ok(10));
    assert_eq!(life(|_| {}, token(None)), Ok(60));
    assert_eq!(
        life(|_| {}, token(Some(600))),
        Err(Code::Outliving),
        "never longer than the grant's"
    );
}

#[test]
fn p8_a_renewal_moves_the_end_and_no_counter() {
    let (deployment, enclave) = Deployment::serving();
    let until = deployment.clock.now().plus(Millis(5_400_000));
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["renew_until"] = json!(until.to_string());
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(read_order("1")).unwrap();
    let left = agent.left();
    deployment.clock.advance_ms(3_000_000);
    let reply = agent.ask(&claviger_shared::call::Ask::Renew);
    assert!(matches!(reply, claviger_shared::call::Reply::Renewed(end) if end == until));
    assert_eq!(agent.left(), left);
    assert_eq!(agent.whoami().grant.expires_at, until);
    // There it ends, as does a grant that names no such time: owners can do more, and the denial says what.
    let other = deployment.grant(&enclave, "gr_2", |_| {});
    for agent in [agent, Agent::connect(&deployment, &enclave, &other)] {
        match agent.ask(&claviger_shared::call::Ask::Renew) {
            claviger_shared::call::Reply::Denied(denial) => {
                assert_eq!(denial.param.as_deref(), Some("renew_until"));
                assert!(denial.next().contains("amend") && denial.next().contains("reissue"));
            }
            other => panic!("{other:?}"),
        }
    }
}
