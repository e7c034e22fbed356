//! Calls on the host's stream face.

use super::{Caller, Outcome, Socket, channel::Channel, sample::Expected};
use crate::{deployment::Granted, http::authority};
use anyhow::{Context, bail, ensure};
use claviger_client::trust::Trusted;
use claviger_shared::{
    call::Ask,
    crypto::handshake::Initiator,
    owner::manifest::Durability,
    wire::stream::{Reply, Request, UPGRADE, split},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

/// One agent's connection.
pub struct Stream(Channel);

/// Connects, shakes hands and prepares the one request.
pub fn connect(
    api: &str,
    trusted: &Trusted,
    granted: &Granted,
    ask: Ask,
) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let mut socket = upgrade(api)?;
    let mut stream = Stream(open(&mut socket, trusted, granted, ask)?);
    // A channel that was never used makes room for the next one of its key.
    stream.use_once(&mut socket)?;
    Ok((Socket::Tcp(socket), Box::new(stream)))
}

/// A connection that speaks frames.
pub fn upgrade(api: &str) -> anyhow::Result<TcpStream> {
    let authority = authority(api)?;
    let mut socket = TcpStream::connect(authority)?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "GET /v1/channel/stream HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101 "), "no upgrade");
    Ok(socket)
}

/// Opens a channel on a connection on which nothing is under way.
pub fn open(
    socket: &mut TcpStream,
    trusted: &Trusted,
    granted: &Granted,
    ask: Ask,
) -> anyhow::Result<Channel> {
    let start = Initiator::start(&granted.secret, &trusted.channel_key, &trusted.prologue);
    let (initiator, noise) = start?;
    let mut frame = Vec::new();
    Request::Open {
        cid: 1,
        noise: &noise,
    }
    .put(&mut frame);
    socket.write_all(&frame)?;
    let frame = read(socket)?;
    let content = frame.get(4..).unwrap_or_default();
    let Reply::Opened { channel, noise, .. } = Reply::parse(content)? else {
        bail!("no channel")
    };
    let session = initiator.finish(noise)?;
    let echoes = trusted.boot.durability == Durability::Durable;
    Channel::new(channel, session, ask, echoes, expected(trusted, granted))
}

/// One whole frame, its length included.
fn read(socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(4 + usize::try_from(u32::from_be_bytes(length))?, 0);
    socket.read_exact(&mut frame[4..])?;
    Ok(frame)
}

impl Stream {
    fn use_once(&mut self, socket: &mut TcpStream) -> anyhow::Result<()> {
        let mut out = Vec::new();
        self.ask(&mut out)?;
        socket.write_all(&out)?;
        let frame = read(socket)?;
        let answer = self.answer(&mut &frame[..])?;
        let refused = answer.is_none_or(|(_, outcome)| outcome == Outcome::Refused);
        ensure!(!refused, "the first call was refused");
        Ok(())
    }
}

/// What this agent's credentials must prove.
pub fn expected(trusted: &Trusted, granted: &Granted) -> Expected {
    Expected {
        grant: granted.grant.clone(),
        public: granted.public.clone(),
        log_key: Arc::new(trusted.log_key.clone()),
    }
}

impl Caller for Stream {
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize> {
        let channel = self.0.id;
        let (seq, sealed) = self.0.seal()?;
        Request::Call {
            channel,
            seq,
            sealed,
        }
        .put(out);
        Ok(usize::try_from(seq)?)
    }

    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>> {
        let Some(content) = split(bytes)? else {
            return Ok(None);
        };
        let (seq, outcome) = match Reply::parse(content)? {
            Reply::Answer { seq, sealed, .. } => (seq, self.0.judge(seq, sealed)?),
            Reply::CallRefused { seq, .. } => (seq, Outcome::Refused),
            Reply::OpenRefused { .. } | Reply::Opened { .. } => bail!("an answer to nothing"),
        };
        Ok(Some((usize::try_from(seq).context("number")?, outcome)))
    }
}
