//! Connections: bytes from and to the host, in frames.
//!
//! A frame's head is checked before its body is read. Output of one connection is at most [`MAX_OUTPUT`]; a peer that does
//! not read is left behind, not waited for. This module does not know what frames mean.

use claviger_shared::codec::frame::{self, HEAD_BYTES, Head, LEN_BYTES};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Bytes waiting to be written on one connection (WIRE: 1 MiB).
pub const MAX_OUTPUT: usize = 1024 * 1024;
/// How long a write, an answer of storage or a first frame may stall before the connection is closed (WIRE: 10 s).
pub const STALL: Duration = Duration::from_secs(10);
const READ_BUFFER: usize = 256 * 1024;

/// Ends a connection from any thread, so that who reads from it stops.
pub type Closer = Arc<dyn Fn() + Send + Sync>;

/// The halves of a connection.
pub struct Halves {
    /// Reads from the host.
    pub read: Box<dyn Read + Send>,
    /// Writes to the host; gives up after [`STALL`].
    pub write: Box<dyn Write + Send>,
    /// Ends both.
    pub close: Closer,
    /// Limits how long a read may wait for bytes; nothing means for ever.
    pub patience: Box<dyn Fn(Option<Duration>) -> io::Result<()> + Send>,
}

impl std::fmt::Debug for Halves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Halves")
    }
}

/// One connection from the host.
pub trait Connection: Send {
    /// Its halves.
    ///
    /// # Errors
    ///
    /// Any failure of the platform.
    fn split(self: Box<Self>) -> io::Result<Halves>;
}

/// Where the host's connections come from.
pub trait Listener: Send {
    /// The next connection.
    ///
    /// # Errors
    ///
    /// Any failure of the platform; the enclave stops on it.
    fn accept(&self) -> io::Result<Box<dyn Connection>>;
}

impl Connection for std::os::unix::net::UnixStream {
    fn split(self: Box<Self>) -> io::Result<Halves> {
        self.set_write_timeout(Some(STALL))?;
        let read = Box::new(self.try_clone()?);
        let (other, timed) = (self.try_clone()?, self.try_clone()?);
        let patience = Box::new(move |limit| timed.set_read_timeout(limit));
        // A connection that is gone already cannot be closed again.
        let close = Arc::new(move || drop(other.shutdown(Shutdown::Both)));
        Ok(Halves {
            read,
            write: self,
            close,
            patience,
        })
    }
}

impl Listener for std::os::unix::net::UnixListener {
    fn accept(&self) -> io::Result<Box<dyn Connection>> {
        Self::accept(self).map(|(stream, _)| -> Box<dyn Connection> { Box::new(stream) })
    }
}

/// Bytes of one write to a vsock stream. A device emulator that stands in for the hypervisor's (vhost-device-vsock 0.3.0) loses a
/// connection on larger ones; on Nitro this costs a system call per 32 KiB.
const MAX_VSOCK_WRITE: usize = 32 * 1024;

/// Writes to a vsock stream, at most [`MAX_VSOCK_WRITE`] at a time.
struct Pieces(vsock::VsockStream);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..MAX_VSOCK_WRITE).unwrap_or(bytes);
        self.0.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Connection for vsock::VsockStream {
    fn split(self: Box<Self>) -> io::Result<Halves> {
        self.set_write_timeout(Some(STALL))?;
        let read = Box::new(self.try_clone()?);
        let (other, timed) = (self.try_clone()?, self.try_clone()?);
        let patience = Box::new(move |limit| timed.set_read_timeout(limit));
        // A connection that is gone already cannot be closed again.
        let close = Arc::new(move || drop(other.shutdown(Shutdown::Both)));
        Ok(Halves {
            read,
            write: Box::new(Pieces(*self)),
            close,
            patience,
        })
    }
}

/// A vsock listener that hands on the parent's connections alone.
#[derive(Debug)]
pub struct FromParent {
    /// Listens on any context id of this machine.
    pub listener: vsock::VsockListener,
    /// The parent's context id: 3 on Nitro (AWS Nitro Enclaves user guide, "vsock"), 2 under any other hypervisor.
    pub parent: u32,
}

impl Listener for FromParent {
    fn accept(&self) -> io::Result<Box<dyn Connection>> {
        loop {
            let (stream, peer) = self.listener.accept()?;
            if peer.cid() == self.parent {
                return Ok(Box::new(stream));
            }
        }
    }
}

/// The reading half.
pub struct Input {
    stream: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

impl Input {
    /// Reads from a stream.
    #[must_use]
    pub fn new(stream: Box<dyn Read + Send>) -> Self {
        Self {
            stream,
            buffer: vec![0; READ_BUFFER],
            from: 0,
            to: 0,
        }
    }

    /// The next frame: its head, and its body into `body`.
    ///
    /// # Errors
    ///
    /// End of stream, a head out of range, or any read failure: the connection is to be closed.
    pub fn next(&mut self, body: &mut Vec<u8>) -> io::Result<Head> {
        let mut fixed = [0_u8; LEN_BYTES + HEAD_BYTES];
        self.fill(&mut fixed)?;
        let head = Head::parse(&fixed).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        body.clear();
        body.resize(head.body_len, 0);
        self.fill(body)?;
        Ok(head)
    }

    /// Whether another whole frame is here already, so that answers may wait for its own.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        let here = self.buffer.get(self.from..self.to).unwrap_or_default();
        let Some((fixed, rest)) = here.split_first_chunk::<{ LEN_BYTES + HEAD_BYTES }>() else {
            return false;
        };
        Head::parse(fixed).is_ok_and(|head| rest.len() >= head.body_len)
    }

    fn fill(&mut self, out: &mut [u8]) -> io::Result<()> {
        let mut done = 0_usize;
        while let Some(room) = out.get_mut(done..).filter(|room| !room.is_empty()) {
            if self.from == self.to {
                self.from = 0;
                self.to = self.stream.read(&mut self.buffer)?;
                if self.to == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let here = self.buffer.get(self.from..self.to).unwrap_or_default();
            let count = here.len().min(room.len());
            let (Some(to), Some(from)) = (room.get_mut(..count), here.get(..count)) else {
                break;
            };
            to.copy_from_slice(from);
            self.from = self.from.saturating_add(count);
            done = done.saturating_add(count);
        }
        Ok(())
    }
}

/// The writing half, shared by everyone who answers on a connection.
pub struct Output(Mutex<Pending>);

struct Pending {
    stream: Box<dyn Write + Send>,
    bytes: Vec<u8>,
    dead: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

impl Output {
    /// Writes to a stream.
    #[must_use]
    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(Pending {
            stream,
            bytes: Vec::new(),
            dead: false,
        }))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame to what will be written; over [`MAX_OUTPUT`] it is written first.
    pub fn push(&self, kind: u8, id: u64, body: &[u8]) {
        self.push_parts(kind, id, [body]);
    }

    /// Likewise, a frame whose body stands in parts.
    pub fn push_parts<const N: usize>(&self, kind: u8, id: u64, body: [&[u8]; N]) {
        let mut pending = self.pending();
        let whole = body.iter().fold(pending.bytes.len(), |sum, part| {
            sum.saturating_add(part.len())
        });
        if whole > MAX_OUTPUT {
            pending.flush();
        }
        if frame::put_parts(&mut pending.bytes, kind, id, body).is_err() {
            pending.dead = true;
        }
    }

    /// Writes everything added so far in one go.
    pub fn flush(&self) {
        self.pending().flush();
    }

    /// Whether a write failed: the connection is of no use.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.pending().dead
    }
}

impl Pending {
    fn flush(&mut self) {
        if self.bytes.is_empty() || self.dead {
            self.bytes.clear();
            return;
        }
        self.dead = self
            .stream
            .write_all(&self.bytes)
            .and_then(|()| self.stream.flush())
            .is_err();
        self.bytes.clear();
    }
}
