//! A log that somebody changed after it was written.

use super::{
    super::{Auditor, Error},
    honest::audit,
    log::{Log, call},
};
use claviger_shared::{
    id::Digest,
    log::{checkpoint::Checkpoint, entry},
    wire::storage::StoredEntry,
};

/// What the auditor finds wrong in a log after this change, and where.
#[track_caller]
fn found(change: impl FnOnce(&mut Vec<StoredEntry>)) -> (u64, entry::Error) {
    let log = Log::running();
    let mut entries = log.entries.clone();
    change(&mut entries);
    let error = audit(&log, &entries).unwrap_err();
    let Error::Entry { index, source } = error else {
        panic!("{error:?}")
    };
    (index, source)
}

#[test]
fn no_byte_of_a_leaf_or_record_can_change() {
    let log = Log::running();
    let entry = &log.entries[3];
    for at in 0..entry.leaf.len() {
        assert_eq!(
            found(|entries| entries[3].leaf[at] ^= 1).0,
            3,
            "leaf byte {at}"
        );
    }
    for at in 0..entry.records[0].len() {
        let found = found(|entries| entries[3].records[0][at] ^= 1);
        assert_eq!(found, (3, entry::Error::Records), "record byte {at}");
    }
}

#[test]
fn no_byte_of_a_checkpoint_can_change() {
    let note = Log::running().entries[3].checkpoint.clone();
    for at in 0..note.len() {
        let mut changed = note.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else {
            continue;
        };
        let found = found(|entries| entries[3].checkpoint = changed);
        assert_eq!(found, (3, entry::Error::Checkpoint), "byte {at}");
    }
}

#[test]
fn entries_are_neither_swapped_nor_left_out_nor_repeated() {
    assert_eq!(
        found(|entries| entries.swap(1, 2)),
        (1, entry::Error::NotNext)
    );
    assert_eq!(
        found(|entries| drop(entries.remove(1))),
        (1, entry::Error::NotNext)
    );
    assert_eq!(
        found(|entries| drop(entries.remove(0))),
        (0, entry::Error::NotNext)
    );
    let repeated = found(|entries| {
        let again = entries[2].clone();
        entries.insert(3, again);
    });
    assert_eq!(repeated, (3, entry::Error::NotNext));
}

#[test]
fn records_are_neither_swapped_nor_left_out_nor_added() {
    assert_eq!(
        found(|entries| entries[2].records.swap(0, 1)),
        (2, entry::Error::Records)
    );
    assert_eq!(
        found(|entries| drop(entries[2].records.pop())),
        (2, entry::Error::Records)
    );
    let added = found(|entries| {
        let again = entries[2].records[0].clone();
        entries[2].records.push(again);
    });
    assert_eq!(added, (2, entry::Error::Records));
    assert_eq!(
        found(|entries| entries[2].records.clear()),
        (2, entry::Error::Malformed)
    );
}

#[test]
fn a_checkpoint_is_the_log_keys_and_of_this_very_tree() {
    let log = Log::running();
    let head = log.head();
    let with = |checkpoint: &Checkpoint, seed: u8| {
        let note = log.note(checkpoint, &[seed; 32]);
        let mut entries = log.entries.clone();
        entries[3].checkpoint = note;
        audit(&log, &entries)
    };
    with(&head, 7).unwrap();
    let refused = Error::Entry {
        index: 3,
        source: entry::Error::Checkpoint,
    };
    let larger = Checkpoint {
        size: 5,
        ..head.clone()
    };
    let other = Checkpoint {
        root: Digest([0; 32]),
        ..head.clone()
    };
    for (checkpoint, seed) in [(&head, 8), (&larger, 7), (&other, 7)] {
        assert_eq!(with(checkpoint, seed), Err(refused.clone()));
    }
    let earlier = found(|entries| entries[3].checkpoint = entries[2].checkpoint.clone());
    assert_eq!(earlier, (3, entry::Error::Checkpoint));
}

#[test]
fn a_history_rewritten_with_the_log_key_is_another_log() {
    // The host cannot sign; an enclave that signs a second first entry is caught by what owners pinned.
    let log = Log::running();
    let mut rewritten = Log::born();
    rewritten.restart();
    rewritten.append(vec![call(1)]);
    let mut auditor = Auditor::new(log.chain).unwrap();
    assert_eq!(auditor.entry(&rewritten.entries[0]), Err(Error::FirstRoot));
}

#[test]
fn a_chain_without_g1_names_no_log() {
    assert_eq!(Auditor::new(Log::g0_alone()).unwrap_err(), Error::NoLog);
}
