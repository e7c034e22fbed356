//! One enclave's serving threads in this process, without a host: what a call costs from frame in to frame out.
//!
//! `hot_path CALLS` asks for so many credentials, 128 under way, and prints the CPU of each; `scripts/hot-path` counts its
//! instructions. The agents are played from frames sealed beforehand, so nearly all that is counted is the enclave's.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark: it may stop, it reads the clock, it prints"
)]

#[path = "hot_path/deployment.rs"]
mod deployment;
#[path = "hot_path/play.rs"]
mod play;

use claviger_shared::owner::command::Alg;
use deployment::Deployment;
use std::{io::Write, time::Instant};

/// The production allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Agents, each with a grant and a channel of its own.
const AGENTS: u8 = 8;
/// Calls under way of each.
const DEPTH: u64 = 16;

fn main() {
    let mut asked = std::env::args().filter_map(|text| text.parse().ok());
    let calls: u64 = asked.next().unwrap_or(20_000);
    let rounds = calls.div_ceil(u64::from(AGENTS) * DEPTH);
    let deployment = Deployment::new(AGENTS, (Alg::Ed25519, "ed25519"));
    let (agents, mut here) = play::serve(deployment);
    let written: Vec<_> = (0..rounds)
        .map(|round| play::frames(&agents, round, DEPTH))
        .collect();
    let answers = u64::from(AGENTS) * DEPTH;
    let start = (Instant::now(), cpu());
    let mut received = Vec::new();
    for round in &written {
        here.write_all(round).expect("written");
        received = (0..answers).map(|_| play::answer(&mut here)).collect();
    }
    let (took, used) = (start.0.elapsed(), cpu() - start.1);
    play::check(&agents, &received);
    let calls = rounds * answers;
    let each = |value: f64| value / f64::from(u32::try_from(calls).expect("few"));
    println!(
        "calls {calls}: {:.2} µs of CPU and {:.2} µs of time each",
        each(used * 1e6),
        each(took.as_secs_f64() * 1e6)
    );
}

/// Seconds of CPU of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let each =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    let nanoseconds: f64 = each
        .filter_map(|line| line.split(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!(!stat.is_empty(), "no schedstat here");
    nanoseconds / 1e9
}
