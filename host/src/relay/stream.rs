//! The stream face: one client's long-lived connection, frames both ways.
//!
//! Frames that are not laid out as they must be close the connection. A client that does not read is not read from, and
//! after `STALL` it is closed. Of one channel it has at most [`MAX_IN_FLIGHT`] calls under way; the next is refused at once.

use super::{
    Asked, Relay, Sink, Touched,
    writer::{Queue, STALL, Writer},
};
use crate::link::frames::Incoming;
use claviger_shared::{
    id::ChannelId,
    wire::{
        call::{MAX_IN_FLIGHT, SourceAddress},
        stream::{BadFrame, Reply, Request, split},
    },
};
use std::{
    collections::HashMap,
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
    writer: Writer<OwnedWriteHalf, Replies>,
}

/// What a client will be sent, and how many calls of each of its channels are under way.
#[derive(Default)]
struct Replies {
    out: Vec<u8>,
    under_way: HashMap<ChannelId, u32>,
}

impl Replies {
    /// Counts a call; false where that is more than may be under way.
    fn enter(&mut self, channel: ChannelId) -> bool {
        let count = self.under_way.entry(channel).or_default();
        *count += 1;
        *count <= MAX_IN_FLIGHT
    }

    /// Adds a reply; whether it is the first that waits.
    fn put(&mut self, reply: &Reply<'_>) -> bool {
        if let Reply::Answer { channel, .. } | Reply::CallRefused { channel, .. } = reply {
            self.leave(channel);
        }
        let first = self.out.is_empty();
        if self.out.len() <= MAX_OUTPUT {
            reply.put(&mut self.out);
        }
        first
    }

    fn leave(&mut self, channel: &ChannelId) {
        match self.under_way.get_mut(channel) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                self.under_way.remove(channel);
            }
        }
    }

    fn len(&self) -> usize {
        self.out.len()
    }
}

/// Whole frames, in order.
impl Queue for Replies {
    fn fill(&mut self, out: &mut Vec<u8>) {
        std::mem::swap(&mut self.out, out);
    }
}

impl Sink for Client {
    fn asker(&self) -> u64 {
        self.asker
    }

    fn enter(&self, asked: Asked) -> bool {
        match asked {
            Asked::Call { channel, .. } => self.writer.with(|replies| replies.enter(channel)),
            Asked::Open { .. } => true,
        }
    }

    fn put(&self, reply: &Reply<'_>) -> bool {
        self.writer.with(|replies| replies.put(reply))
    }

    fn flush(&self) {
        if self.writer.with(|replies| replies.len() > MAX_OUTPUT) {
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
        writer: Writer::new(writer, Replies::default()),
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
        let calm = client.writer.below(MAX_BACKLOG, Replies::len);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::refusal;
    use claviger_shared::wire::RefusedCode;

    #[test]
    fn of_one_channel_so_many_calls_are_under_way_and_no_more() {
        let mut replies = Replies::default();
        let (one, other) = (ChannelId([1; 16]), ChannelId([2; 16]));
        let refused = |channel| Reply::CallRefused {
            channel,
            seq: 1,
            refusal: refusal(RefusedCode::Busy),
        };
        for _ in 0..MAX_IN_FLIGHT {
            assert!(replies.enter(one));
        }
        for _ in 0..3 {
            assert!(!replies.enter(one), "over what may be under way");
            replies.put(&refused(one));
        }
        assert!(replies.enter(other), "another channel is not in its way");
        replies.put(&Reply::Answer {
            channel: one,
            seq: 1,
            sealed: &[0],
        });
        assert!(replies.enter(one), "an answer makes room for one");
        assert!(!replies.enter(one));
        for _ in 0..=MAX_IN_FLIGHT {
            replies.put(&refused(one));
        }
        replies.put(&refused(other));
        assert!(replies.under_way.is_empty(), "nothing is kept of who left");
    }
}
