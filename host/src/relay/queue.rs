//! What waits for one call connection of the enclave, and what the enclave has not answered yet.
//!
//! At most a window of requests is outstanding. Those beyond wait in one short queue per asker and are taken in turns,
//! one each, so that a flood of one delays another by a single request per turn. A full queue refuses before anything
//! is sent. The asker's own numbers never reach the enclave: a frame's id names its slot here.

use super::{Asked, Sink, writer::Queue};
use claviger_shared::{
    codec::frame,
    wire::{FrameType, RefusedCode},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Requests of one asker that may wait for one connection.
pub(crate) const MAX_WAITING_EACH: usize = 256;
/// Requests that may wait for one connection.
pub(crate) const MAX_WAITING: usize = 4096;
/// Their bytes.
pub(crate) const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Bytes handed to one write, not counting the frame that passes it.
const BATCH: usize = 256 * 1024;
/// Bits of a frame's id that name the slot.
const SLOT_BITS: u32 = 8;

/// A request that the enclave has.
pub(crate) struct Outstanding {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) asked: Asked,
}

struct Waiting {
    sink: Arc<dyn Sink>,
    asked: Asked,
    body: Vec<u8>,
}

/// The queue of one connection.
pub(crate) struct LaneQueue {
    ready: Vec<u8>,
    slots: Vec<Option<(u64, Outstanding)>>,
    free: Vec<u8>,
    count: u64,
    waiting: HashMap<u64, VecDeque<Waiting>>,
    turns: VecDeque<u64>,
    waiting_count: usize,
    waiting_bytes: usize,
    broken: bool,
}

/// A request's body, in parts, so that it is copied once.
pub(crate) type Parts<'a> = &'a [&'a [u8]];

impl LaneQueue {
    pub(crate) fn new(window: usize) -> Self {
        let window = window.clamp(1, 1 << SLOT_BITS);
        Self {
            ready: Vec::new(),
            slots: (0..window).map(|_| None).collect(),
            free: (0..window).rev().map(|slot| slot as u8).collect(),
            count: 0,
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            waiting_count: 0,
            waiting_bytes: 0,
            broken: false,
        }
    }

    /// Takes a request, or says why not: nothing of it is sent then.
    pub(crate) fn submit(
        &mut self,
        sink: &Arc<dyn Sink>,
        asked: Asked,
        parts: Parts<'_>,
    ) -> Result<(), RefusedCode> {
        if self.broken {
            return Err(RefusedCode::Unavailable);
        }
        if self.turns.is_empty() && !self.free.is_empty() && self.ready.len() < BATCH {
            return self.send(Arc::clone(sink), asked, parts);
        }
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let asker = sink.asker();
        let own = self.waiting.get(&asker).map_or(0, VecDeque::len);
        if own >= MAX_WAITING_EACH
            || self.waiting_count >= MAX_WAITING
            || self.waiting_bytes + len > MAX_WAITING_BYTES
        {
            return Err(RefusedCode::Busy);
        }
        if own == 0 {
            self.turns.push_back(asker);
        }
        self.waiting_count += 1;
        self.waiting_bytes += len;
        self.waiting.entry(asker).or_default().push_back(Waiting {
            sink: Arc::clone(sink),
            asked,
            body: parts.concat(),
        });
        Ok(())
    }

    fn send(
        &mut self,
        sink: Arc<dyn Sink>,
        asked: Asked,
        parts: Parts<'_>,
    ) -> Result<(), RefusedCode> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        if len > frame::MAX_BODY {
            return Err(RefusedCode::TooLarge);
        }
        let slot = self.free.pop().ok_or(RefusedCode::Busy)?;
        self.count += 1;
        let id = (self.count << SLOT_BITS) | u64::from(slot);
        let kind = match asked {
            Asked::Call { .. } => FrameType::Call,
            Asked::Open { .. } => FrameType::Open,
        };
        let frame_len = (len + frame::HEAD_BYTES) as u32;
        self.ready
            .reserve(len + frame::HEAD_BYTES + frame::LEN_BYTES);
        self.ready.extend_from_slice(&frame_len.to_be_bytes());
        self.ready.extend_from_slice(&[kind.code(), 0]);
        self.ready.extend_from_slice(&id.to_be_bytes());
        for part in parts {
            self.ready.extend_from_slice(part);
        }
        self.slots[usize::from(slot)] = Some((id, Outstanding { sink, asked }));
        Ok(())
    }

    /// The request that a reply's id names; none when it was never sent or is answered.
    pub(crate) fn answered(&mut self, id: u64) -> Option<Outstanding> {
        let slot = (id & ((1 << SLOT_BITS) - 1)) as usize;
        let held = self.slots.get_mut(slot)?;
        if held.as_ref().is_none_or(|(own, _)| *own != id) {
            return None;
        }
        let (_, outstanding) = held.take()?;
        self.free.push(slot as u8);
        Some(outstanding)
    }

    /// Whether somebody waits for a slot.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Drops what an asker that is gone still has waiting.
    pub(crate) fn forget(&mut self, asker: u64) {
        if let Some(gone) = self.waiting.remove(&asker) {
            self.turns.retain(|turn| *turn != asker);
            self.waiting_count -= gone.len();
            self.waiting_bytes -= gone.iter().map(|waiting| waiting.body.len()).sum::<usize>();
        }
    }

    /// Everything that will not be answered any more; later requests are refused.
    pub(crate) fn break_off(&mut self) -> Vec<Outstanding> {
        self.broken = true;
        self.ready.clear();
        let sent = self.slots.iter_mut().filter_map(Option::take);
        let mut all: Vec<Outstanding> = sent.map(|(_, outstanding)| outstanding).collect();
        let waiting = std::mem::take(&mut self.waiting).into_values().flatten();
        all.extend(waiting.map(|Waiting { sink, asked, .. }| Outstanding { sink, asked }));
        self.turns.clear();
        (self.waiting_count, self.waiting_bytes) = (0, 0);
        all
    }

    fn next_turn(&mut self) -> Option<Waiting> {
        let asker = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&asker)?;
        let next = own.pop_front()?;
        if own.is_empty() {
            self.waiting.remove(&asker);
        } else {
            self.turns.push_back(asker);
        }
        self.waiting_count -= 1;
        self.waiting_bytes -= next.body.len();
        Some(next)
    }
}

impl Queue for LaneQueue {
    fn fill(&mut self, out: &mut Vec<u8>) {
        while !self.free.is_empty() && self.ready.len() < BATCH {
            let Some(next) = self.next_turn() else { break };
            // A slot is free and the size was checked when the frame came.
            let _ = self.send(next.sink, next.asked, &[&next.body]);
        }
        std::mem::swap(&mut self.ready, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::{id::ChannelId, wire::stream::Reply};

    struct Asker(u64);

    impl Sink for Asker {
        fn asker(&self) -> u64 {
            self.0
        }

        fn put(&self, _reply: &Reply<'_>) -> bool {
            false
        }

        fn flush(&self) {}
    }

    fn call(seq: u64) -> Asked {
        Asked::Call {
            channel: ChannelId([1; 16]),
            seq,
        }
    }

    fn asker(id: u64) -> Arc<dyn Sink> {
        Arc::new(Asker(id))
    }

    /// The ids of the frames that would be written now.
    fn written(queue: &mut LaneQueue) -> Vec<u64> {
        let mut out = Vec::new();
        queue.fill(&mut out);
        let (mut rest, mut ids) = (out.as_slice(), Vec::new());
        while let Some((head, _)) = crate::link::frames::split(&mut rest).unwrap() {
            ids.push(head.id);
        }
        ids
    }

    #[test]
    fn a_window_is_never_exceeded_and_a_reply_makes_room_for_one() {
        let mut queue = LaneQueue::new(2);
        for seq in 0..5 {
            queue.submit(&asker(1), call(seq), &[b"x"]).unwrap();
        }
        let first = written(&mut queue);
        assert_eq!(first.len(), 2);
        assert!(written(&mut queue).is_empty());
        assert!(queue.answered(first[0]).is_some());
        assert!(queue.answered(first[0]).is_none(), "answered once");
        assert_eq!(written(&mut queue).len(), 1);
    }

    #[test]
    fn a_flood_of_one_does_not_starve_another() {
        let mut queue = LaneQueue::new(1);
        for seq in 0..100 {
            queue.submit(&asker(1), call(seq), &[b"x"]).unwrap();
        }
        queue.submit(&asker(2), call(7), &[b"x"]).unwrap();
        let mut served = Vec::new();
        for _ in 0..4 {
            for id in written(&mut queue) {
                served.push(queue.answered(id).unwrap().sink.asker());
            }
        }
        assert!(served.contains(&2), "{served:?}");
    }

    #[test]
    fn what_waits_is_limited_per_asker_and_in_all() {
        let mut queue = LaneQueue::new(1);
        queue.submit(&asker(0), call(0), &[b"x"]).unwrap();
        for seq in 0..MAX_WAITING_EACH as u64 {
            queue.submit(&asker(1), call(seq), &[b"x"]).unwrap();
        }
        let over = queue.submit(&asker(1), call(0), &[b"x"]);
        assert_eq!(over, Err(RefusedCode::Busy));
        for other in 2..=(MAX_WAITING / MAX_WAITING_EACH) as u64 {
            for seq in 0..MAX_WAITING_EACH as u64 {
                queue.submit(&asker(other), call(seq), &[b"x"]).unwrap();
            }
        }
        let over = queue.submit(&asker(99), call(0), &[b"x"]);
        assert_eq!(over, Err(RefusedCode::Busy));
        queue.forget(1);
        assert_eq!(queue.submit(&asker(99), call(0), &[b"x"]), Ok(()));
    }

    #[test]
    fn a_broken_connection_gives_back_everything_and_takes_nothing() {
        let mut queue = LaneQueue::new(2);
        for seq in 0..5 {
            queue.submit(&asker(1), call(seq), &[b"x"]).unwrap();
        }
        assert_eq!(queue.break_off().len(), 5);
        assert!(
            written(&mut queue).is_empty(),
            "what is refused is not sent"
        );
        let after = queue.submit(&asker(1), call(9), &[b"x"]);
        assert_eq!(after, Err(RefusedCode::Unavailable));
    }

    #[test]
    fn a_reply_to_what_was_never_asked_is_nobodys() {
        let mut queue = LaneQueue::new(2);
        queue.submit(&asker(1), call(1), &[b"x"]).unwrap();
        let id = written(&mut queue)[0];
        for other in [0, id + 256, id ^ 1, u64::MAX] {
            assert!(queue.answered(other).is_none(), "{other}");
        }
    }
}
