//! Segment files made here byte by byte from docs/spec/store.md, whole, torn and damaged.

use super::*;
use std::fs;

fn entry(index: u64, size: usize) -> Vec<u8> {
    let stored = StoredEntry {
        index,
        leaf: vec![7; size],
        records: Vec::new(),
        checkpoint: "c".to_owned(),
    };
    cbor::encode(&stored).unwrap()
}

fn put(out: &mut Vec<u8>, index: u64, entry: &[u8]) {
    let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
    out.extend_from_slice(b"clvf");
    out.extend_from_slice(&length);
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&sha256(&[&length, &index.to_be_bytes(), entry]).0[..16]);
    out.extend_from_slice(entry);
}

fn segment(first: u64, count: u64) -> Vec<u8> {
    let mut out = b"clvseg01".to_vec();
    out.extend_from_slice(&first.to_be_bytes());
    for index in first..first + count {
        put(&mut out, index, &entry(index, 40));
    }
    out
}

struct Store(tempfile::TempDir);

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("segments")).unwrap();
        Self(dir)
    }

    fn with(self, first: u64, mut bytes: Vec<u8>) -> Self {
        bytes.resize(bytes.len() + 4096, 0);
        let name = format!("segments/{first:020}.seg");
        fs::write(self.0.path().join(name), bytes).unwrap();
        self
    }

    /// Entries read and torn bytes, or what is wrong.
    fn read(&self) -> Result<(u64, usize), String> {
        let mut stored = Stored::open(self.0.path()).map_err(|error| error.to_string())?;
        let mut count = 0;
        for entry in &mut stored {
            assert_eq!(entry.map_err(|error| error.to_string())?.index, count);
            count += 1;
        }
        Ok((count, stored.torn_bytes()))
    }
}

#[test]
fn whole_segments_are_read_in_order() {
    let store = Store::new().with(0, segment(0, 3)).with(3, segment(3, 2));
    assert_eq!(store.read(), Ok((5, 0)));
}

#[test]
fn a_last_frame_cut_anywhere_is_a_torn_tail_and_its_bytes_are_told() {
    let whole = segment(0, 3);
    let two = segment(0, 2).len();
    for end in two + 1..whole.len() {
        let mut cut = whole[..end].to_vec();
        // The cut may fall behind zeros of the frame itself, which nobody can tell from padding.
        while cut.last() == Some(&0) {
            cut.pop();
        }
        let torn = cut.len() - two;
        assert_eq!(Store::new().with(0, cut).read(), Ok((2, torn)), "{end}");
    }
}

#[test]
fn any_changed_byte_before_the_last_frame_is_damage() {
    let whole = segment(0, 3);
    let last = segment(0, 2).len();
    for at in 0..last {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(Store::new().with(0, changed).read().is_err(), "{at}");
    }
}

#[test]
fn a_torn_tail_before_another_segment_is_damage() {
    let mut torn = segment(0, 2);
    torn.extend_from_slice(b"clvf");
    let store = Store::new().with(0, torn).with(2, segment(2, 1));
    assert!(store.read().unwrap_err().contains("others behind it"));
}

#[test]
fn a_missing_segment_is_damage() {
    let store = Store::new().with(0, segment(0, 2)).with(3, segment(3, 1));
    assert!(store.read().unwrap_err().contains("does not begin where"));
    let store = Store::new().with(2, segment(2, 1));
    assert!(store.read().is_err(), "no first segment");
}

#[test]
fn a_renamed_segment_is_damage() {
    let store = Store::new().with(0, segment(1, 1));
    assert!(store.read().unwrap_err().contains("file name"));
}
