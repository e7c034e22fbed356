//! Calls on the enclave's own socket, past the host: as a courier's call connection speaks.

use super::{Caller, Outcome, Socket, channel::Channel, stream::expected};
use crate::deployment::Granted;
use anyhow::{Context, bail, ensure};
use claviger_client::trust::Trusted;
use claviger_shared::{
    call::Ask,
    codec::{
        cbor,
        frame::{self, HEAD_BYTES, Head, LEN_BYTES, MAX_BODY},
    },
    crypto::handshake::Initiator,
    owner::manifest::Durability,
    wire::{
        FrameType, Hello, Role, VERSION,
        call::{Answer, Call, Open, Opened, SourceAddress},
    },
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

/// 127.0.0.1, IPv4 mapped.
const SOURCE: SourceAddress = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];

/// Agents' channels on one call connection, asked in turn.
pub struct Direct {
    channels: Vec<Channel>,
    next: usize,
    body: Vec<u8>,
}

/// A call connection with a channel for each of these agents.
pub fn connect(
    socket: &Path,
    trusted: &Trusted,
    granted: &[Granted],
    ask: &Ask,
) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let mut stream = UnixStream::connect(socket)?;
    let hello = Hello {
        versions: vec![VERSION],
        role: Role::Call,
    };
    let _ = exchange(&mut stream, FrameType::Hello, &cbor::encode(&hello)?)?;
    let mut channels = Vec::with_capacity(granted.len());
    for agent in granted {
        let start = Initiator::start(&agent.secret, &trusted.channel_key, &trusted.prologue);
        let (initiator, noise) = start?;
        let open = cbor::encode(&Open {
            source: SOURCE,
            noise,
        })?;
        let opened = exchange(&mut stream, FrameType::Open, &open)?;
        let opened: Opened = cbor::decode(&opened, MAX_BODY)?;
        let session = initiator.finish(&opened.noise)?;
        let echoes = trusted.boot.durability == Durability::Durable;
        let expected = expected(trusted, agent);
        let channel = Channel::new(opened.channel, session, ask.clone(), echoes, expected)?;
        channels.push(channel);
    }
    let direct = Direct {
        channels,
        next: 0,
        body: Vec::new(),
    };
    Ok((Socket::Unix(stream), Box::new(direct)))
}

fn exchange(stream: &mut UnixStream, kind: FrameType, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    frame::put(&mut out, kind.code(), 1, body)?;
    stream.write_all(&out)?;
    let mut fixed = [0; LEN_BYTES + HEAD_BYTES];
    stream.read_exact(&mut fixed)?;
    let head = Head::parse(&fixed)?;
    let mut body = vec![0; head.body_len];
    stream.read_exact(&mut body)?;
    ensure!(head.kind == kind.reply(), "refused");
    Ok(body)
}

impl Direct {
    /// The channel of a frame's id: they are asked in turn.
    fn place(&self, id: usize) -> usize {
        id % self.channels.len()
    }
}

impl Caller for Direct {
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize> {
        let id = self.next;
        self.next += 1;
        let place = self.place(id);
        let channel = &mut self.channels[place];
        let name = channel.id;
        let (seq, sealed) = channel.seal()?;
        self.body.clear();
        Call {
            channel: name,
            seq,
            source: SOURCE,
            sealed,
        }
        .put(&mut self.body);
        // Zero is for events.
        frame::put(out, FrameType::Call.code(), id as u64 + 1, &self.body)?;
        Ok(id)
    }

    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>> {
        let Some((fixed, rest)) = bytes.split_first_chunk::<{ LEN_BYTES + HEAD_BYTES }>() else {
            return Ok(None);
        };
        let head = Head::parse(fixed)?;
        let Some((body, rest)) = rest.split_at_checked(head.body_len) else {
            return Ok(None);
        };
        *bytes = rest;
        let id = usize::try_from(head.id)?.checked_sub(1).context("event")?;
        let outcome = if head.kind == FrameType::Call.reply() {
            let answer = Answer::parse(body)?;
            let place = self.place(id);
            self.channels[place].judge(answer.seq, answer.sealed)?
        } else if head.kind == FrameType::Refused.code() {
            Outcome::Refused
        } else {
            bail!("frame type {}", head.kind)
        };
        Ok(Some((id, outcome)))
    }
}
