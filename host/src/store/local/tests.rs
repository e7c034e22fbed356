//! What the embedded store promises, tried on real files.

use super::*;
use claviger_shared::{crypto::sha256, wire::storage::BlobBytes};
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

fn entry(index: u64, bytes: usize) -> Entry {
    let records = vec![serde_bytes::ByteBuf::from(vec![index as u8; bytes])];
    Entry::new(StoredEntry {
        index,
        leaf: vec![1, 2, 3],
        records,
        checkpoint: format!("checkpoint {}", index + 1),
    })
    .unwrap()
}

fn small() -> Options {
    Options {
        segment_bytes: 4096,
        max_bytes: None,
    }
}

fn filled(dir: &TempDir, count: u64) -> Local {
    let store = Local::open(dir.path(), small()).unwrap();
    for index in 0..count {
        assert_eq!(store.append(&entry(index, 100)), Appended::Stored);
    }
    store
}

fn indices(dir: &TempDir) -> Result<Vec<u64>, Error> {
    let entries = Reader::open(dir.path())?.entries();
    entries.map(|e| e.map(|e| e.index)).collect()
}

#[test]
fn what_was_stored_reads_back_across_segments_and_openings() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir, 100));
    assert!(list(&dir.path().join("segments")).unwrap().len() > 2);
    let store = Local::open(dir.path(), small()).unwrap();
    assert_eq!(store.tail().size, 100);
    assert_eq!(store.tail().checkpoint, "checkpoint 100");
    let some = store.read(10, 500).unwrap();
    assert!(!some.end && some.entries.len() > 1);
    assert_eq!(some.entries[0], *entry(10, 100).value());
    let all = store.read(0, u64::MAX).unwrap();
    assert!(all.end && all.entries.len() == 100);
    assert!(store.read(100, 1).unwrap().entries.is_empty());
    assert_eq!(store.read(99, 0).unwrap().entries.len(), 1, "at least one");
    assert_eq!(indices(&dir).unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn an_index_is_written_once() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 3);
    assert_eq!(store.append(&entry(1, 100)), Appended::Stored);
    assert_eq!(store.append(&entry(1, 101)), Appended::Conflict);
    assert_eq!(
        store.append(&entry(4, 100)),
        Appended::Failed(StoreFailure::Io)
    );
    assert_eq!(store.tail().size, 3);
}

#[test]
fn one_process_writes() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 1);
    assert!(matches!(
        Local::open(dir.path(), small()),
        Err(Error::Locked)
    ));
    drop(store);
    assert_eq!(Local::open(dir.path(), small()).unwrap().tail().size, 1);
}

/// The last segment's file and where its last frame begins and ends.
fn last_frame(store: &Local) -> (PathBuf, u64, u64) {
    let index = read(&store.index);
    let last = index.segments.last().unwrap();
    let at = u64::from(*last.offsets.last().unwrap());
    (last.segment.path.clone(), at, last.end)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_only_the_tail() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 5);
    let (path, at, end) = last_frame(&store);
    drop(store);
    let whole = fs::read(&path).unwrap();
    for keep in at..end {
        // The prefix arrived; then the suffix; then the head alone is missing.
        for torn_prefix in [true, false] {
            let mut bytes = whole.clone();
            if torn_prefix {
                bytes[keep as usize..end as usize].fill(0);
            } else {
                bytes[at as usize..=keep as usize].fill(0);
            }
            fs::write(&path, &bytes).unwrap();
            assert_eq!(indices(&dir).unwrap(), [0, 1, 2, 3], "{keep}");
            let store = Local::open(dir.path(), small()).unwrap();
            assert_eq!(store.tail().size, 4);
            assert_eq!(store.append(&entry(4, 7)), Appended::Stored);
            drop(store);
            assert_eq!(indices(&dir).unwrap(), [0, 1, 2, 3, 4], "{keep}");
        }
    }
}

#[test]
fn a_file_cut_inside_the_last_frame_is_a_torn_tail() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 5);
    let (path, at, end) = last_frame(&store);
    drop(store);
    for len in [at, at + 1, at + 31, at + 40, end - 1] {
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(len)
            .unwrap();
        assert_eq!(indices(&dir).unwrap(), [0, 1, 2, 3]);
        let store = Local::open(dir.path(), small()).unwrap();
        assert_eq!(store.append(&entry(4, 100)), Appended::Stored);
        drop(store);
        let (first, segment) = list(&dir.path().join("segments")).unwrap().pop().unwrap();
        if first == 4 {
            fs::remove_file(segment).unwrap();
        }
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(4096).unwrap();
        drop(file);
    }
}

#[test]
fn damage_before_the_last_entry_is_refused_and_nothing_is_cut() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 5);
    let (path, at, _) = last_frame(&store);
    drop(store);
    let whole = fs::read(&path).unwrap();
    for place in 0..at {
        let mut bytes = whole.clone();
        bytes[place as usize] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        assert!(
            matches!(indices(&dir), Err(Error::Damaged { .. })),
            "{place}"
        );
        let opened = Local::open(dir.path(), small());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{place}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn damage_at_the_end_of_an_older_segment_or_a_missing_one_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir, 60));
    let segments = list(&dir.path().join("segments")).unwrap();
    let (first, path) = &segments[1];
    let segment = Segment::open(path, *first, true).unwrap();
    let (mut at, mut next, mut entry) = (SEGMENT_HEAD, *first, Vec::new());
    let mut last = at;
    while let Found::Frame(len) = segment.look(at, next, &mut entry).unwrap() {
        (last, at, next) = (at, at + len, next + 1);
    }
    segment.file.write_all_at(b"x", last + 40).unwrap();
    assert!(matches!(indices(&dir), Err(Error::Damaged { .. })));
    assert!(matches!(
        Local::open(dir.path(), small()),
        Err(Error::Damaged { .. })
    ));
    fs::remove_file(path).unwrap();
    assert!(matches!(indices(&dir), Err(Error::Damaged { .. })));
    assert!(matches!(
        Local::open(dir.path(), small()),
        Err(Error::Damaged { .. })
    ));
}

#[test]
fn a_full_disk_is_said_and_recovers() {
    let dir = TempDir::new().unwrap();
    let tight = Options {
        segment_bytes: 4096,
        max_bytes: Some(8192),
    };
    let store = Local::open(dir.path(), tight).unwrap();
    let mut index = 0;
    while store.append(&entry(index, 500)) == Appended::Stored {
        index += 1;
        assert!(index < 100);
    }
    assert_eq!(
        store.append(&entry(index, 500)),
        Appended::Failed(StoreFailure::Full)
    );
    assert_eq!(store.tail().size, index);
    drop(store);
    let store = Local::open(dir.path(), small()).unwrap();
    assert_eq!(store.append(&entry(index, 500)), Appended::Stored);
    drop(store);
    assert_eq!(indices(&dir).unwrap().len() as u64, index + 1);
}

#[test]
fn an_entry_larger_than_a_segment_gets_its_own() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 2);
    assert_eq!(store.append(&entry(2, 900_000)), Appended::Stored);
    assert_eq!(store.append(&entry(3, 10)), Appended::Stored);
    assert_eq!(store.read(2, u64::MAX).unwrap().entries.len(), 2);
    drop(store);
    assert_eq!(indices(&dir).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn blobs_are_stored_under_their_own_digest_alone() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 0);
    let bytes = vec![7; 1000];
    let digest = sha256(&[&bytes]);
    let put = |digest, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        store.blob(&Blob::Put(BlobBytes { digest, bytes })).unwrap()
    };
    let ok = BlobReply::Done(Done::Ok);
    assert_eq!(
        put(digest, &bytes[1..]),
        BlobReply::Done(Done::Failed(StoreFailure::Io))
    );
    assert_eq!(put(digest, &bytes), ok);
    assert_eq!(put(digest, &bytes), ok);
    let chunk = Chunk { total: 1000, bytes };
    assert_eq!(
        store.blob(&Blob::Get(digest)).unwrap(),
        BlobReply::Chunk(chunk)
    );
    assert_eq!(store.blob(&Blob::Delete(digest)).unwrap(), ok);
    assert_eq!(store.blob(&Blob::Delete(digest)).unwrap(), ok);
    let nothing = Chunk {
        total: 0,
        bytes: Vec::new(),
    };
    assert_eq!(
        store.blob(&Blob::Get(digest)).unwrap(),
        BlobReply::Chunk(nothing)
    );
}

#[test]
fn a_snapshot_is_whole_or_absent() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir, 0);
    let whole: Vec<u8> = (0..MAX_PARTS * 1000).map(|i| i as u8).collect();
    let digest = sha256(&[&whole]);
    let part = |offset: usize, total: usize| SnapshotPut {
        size: 9,
        digest,
        offset: offset as u64,
        total: total as u64,
        bytes: whole[offset..offset + 1000].to_vec(),
    };
    let refused = Done::Failed(StoreFailure::Io);
    assert_eq!(store.snapshot_put(&part(1000, whole.len())), refused);
    assert_eq!(
        store.snapshot_put(&part(0, 1000)),
        refused,
        "digest of another whole"
    );
    for i in 0..MAX_PARTS {
        assert_eq!(store.tail().snapshot, None);
        assert_eq!(store.snapshot_put(&part(i * 1000, whole.len())), Done::Ok);
    }
    assert_eq!(
        store.tail().snapshot,
        Some(claviger_shared::wire::storage::SnapshotAt { size: 9, digest })
    );
    drop(store);
    let store = Local::open(dir.path(), small()).unwrap();
    let got = store
        .snapshot_get(&SnapshotGet {
            digest,
            offset: 1000,
        })
        .unwrap();
    assert_eq!(
        (got.total, got.bytes.as_slice()),
        (whole.len() as u64, &whole[1000..])
    );
}

const MAX_PARTS: usize = 4;
