//! Receipts: made from a stored entry, and kept for as long as an idempotency key stands for their call.
//!
//! A repeated call is answered with the receipt of the first. Receipts of calls that were answered before a restart are made
//! again from the log itself while it is replayed. A receipt is public to whoever holds it: nothing here is secret.

use claviger_shared::{
    id::Digest,
    ledger::Slot,
    log::{
        merkle::Tree,
        receipt::{Parts, Status},
    },
    owner::manifest::Durability,
    time::UnixMs,
    wire::storage::StoredEntry,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// What every receipt of an instance says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether answers wait for storage.
    pub durability: Durability,
    /// Whether the attestation root is not AWS's.
    pub simulation: bool,
}

/// The proof that a record stands in an entry and the entry in its checkpoint's tree.
#[must_use]
pub fn make(
    terms: Terms,
    stored: &StoredEntry,
    tree: &Tree,
    leaf_proof: &[Digest],
    place: usize,
) -> Option<Vec<u8>> {
    let receipt = Parts {
        v: 1,
        status: match terms.durability {
            Durability::Durable => Status::Logged,
            Durability::Volatile => Status::Volatile,
        },
        record: stored.records.get(place)?,
        place: u64::try_from(place).ok()?,
        record_proof: &tree.proof(place)?,
        leaf: &stored.leaf,
        leaf_proof,
        checkpoint: &stored.checkpoint,
        simulation: terms.simulation,
    };
    receipt.encode().ok()
}

/// Which call a receipt is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Once {
    /// The grant.
    pub slot: Slot,
    /// Digest of its idempotency key.
    pub key: Digest,
    /// When the credential ends, and the need for its receipt.
    pub expires_at: UnixMs,
}

/// Receipts by call.
#[derive(Debug, Default)]
pub struct Receipts(Mutex<Kept>);

/// When the credential ends, and its receipt.
type Living = (UnixMs, Arc<Vec<u8>>);

#[derive(Debug, Default)]
struct Kept {
    by_key: BTreeMap<(Slot, Digest), Living>,
    ends: BTreeSet<(UnixMs, Slot, Digest)>,
}

impl Receipts {
    /// Keeps a receipt, and forgets those whose credentials have ended by `now`.
    pub fn keep(&self, once: Once, receipt: Vec<u8>, now: UnixMs) {
        let Once {
            slot,
            key,
            expires_at,
        } = once;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((ends, slot, key)) = kept.ends.first().copied()
            && ends <= now
        {
            kept.ends.remove(&(ends, slot, key));
            if kept
                .by_key
                .get(&(slot, key))
                .is_some_and(|(known, _)| *known == ends)
            {
                kept.by_key.remove(&(slot, key));
            }
        }
        kept.ends.insert((expires_at, slot, key));
        kept.by_key
            .insert((slot, key), (expires_at, Arc::new(receipt)));
    }

    /// The receipt of a key's living call, once its record is stored.
    #[must_use]
    pub fn of(&self, slot: Slot, key: &Digest, now: UnixMs) -> Option<Arc<Vec<u8>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ends, receipt) = kept.by_key.get(&(slot, *key))?;
        (*ends > now).then(|| Arc::clone(receipt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(key: u8, expires_at: u64) -> Once {
        Once {
            slot: Slot(1),
            key: Digest([key; 32]),
            expires_at: UnixMs(expires_at),
        }
    }

    #[test]
    fn a_receipt_is_kept_until_its_credential_ends() {
        let receipts = Receipts::default();
        receipts.keep(once(1, 100), vec![1], UnixMs(0));
        let of = |key: u8, now: u64| {
            receipts
                .of(Slot(1), &Digest([key; 32]), UnixMs(now))
                .map(|found| found.to_vec())
        };
        assert_eq!(of(1, 99), Some(vec![1]));
        assert_eq!(of(1, 100), None);
        assert_eq!(of(2, 0), None);
        receipts.keep(once(1, 300), vec![2], UnixMs(150));
        receipts.keep(once(2, 300), vec![3], UnixMs(160));
        assert_eq!(of(1, 200), Some(vec![2]), "the same key, a new call");
        assert_eq!(receipts.0.lock().unwrap().by_key.len(), 2);
    }
}
