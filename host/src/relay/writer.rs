//! Writing without a task per write: whoever adds bytes writes them, unless somebody is writing already.
//!
//! While one writes, others only add; the writer takes what was added in one go. A socket that takes no more hands the
//! rest to its own task, which waits for room. So bytes are written in order, many frames per system call, and at depth
//! one without another task's wake-up.

use crate::sync::lock;
use std::{
    future::Future,
    io,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    net::{tcp, unix},
    sync::Notify,
};

/// How long a peer may take nothing before it is given up (WIRE: 10 s).
pub(crate) const STALL: Duration = Duration::from_secs(10);
/// A larger empty buffer is given back.
const KEEP: usize = 1024 * 1024;

/// The writing half of a stream socket.
pub(crate) trait Socket: Send + Sync + 'static {
    /// Writes what fits without waiting.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits for room.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Socket for tcp::OwnedWriteHalf {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
        Self::writable(self)
    }
}

impl Socket for unix::OwnedWriteHalf {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
        Self::writable(self)
    }
}

/// What there is to write.
pub(crate) trait Queue: Send + 'static {
    /// Moves what may be written now into an empty buffer.
    fn fill(&mut self, out: &mut Vec<u8>);
}

struct State<Q> {
    queue: Q,
    /// Spare, or what a full socket left.
    buffer: Vec<u8>,
    written: usize,
    writing: bool,
    dead: bool,
}

/// A socket and what waits for it.
pub(crate) struct Writer<S, Q> {
    socket: S,
    state: Mutex<State<Q>>,
    stuck: Notify,
    calm: Notify,
}

enum Progress {
    All,
    Full(usize),
    Failed,
}

impl<S: Socket, Q: Queue> Writer<S, Q> {
    pub(crate) fn new(socket: S, queue: Q) -> Self {
        let state = State {
            queue,
            buffer: Vec::new(),
            written: 0,
            writing: false,
            dead: false,
        };
        Self {
            socket,
            state: Mutex::new(state),
            stuck: Notify::new(),
            calm: Notify::new(),
        }
    }

    /// Looks at or adds to the queue.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Q) -> R) -> R {
        act(&mut lock(&self.state).queue)
    }

    /// Whether a write failed.
    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.state).dead
    }

    /// Gives the peer up.
    pub(crate) fn kill(&self) {
        lock(&self.state).dead = true;
        self.stuck.notify_one();
        self.calm.notify_one();
    }

    /// Writes what may be written, unless somebody does already.
    pub(crate) fn pump(&self) {
        let mut state = lock(&self.state);
        if state.writing {
            return;
        }
        while !state.dead {
            let mut buffer = std::mem::take(&mut state.buffer);
            buffer.clear();
            state.queue.fill(&mut buffer);
            if buffer.is_empty() {
                state.buffer = buffer;
                break;
            }
            state.writing = true;
            drop(state);
            let progress = self.write_now(&buffer);
            state = lock(&self.state);
            if !self.settle(&mut state, buffer, &progress) {
                return;
            }
        }
        drop(state);
        self.calm.notify_one();
    }

    /// Notes what a write did; whether more may be written now.
    fn settle(
        &self,
        state: &mut MutexGuard<'_, State<Q>>,
        mut buffer: Vec<u8>,
        progress: &Progress,
    ) -> bool {
        match *progress {
            Progress::All => {
                state.writing = false;
                buffer.clear();
                buffer.shrink_to(KEEP);
                state.buffer = buffer;
                return true;
            }
            Progress::Full(written) => {
                state.buffer = buffer;
                state.written = written;
            }
            Progress::Failed => state.dead = true,
        }
        self.stuck.notify_one();
        false
    }

    fn write_now(&self, bytes: &[u8]) -> Progress {
        let mut written = 0;
        while written < bytes.len() {
            match self.socket.try_write(&bytes[written..]) {
                Ok(0) => return Progress::Failed,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Full(written);
                }
                Err(_) => return Progress::Failed,
            }
        }
        Progress::All
    }

    /// Finishes what a full socket left, for as long as the peer lives; ends when it does not.
    pub(crate) async fn run(&self) {
        loop {
            self.stuck.notified().await;
            let (rest, written) = {
                let mut state = lock(&self.state);
                if state.dead {
                    self.calm.notify_one();
                    return;
                }
                (std::mem::take(&mut state.buffer), state.written)
            };
            if self.finish(&rest, written).await.is_err() {
                self.kill();
                return;
            }
            {
                let mut state = lock(&self.state);
                state.writing = false;
                state.written = 0;
                state.buffer = rest;
            }
            self.pump();
        }
    }

    async fn finish(&self, bytes: &[u8], mut written: usize) -> io::Result<()> {
        while written < bytes.len() {
            tokio::time::timeout(STALL, self.socket.writable())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            match self.write_now(&bytes[written..]) {
                Progress::All => return Ok(()),
                Progress::Full(more) => written += more,
                Progress::Failed => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        Ok(())
    }

    /// Returns once less than `max` waits, by the queue's own measure, or the peer is given up.
    pub(crate) async fn below(&self, max: usize, len: impl Fn(&Q) -> usize) {
        loop {
            {
                let state = lock(&self.state);
                let left = state.buffer.len().saturating_sub(state.written);
                let stuck = if state.writing { left } else { 0 };
                if state.dead || len(&state.queue) + stuck <= max {
                    return;
                }
            }
            self.calm.notified().await;
        }
    }
}
