//! The storage connection: what is answered is durable, also across restarts of either side.

use super::{fake::Fake, *};
use crate::link::{decode, encode};
use claviger_shared::{
    codec::frame::{self, Head},
    wire::{
        FrameType, Phase,
        storage::{Appended, Entries, Read, StoredEntry, Tail},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

async fn ask<A: Serialize + DeserializeOwned>(
    stream: &mut UnixStream,
    kind: FrameType,
    body: &impl Serialize,
) -> A {
    let mut out = Vec::new();
    frame::put(&mut out, kind.code(), 9, &encode(body).unwrap()).unwrap();
    stream.write_all(&out).await.unwrap();
    let mut fixed = [0; 14];
    stream.read_exact(&mut fixed).await.unwrap();
    let head = Head::parse(&fixed).unwrap();
    assert_eq!((head.kind, head.id), (kind.reply(), 9));
    let mut body = vec![0; head.body_len];
    stream.read_exact(&mut body).await.unwrap();
    decode(&body).unwrap()
}

fn entry(index: u64, content: u8) -> StoredEntry {
    StoredEntry {
        index,
        leaf: vec![content],
        records: Vec::new(),
        checkpoint: format!("checkpoint {}", index + 1),
    }
}

#[tokio::test]
async fn entries_survive_both_sides_and_a_repeat_is_stored_and_another_is_a_conflict() {
    let (fake, dir) = (Fake::new(Phase::Replaying), TempDir::new().unwrap());
    let mut connections = fake.take_storage();
    let courier = Courier::start(&fake, dir.path()).await;
    let mut stream = connections.recv().await.unwrap();
    let stored: Appended = ask(&mut stream, FrameType::Append, &entry(0, 1)).await;
    assert_eq!(stored, Appended::Stored);
    drop(stream);
    let mut stream = connections.recv().await.unwrap();
    let again: Appended = ask(&mut stream, FrameType::Append, &entry(0, 1)).await;
    assert_eq!(again, Appended::Stored);
    courier.stop().await;
    let courier = Courier::start(&fake, dir.path()).await;
    let mut stream = connections.recv().await.unwrap();
    let other: Appended = ask(&mut stream, FrameType::Append, &entry(0, 2)).await;
    assert_eq!(other, Appended::Conflict);
    let tail: Tail = ask(&mut stream, FrameType::Tail, &()).await;
    assert_eq!((tail.size, tail.checkpoint.as_str()), (1, "checkpoint 1"));
    let read = Read {
        from: 0,
        max_bytes: 1000,
    };
    let entries: Entries = ask(&mut stream, FrameType::Read, &read).await;
    assert_eq!(
        entries,
        Entries {
            entries: vec![entry(0, 1)],
            end: true
        }
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_frame_that_is_not_storages_closes_the_connection_and_a_new_one_comes() {
    let (fake, dir) = (Fake::new(Phase::Replaying), TempDir::new().unwrap());
    let mut connections = fake.take_storage();
    let courier = Courier::start(&fake, dir.path()).await;
    for bytes in [vec![0xFF; 14], {
        let mut out = Vec::new();
        frame::put(&mut out, FrameType::Append.code(), 1, b"garbage").unwrap();
        out
    }] {
        let mut stream = connections.recv().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut left = Vec::new();
        let _ = stream.read_to_end(&mut left).await;
        assert!(left.is_empty());
    }
    let mut stream = connections.recv().await.unwrap();
    let tail: Tail = ask(&mut stream, FrameType::Tail, &()).await;
    assert_eq!(tail.size, 0);
    courier.stop().await;
}

#[tokio::test]
async fn operators_read_the_log_as_it_is_stored() {
    let (fake, dir) = (Fake::new(Phase::Replaying), TempDir::new().unwrap());
    let mut connections = fake.take_storage();
    let courier = Courier::start(&fake, dir.path()).await;
    let mut stream = connections.recv().await.unwrap();
    assert_eq!(
        http::get(courier.operators, "/log/checkpoint").await.status,
        404
    );
    for index in 0..3 {
        let _: Appended = ask(&mut stream, FrameType::Append, &entry(index, 1)).await;
    }
    let answer = http::get(courier.operators, "/log/entries?from=1").await;
    assert!(
        answer.head.contains("claviger-log-size: 3"),
        "{}",
        answer.head
    );
    let (mut rest, mut seen) = (answer.body.as_slice(), Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        seen.push(decode::<StoredEntry>(bytes).unwrap());
        rest = tail;
    }
    assert_eq!(seen, [entry(1, 1), entry(2, 1)]);
    let newest = http::get(courier.operators, "/log/checkpoint").await;
    assert_eq!(newest.body, b"checkpoint 3");
    let end = http::get(courier.operators, "/log/entries?from=3").await;
    assert!(end.status == 200 && end.body.is_empty());
    courier.stop().await;
}
