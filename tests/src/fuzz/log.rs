//! The log: records, entries, checkpoints, receipts, inclusion proofs, snapshots. Nothing is accepted that was not signed.

use super::{
    codec::{canonical, canonical_many},
    context::context,
};
use claviger_enclave::boot::replay::{MAX_SNAPSHOT, MAX_SNAPSHOT_ITEMS, SnapshotBody};
use claviger_shared::{
    codec::cbor,
    crypto::AwsLc,
    id::Digest,
    ledger::State,
    log::{
        checkpoint,
        entry::{Leaf, Reader},
        merkle::{self, Tree},
        receipt::Receipt,
        record::Record,
    },
    wire::storage::{Entries, MAX_ENTRIES_ITEMS},
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
use std::sync::Arc;

/// A record or a leaf, canonical or refused.
pub fn record(data: &[u8]) {
    let _ = canonical::<Leaf>(data);
    if let Ok(record) = Record::decode(data) {
        assert_eq!(record.encode().unwrap(), data);
    }
}

/// What a courier answers to Read: reader and auditor take a true beginning of the log and nothing else.
pub fn entries(data: &[u8]) {
    let Some(read) = canonical_many::<Entries>(data, MAX_ENTRIES_ITEMS) else {
        return;
    };
    let context = context();
    let mut reader = Reader::new(context.log_key.clone());
    let mut auditor = Auditor::new(Arc::clone(&context.chain)).unwrap();
    for stored in &read.entries {
        let at = reader.frontier().size();
        let (taken, audited) = (reader.next(stored, &AwsLc), auditor.entry(stored));
        assert_eq!(
            taken.is_ok(),
            audited.is_ok(),
            "enclave and auditor differ: {taken:?}, {audited:?}"
        );
        if taken.is_err() {
            assert_eq!(
                reader.frontier().size(),
                at,
                "a refused entry moved the reader"
            );
            return;
        }
        let honest = &context.entries.entries[usize::try_from(at).unwrap()];
        assert_eq!(
            (&stored.leaf, &stored.records),
            (&honest.leaf, &honest.records),
            "a forged entry was taken"
        );
    }
}

/// A checkpoint note: taken only if the log key signed exactly this size and root, whoever checks.
pub fn checkpoint(data: &[u8]) {
    let Ok(note) = std::str::from_utf8(data) else {
        return;
    };
    let context = context();
    let ours = checkpoint::verify(note, &context.log_key, &AwsLc);
    assert_eq!(
        ours,
        checkpoint::verify(note, &context.log_key, &RingVerifier)
    );
    if let Ok(taken) = ours {
        assert!(
            note.starts_with(&taken.body()),
            "the body has a second form"
        );
        let honest = context.entries.entries.iter().any(|entry| {
            checkpoint::verify(&entry.checkpoint, &context.log_key, &RingVerifier).as_ref()
                == Ok(&taken)
        });
        assert!(honest, "a forged checkpoint was taken");
    }
}

/// A receipt: proved only for a record that is in the log.
pub fn receipt(data: &[u8]) {
    let Ok(receipt) = Receipt::decode(data) else {
        return;
    };
    assert_eq!(receipt.encode().unwrap(), data);
    let context = context();
    let proved = receipt.verify(&context.log_key, &RingVerifier);
    assert_eq!(
        proved.is_ok(),
        receipt.verify(&context.log_key, &AwsLc).is_ok()
    );
    if let Ok(proved) = proved {
        let known = context
            .records
            .iter()
            .any(|(bytes, record)| *bytes == receipt.record && *record == proved.record);
        assert!(known, "a record was proved that nobody logged");
    }
}

/// Changes tried on one proof, which may be longer than any true one by then.
const MAX_CHANGES: usize = 256;

/// Proofs of small trees: the true one is taken, and no other.
///
/// The input is the tree's size, the place, and bytes by which the proof is changed.
pub fn inclusion(data: &[u8]) {
    let [size, place, rest @ ..] = data else {
        return;
    };
    let size = usize::from(size % 70) + 1;
    let place = usize::from(*place) % size;
    let leaves: Vec<Digest> = (0..size)
        .map(|at| merkle::leaf_hash(&at.to_be_bytes()))
        .collect();
    let tree = Tree::new(leaves.clone());
    let honest = tree.proof(place).unwrap();
    let root = tree.root();
    assert_eq!(root, merkle::root(&leaves));
    let index = place as u64;
    merkle::verify_inclusion(&leaves[place], index, size as u64, &honest, &root).unwrap();
    let mut proof = honest.clone();
    let (mut at, mut of) = (index, size as u64);
    for three in rest.chunks_exact(3).take(MAX_CHANGES) {
        let (what, byte, bit) = (three[0], usize::from(three[1]), three[2]);
        match what % 6 {
            0 if !proof.is_empty() => {
                let step = byte % proof.len();
                proof[step].0[byte % 32] ^= bit;
            }
            1 => proof.push(Digest([bit; 32])),
            2 => drop(proof.pop()),
            3 => at = at.wrapping_add(u64::from(bit)),
            4 => of = of.wrapping_add(u64::from(bit)),
            _ => proof.reverse(),
        }
    }
    let taken = merkle::verify_inclusion(&leaves[place], at, of, &proof, &root).is_ok();
    if taken {
        // The size itself is vouched for by a checkpoint, not by a proof: several sizes can share a path.
        assert!(at < of && proof == honest, "{at} of {of}: {proof:?}");
        assert!(of != size as u64 || at == index, "one leaf in two places");
    }
}

/// A snapshot's body, as it is read after its tag was checked: canonical, and its state can be used.
pub fn snapshot(data: &[u8]) {
    let Ok(body) = cbor::decode_many::<SnapshotBody>(data, MAX_SNAPSHOT, MAX_SNAPSHOT_ITEMS) else {
        return;
    };
    assert_eq!(cbor::encode(&body).unwrap(), data);
    let _ = (body.frontier.root(), body.frontier.next_leaf_proof());
    let mut next = body.frontier.clone();
    next.append(Digest([1; 32]));
    let state = State::restore(Arc::clone(&context().chain), body.data);
    for (_, grant) in state.grants() {
        let _ = (
            grant.remaining(body.time),
            grant.outstanding(body.time),
            grant.word(state.is_frozen(), body.time),
        );
    }
}
