//! One connection: plain requests that are pipelined on it are under way beside each other, and answered in their order.
//!
//! hyper reads a connection's next request when the one before is answered, so a pipelined request would wait for those before
//! it. Here each whole plain request ([`plain`]) goes to the same service at once. From the first one on that is not plain the
//! connection is hyper's, when what came before is answered. Requests that came behind another take at most three quarters of
//! the room for calls, each connection the same share of it, so that connections do not crowd each other out; without room they
//! wait, as they would for hyper.

use super::{
    Asks, BODY, HEAD, MAX_CALLS, MAX_HEAD, Sidecar,
    plain::{self, Front},
    service,
};
use bytes::{Bytes, BytesMut};
use claviger_client::session::wall_clock_ms;
use http_body_util::Full;
use hyper::{
    Request, Response,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::VecDeque,
    io::{self, Cursor, Write},
    sync::{Arc, atomic::Ordering},
    time::{Duration, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, join},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    task::{JoinError, JoinHandle},
    time::{Instant, timeout_at},
};

/// Requests of one connection that are under way at once.
const DEPTH: usize = 16;
/// Room for calls that is left to requests which no other one of their connection is before.
const KEPT: usize = MAX_CALLS / 4;
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve<A: Asks>(socket: TcpStream, sidecar: Arc<Sidecar<A>>) {
    let mut line = Line::new(socket, sidecar);
    // A broken connection is its peer's loss.
    if let Ok(End::Other) = line.run().await {
        let Line {
            socket,
            sidecar,
            unread,
            ..
        } = line;
        by_hyper(socket, &sidecar, unread).await;
    }
}

/// Serves what is left of a connection, its unread bytes first, as any HTTP/1.
async fn by_hyper<A: Asks>(socket: TcpStream, sidecar: &Arc<Sidecar<A>>, unread: BytesMut) {
    let (reader, writer) = socket.into_split();
    let socket = join(Cursor::new(unread).chain(reader), writer);
    let service = service_fn(|request| async {
        let response = service::answer(sidecar, request, None).await;
        Ok::<_, std::convert::Infallible>(response.map(Full::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), service);
    let _ = served.await;
}

/// How the plain part of a connection ended.
enum End {
    /// There is nothing more to be done.
    Closed,
    /// What comes now is not plain.
    Other,
}

/// What the next request waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// More of its head.
    Head,
    /// More of its body.
    Body,
    /// The answer of one before it.
    Room,
    /// The answers of all before it, and then hyper.
    Hyper,
}

/// A call under way; it ends with its connection.
struct Call(JoinHandle<Response<Bytes>>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts a connection among those that have calls under way.
struct Busy<A>(Arc<Sidecar<A>>);

impl<A> Busy<A> {
    fn new(sidecar: &Arc<Sidecar<A>>) -> Self {
        sidecar.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(sidecar))
    }
}

impl<A> Drop for Busy<A> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Requests that each of so many connections may have under way behind its first.
fn share(busy: usize) -> usize {
    MAX_CALLS
        .saturating_sub(KEPT)
        .checked_div(busy)
        .unwrap_or(0)
}

/// The plain part of a connection.
struct Line<A> {
    socket: TcpStream,
    sidecar: Arc<Sidecar<A>>,
    unread: BytesMut,
    /// Bytes with which the request at the front is whole, where its head is known.
    whole: usize,
    under_way: VecDeque<Call>,
    /// While any is.
    busy: Option<Busy<A>>,
    unsent: Vec<u8>,
    /// Until when what is waited for has to be there.
    until: Option<(Next, Instant)>,
}

impl<A: Asks> Line<A> {
    fn new(socket: TcpStream, sidecar: Arc<Sidecar<A>>) -> Self {
        Self {
            socket,
            sidecar,
            unread: BytesMut::new(),
            whole: 0,
            under_way: VecDeque::new(),
            busy: None,
            unsent: Vec::new(),
            until: None,
        }
    }

    async fn run(&mut self) -> io::Result<End> {
        loop {
            let next = self.start();
            let read = match (next, self.under_way.front_mut()) {
                (Next::Hyper, None) => return Ok(End::Other),
                (Next::Head | Next::Body | Next::Room, None) => match self.in_time(next).await {
                    Some(read) => read?,
                    None if next == Next::Body => return self.late().await,
                    None => return Ok(End::Closed),
                },
                // Nothing more is needed, and there is enough to go on with.
                (Next::Hyper | Next::Room, Some(_)) if self.unread.len() >= READ => {
                    self.answer().await?;
                    continue;
                }
                // Read in any case: so a connection's end is seen, and ends its calls.
                (_, Some(call)) => {
                    self.unread.reserve(READ);
                    tokio::select! {
                        biased;
                        answer = &mut call.0 => {
                            self.put(answer)?;
                            self.answer().await?;
                            continue;
                        }
                        read = self.socket.read_buf(&mut self.unread) => read?,
                    }
                }
            };
            if read == 0 {
                return Ok(End::Closed);
            }
        }
    }

    /// Starts whole requests, as many as there is room for.
    fn start(&mut self) -> Next {
        loop {
            if self.under_way.len() >= DEPTH {
                return Next::Room;
            }
            if self.unread.len() < self.whole {
                return Next::Body;
            }
            if self.unread.is_empty() {
                return Next::Head;
            }
            let room = if self.under_way.is_empty() {
                None
            } else {
                let Some(room) = self.room() else {
                    return Next::Room;
                };
                Some(room)
            };
            match plain::take(&mut self.unread) {
                Front::Whole(request) => self.call(*request, room),
                Front::Head => return Next::Head,
                Front::Body(whole) => self.whole = whole,
                Front::Other => return Next::Hyper,
            }
        }
    }

    /// Room for a request that came behind another.
    fn room(&self) -> Option<OwnedSemaphorePermit> {
        let busy = self.sidecar.busy.load(Ordering::Relaxed);
        if self.under_way.len() > share(busy) {
            return None;
        }
        let calls = &self.sidecar.calls;
        if calls.available_permits() <= KEPT {
            return None;
        }
        Arc::clone(calls).try_acquire_owned().ok()
    }

    fn call(&mut self, request: Request<Full<Bytes>>, room: Option<OwnedSemaphorePermit>) {
        self.busy.get_or_insert_with(|| Busy::new(&self.sidecar));
        let sidecar = Arc::clone(&self.sidecar);
        let call = async move { service::answer(&sidecar, request, room).await };
        self.under_way.push_back(Call(tokio::spawn(call)));
        self.whole = 0;
        self.until = None;
    }

    /// Reads, unless what is waited for takes too long.
    async fn in_time(&mut self, next: Next) -> Option<io::Result<usize>> {
        let until = match self.until {
            Some((same, until)) if same == next => until,
            Some(_) | None => {
                Instant::now().checked_add(if next == Next::Body { BODY } else { HEAD })?
            }
        };
        self.until = Some((next, until));
        self.unread.reserve(READ);
        let read = self.socket.read_buf(&mut self.unread);
        timeout_at(until, read).await.ok()
    }

    /// Waits for the first answer unless one has been put; sends all that are there.
    async fn answer(&mut self) -> io::Result<()> {
        while let Some(call) = self.under_way.front_mut() {
            if !self.unsent.is_empty() && !call.0.is_finished() {
                break;
            }
            let answer = (&mut call.0).await;
            self.put(answer)?;
        }
        let sent = self.socket.write_all(&self.unsent).await;
        self.unsent.clear();
        sent
    }

    /// Puts the first call's answer to what is sent.
    fn put(&mut self, answer: Result<Response<Bytes>, JoinError>) -> io::Result<()> {
        drop(self.under_way.pop_front());
        if self.under_way.is_empty() {
            self.busy = None;
        }
        put(&mut self.unsent, &answer.map_err(io::Error::other)?)
    }

    async fn late(&mut self) -> io::Result<End> {
        let mut answer = service::late().response();
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
        put(&mut self.unsent, &answer)?;
        self.answer().await?;
        Ok(End::Closed)
    }
}

/// Appends an answer as it is sent.
fn put(out: &mut Vec<u8>, answer: &Response<Bytes>) -> io::Result<()> {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_str())?;
    for (name, value) in answer.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    let date = UNIX_EPOCH.checked_add(Duration::from_millis(wall_clock_ms()));
    if let Some(date) = date {
        write!(out, "date: {}\r\n", httpdate::HttpDate::from(date))?;
    }
    write!(out, "content-length: {}\r\n\r\n", answer.body().len())?;
    out.extend_from_slice(answer.body());
    Ok(())
}
