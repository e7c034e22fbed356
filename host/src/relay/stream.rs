//! The stream face: one client's long-lived connection, frames both ways.
//!
//! Frames that are not laid out as they must be close the connection. A client that does not read is not read from, and
//! after `STALL` it is closed.

use super::{
    Relay, Sink, Touched,
    writer::{STALL, Writer},
};
use crate::link::frames::Incoming;
use claviger_shared::wire::{
    call::SourceAddress,
    stream::{BadFrame, Reply, Request, split},
};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};
use tokio::{
    io::AsyncReadExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Bytes of replies above which a client is not read from.
const MAX_BACKLOG: usize = 1024 * 1024;
/// Bytes of replies above which a client is closed.
const MAX_OUTPUT: usize = 16 * 1024 * 1024;

struct Client {
    asker: u64,
    writer: Writer<OwnedWriteHalf, Vec<u8>>,
}

impl Sink for Client {
    fn asker(&self) -> u64 {
        self.asker
    }

    fn put(&self, reply: &Reply<'_>) -> bool {
        self.writer.with(|out| {
            let first = out.is_empty();
            if out.len() <= MAX_OUTPUT {
                reply.put(out);
            }
            first
        })
    }

    fn flush(&self) {
        if self.writer.with(|out| out.len() > MAX_OUTPUT) {
            self.writer.kill();
        }
        self.writer.pump();
    }
}

/// Serves a client until it leaves, misbehaves or stalls. `early` is what it sent behind its request's head.
pub async fn serve(relay: Arc<Relay>, socket: TcpStream, early: Vec<u8>, source: SourceAddress) {
    let (reader, writer) = socket.into_split();
    let client = Arc::new(Client {
        asker: relay.asker(),
        writer: Writer::new(writer, Vec::new()),
    });
    relay.counters.streams.fetch_add(1, Ordering::Relaxed);
    let open = Open(&relay, client.asker);
    tokio::select! {
        ended = requests(&relay, &client, reader, early, &source) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "stream closed");
            }
        }
        () = client.writer.run() => {}
    }
    client.writer.kill();
    drop(open);
}

/// Counts a stream while it is open, and drops what it left waiting.
struct Open<'a>(&'a Relay, u64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counters.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.forget(self.1);
    }
}

async fn requests(
    relay: &Relay,
    client: &Arc<Client>,
    mut reader: OwnedReadHalf,
    early: Vec<u8>,
    source: &SourceAddress,
) -> io::Result<()> {
    let sink: Arc<dyn Sink> = Arc::<Client>::clone(client);
    let mut incoming = Incoming::with(early);
    let mut touched = Touched::default();
    loop {
        let mut rest = incoming.unread();
        let before = rest.len();
        let taken = take(relay, &sink, source, &mut rest, &mut touched);
        let used = before - rest.len();
        incoming.consume(used);
        touched.flush();
        sink.flush();
        taken.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let calm = client.writer.below(MAX_BACKLOG, Vec::len);
        tokio::time::timeout(STALL * 2, calm).await?;
        if client.writer.is_dead() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if reader.read_buf(incoming.room()).await? == 0 {
            return Ok(());
        }
    }
}

fn take(
    relay: &Relay,
    sink: &Arc<dyn Sink>,
    source: &SourceAddress,
    rest: &mut &[u8],
    touched: &mut Touched,
) -> Result<(), BadFrame> {
    while let Some(content) = split(rest)? {
        let request = Request::parse(content)?;
        relay.submit(sink, source, &request, touched);
    }
    Ok(())
}
