//! P9: one agent cannot starve, read, spend, evict or suspend another.

use claviger_enclave::channel::agents;
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
    wire::{FrameType, RefusedCode},
};
use claviger_tests::{
    agent::{Agent, Sent, charge, greeting, issued, read_order, sign},
    deployment::{Deployment, Enclave},
    owner::{Granted, refused},
    store::Mood,
};
use serde_json::json;
use std::sync::Arc;

fn two() -> (Deployment, Enclave, Granted, Granted) {
    let (deployment, enclave) = Deployment::serving();
    let one = deployment.grant(&enclave, "gr_1", |_| {});
    let other = deployment.grant(&enclave, "gr_2", |_| {});
    (deployment, enclave, one, other)
}

#[test]
fn p9_budgets_are_apart() {
    let (deployment, enclave, one, other) = two();
    let (one, other) = (
        Agent::connect(&deployment, &enclave, &one),
        Agent::connect(&deployment, &enclave, &other),
    );
    one.sign(charge(500)).unwrap();
    one.sign(charge(500)).unwrap();
    assert_eq!(one.denied(charge(1)), Code::BudgetExceeded);
    assert_eq!(other.left(), [1000, 500, 1000]);
    other.sign(charge(500)).unwrap();
}

#[test]
fn p9_a_revocation_of_ones_own_touches_nobody_else() {
    let (deployment, enclave, one, other) = two();
    let (one, other) = (
        Agent::connect(&deployment, &enclave, &one),
        Agent::connect(&deployment, &enclave, &other),
    );
    assert!(matches!(
        one.ask(&Ask::RevokeSelf { leaked: true }),
        Reply::Revoked
    ));
    assert_eq!(one.denied(read_order("1")), Code::GrantRevoked);
    other.sign(read_order("1")).unwrap();
}

#[test]
fn p9_a_flooded_channel_is_busy_and_the_others_are_served() {
    let (deployment, enclave, one, other) = two();
    let link = Arc::new(enclave.call_link());
    let flooder = Agent::on(&link, &deployment, &enclave, &one);
    // On the very connection that is flooded.
    let neighbour = Agent::on(&link, &deployment, &enclave, &other);
    deployment.store.be(Mood::Hold);
    let limit = usize::try_from(claviger_shared::wire::call::MAX_IN_FLIGHT).unwrap();
    let sent: Vec<_> = (0..limit)
        .map(|_| flooder.send(&sign(read_order("1"))))
        .collect();
    let (_, body) = flooder.seal(&Ask::Whoami);
    assert_eq!(flooder.refused(&body), RefusedCode::Busy, "one more");
    assert_eq!(neighbour.whoami().state, "active");
    let waits = neighbour.send(&sign(read_order("1")));
    deployment.store.be(Mood::Honest);
    issued(neighbour.wait(waits)).unwrap();
    for sent in sent {
        issued(flooder.wait(sent)).unwrap();
    }
    // The frame that was refused was not opened, and there is room again.
    let again = flooder.link.send(FrameType::Call, &body);
    assert!(matches!(
        flooder.link.wait(again),
        claviger_tests::courier::Answer::Reply(_)
    ));
    assert_eq!(flooder.whoami().remaining[0].amount.0, 1000 - limit as u128);
}

/// Every opened frame takes from its agent's share, whatever it asks, in all channels and under all grants of the agent.
#[test]
fn p9_a_flooding_agent_uses_up_its_own_share_alone() {
    let (deployment, enclave, one, same_agent) = two();
    let key =
        json!({"id": "k_other", "kind": "http", "alg": "ed25519", "env": "live", "agent": "other"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let other = deployment.grant(&enclave, "gr_other", |grant| {
        grant["agent"]["id"] = "other".into();
        grant["keys"] = json!(["k_other"]);
        grant["permissions"] = json!({"read": ["orders"]});
        grant.as_object_mut().unwrap().remove("allow_minting");
    });
    let flooder = Agent::connect(&deployment, &enclave, &one);
    let again = Agent::connect(&deployment, &enclave, &same_agent);
    let neighbour = Agent::connect(&deployment, &enclave, &other);
    // The clock of a test stands still: nothing comes back in between.
    for _ in 0..agents::LIMIT.burst {
        assert_eq!(flooder.whoami().state, "active");
    }
    for agent in [&flooder, &again] {
        let Reply::Denied(denial) = agent.ask(&sign(read_order("1"))) else {
            panic!("not denied")
        };
        assert_eq!(denial.code, Code::RateLimited);
        assert_eq!(denial.param.as_deref(), Some("agent"));
        assert!(denial.retry_after_ms.is_some_and(|ms| ms > 0));
    }
    neighbour.sign(read_order("1")).unwrap();
    deployment.clock.advance_ms(1);
    assert_eq!(flooder.left()[0], 1000, "nothing was spent");
    deployment.clock.advance_ms(1000);
    flooder.sign(read_order("1")).unwrap();
    again.sign(read_order("1")).unwrap();
}

/// A frame that opens and says nothing costs its agent as much as one that asks.
#[test]
fn p9_frames_that_say_nothing_take_from_the_share_too() {
    let (deployment, enclave, one, _) = two();
    let flooder = Agent::connect(&deployment, &enclave, &one);
    let nothing = |seq: u64| {
        let body = flooder.seal_text(seq, b"nothing".to_vec());
        let id = flooder.link.send(FrameType::Call, &body);
        match flooder.wait(Sent { id, seq }) {
            Reply::Denied(denial) => denial.code,
            other => panic!("{other:?}"),
        }
    };
    for seq in 0..agents::LIMIT.burst {
        assert_eq!(nothing(seq), Code::InvalidRequest);
    }
    assert_eq!(nothing(agents::LIMIT.burst), Code::RateLimited);
}

/// Whoever floods with a stolen agent key does not keep its owner from ending the grant.
#[test]
fn p9_a_flood_keeps_nobody_from_revoking() {
    let (deployment, enclave, one, _) = two();
    let thief = Agent::connect(&deployment, &enclave, &one);
    let owner = Agent::connect(&deployment, &enclave, &one);
    for _ in 0..agents::LIMIT.burst {
        assert_eq!(thief.whoami().state, "active");
    }
    assert_eq!(thief.denied(read_order("1")), Code::RateLimited);
    let ended = owner.ask(&Ask::RevokeSelf { leaked: true });
    assert!(matches!(ended, Reply::Revoked));
    deployment.clock.advance_ms(1000);
    assert_eq!(thief.denied(read_order("1")), Code::GrantRevoked);
}

#[test]
fn p9_a_key_evicts_its_own_oldest_channel_alone() {
    let (deployment, enclave, one, other) = two();
    let link = Arc::new(enclave.call_link());
    let neighbour = Agent::on(&link, &deployment, &enclave, &other);
    neighbour.sign(read_order("1")).unwrap();
    let most = claviger_enclave::channel::table::PER_KEY;
    let agents: Vec<_> = (0..most)
        .map(|_| {
            let agent = Agent::on(&link, &deployment, &enclave, &one);
            agent.sign(read_order("1")).unwrap();
            agent
        })
        .collect();
    assert!(agents.iter().all(|agent| agent.whoami().state == "active"));
    let newest = Agent::on(&link, &deployment, &enclave, &one);
    // A handshake alone evicts nobody; its first opened frame does.
    assert_eq!(agents[0].whoami().state, "active");
    newest.sign(read_order("1")).unwrap();
    let (_, body) = agents[0].seal(&Ask::Whoami);
    assert_eq!(agents[0].refused(&body), RefusedCode::UnknownChannel);
    assert!(
        agents[1..]
            .iter()
            .all(|agent| agent.whoami().state == "active")
    );
    neighbour.sign(read_order("2")).unwrap();
}

/// Handshakes that were recorded and are sent again cost no channel that is in use.
#[test]
fn p9_replayed_handshakes_evict_nobody() {
    let (deployment, enclave, one, _) = two();
    let link = Arc::new(enclave.call_link());
    let first = Agent::on(&link, &deployment, &enclave, &one);
    first.sign(read_order("1")).unwrap();
    let (_, recorded, _) = greeting(&deployment, &enclave, &one.secret);
    for _ in 0..8 {
        let _: claviger_shared::wire::call::Opened = link.ask(FrameType::Open, &recorded).reply();
    }
    assert_eq!(first.whoami().state, "active");
    let second = Agent::on(&link, &deployment, &enclave, &one);
    second.sign(read_order("1")).unwrap();
    assert_eq!(first.whoami().state, "active", "two channels are in use");
}

#[test]
fn p9_keys_belong_to_one_agent() {
    let (deployment, enclave, _, _) = two();
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).unwrap();
    let public = claviger_shared::crypto::noise::public_key(&secret).unwrap();
    let now = deployment.clock.now();
    let grant = json!({
        "v": 1, "id": "gr_3", "agent": {"id": "mallory", "key": format!("x25519:{}", hex::encode(public))},
        "not_before": now.to_string(), "expires_at": now.plus(claviger_shared::time::Millis(60_000)).to_string(),
        "keys": ["k_http"], "permissions": {"read": ["orders"]},
        "budgets": [{"unit": "call", "max": "1", "window": "grant"}],
    });
    let action = json!({"type": "grant.create", "grant": grant});
    let denied = refused(enclave.command(&deployment.widening(&action, &[])));
    assert_eq!(denied.pointer.as_deref(), Some("/action/grant/keys"));
}

#[test]
fn p9_an_unknown_key_opens_no_channel() {
    let (deployment, enclave, _, _) = two();
    let (_, open, _) = greeting(&deployment, &enclave, &[42; 32]);
    let link = enclave.call_link();
    let refused = link.ask(FrameType::Open, &open).refusal();
    assert_eq!(refused.code, RefusedCode::Invalid);
}

/// A wrong echo is its sender's trouble alone.
#[test]
fn p9_a_wrong_echo_stops_nobody_else() {
    let (deployment, enclave, one, other) = two();
    let (one, other) = (
        Agent::connect(&deployment, &enclave, &one),
        Agent::connect(&deployment, &enclave, &other),
    );
    *one.echo.lock().unwrap() = Some(claviger_shared::call::Echo {
        size: u64::MAX,
        root: claviger_shared::id::Digest([0; 32]),
    });
    assert_eq!(one.denied(read_order("1")), Code::EchoMismatch);
    other.sign(read_order("1")).unwrap();
}
