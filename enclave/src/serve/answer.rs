//! Answers: the text that is sealed for an agent.

use super::hub::{Address, Hub};
use claviger_shared::{
    call::{Answer, Echo, Reply},
    codec::cbor,
    denial::{Code, Denial},
    id::Digest,
};

/// The canonical text of an answer that carries the last stored tree head.
#[must_use]
pub fn text((size, root): (u64, Digest), reply: Reply) -> Vec<u8> {
    let answer = Answer {
        echo: Echo { size, root },
        reply,
    };
    // No reply of our making fails to encode; an empty text opens as nothing and is denied by the client.
    cbor::encode(&answer).unwrap_or_default()
}

/// Sends a reply at once; the caller flushes.
pub fn send(hub: &Hub, to: Address, reply: Reply) {
    let stored = hub.lock().stored();
    to.send(text(stored, reply));
}

/// Sends a denial at once; the caller flushes.
pub fn deny(hub: &Hub, to: Address, denial: Denial) {
    super::hub::Counters::add(&hub.counters.denied, 1);
    send(hub, to, Reply::Denied(denial));
}

/// The platform failed under a call: nothing was released.
pub fn unavailable(hub: &Hub, to: Address) {
    deny(hub, to, Code::Unavailable.into());
}
