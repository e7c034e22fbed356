//! The relay: many agents' channels over few connections to the enclave.
//!
//! A request is taken whole or refused before anything of it is sent; every request taken is answered or refused
//! exactly once, also when the connection it went over breaks. The relay opens no seal, and what it says itself is
//! advisory.

mod lane;
pub mod post;
mod queue;
pub mod stream;
mod writer;

use crate::{
    config::EnclaveAddress,
    link::control::Control,
    sync::{read, write},
    tasks::Tasks,
};
use claviger_shared::{
    codec::cbor,
    id::ChannelId,
    wire::{
        RefusedCode,
        call::{Open, SourceAddress},
        stream::{Refusal, Reply, Request},
    },
};
use lane::Lane;
use std::{
    net::IpAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Frames of a channel that go over one connection before the next ones go over another.
const TOGETHER: u64 = 16;
/// When a client may try again what was refused for a while, in milliseconds.
const RETRY_MS: u32 = 50;

/// Who is owed a reply.
pub(crate) trait Sink: Send + Sync {
    /// Names the asker among others, for turns.
    fn asker(&self) -> u64;
    /// Counts a request, which one reply will count off; false where the asker has too many of its channel under way.
    fn enter(&self, _asked: Asked) -> bool {
        true
    }
    /// Adds a reply; true when a flush is due that was not before.
    fn put(&self, reply: &Reply<'_>) -> bool;
    /// Sends what was added.
    fn flush(&self);
}

/// How an asker names its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One frame of a channel.
    Call {
        /// The channel.
        channel: ChannelId,
        /// The frame's number.
        seq: u64,
    },
    /// A new channel.
    Open {
        /// The client's name for it.
        cid: u32,
    },
}

impl Asked {
    pub(crate) const fn refused(self, refusal: Refusal) -> Reply<'static> {
        match self {
            Self::Call { channel, seq } => Reply::CallRefused {
                channel,
                seq,
                refusal,
            },
            Self::Open { cid } => Reply::OpenRefused { cid, refusal },
        }
    }
}

/// A refusal in the host's own name.
pub(crate) const fn refusal(code: RefusedCode) -> Refusal {
    let retry_after_ms = match code {
        RefusedCode::Busy | RefusedCode::NotServing | RefusedCode::Unavailable => RETRY_MS,
        RefusedCode::Invalid
        | RefusedCode::NotSupported
        | RefusedCode::Replayed
        | RefusedCode::TooLarge
        | RefusedCode::UnknownChannel => 0,
    };
    Refusal {
        code,
        retry_after_ms,
    }
}

/// Counters since start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests of clients.
    pub requests: AtomicU64,
    /// Replies of the enclave, refusals included.
    pub replies: AtomicU64,
    /// Requests refused because a queue was full.
    pub busy: AtomicU64,
    /// Requests refused or given up because no connection stood.
    pub unavailable: AtomicU64,
    /// Streams that are open.
    pub streams: AtomicU64,
}

/// The relay.
pub struct Relay {
    lanes: Vec<RwLock<Option<Arc<Lane>>>>,
    next: AtomicUsize,
    askers: AtomicU64,
    control: Control,
    /// Counters since start.
    pub counters: Counters,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts the connections; they stand while the enclave serves.
    #[must_use]
    pub fn start(
        address: &EnclaveAddress,
        connections: usize,
        control: &Control,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let relay = Arc::new(Self {
            lanes: (0..connections.max(1)).map(|_| RwLock::new(None)).collect(),
            next: AtomicUsize::new(0),
            askers: AtomicU64::new(1),
            control: control.clone(),
            counters: Counters::default(),
        });
        for place in 0..relay.lanes.len() {
            tasks.spawn(lane::keep(Arc::clone(&relay), place, address.clone()));
        }
        relay
    }

    /// Connections to the enclave that stand.
    #[must_use]
    pub fn connections(&self) -> usize {
        let standing = |lane: &&RwLock<Option<Arc<Lane>>>| read(lane).is_some();
        self.lanes.iter().filter(standing).count()
    }

    /// A name for an asker, never given twice.
    #[must_use]
    pub fn asker(&self) -> u64 {
        self.askers.fetch_add(1, Ordering::Relaxed)
    }

    fn set(&self, place: usize, lane: Option<Arc<Lane>>) {
        *write(&self.lanes[place]) = lane;
    }

    /// The connection at a place, or the next that stands.
    fn lane(&self, place: usize) -> Option<Arc<Lane>> {
        let count = self.lanes.len();
        (0..count).find_map(|step| read(&self.lanes[(place + step) % count]).clone())
    }

    /// Neighbours of a channel keep together, so that they are written, worked on and stored together; the next ones go
    /// elsewhere, so that one busy channel is not one connection's alone.
    fn place(&self, asked: Asked) -> usize {
        match asked {
            Asked::Call { channel, seq } => call_place(channel, seq, self.lanes.len()),
            Asked::Open { .. } => self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len(),
        }
    }

    /// Takes a request; a refusal is put into the sink at once. The caller flushes both.
    pub(crate) fn submit(
        &self,
        sink: &Arc<dyn Sink>,
        source: &SourceAddress,
        request: &Request<'_>,
        touched: &mut Touched,
    ) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let (asked, taken) = match *request {
            Request::Call {
                channel,
                seq,
                sealed,
            } => {
                let asked = Asked::Call { channel, seq };
                let parts: [&[u8]; 4] = [&channel.0, &seq.to_be_bytes(), source, sealed];
                (asked, self.offer(sink, asked, &parts, touched))
            }
            Request::Open { cid, noise } => {
                let asked = Asked::Open { cid };
                let open = Open {
                    source: *source,
                    noise: noise.to_vec(),
                };
                let body = cbor::encode(&open).map_err(|_| RefusedCode::Invalid);
                let taken = body.and_then(|body| self.offer(sink, asked, &[&body], touched));
                (asked, taken)
            }
        };
        if let Err(code) = taken {
            self.count_refused(code);
            sink.put(&asked.refused(refusal(code)));
        }
    }

    fn offer(
        &self,
        sink: &Arc<dyn Sink>,
        asked: Asked,
        parts: queue::Parts<'_>,
        touched: &mut Touched,
    ) -> Result<(), RefusedCode> {
        if !sink.enter(asked) {
            return Err(RefusedCode::Busy);
        }
        let Some(lane) = touched.lane(self, self.place(asked)) else {
            let serving = self.control.view().phase == Some(claviger_shared::wire::Phase::Serving);
            return Err(if serving {
                RefusedCode::Unavailable
            } else {
                RefusedCode::NotServing
            });
        };
        lane.submit(sink, asked, parts)
    }

    fn count_refused(&self, code: RefusedCode) {
        let counter = if code == RefusedCode::Busy {
            &self.counters.busy
        } else {
            &self.counters.unavailable
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops what an asker that is gone still has waiting.
    pub(crate) fn forget(&self, asker: u64) {
        for lane in &self.lanes {
            if let Some(lane) = read(lane).as_ref() {
                lane.forget(asker);
            }
        }
    }
}

/// Which of so many connections a frame of a channel goes over.
fn call_place(channel: ChannelId, seq: u64, lanes: usize) -> usize {
    let block = (seq / TOGETHER) as usize;
    usize::from(channel.0[0]).wrapping_add(block) % lanes
}

/// The connections that one batch of requests was put on.
#[derive(Default)]
pub(crate) struct Touched(Vec<(usize, Arc<Lane>)>);

impl Touched {
    fn lane(&mut self, relay: &Relay, place: usize) -> Option<&Arc<Lane>> {
        let known = self.0.iter().position(|(own, _)| *own == place);
        let at = match known {
            Some(at) => at,
            None => {
                self.0.push((place, relay.lane(place)?));
                self.0.len() - 1
            }
        };
        self.0.get(at).map(|(_, lane)| lane)
    }

    /// Writes what was put on them.
    pub(crate) fn flush(&mut self) {
        for (_, lane) in self.0.drain(..) {
            lane.pump();
        }
    }
}

/// An address as the wire has it: IPv6, IPv4 mapped.
#[must_use]
pub fn source(address: IpAddr) -> SourceAddress {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_channel_keep_together_and_a_busy_channel_uses_every_connection() {
        let channel = ChannelId([3; 16]);
        let place = |seq| call_place(channel, seq, 4);
        for block in 0..8 {
            let first = place(block * TOGETHER);
            assert!((0..TOGETHER).all(|next| place(block * TOGETHER + next) == first));
            assert_ne!(first, place((block + 1) * TOGETHER));
        }
        let used: std::collections::BTreeSet<_> = (0..4 * TOGETHER).map(place).collect();
        assert_eq!(used.len(), 4);
        assert!(place(u64::MAX) < 4);
    }

    #[test]
    fn an_ipv4_source_is_mapped() {
        let mapped = source("10.1.2.3".parse().unwrap());
        assert_eq!(
            mapped,
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3]
        );
        let six = source("::1".parse().unwrap());
        assert_eq!(six[15], 1);
    }
}
