//! What is left of an enclave's life once it ended: nothing signs, and no thread goes on.

use claviger_shared::denial::Code;
use claviger_tests::{
    agent::{Agent, read_order},
    deployment::Deployment,
};
use std::{thread, time::Duration};

/// The threads that only a serving enclave has.
const SERVING: [&str; 5] = ["accept", "clock", "connection", "handshake", "journal"];

/// Those of this process that run.
fn running() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let names = names.map(|name| name.trim().to_owned());
    let mut names: Vec<_> = names
        .filter(|name| SERVING.contains(&name.as_str()))
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

/// A thread that went on could draw its first random bytes while the process ends, which the crypto library answers with an abort.
#[test]
fn nothing_signs_and_no_thread_goes_on_once_a_life_ended() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(read_order("1")).unwrap();
    assert_eq!(running(), SERVING);
    enclave.crash();
    wait_until(|running| !running.contains(&"journal".to_owned()));
    // Its connection is still there: a process that ends takes some milliseconds.
    assert_eq!(agent.denied(read_order("2")), Code::Unavailable);
    drop(agent);
    wait_until(<[String]>::is_empty);
}
