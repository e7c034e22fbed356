//! One call connection: requests out in batches, replies in from big reads, each to who asked.
//!
//! A reply that nobody asked for, or of another form, closes the connection: the other side is not the enclave we know.

use super::{
    Asked, Relay, Sink,
    queue::{LaneQueue, Outstanding, Parts},
    refusal,
    writer::Writer,
};
use crate::{
    config::EnclaveAddress,
    link::{Backoff, decode, dial_async, frames},
};
use claviger_shared::{
    codec::frame::Head,
    wire::{
        FrameType, Phase, Refused, RefusedCode, Role, WINDOW_CALL,
        call::{Answer, MAX_NOISE, Opened},
        stream::{Refusal, Reply},
    },
};
use std::{
    io,
    ops::Range,
    sync::{Arc, atomic::Ordering},
};
use tokio::{
    io::AsyncReadExt,
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

/// A standing connection.
pub(crate) struct Lane(Writer<OwnedWriteHalf, LaneQueue>);

impl Lane {
    pub(crate) fn submit(
        &self,
        sink: &Arc<dyn Sink>,
        asked: Asked,
        parts: Parts<'_>,
    ) -> Result<(), RefusedCode> {
        self.0.with(|queue| queue.submit(sink, asked, parts))
    }

    pub(crate) fn pump(&self) {
        self.0.pump();
    }

    pub(crate) fn forget(&self, asker: u64) {
        self.0.with(|queue| queue.forget(asker));
    }
}

/// Keeps one connection standing while the enclave serves.
pub(crate) async fn keep(relay: Arc<Relay>, place: usize, address: EnclaveAddress) {
    let mut view = relay.control.watch();
    let mut backoff = Backoff::default();
    loop {
        if view
            .wait_for(|view| view.phase == Some(Phase::Serving))
            .await
            .is_err()
        {
            return;
        }
        match dial_async(&address, Role::Call).await {
            Ok((stream, welcome)) => {
                backoff.reset();
                let window = welcome.window.min(WINDOW_CALL) as usize;
                let (reader, writer) = stream.into_split();
                let lane = Arc::new(Lane(Writer::new(writer, LaneQueue::new(window))));
                relay.set(place, Some(Arc::clone(&lane)));
                let ended = tokio::select! {
                    ended = replies(&relay, &lane, reader) => ended,
                    () = lane.0.run() => Err(io::ErrorKind::BrokenPipe.into()),
                };
                relay.set(place, None);
                give_up(&relay, &lane);
                if let Err(error) = ended {
                    tracing::warn!(%error, place, "call connection lost");
                }
            }
            Err(error) => tracing::debug!(%error, place, "enclave not reached for calls"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Refuses everything that will not be answered any more.
fn give_up(relay: &Relay, lane: &Lane) {
    lane.0.kill();
    let left = lane.0.with(LaneQueue::break_off);
    let count = left.len() as u64;
    relay
        .counters
        .unavailable
        .fetch_add(count, Ordering::Relaxed);
    let unavailable = refusal(RefusedCode::Unavailable);
    for Outstanding { sink, asked } in left {
        if sink.put(&asked.refused(unavailable)) {
            sink.flush();
        }
    }
}

async fn replies(relay: &Relay, lane: &Lane, mut reader: OwnedReadHalf) -> io::Result<()> {
    let mut incoming = frames::Incoming::default();
    let mut taken = Vec::new();
    loop {
        if reader.read_buf(incoming.room()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = take(lane, incoming.unread(), &mut taken);
        // What came whole before a fault is still delivered.
        let delivered = deliver(relay, incoming.unread(), &mut taken);
        incoming.consume(found?);
        delivered?;
        if lane.0.with(|queue| queue.has_turns()) {
            lane.pump();
        }
    }
}

type Taken = (Outstanding, Head, Range<usize>);

/// Matches every whole frame to its request, under one lock; says how many bytes they took.
fn take(lane: &Lane, bytes: &[u8], taken: &mut Vec<Taken>) -> io::Result<usize> {
    let mut rest = bytes;
    lane.0.with(|queue| {
        while let Some((head, body)) = frames::split(&mut rest)? {
            let end = bytes.len() - rest.len();
            let outstanding = queue
                .answered(head.id)
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            taken.push((outstanding, head, end - body.len()..end));
        }
        Ok(bytes.len() - rest.len())
    })
}

/// Puts every reply where it belongs, then flushes each sink once.
fn deliver(relay: &Relay, bytes: &[u8], taken: &mut Vec<Taken>) -> io::Result<()> {
    let count = taken.len() as u64;
    relay.counters.replies.fetch_add(count, Ordering::Relaxed);
    let mut due: Vec<Arc<dyn Sink>> = Vec::new();
    let mut fine = Ok(());
    for (Outstanding { sink, asked }, head, body) in taken.drain(..) {
        let put = put(sink.as_ref(), asked, head.kind, &bytes[body]);
        let first = put.unwrap_or_else(|error| {
            fine = Err(error);
            sink.put(&asked.refused(refusal(RefusedCode::Unavailable)))
        });
        if first {
            due.push(sink);
        }
    }
    for sink in due {
        sink.flush();
    }
    fine
}

fn put(sink: &dyn Sink, asked: Asked, kind: u8, body: &[u8]) -> io::Result<bool> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    if kind == FrameType::Refused.code() {
        let refused: Refused = decode(body)?;
        let refusal = Refusal {
            code: refused.code,
            retry_after_ms: refused.retry_after_ms,
        };
        return Ok(sink.put(&asked.refused(refusal)));
    }
    match asked {
        Asked::Call { channel, seq } if kind == FrameType::Call.reply() => {
            let answer = Answer::parse(body).map_err(|_| invalid())?;
            if answer.seq != seq {
                return Err(invalid());
            }
            Ok(sink.put(&Reply::Answer {
                channel,
                seq,
                sealed: answer.sealed,
            }))
        }
        Asked::Open { cid } if kind == FrameType::Open.reply() => {
            let opened: Opened = decode(body)?;
            if opened.noise.is_empty() || opened.noise.len() > MAX_NOISE {
                return Err(invalid());
            }
            Ok(sink.put(&Reply::Opened {
                cid,
                channel: opened.channel,
                noise: &opened.noise,
            }))
        }
        Asked::Call { .. } | Asked::Open { .. } => Err(invalid()),
    }
}
