//! P10: any bytes on real connections of every role, slow ones, half-open ones and endless ones: a refusal or a closed
//! connection; whoever else is connected is served, nothing is written, and memory stays where it was.

use claviger_shared::{
    codec::{
        cbor,
        frame::{self, MAX_LEN},
    },
    wire::{FrameType, Hello, Role, VERSION},
};
use claviger_tests::{
    agent::Agent,
    courier::Link,
    deployment::{Deployment, Enclave},
    fuzz::{mutate::Mutator, seeds},
    history::Dice,
    owner::Granted,
};
use serde::Serialize;
use std::{thread, time::Duration};

/// What this process, with the enclave in it, may grow by: 16 connections with a frame each, their stacks, and the harness.
const ROOM_KIB: u64 = 96 * 1024;

fn ready() -> (Deployment, Enclave, Granted, Agent) {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    (deployment, enclave, granted, agent)
}

/// Resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[derive(Serialize)]
struct AnyHello<'a> {
    versions: Vec<u16>,
    role: &'a str,
}

fn hello(role: Role) -> Vec<u8> {
    let body = cbor::encode(&Hello {
        versions: vec![VERSION],
        role,
    })
    .unwrap();
    claviger_tests::courier::frame(FrameType::Hello.code(), 1, &body)
}

fn noise(dice: &mut Dice, longest: u64) -> Vec<u8> {
    let len = dice.roll(longest);
    (0..len)
        .map(|_| u8::try_from(dice.roll(256)).unwrap())
        .collect()
}

/// What a hostile host writes on one connection.
fn attack(dice: &mut Dice, mutator: &mut Mutator, frames: &[Vec<u8>]) -> Vec<u8> {
    let role = *dice.pick(&[Role::Call, Role::Control, Role::Storage]);
    let mut bytes = hello(role);
    match dice.roll(8) {
        0 => return noise(dice, 300),
        1 => bytes.extend(noise(dice, 2000)),
        // A length over the limit, or the largest, of which almost nothing comes.
        2 => {
            let len = *dice.pick(&[u32::MAX, u32::try_from(MAX_LEN).unwrap() + 1, 9, 0]);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend(noise(dice, 64));
        }
        3 => {
            frame::put(&mut bytes, 0x41, 9, &vec![7; MAX_LEN - 10]).unwrap();
            bytes.truncate(bytes.len() - 1);
        }
        // A role that there is not.
        4 => {
            let body = cbor::encode(&AnyHello {
                versions: vec![VERSION],
                role: "root",
            })
            .unwrap();
            return claviger_tests::courier::frame(1, 1, &body);
        }
        // Frames of any type, one after the other, ids repeated.
        5 => {
            for _ in 0..dice.roll(40) {
                let (kind, id) = (u8::try_from(dice.roll(256)).unwrap(), dice.roll(3));
                let body = noise(dice, 80);
                frame::put(&mut bytes, kind, id, &body).unwrap();
            }
        }
        // True frames, changed.
        _ => bytes.extend(mutator.next(frames)),
    }
    bytes
}

#[test]
fn p10_any_bytes_on_any_connection_leave_the_others_served_and_the_log_untouched() {
    let (deployment, mut enclave, _granted, agent) = ready();
    let mut frames = seeds("frame");
    for body in seeds("wire_control") {
        frames.push(claviger_tests::courier::frame(
            FrameType::Command.code(),
            5,
            &body,
        ));
        frames.push(claviger_tests::courier::frame(
            FrameType::Measure.code(),
            5,
            &body,
        ));
    }
    for body in seeds("wire_call") {
        frames.push(claviger_tests::courier::frame(
            FrameType::Call.code(),
            6,
            &body,
        ));
        frames.push(claviger_tests::courier::frame(
            FrameType::Open.code(),
            6,
            &body,
        ));
    }
    let before = deployment.store.entries();
    let (mut dice, mut mutator) = (Dice(10), Mutator::new(10));
    let mut most = 0;
    let start = resident_kib();
    for number in 0..150 {
        let link = enclave.link(None);
        link.give_up_after(Duration::from_millis(100));
        let bytes = attack(&mut dice, &mut mutator, &frames);
        link.write(&bytes);
        if dice.once_in(3) {
            thread::sleep(Duration::from_millis(2));
        }
        link.close();
        assert_eq!(agent.whoami().state, "active", "{number}");
        most = most.max(resident_kib());
    }
    let grown = most.saturating_sub(start);
    assert!(grown < ROOM_KIB, "{grown} KiB more");
    // A hostile storage connection replaced the honest one, as a new one may: nothing went there but what is owed again.
    assert_eq!(deployment.store.entries(), before, "something was written");
    enclave.reconnect_storage(&deployment.store);
    enclave.control = enclave.link(Some(Role::Control));
    let after = deployment.grant(&enclave, "gr_2", |_| {});
    agent.sign(claviger_tests::agent::read_order("1")).unwrap();
    drop(after);
    let _ = deployment.audited();
}

/// Connections that say nothing, or a byte now and then, hold no one else up; there are at most so many of them.
#[test]
fn p10_half_open_and_dripping_connections_starve_nobody() {
    let (deployment, enclave, _granted, agent) = ready();
    let before = resident_kib();
    let silent: Vec<Link> = (0..200).map(|_| enclave.link(None)).collect();
    let whole = hello(Role::Call);
    for round in 0..whole.len().min(8) {
        for link in &silent {
            link.write(&whole[round..=round]);
        }
        assert_eq!(agent.whoami().state, "active");
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more");
    agent.sign(claviger_tests::agent::read_order("1")).unwrap();
    for link in &silent {
        link.close();
    }
    // Their places are free again.
    let mut welcomed = false;
    for _ in 0..100 {
        let link = enclave.link(Some(Role::Call));
        welcomed = link.welcome.is_some();
        link.close();
        if welcomed {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(welcomed, "no room after all have gone");
    let _ = deployment.audited();
}

/// A peer that asks and never reads: its answers are bounded, and it is left behind.
#[test]
fn p10_a_peer_that_never_reads_is_left_behind() {
    use std::{io::Write, os::unix::net::UnixStream};
    let (_deployment, enclave, _granted, agent) = ready();
    let before = resident_kib();
    let mut stream = UnixStream::connect(enclave.socket()).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    stream.write_all(&hello(Role::Call)).unwrap();
    let ask = claviger_tests::courier::frame(FrameType::Call.code(), 5, &[0; 60]);
    let many = ask.repeat(2000);
    let mut taken = 0_usize;
    while taken < 64 * 1024 * 1024 {
        match stream.write(&many) {
            Ok(written) => taken += written,
            Err(_) => break,
        }
    }
    let grown = resident_kib().saturating_sub(before);
    println!(
        "it took {} KiB of requests and grew by {grown} KiB",
        taken / 1024
    );
    assert!(grown < ROOM_KIB, "{grown} KiB more");
    assert_eq!(agent.whoami().state, "active");
}
