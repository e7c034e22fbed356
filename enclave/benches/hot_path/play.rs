//! The enclave's serving threads with agents and a store around them: what is asked, what comes back, and everything stored at once.
//!
//! What is measured or tested of it is not known here.

use super::deployment::{Agent, Deployment};
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
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
};

/// Starts every thread; gives back the agents, whose channels are open, and their connection.
pub(crate) fn serve(deployment: Deployment) -> (Vec<Agent>, UnixStream) {
    let Deployment {
        hub,
        mut agents,
        storage,
    } = deployment;
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
    let (here, there) = UnixStream::pair().expect("a pair");
    let calling = Arc::clone(&hub);
    thread::spawn(move || {
        let (queue, _worker) = handshake::queue();
        let Halves { read, write, .. } = Box::new(there).split().expect("halves");
        call::run(&calling, &queue, Input::new(read), Output::new(write));
    });
    (agents, here)
}

/// The frames of a round, sealed: so many calls of each agent, under numbers that come round after round.
pub(crate) fn frames(agents: &[Agent], round: u64, depth: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for step in 0..depth {
        for agent in agents {
            let seq = round * depth + step;
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
pub(crate) fn answer(from: &mut UnixStream) -> (u8, Vec<u8>) {
    let (head, body) = read_frame(from);
    assert_eq!(head.kind, FrameType::Call.reply(), "refused: {body:?}");
    (head.id.to_be_bytes()[7], body)
}

/// The last round's answers are credentials.
pub(crate) fn check(agents: &[Agent], received: &[(u8, Vec<u8>)]) {
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
