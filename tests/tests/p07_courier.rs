//! P7: the host is a courier. Whatever it repeats, swaps, mixes up, cuts off or forges is refused or does not open.

use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
    id::ChannelId,
    wire::{
        FrameType, Phase, RefusedCode, Role,
        call::{Call, Opened},
        control::PhaseEvent,
    },
};
use claviger_tests::{
    agent::{Agent, greeting, read_order, sign},
    courier::Answer,
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use std::time::Duration;

fn ready() -> (Deployment, Enclave, Granted, Agent) {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    (deployment, enclave, granted, agent)
}

#[track_caller]
fn body_of(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Reply(body) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn p7_a_frame_is_opened_once() {
    let (_deployment, enclave, _granted, agent) = ready();
    let (_, body) = agent.seal(&sign(read_order("1")));
    let first = agent.link.send(FrameType::Call, &body);
    let _ = body_of(agent.link.wait(first));
    assert_eq!(agent.refused(&body), RefusedCode::Replayed);
    // Nor on another connection.
    let other = enclave.call_link();
    let again = other.wait(other.send(FrameType::Call, &body)).refusal();
    assert_eq!(again.code, RefusedCode::Replayed);
    assert_eq!(agent.left()[0], 999);
}

#[test]
fn p7_answers_open_in_any_order_and_in_no_other_place() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let sent: Vec<_> = (0..4).map(|_| agent.send(&sign(read_order("1")))).collect();
    let bodies: Vec<_> = sent
        .iter()
        .rev()
        .map(|sent| (sent.seq, body_of(agent.link.wait(sent.id))))
        .collect();
    for (seq, body) in &bodies {
        assert!(matches!(
            agent.open(*seq, body).unwrap().reply,
            Reply::Issued(_)
        ));
        for (other, _) in bodies.iter().filter(|(other, _)| other != seq) {
            assert!(agent.open(*other, body).is_none(), "{seq} as {other}");
        }
    }
}

#[test]
fn p7_changed_frames_do_not_open() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let (_, body) = agent.seal(&Ask::Whoami);
    // Past the fixed head every byte is under the tag; in the head, channel and number are.
    for at in (0..24).chain(40..body.len()) {
        let mut changed = body.clone();
        changed[at] ^= 1;
        let code = agent.refused(&changed);
        let expected = if at < 16 {
            RefusedCode::UnknownChannel
        } else {
            RefusedCode::Invalid
        };
        assert!(
            code == expected || code == RefusedCode::Replayed,
            "byte {at}: {code:?}"
        );
    }
    for len in [40, 41, body.len() - 1] {
        let code = agent.refused(&body[..len]);
        assert!(matches!(code, RefusedCode::Invalid | RefusedCode::TooLarge));
    }
    // None of it used the frame up.
    let sent = agent.link.send(FrameType::Call, &body);
    let _ = body_of(agent.link.wait(sent));
}

#[test]
fn p7_a_frame_of_one_channel_opens_in_no_other() {
    let (deployment, enclave, granted, agent) = ready();
    let other = Agent::connect(&deployment, &enclave, &granted);
    let (_, body) = agent.seal(&Ask::Whoami);
    let call = Call::parse(&body).unwrap();
    let mut moved = Vec::new();
    Call {
        channel: other.channel,
        ..call
    }
    .put(&mut moved);
    assert_eq!(other.refused(&moved), RefusedCode::Invalid);
    let mut lost = Vec::new();
    Call {
        channel: ChannelId([0; 16]),
        ..call
    }
    .put(&mut lost);
    assert_eq!(other.refused(&lost), RefusedCode::UnknownChannel);
}

#[test]
fn p7_nothing_of_one_boot_is_good_in_the_next() {
    let (deployment, enclave, granted, agent) = ready();
    let (_, body) = agent.seal(&sign(read_order("1")));
    let (_, old_greeting, _) = greeting(&deployment, &enclave, &granted.secret);
    enclave.crash();
    let enclave = deployment.boot();
    let link = enclave.call_link();
    let refused = link.wait(link.send(FrameType::Call, &body)).refusal();
    assert_eq!(refused.code, RefusedCode::UnknownChannel);
    let refused = link.ask(FrameType::Open, &old_greeting).refusal();
    assert_eq!(refused.code, RefusedCode::Invalid, "an old handshake");
}

#[test]
fn p7_another_answer_does_not_finish_a_handshake() {
    let (deployment, enclave, granted, agent) = ready();
    let (mine, open, _) = greeting(&deployment, &enclave, &granted.secret);
    let (other, open_other, _) = greeting(&deployment, &enclave, &granted.secret);
    let reply = body_of(agent.link.ask(FrameType::Open, &open));
    let _: Opened = agent.link.ask(FrameType::Open, &open_other).reply();
    assert!(!Agent::finishes(other, &reply));
    assert!(Agent::finishes(mine, &reply));
}

#[test]
fn p7_a_rolled_back_log_is_told_by_the_agents_echo() {
    let (deployment, enclave, granted, agent) = ready();
    let kept = deployment.store.entries().len();
    for _ in 0..3 {
        agent.sign(read_order("1")).unwrap();
    }
    let seen = *agent.echo.lock().unwrap();
    assert!(seen.unwrap().size > u64::try_from(kept).unwrap());
    enclave.crash();
    agent.link.close();
    deployment.store.keep(kept);
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    *agent.echo.lock().unwrap() = seen;
    assert_eq!(agent.denied(read_order("2")), Code::EchoMismatch);
    // Also once the forked log has grown past what the agent saw.
    let quiet = Agent::connect(&deployment, &enclave, &granted);
    for _ in 0..4 {
        quiet.sign(read_order("3")).unwrap();
    }
    assert_eq!(agent.denied(read_order("4")), Code::EchoMismatch);
}

#[test]
fn p7_the_host_does_not_move_time() {
    let (deployment, enclave, _, agent) = ready();
    let before = agent.whoami().now;
    let status: claviger_shared::wire::control::Status =
        enclave.control.ask(FrameType::Status, &()).reply();
    assert_eq!((before, status.now_ms), (deployment.clock.now(), before.0));
    deployment.clock.advance_ms(1);
    assert_eq!(agent.whoami().now.0, before.0 + 1);
}

#[test]
fn p7_a_genuine_tree_head_of_another_history_stops_the_instance() {
    let (deployment, enclave, granted, agent) = ready();
    let kept = deployment.store.entries().len();
    agent.sign(read_order("1")).unwrap();
    let held = deployment
        .store
        .entries()
        .last()
        .unwrap()
        .checkpoint
        .clone();
    assert_eq!(agent.ask(&Ask::Checkpoint(held.clone())), Reply::Known);
    enclave.crash();
    agent.link.close();
    deployment.store.keep(kept);
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(refusal(&agent, &held), Code::EchoMismatch);
    let fenced = |event: &PhaseEvent| event.phase == Phase::Fenced;
    let event: PhaseEvent = enclave.control.event(fenced);
    assert!(event.reason.unwrap().contains("rolled back or forked"));
}

#[test]
fn p7_a_tree_head_that_the_log_key_never_signed_stops_nothing() {
    let (deployment, _enclave, _granted, agent) = ready();
    let genuine = deployment
        .store
        .entries()
        .last()
        .unwrap()
        .checkpoint
        .clone();
    let lines: Vec<&str> = genuine.lines().collect();
    let size: u64 = lines[1].parse().unwrap();
    let forged = genuine.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 100), 1);
    assert_ne!(forged, genuine);
    for note in [forged.as_str(), "", "x", &"x".repeat(5000)] {
        assert_eq!(
            refusal(&agent, note),
            Code::InvalidRequest,
            "{}",
            note.len()
        );
    }
    agent.sign(read_order("1")).unwrap();
}

fn refusal(agent: &Agent, note: &str) -> Code {
    match agent.ask(&Ask::Checkpoint(note.to_owned())) {
        Reply::Denied(denial) => denial.code,
        other => panic!("{other:?}"),
    }
}

/// A store that takes an entry and says nothing is given up after ten seconds, and its connection closed; the next one gets the
/// same entry, and what waited too long for it is not let go.
#[test]
fn p7_a_store_that_never_answers_is_given_up() {
    let (deployment, enclave, _granted, agent) = ready();
    let silent = enclave.link(Some(Role::Storage));
    let sent = agent.send(&sign(read_order("1")));
    // The journal looks once a second; time is the deployment's own and stands still meanwhile.
    let looked = Duration::from_millis(1300);
    let closed = |patience| matches!(silent.wait_for(u64::MAX, patience), Some(Answer::Closed));
    assert!(!closed(looked), "it was just sent");
    deployment.clock.advance_ms(9_999);
    assert!(!closed(looked), "not yet ten seconds");
    deployment.clock.advance_ms(1);
    assert!(closed(looked * 4));
    enclave.reconnect_storage(&deployment.store);
    match agent.wait(sent) {
        Reply::Denied(denial) => assert_eq!(denial.code, Code::Withdrawn),
        other => panic!("{other:?}"),
    }
    agent.sign(read_order("2")).unwrap();
}
