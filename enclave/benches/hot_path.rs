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

use claviger_enclave::{
    channel::Channel,
    serve::{
        call, handshake,
        journal::Journal,
        link::{Connection, Halves, Input, Output},
    },
};
use claviger_shared::{
    call::{Answer, Ask, HttpInput, Input as Asked, Reply, Request, Sign},
    codec::{
        cbor,
        frame::{self, HEAD_BYTES, Head, LEN_BYTES},
    },
    id::ChannelId,
    wire::{
        FrameType,
        call::{Answer as AnswerFrame, Call},
        storage::Appended,
    },
};
use deployment::{Agent, Deployment};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::Instant,
};

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
    let deployment = Deployment::new(AGENTS);
    let (mut agents, storage) = (deployment.agents, deployment.storage);
    let hub = Arc::clone(&deployment.hub);
    thread::spawn(move || store(storage));
    let journal = Journal::new(Arc::clone(&hub));
    thread::spawn(move || journal.run());
    for agent in &mut agents {
        let channel = ChannelId([agent.number; 16]);
        let there = agent.enclave_side.take().expect("once");
        let share = hub.agents.share(&agent.id, 0);
        let digests = hub.keys.digests_of(&agent.grant);
        let channel = Channel::new(channel, (agent.slot, digests), there, share);
        let channel = Arc::new(channel);
        hub.channels.insert(channel, true).expect("room");
    }
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let calling = Arc::clone(&hub);
    thread::spawn(move || {
        let (queue, _worker) = handshake::queue();
        let Halves { read, write, .. } = Box::new(there).split().expect("halves");
        call::run(&calling, &queue, Input::new(read), Output::new(write));
    });
    let written: Vec<_> = (0..rounds).map(|round| frames(&agents, round)).collect();
    let answers = u64::from(AGENTS) * DEPTH;
    let start = (Instant::now(), cpu());
    let mut received = Vec::new();
    for round in &written {
        here.write_all(round).expect("written");
        received = (0..answers).map(|_| answer(&mut here)).collect();
    }
    let (took, used) = (start.0.elapsed(), cpu() - start.1);
    check(&agents, &received);
    let calls = rounds * answers;
    let each = |value: f64| value / f64::from(u32::try_from(calls).expect("few"));
    println!(
        "calls {calls}: {:.2} µs of CPU and {:.2} µs of time each",
        each(used * 1e6),
        each(took.as_secs_f64() * 1e6)
    );
}

/// The frames of a round, sealed.
fn frames(agents: &[Agent], round: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for step in 0..DEPTH {
        for agent in agents {
            let seq = round * DEPTH + step;
            let input = HttpInput {
                method: "GET".to_owned(),
                url: format!("https://api.example.com/v1/orders/ord_{seq}?expand=items"),
                headers: Vec::new(),
                body: None,
            };
            let request = Request {
                echo: None,
                ask: Ask::Sign(Sign {
                    input: Asked::Http(input),
                    idempotency_key: None,
                }),
            };
            let mut sealed = cbor::encode(&request).expect("cbor");
            agent
                .session
                .sealing
                .seal(seq, &mut sealed)
                .expect("sealed");
            let mut body = Vec::new();
            Call {
                channel: ChannelId([agent.number; 16]),
                seq,
                source: [0; 16],
                sealed: &sealed,
            }
            .put(&mut body);
            let id = seq << 8 | u64::from(agent.number);
            frame::put(&mut out, FrameType::Call.code(), id, &body).expect("a frame");
        }
    }
    out
}

fn read_frame(from: &mut UnixStream) -> (Head, Vec<u8>) {
    let mut fixed = [0; LEN_BYTES + HEAD_BYTES];
    from.read_exact(&mut fixed).expect("a head");
    let head = Head::parse(&fixed).expect("a frame");
    let mut body = vec![0; head.body_len];
    from.read_exact(&mut body).expect("a body");
    (head, body)
}

/// The next answer: which agent's, and the sealed frame.
fn answer(from: &mut UnixStream) -> (u8, Vec<u8>) {
    let (head, body) = read_frame(from);
    assert_eq!(head.kind, FrameType::Call.reply(), "refused: {body:?}");
    (head.id.to_be_bytes()[7], body)
}

/// The last round's answers are credentials.
fn check(agents: &[Agent], received: &[(u8, Vec<u8>)]) {
    for (number, body) in received {
        let agent = agents.iter().find(|agent| agent.number == *number);
        let frame = AnswerFrame::parse(body).expect("an answer");
        let session = &agent.expect("an agent").session;
        let text = session.opening.open(frame.seq, frame.sealed).expect("ours");
        let answer: Answer = cbor::decode(&text, text.len()).expect("an answer");
        assert!(matches!(answer.reply, Reply::Issued(_)), "{answer:?}");
    }
}

/// The host's storage: everything is stored at once.
fn store(mut from: UnixStream) {
    let stored = cbor::encode(&Appended::Stored).expect("cbor");
    loop {
        let (head, _) = read_frame(&mut from);
        let mut out = Vec::new();
        frame::put(&mut out, FrameType::Append.reply(), head.id, &stored).expect("a frame");
        from.write_all(&out).expect("written");
    }
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
