//! Handshakes: one thread, a bounded queue, then `busy`, so that a flood of them blocks no call.
//!
//! Any key of any grant in the log finishes a handshake, so that its agent gets sealed denials; other keys are refused.

use super::{
    answer::refuse,
    hub::{Counters, Hub},
    link::Output,
};
use crate::channel::Channel;
use claviger_shared::{
    codec::cbor,
    crypto::handshake,
    id::ChannelId,
    ledger::Status,
    wire::{
        FrameType, RefusedCode,
        call::{MAX_NOISE, Open, Opened},
    },
};
use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};

/// Handshakes waiting at most.
pub const QUEUE: usize = 64;
const MAX_OPEN: usize = MAX_NOISE + 64;

/// One handshake to be answered.
#[derive(Debug)]
struct Waiting {
    output: Arc<Output>,
    id: u64,
    open: Open,
}

/// Where call connections put handshakes.
#[derive(Debug, Clone)]
pub struct Queue(SyncSender<Waiting>);

impl Queue {
    /// Queues a handshake or refuses it.
    pub fn offer(&self, output: &Arc<Output>, id: u64, body: &[u8]) {
        let open: Open = match cbor::decode(body, MAX_OPEN) {
            Ok(open) => open,
            Err(_) => return refuse(output, id, RefusedCode::Invalid, "open"),
        };
        let waiting = Waiting {
            output: Arc::clone(output),
            id,
            open,
        };
        if self.0.try_send(waiting).is_err() {
            refuse(output, id, RefusedCode::Busy, "handshakes");
        }
    }
}

/// A queue and the thread's end of it.
#[must_use]
pub fn queue() -> (Queue, Worker) {
    let (sender, receiver) = sync_channel(QUEUE);
    (Queue(sender), Worker(receiver))
}

/// Answers handshakes.
#[derive(Debug)]
pub struct Worker(Receiver<Waiting>);

impl Worker {
    /// Runs until every call connection is gone.
    pub fn run(self, hub: &Arc<Hub>) {
        let prologue =
            handshake::prologue(&hub.boot.origin, &hub.boot.boot_hash, &hub.boot.manifest);
        for Waiting { output, id, open } in self.0 {
            match answer(hub, &prologue, &open) {
                Ok(opened) => output.push(
                    FrameType::Open.reply(),
                    id,
                    &cbor::encode(&opened).unwrap_or_default(),
                ),
                Err(code) => refuse(&output, id, code, "handshake"),
            }
            output.flush();
        }
    }
}

fn answer(hub: &Arc<Hub>, prologue: &[u8], open: &Open) -> Result<Opened, RefusedCode> {
    let (session, noise) = handshake::respond(hub.channel_key.expose(), prologue, &open.noise)
        .map_err(|_| RefusedCode::Invalid)?;
    let (slot, active, agent, digests) = {
        let core = hub.lock();
        let slot = core
            .state()
            .slot_of_agent(&session.peer)
            .ok_or(RefusedCode::Invalid)?;
        let grant = core.state().grant(slot).ok_or(RefusedCode::Invalid)?;
        let agent = grant.grant.agent.clone();
        let digests = hub.keys.digests_of(&grant.grant.id);
        (slot, grant.status == Status::Active, agent, digests)
    };
    let share = hub.agents.share(&agent, hub.time.monotonic_ms());
    let id = ChannelId(hub.nonces.draw().map_err(|_| RefusedCode::Unavailable)?);
    let channel = Arc::new(Channel::new(id, (slot, digests), session, share));
    hub.channels
        .insert(channel, active)
        .map_err(|_| RefusedCode::Busy)?;
    Counters::add(&hub.counters.channels, 1);
    Ok(Opened { channel: id, noise })
}
