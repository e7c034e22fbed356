//! Call connections: each frame opened, read and answered on its connection's thread.
//!
//! Every refusal is sealed once the frame has opened; before that it is a bare [`RefusedCode`]. What is asked is answered by
//! `issue` (credentials) and `own` (the agent's own grant).

use super::{
    answer::{self, refuse},
    echo,
    hub::{Address, Hub},
    issue,
    link::{Input, Output},
    own,
};
use claviger_shared::{
    call::{Ask, Request},
    codec::cbor,
    denial::{Code, Denial},
    ledger::Slot,
    wire::{FrameType, RefusedCode, call::Call, call::MAX_SEALED_CALL},
};
use std::sync::{Arc, atomic::Ordering};

/// When an agent that is over its share may ask again, in milliseconds.
const SHARE_AGAIN_MS: u64 = 10;

/// Serves one call connection until it ends.
pub fn run(hub: &Arc<Hub>, handshakes: &super::handshake::Queue, mut input: Input, output: Output) {
    let output = Arc::new(output);
    let mut body = Vec::new();
    let mut burst = Burst {
        hub,
        is_under_way: false,
    };
    while let Ok(head) = input.next(&mut body) {
        let more = input.has_frame();
        let is_last = burst.goes_on(more);
        match FrameType::from_code(head.kind) {
            Some(FrameType::Call) => frame(hub, &output, head.id, &body),
            Some(FrameType::Open) => handshakes.offer(&output, head.id, &body),
            Some(_) | None => break,
        }
        if !more {
            output.flush();
        }
        if is_last {
            // The last frame may have recorded nothing, and then nobody began the entry of the others.
            hub.go_on(hub.lock());
        }
        if output.is_dead() {
            break;
        }
    }
}

/// Whether this connection is among those on which frames are still to be worked on.
struct Burst<'a> {
    hub: &'a Hub,
    is_under_way: bool,
}

impl Burst<'_> {
    /// Notes whether more frames are here than the one in hand; says whether that one is the last of several.
    fn goes_on(&mut self, more: bool) -> bool {
        let was = std::mem::replace(&mut self.is_under_way, more);
        match (was, more) {
            (false, true) => self.hub.arriving.fetch_add(1, Ordering::AcqRel),
            (true, false) => self.hub.arriving.fetch_sub(1, Ordering::AcqRel),
            (true, true) | (false, false) => 0,
        };
        was && !more
    }
}

impl Drop for Burst<'_> {
    fn drop(&mut self) {
        self.goes_on(false);
    }
}

fn frame(hub: &Arc<Hub>, output: &Arc<Output>, id: u64, body: &[u8]) {
    let Ok(call) = Call::parse(body) else {
        return refuse(output, id, RefusedCode::TooLarge, "call");
    };
    let Some(channel) = hub.channels.get(&call.channel) else {
        return refuse(output, id, RefusedCode::UnknownChannel, "channel");
    };
    if !channel.enter() {
        return refuse(output, id, RefusedCode::Busy, "channel");
    }
    let text = match channel.open(call.seq, call.sealed) {
        Ok(text) => text,
        Err(code) => {
            channel.leave();
            return refuse(output, id, code, "frame");
        }
    };
    if channel.confirm() {
        hub.channels.confirmed(&channel);
    }
    let slot = channel.slot;
    let to = Address {
        output: Arc::clone(output),
        id,
        channel,
        seq: call.seq,
    };
    // Every opened frame takes from its agent's share, also one that says nothing.
    let within = to.channel.is_within_share(hub.time.monotonic_ms());
    match cbor::decode::<Request>(&text, MAX_SEALED_CALL) {
        Ok(request) if within || is_an_end(&request) => ask(hub, to, slot, call.source, request),
        Ok(_) | Err(_) if !within => answer::deny(hub, to, over_share()),
        Ok(_) | Err(_) => answer::deny(hub, to, Denial::at(Code::InvalidRequest, "")),
    }
}

/// Whoever floods with a stolen agent key does not keep its owner from ending the grant.
const fn is_an_end(request: &Request) -> bool {
    matches!(request.ask, Ask::RevokeSelf { .. })
}

fn over_share() -> Denial {
    Denial {
        retry_after_ms: Some(SHARE_AGAIN_MS),
        ..Denial::at(Code::RateLimited, "agent")
    }
}

fn ask(hub: &Arc<Hub>, to: Address, slot: Slot, source: [u8; 16], request: Request) {
    // The lock is let go before the denial is sent, which takes it again.
    let echo = request
        .echo
        .map_or(Ok(()), |echo| hub.lock().check_echo(echo.size, &echo.root));
    if let Err(denial) = echo {
        return answer::deny(hub, to, denial);
    }
    match request.ask {
        Ask::Checkpoint(note) => echo::checkpoint(hub, to, &note),
        Ask::Renew => own::renew(hub, to, slot),
        Ask::RevokeSelf { leaked } => own::revoke_self(hub, to, slot, leaked),
        Ask::Sign(sign) => issue::credential(hub, to, source, &sign, false),
        Ask::Simulate(sign) => issue::credential(hub, to, source, &sign, true),
        Ask::Whoami => own::whoami(hub, to, slot),
    }
}
