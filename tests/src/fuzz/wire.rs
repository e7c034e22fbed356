//! Bodies of the wire between host and enclave.

use super::codec::{canonical, canonical_many};
use claviger_shared::wire::{
    Hello, Refused, Welcome,
    call::{Answer, Call, MAX_SEALED_ANSWER, MAX_SEALED_CALL, Open, Opened},
    control::{
        Attest, Born, CommandReply, Document, Drained, Genesis, Measure, Measured, PhaseEvent,
        Signed, Status, Submitted, Unseal, Unsealed,
    },
    storage::{
        Appended, Blob, Chunk, Done, Entries, MAX_ENTRIES_ITEMS, Read, SnapshotGet, SnapshotPut,
        StoredEntry, Tail,
    },
};

/// Every body of the control connection.
pub fn control(data: &[u8]) {
    let _ = canonical::<Hello>(data);
    let _ = canonical::<Welcome>(data);
    let _ = canonical::<Refused>(data);
    let _ = canonical::<Measure>(data);
    let _ = canonical::<Measured>(data);
    let _ = canonical::<Document>(data);
    let _ = canonical::<Unseal>(data);
    let _ = canonical::<Unsealed>(data);
    let _ = canonical::<Genesis>(data);
    let _ = canonical::<Born>(data);
    let _ = canonical::<PhaseEvent>(data);
    let _ = canonical::<Attest>(data);
    let _ = canonical::<Signed>(data);
    let _ = canonical::<Submitted>(data);
    let _ = canonical::<CommandReply>(data);
    let _ = canonical::<Status>(data);
    let _ = canonical::<Drained>(data);
}

/// Every body of the storage connection.
pub fn storage(data: &[u8]) {
    let _ = canonical::<StoredEntry>(data);
    let _ = canonical::<Appended>(data);
    let _ = canonical::<Read>(data);
    let _ = canonical_many::<Entries>(data, MAX_ENTRIES_ITEMS);
    let _ = canonical::<SnapshotPut>(data);
    let _ = canonical::<SnapshotGet>(data);
    let _ = canonical::<Chunk>(data);
    let _ = canonical::<Tail>(data);
    let _ = canonical::<Blob>(data);
    let _ = canonical::<Done>(data);
}

/// Every body of a call connection.
pub fn call(data: &[u8]) {
    let _ = canonical::<Open>(data);
    let _ = canonical::<Opened>(data);
    if let Ok(call) = Call::parse(data) {
        assert!((1..=MAX_SEALED_CALL).contains(&call.sealed.len()));
        let mut out = Vec::new();
        call.put(&mut out);
        assert_eq!(out, data);
    }
    if let Ok(answer) = Answer::parse(data) {
        assert!((1..=MAX_SEALED_ANSWER).contains(&answer.sealed.len()));
        let mut out = Vec::new();
        answer.put(&mut out);
        assert_eq!(out, data);
    }
}
