//! Pages of a log made up here: what they hold, where they go on, and how far one looks.

use super::*;
use crate::store::{Entry, local::Local};
use claviger_shared::{
    denial::Code,
    id::{Digest, InstanceId},
    log::record::{Denied, Renewed, Snapshot},
};
use serde_bytes::ByteBuf;
use tempfile::TempDir;

const A: &str = "gr_a";
const B: &str = "gr_b";

fn id(text: &str) -> GrantId {
    GrantId::parse(text).unwrap()
}

fn denied(grant: &str, code: Code) -> Body {
    Body::Denied(Denied {
        grant: id(grant),
        code,
        count: 2,
        first: UnixMs(0),
        last: UnixMs(0),
    })
}

fn renewed(grant: &str) -> Body {
    Body::Renewed(Renewed {
        grant: id(grant),
        expires_at: UnixMs(0),
        at: UnixMs(0),
    })
}

/// A store of these entries, a second apart.
fn store(entries: &[Vec<Body>]) -> (TempDir, Local) {
    let dir = TempDir::new().unwrap();
    let store = Local::open(dir.path(), Default::default()).unwrap();
    for (index, bodies) in (0_u64..).zip(entries) {
        let leaf = Leaf {
            v: 1,
            origin: "o".into(),
            instance: InstanceId([0; 16]),
            index,
            parent: Digest([0; 32]),
            time: UnixMs(index * 1000),
            count: bodies.len() as u64,
            records_root: Digest([0; 32]),
        };
        let records = bodies.iter().cloned().map(|body| {
            let salt = [0; 16];
            ByteBuf::from(Record { salt, body }.encode().unwrap())
        });
        let entry = StoredEntry {
            index,
            leaf: cbor::encode(&leaf).unwrap(),
            records: records.collect(),
            checkpoint: String::new(),
        };
        store.append(&Entry::new(entry).unwrap());
    }
    (dir, store)
}

fn sample() -> (TempDir, Local) {
    store(&[
        vec![renewed(A), denied(B, Code::Frozen), denied(A, Code::Busy)],
        vec![denied(A, Code::Frozen)],
        vec![renewed(B), renewed(A)],
    ])
}

fn ids(page: &Page) -> Vec<String> {
    page.records
        .iter()
        .map(|(place, _)| place.to_string())
        .collect()
}

fn at(text: &str) -> Place {
    Place::parse(text).unwrap()
}

#[test]
fn pages_of_any_length_give_every_record_once_and_in_order() {
    let (_dir, store) = sample();
    let all = ["0.0", "0.1", "0.2", "1.0", "2.0", "2.1"];
    for limit in 1..=7 {
        let (mut seen, mut next) = (Vec::new(), Place::default());
        loop {
            let page = page(&store, &Filter::default(), next, limit).unwrap();
            assert!(page.records.len() <= limit);
            seen.extend(ids(&page));
            next = page.next;
            if page.end {
                break;
            }
        }
        assert_eq!(seen, all, "{limit}");
        assert_eq!(next, at("3.0"));
    }
}

#[test]
fn every_filter_must_hold() {
    let (_dir, store) = sample();
    let of = |filter: Filter| ids(&page(&store, &filter, Place::default(), 100).unwrap());
    let some = |text: &str| Some(text.to_owned());
    let filter = Filter::default();
    assert_eq!(
        of(Filter {
            grant: some(A),
            ..filter.clone()
        }),
        ["0.0", "0.2", "1.0", "2.1"]
    );
    assert_eq!(
        of(Filter {
            kind: some("denied"),
            ..filter.clone()
        }),
        ["0.1", "0.2", "1.0"]
    );
    assert_eq!(
        of(Filter {
            code: some("frozen"),
            ..filter.clone()
        }),
        ["0.1", "1.0"]
    );
    assert_eq!(
        of(Filter {
            decision: some("denied"),
            grant: some(B),
            ..filter.clone()
        }),
        ["0.1"]
    );
    assert_eq!(
        of(Filter {
            decision: some("issued"),
            ..filter.clone()
        }),
        [""; 0]
    );
    assert_eq!(
        of(Filter {
            grants: Some(vec![id(B)]),
            ..filter.clone()
        }),
        ["0.1", "2.0"]
    );
    assert_eq!(
        of(Filter {
            grants: Some(vec![]),
            ..filter
        }),
        [""; 0],
        "an agent without grants"
    );
    let since = |ms| Filter {
        since: Some(UnixMs(ms)),
        ..Filter::default()
    };
    assert_eq!(of(since(1000)), ["1.0", "2.0", "2.1"]);
    assert_eq!(of(since(1001)), ["2.0", "2.1"]);
    assert_eq!(of(since(2001)), [""; 0]);
    let later = page(&store, &since(1000), at("2.1"), 9).unwrap();
    assert_eq!(ids(&later), ["2.1"], "a later place stands");
}

#[test]
fn a_page_begins_anywhere_and_ends_at_the_end() {
    let (_dir, store) = sample();
    let from = |place: Place| page(&store, &Filter::default(), place, 9).unwrap();
    assert_eq!(ids(&from(at("0.2"))), ["0.2", "1.0", "2.0", "2.1"]);
    assert_eq!(
        ids(&from(at("0.9"))),
        ["1.0", "2.0", "2.1"],
        "behind an entry's last record"
    );
    let beyond = from(at("9.0"));
    assert!(beyond.end && beyond.records.is_empty());
    assert_eq!(beyond.next, at("9.0"), "it does not go back");
}

#[test]
fn one_page_looks_at_no_more_than_it_may() {
    let large = Body::Snapshot(Snapshot {
        size: 0,
        root: Digest([0; 32]),
        digest: Digest([0; 32]),
    });
    let entry = vec![large; 1500];
    let (_dir, store) = store(&vec![entry; 64]);
    let nothing = Filter {
        kind: Some("boot".to_owned()),
        ..Filter::default()
    };
    let first = page(&store, &nothing, Place::default(), 1).unwrap();
    assert!(!first.end && first.records.is_empty() && first.next.index > 0);
    let (mut next, mut pages) = (first.next, 1);
    while !page(&store, &nothing, next, 1).unwrap().end {
        next = page(&store, &nothing, next, 1).unwrap().next;
        pages += 1;
    }
    assert!(pages >= 1 && next.index < 64);
}

#[test]
fn an_id_has_one_spelling() {
    assert_eq!(
        at("12.2047"),
        Place {
            index: 12,
            number: 2047
        }
    );
    for bad in [
        "",
        "1",
        "1.",
        ".1",
        "01.0",
        "1.00",
        "1.2048",
        "+1.0",
        "1.0.0",
        "1.-0",
        "18446744073709551616.0",
    ] {
        assert_eq!(Place::parse(bad), None, "{bad}");
    }
}
