//! Answers: the text that is sealed for an agent, and the bare refusal where nothing can be sealed.

use super::{
    hub::{Address, Hub},
    link::Output,
};
use claviger_shared::{
    call::{Answer, Echo, Reply},
    codec::cbor,
    denial::{Code, Denial},
    id::Digest,
    wire::{FrameType, Refused, RefusedCode},
};

/// The canonical text of an answer that carries the last stored tree head.
#[must_use]
pub fn text((size, root): (u64, Digest), reply: Reply) -> Vec<u8> {
    let answer = Answer {
        echo: Echo { size, root },
        reply,
    };
    let held = match &answer.reply {
        Reply::Issued(issued) => issued.receipt.len(),
        Reply::Denied(_) | Reply::Grant(_) | Reply::Known | Reply::Renewed(_) | Reply::Revoked => 0,
    };
    // No reply of our making fails to encode; an empty text opens as nothing and is denied by the client.
    cbor::encode_around(held, &answer).unwrap_or_default()
}

/// Sends a reply at once; the caller flushes.
pub fn send(hub: &Hub, to: Address, reply: Reply) {
    let stored = hub.lock().stored();
    to.send(text(stored, reply));
}

/// Sends a denial at once; the caller flushes.
pub fn deny(hub: &Hub, to: Address, denial: Denial) {
    super::hub::Counters::add(&hub.counters.denied, 1);
    let (stored, sandbox) = {
        let core = hub.lock();
        (core.stored(), core.state().is_sandbox(to.channel.slot))
    };
    to.send(text(stored, Reply::Denied(Denial { sandbox, ..denial })));
}

/// The platform failed under a call: nothing was released.
pub fn unavailable(hub: &Hub, to: Address) {
    deny(hub, to, Code::Unavailable.into());
}

/// Answers without a seal: advisory.
pub fn refuse(output: &Output, id: u64, code: RefusedCode, reason: &str) {
    let retry_after_ms = if matches!(
        code,
        RefusedCode::Busy | RefusedCode::Unavailable | RefusedCode::NotServing
    ) {
        50
    } else {
        0
    };
    let refused = Refused {
        code,
        retry_after_ms,
        reason: reason.to_owned(),
    };
    output.push(
        FrameType::Refused.code(),
        id,
        &cbor::encode(&refused).unwrap_or_default(),
    );
}
