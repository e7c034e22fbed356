//! The stream: one long-lived connection to the host's agent face, many requests under way.
//!
//! HTTP/1.1 `Upgrade: claviger-frames`, then frames both ways. Requests are matched to answers by channel and number. A
//! connection that breaks fails every request under way; nothing is sent again by itself.

use crate::Error;
use claviger_shared::{
    id::ChannelId,
    wire::{
        RefusedCode,
        stream::{Reply, Request, UPGRADE, split},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

const READ_BUFFER: usize = 64 * 1024;
/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time of all answers is counted in ticks: a timer for each would wake the runtime for each.
const TICK: Duration = Duration::from_millis(2500);
/// Ticks that one answer is waited for, 20 s at least: longer than any answer of an enclave may wait for storage.
const TICKS: u32 = 8;
/// Requests written in one go at most.
const BATCH: usize = 64;

/// What comes back for one opening: the channel and the responder's message.
type OpenResult = Result<(ChannelId, Vec<u8>), Error>;
/// What comes back for one call: the sealed answer.
type CallResult = Result<Vec<u8>, Error>;

#[derive(Default)]
struct Pending {
    opens: HashMap<u32, Waiting<(ChannelId, Vec<u8>)>>,
    calls: HashMap<(ChannelId, u64), Waiting<Vec<u8>>>,
    next_cid: u32,
    closed: bool,
}

/// Who waits for an answer, and how many ticks went by meanwhile.
struct Waiting<T> {
    answer: oneshot::Sender<Result<T, Error>>,
    ticks: u32,
}

impl<T> Waiting<T> {
    fn new() -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (answer, waited) = oneshot::channel();
        (Self { answer, ticks: 0 }, waited)
    }

    fn tell(self, answer: Result<T, Error>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }

    /// Counts a tick; whether it was one too many.
    fn is_late(&mut self) -> bool {
        self.ticks = self.ticks.saturating_add(1);
        self.ticks > TICKS
    }
}

impl Pending {
    /// A tick went by: who has waited too long is told.
    fn tick(&mut self) {
        for (_, late) in self.opens.extract_if(|_, one| one.is_late()) {
            late.tell(Err(self::late()));
        }
        for (_, late) in self.calls.extract_if(|_, one| one.is_late()) {
            late.tell(Err(self::late()));
        }
    }
}

/// A connection to a host.
#[derive(Clone)]
pub struct Stream {
    pending: Arc<Mutex<Pending>>,
    out: mpsc::Sender<Vec<u8>>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    /// Connects to a host's agent face.
    ///
    /// # Errors
    ///
    /// [`Error::Host`].
    pub async fn connect(base: &str) -> Result<Self, Error> {
        let upgraded = timeout(PATIENCE, upgrade(base)).await;
        let (socket, rest) = upgraded.map_err(|_| late())??;
        let (reader, writer) = socket.into_split();
        let pending = Arc::new(Mutex::new(Pending::default()));
        let (out, queue) = mpsc::channel(1024);
        tokio::spawn(write(writer, queue));
        tokio::spawn(read(reader, rest, Arc::clone(&pending)));
        tokio::spawn(keep_time(Arc::clone(&pending)));
        Ok(Self { pending, out })
    }

    /// Opens a channel: the initiator's message there, the responder's back.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] or [`Error::Host`].
    pub async fn open(&self, noise: &[u8]) -> OpenResult {
        let (waiting, answer) = Waiting::new();
        let cid = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            check_open(&pending)?;
            pending.next_cid = pending.next_cid.wrapping_add(1);
            let cid = pending.next_cid;
            pending.opens.insert(cid, waiting);
            cid
        };
        let mut frame = Vec::new();
        Request::Open { cid, noise }.put(&mut frame);
        self.send(frame).await?;
        waited(answer).await
    }

    /// Sends one sealed frame of a channel and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] or [`Error::Host`].
    pub async fn call(&self, channel: ChannelId, seq: u64, sealed: &[u8]) -> CallResult {
        let (waiting, answer) = Waiting::new();
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            check_open(&pending)?;
            pending.calls.insert((channel, seq), waiting);
        }
        let mut frame = Vec::with_capacity(sealed.len().saturating_add(32));
        Request::Call {
            channel,
            seq,
            sealed,
        }
        .put(&mut frame);
        self.send(frame).await?;
        waited(answer).await
    }

    /// Whether the connection has ended: nothing that is asked now would be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.closed
    }

    async fn send(&self, frame: Vec<u8>) -> Result<(), Error> {
        self.out.send(frame).await.map_err(|_| closed())
    }
}

/// Waits for an answer, which [`keep_time`] gives where the host does not.
async fn waited<T>(answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
    answer.await.map_err(|_| closed())?
}

/// Lets nobody wait for ever: a host may drop what it carries.
async fn keep_time(pending: Arc<Mutex<Pending>>) {
    loop {
        tokio::time::sleep(TICK).await;
        let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.closed {
            return;
        }
        pending.tick();
    }
}

fn late() -> Error {
    Error::Host("no answer in time".to_owned())
}

fn closed() -> Error {
    Error::Host("connection closed".to_owned())
}

fn check_open(pending: &Pending) -> Result<(), Error> {
    if pending.closed {
        Err(closed())
    } else {
        Ok(())
    }
}

async fn upgrade(base: &str) -> Result<(TcpStream, Vec<u8>), Error> {
    let host = |error: std::io::Error| Error::Host(error.to_string());
    let authority = base
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let authority = authority.ok_or_else(|| {
        Error::Host("only http:// hosts; put TLS in front of a remote one".to_owned())
    })?;
    let mut socket = TcpStream::connect(authority).await.map_err(host)?;
    socket.set_nodelay(true).map_err(host)?;
    let ask = format!(
        "GET /v1/channel/stream HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).await.map_err(host)?;
    let mut head = Vec::new();
    loop {
        let mut part = [0_u8; 1024];
        let count = socket.read(&mut part).await.map_err(host)?;
        head.extend_from_slice(part.get(..count).unwrap_or_default());
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            if !head.starts_with(b"HTTP/1.1 101 ") {
                return Err(Error::Host("host does not speak frames".to_owned()));
            }
            let rest = head.split_off(end.saturating_add(4));
            return Ok((socket, rest));
        }
        if count == 0 || head.len() > 16 * 1024 {
            return Err(closed());
        }
    }
}

async fn write(mut writer: tokio::net::tcp::OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut frames = Vec::with_capacity(BATCH);
    let mut bytes = Vec::new();
    while queue.recv_many(&mut frames, BATCH).await > 0 {
        for frame in frames.drain(..) {
            bytes.extend_from_slice(&frame);
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

async fn read(
    mut reader: tokio::net::tcp::OwnedReadHalf,
    mut buffer: Vec<u8>,
    pending: Arc<Mutex<Pending>>,
) {
    loop {
        let mut rest = buffer.as_slice();
        let fine = take_frames(&mut rest, &pending);
        let used = buffer.len().saturating_sub(rest.len());
        buffer.drain(..used);
        buffer.reserve(READ_BUFFER);
        if !fine || !matches!(reader.read_buf(&mut buffer).await, Ok(count) if count > 0) {
            break;
        }
    }
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    // Dropping the senders fails everything that waits.
    *pending = Pending {
        closed: true,
        ..Pending::default()
    };
}

/// Delivers every whole frame; false where the bytes are no frames, after which nothing further can be read.
fn take_frames(rest: &mut &[u8], pending: &Mutex<Pending>) -> bool {
    loop {
        match split(rest) {
            Ok(None) => return true,
            Ok(Some(content)) => match Reply::parse(content) {
                Ok(reply) => deliver(pending, &reply),
                Err(_) => return false,
            },
            Err(_) => return false,
        }
    }
}

fn deliver(pending: &Mutex<Pending>, reply: &Reply<'_>) {
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    let refused = |code: RefusedCode| Error::Refused(code);
    match *reply {
        Reply::Answer {
            channel,
            seq,
            sealed,
        } => {
            if let Some(waiting) = pending.calls.remove(&(channel, seq)) {
                waiting.tell(Ok(sealed.to_vec()));
            }
        }
        Reply::CallRefused {
            channel,
            seq,
            refusal,
        } => {
            if let Some(waiting) = pending.calls.remove(&(channel, seq)) {
                waiting.tell(Err(refused(refusal.code)));
            }
        }
        Reply::OpenRefused { cid, refusal } => {
            if let Some(waiting) = pending.opens.remove(&cid) {
                waiting.tell(Err(refused(refusal.code)));
            }
        }
        Reply::Opened {
            cid,
            channel,
            noise,
        } => {
            if let Some(waiting) = pending.opens.remove(&cid) {
                waiting.tell(Ok((channel, noise.to_vec())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_too_long_is_told_and_forgotten() {
        let mut pending = Pending::default();
        let (early, mut first) = Waiting::new();
        pending.calls.insert((ChannelId([1; 16]), 1), early);
        for _ in 0..TICKS {
            pending.tick();
        }
        let (late, mut second) = Waiting::new();
        pending.calls.insert((ChannelId([1; 16]), 2), late);
        first.try_recv().expect_err("it may still come");
        pending.tick();
        assert!(matches!(first.try_recv(), Ok(Err(Error::Host(_)))));
        second.try_recv().expect_err("it was asked later");
        assert_eq!(pending.calls.len(), 1, "and nothing is kept of the first");
    }
}
