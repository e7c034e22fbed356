//! P10: input of any bytes ends in a typed answer or a closed connection, and the enclave goes on serving.

use claviger_shared::{
    codec::{cbor, frame::MAX_LEN},
    denial::Code,
    wire::{
        FrameType, Hello, MAX_CALL_CONNECTIONS, RefusedCode, Role, VERSION,
        call::{MAX_NOISE, MAX_SEALED_CALL, Open},
        control::{Attest, MAX_COMMAND, MAX_NONCE, MAX_SIGNATURES, Signed},
    },
};
use claviger_tests::{
    agent::{Agent, SOURCE, issued, read_order, sign},
    courier::{Answer, frame},
    deployment::{Deployment, Enclave},
    owner::{Granted, refused},
    store::Mood,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

fn ready() -> (Deployment, Enclave, Granted, Agent) {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    (deployment, enclave, granted, agent)
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn p10_a_first_frame_that_is_no_hello_closes_the_connection() {
    let (_deployment, enclave, _granted, agent) = ready();
    let hello = |versions: Vec<u16>| {
        cbor::encode(&Hello {
            versions,
            role: Role::Control,
        })
        .unwrap()
    };
    let long: Vec<u16> = (1000..1200).collect();
    let mut too_long = vec![VERSION];
    too_long.extend(long);
    for (what, bytes) in [
        ("another version", frame(1, 1, &hello(vec![VERSION + 1]))),
        ("no version", frame(1, 1, &hello(Vec::new()))),
        ("a longer one than any", frame(1, 1, &hello(too_long))),
        (
            "another frame",
            frame(FrameType::Status.code(), 1, &hello(vec![VERSION])),
        ),
        ("nothing in it", frame(1, 1, &[])),
        ("rubbish", frame(1, 1, &[0xff; 64])),
        (
            "a length below a head",
            vec![0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ),
        (
            "a length over the limit",
            [
                &u32::try_from(MAX_LEN + 1).unwrap().to_be_bytes()[..],
                &[1; 10],
            ]
            .concat(),
        ),
        ("flags", vec![0, 0, 0, 10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        let link = enclave.link(None);
        link.write(&bytes);
        link.wait_until_closed();
        assert_eq!(agent.whoami().state, "active", "{what}");
    }
}

#[test]
fn p10_frames_of_no_known_type_close_their_connection_alone() {
    let (_deployment, enclave, _granted, agent) = ready();
    for kind in [0x00, 0x02, 0x30, 0x36, 0x7f, 0x81, 0xc1, 0xfe] {
        let link = enclave.call_link();
        link.write(&frame(kind, 5, b"x"));
        link.wait_until_closed();
        link.close();
        agent.sign(read_order("1")).unwrap();
    }
}

/// Raw bytes on call connections.
#[test]
fn p10_any_bytes_on_a_call_connection() {
    let (_deployment, enclave, _granted, agent) = ready();
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    runner(40)
        .run(&bytes, |bytes| {
            let link = enclave.call_link();
            link.write(&bytes);
            link.close();
            prop_assert_eq!(agent.whoami().state, "active");
            Ok(())
        })
        .unwrap();
}

/// Well-framed rubbish of every request type, and true requests changed a little, on control and call connections.
#[test]
fn p10_any_body_in_any_frame() {
    let (deployment, enclave, _granted, agent) = ready();
    let command =
        cbor::encode(&deployment.narrowing(&serde_json::json!({"type": "freeze"}))).unwrap();
    let attest = cbor::encode(&Attest { nonce: vec![1; 8] }).unwrap();
    let bodies = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (0..command.len(), 1_u8..).prop_map(move |(at, flip)| {
            let mut body = command.clone();
            body[at] ^= flip;
            body
        }),
        (0..attest.len(), 1_u8..).prop_map(move |(at, flip)| {
            let mut body = attest.clone();
            body[at] ^= flip;
            body
        }),
    ];
    let kinds = prop_oneof![
        Just(FrameType::Measure),
        Just(FrameType::AttestKms),
        Just(FrameType::Unseal),
        Just(FrameType::Genesis),
        Just(FrameType::Resume),
        Just(FrameType::Attest),
        Just(FrameType::Command),
        Just(FrameType::Status),
        Just(FrameType::Witnessed),
        Just(FrameType::Heartbeat),
        Just(FrameType::Open),
        Just(FrameType::Call),
    ];
    let control = enclave.link(Some(Role::Control));
    let call = enclave.call_link();
    runner(250)
        .run(&(kinds, bodies), |(kind, body)| {
            let link = match kind {
                FrameType::Open | FrameType::Call => &call,
                _ => &control,
            };
            let answer = link.wait(link.send(kind, &body));
            prop_assert!(!matches!(answer, Answer::Closed), "{:?}", kind);
            Ok(())
        })
        .unwrap();
    assert_eq!(agent.whoami().state, "active");
    assert!(!deployment.audited().is_frozen());
}

/// A sealed request of any bytes is denied in the seal.
#[test]
fn p10_any_text_inside_the_seal() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let mut seq = 1_000_000;
    for len in 0..60_usize {
        seq += 1;
        let text = vec![u8::try_from(len * 4).unwrap(); len];
        let body = agent.seal_text(seq, text);
        let id = agent.link.send(FrameType::Call, &body);
        let reply = agent.wait(claviger_tests::agent::Sent { id, seq });
        let claviger_shared::call::Reply::Denied(denial) = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(denial.code, Code::InvalidRequest);
    }
}

#[test]
fn p10_sealed_calls_are_limited_on_both_sides() {
    let (_deployment, _enclave, _granted, agent) = ready();
    let fits = agent.seal_text(10, vec![0; MAX_SEALED_CALL - 16]);
    let id = agent.link.send(FrameType::Call, &fits);
    assert!(matches!(agent.link.wait(id), Answer::Reply(_)));
    let over = agent.seal_text(11, vec![0; MAX_SEALED_CALL - 15]);
    assert_eq!(agent.refused(&over), RefusedCode::TooLarge);
}

#[test]
fn p10_handshakes_are_limited() {
    let (_deployment, enclave, _granted, _agent) = ready();
    let link = enclave.call_link();
    for len in [0, 1, 95, MAX_NOISE, MAX_NOISE + 1, 100_000] {
        let open = Open {
            source: SOURCE,
            noise: vec![1; len],
        };
        let refused = link.ask(FrameType::Open, &open).refusal();
        assert_eq!(refused.code, RefusedCode::Invalid, "{len}");
    }
}

#[test]
fn p10_nonces_and_commands_are_limited_on_both_sides() {
    let (_deployment, enclave, _granted, _agent) = ready();
    let attest = |len: usize| {
        let nonce = vec![1; len];
        enclave.control.ask(FrameType::Attest, &Attest { nonce })
    };
    assert!(matches!(attest(MAX_NONCE), Answer::Reply(_)));
    assert_eq!(attest(MAX_NONCE + 1).refusal().code, RefusedCode::TooLarge);
    let command = |len: usize, signatures: usize, each: usize| {
        refused(enclave.command(&Signed {
            body: vec![b' '; len],
            signatures: vec!["x".repeat(each); signatures],
        }))
        .code
    };
    assert_eq!(command(MAX_COMMAND, 1, 1), "malformed");
    assert_eq!(command(MAX_COMMAND + 1, 1, 1), "too_large");
    assert_eq!(command(10, MAX_SIGNATURES, 1), "malformed");
    assert_eq!(command(10, MAX_SIGNATURES + 1, 1), "too_large");
    // One record holds a command and its signatures, and an entry no larger record.
    assert_eq!(command(MAX_COMMAND, MAX_SIGNATURES, 3900), "malformed");
    assert_eq!(command(MAX_COMMAND, MAX_SIGNATURES, 4096), "too_large");
}

#[test]
fn p10_call_connections_are_limited_on_both_sides() {
    let (_deployment, enclave, _granted, agent) = ready();
    // The agent has one.
    let more: Vec<_> = (1..MAX_CALL_CONNECTIONS)
        .map(|_| enclave.call_link())
        .collect();
    let one_more = enclave.link(Some(Role::Call));
    assert!(one_more.welcome.is_none());
    drop(one_more);
    for link in &more {
        link.close();
    }
    agent.sign(read_order("1")).unwrap();
}

#[test]
fn p10_mechanisms_that_are_not_built_say_so() {
    let (_deployment, enclave, _granted, _agent) = ready();
    for kind in [FrameType::Witnessed, FrameType::Heartbeat] {
        let refused = enclave.control.ask(kind, &()).refusal();
        assert_eq!(refused.code, RefusedCode::NotSupported);
    }
}

/// What is no answer ends the storage connection; on the next one the same bytes are sent again.
#[test]
fn p10_any_answer_of_the_store() {
    let (deployment, enclave, _granted, agent) = ready();
    let seen = deployment.store.appends().len();
    deployment.store.be(Mood::Garbage);
    let sent = agent.send(&sign(read_order("1")));
    deployment.store.wait_for_appends(seen + 1);
    deployment.store.be(Mood::Honest);
    enclave.reconnect_storage(&deployment.store);
    issued(agent.wait(sent)).unwrap();
    let appends = deployment.store.appends();
    assert!(appends[seen..].iter().all(|body| *body == appends[seen]));
    assert!(appends.len() >= seen + 2);
    let _ = deployment.audited();
}
