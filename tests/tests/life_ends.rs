//! What is left of an enclave's life once it ended: nothing signs or begins to serve, and no thread goes on. How a process ends
//! and what its host makes of it is not known here.

use claviger_shared::{
    denial::Code,
    wire::{
        FrameType, Phase, Role,
        control::{Drained, PhaseEvent},
    },
};
use claviger_tests::{
    agent::{Agent, read_order},
    deployment::Deployment,
    store::Mood,
};
use std::{sync::Mutex, thread, time::Duration};

/// The threads that only a serving enclave has.
const SERVING: [&str; 5] = ["accept", "clock", "connection", "handshake", "journal"];
/// And the one that brings it there.
const REPLAYING: &str = "replay";

/// Those of this process that run.
fn running() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let names = names.map(|name| name.trim().to_owned());
    let mut names: Vec<_> = names
        .filter(|name| SERVING.contains(&name.as_str()) || name == REPLAYING)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Waits for ten seconds at most.
#[track_caller]
fn wait_until(fits: impl Fn(&[String]) -> bool) {
    for _ in 0..2000 {
        if fits(&running()) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{:?}", running());
}

/// Every test here counts the threads of its process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A thread that went on could draw its first random bytes while the process ends, which the crypto library answers with an abort.
#[test]
fn nothing_signs_and_no_thread_goes_on_once_a_life_ended() {
    let _turn = ONE_AT_A_TIME.lock();
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(read_order("1")).unwrap();
    wait_until(|running| running == SERVING);
    enclave.crash();
    wait_until(|running| !running.contains(&"journal".to_owned()));
    // Its connection is still there: a process that ends takes some milliseconds.
    assert_eq!(agent.denied(read_order("2")), Code::Unavailable);
    drop(agent);
    wait_until(<[String]>::is_empty);
}

/// A test's fields drop in their order: a deployment, and its directory, before its enclaves.
#[test]
fn a_life_ends_though_its_socket_has_no_name_any_more() {
    let _turn = ONE_AT_A_TIME.lock();
    let (deployment, enclave) = Deployment::serving();
    let socket = enclave.socket().to_owned();
    wait_until(|running| running == SERVING);
    std::fs::remove_file(&socket).unwrap();
    drop(enclave);
    wait_until(<[String]>::is_empty);
    drop(deployment);
}

/// Where a host is tested, that connects to the socket by itself, no test has the enclave in hand.
#[test]
fn a_life_without_an_enclave_in_hand_ends_with_its_deployment() {
    let _turn = ONE_AT_A_TIME.lock();
    let deployment = Deployment::unborn();
    deployment.run_at(&deployment.path("enclave.sock"));
    wait_until(|running| running == ["accept"]);
    drop(deployment);
    wait_until(<[String]>::is_empty);
}

/// Its log is read while it is told to end; what is read then does not bring it back.
#[test]
fn a_life_that_ended_while_it_replayed_does_not_serve() {
    let _turn = ONE_AT_A_TIME.lock();
    let deployment = Deployment::born();
    let enclave = deployment.unsealed();
    deployment.store.be(Mood::Hold);
    enclave.resume();
    deployment.store.wait_until_held();
    let _: Drained = enclave.control.ask(FrameType::Drain, &()).reply();
    let stopped = |event: &PhaseEvent| event.phase == Phase::Stopped;
    let _: PhaseEvent = enclave.control.event(stopped);
    deployment.store.be(Mood::Honest);
    deployment.store.wait_for_entries(2);
    wait_until(|running| !running.iter().any(|name| name == REPLAYING));
    let late = enclave.link(Some(Role::Control));
    assert_eq!(late.welcome.as_ref().unwrap().phase, Phase::Stopped);
    drop(late);
    drop(enclave);
    wait_until(<[String]>::is_empty);
}
