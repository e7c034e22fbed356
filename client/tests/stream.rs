//! The stream against hosts that misbehave, each scripted byte for byte.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its script breaks"
)]

use claviger_client::{Error, stream::Stream};
use claviger_shared::{
    id::ChannelId,
    wire::{
        RefusedCode,
        stream::{Refusal, Reply, Request, split},
    },
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(5);
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: claviger-frames\r\n\r\n";

/// A host that upgrades with these bytes and hands its socket over.
async fn host(first: Vec<u8>) -> (String, tokio::task::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(&first).await.unwrap();
        socket
    });
    (base, served)
}

fn channel() -> ChannelId {
    ChannelId([9; 16])
}

/// The number of the first Call that arrives.
async fn first_call(socket: &mut TcpStream) -> u64 {
    let mut buffer = Vec::new();
    loop {
        let mut rest = buffer.as_slice();
        if let Some(content) = split(&mut rest).unwrap() {
            match Request::parse(content).unwrap() {
                Request::Call { seq, .. } => return seq,
                Request::Open { .. } => panic!("an opening"),
            }
        }
        socket.read_buf(&mut buffer).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection_at_once() {
    for garbage in [&[0_u8; 4][..], &[0xff; 4], &[0, 0, 0, 1, 0xee]] {
        let (base, served) = host(UPGRADED.to_vec()).await;
        let stream = Stream::connect(&base).await.unwrap();
        let mut socket = served.await.unwrap();
        let call = tokio::spawn(async move { stream.call(channel(), 1, b"sealed").await });
        first_call(&mut socket).await;
        socket.write_all(garbage).await.unwrap();
        // The socket stays open: only the bytes can end the wait.
        let answer = timeout(SOON, call).await.unwrap().unwrap();
        assert!(matches!(answer, Err(Error::Host(_))), "{garbage:?}");
        drop(socket);
    }
}

#[tokio::test]
async fn answers_find_their_calls_in_any_order() {
    let (base, served) = host(UPGRADED.to_vec()).await;
    let stream = Stream::connect(&base).await.unwrap();
    let mut socket = served.await.unwrap();
    let calls: Vec<_> = (1..=3)
        .map(|seq| {
            let stream = stream.clone();
            tokio::spawn(async move { stream.call(channel(), seq, b"sealed").await })
        })
        .collect();
    tokio::task::yield_now().await;
    first_call(&mut socket).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut frames = Vec::new();
    for seq in [3, 1] {
        let sealed = [u8::try_from(seq).unwrap()];
        Reply::Answer {
            channel: channel(),
            seq,
            sealed: &sealed,
        }
        .put(&mut frames);
    }
    Reply::CallRefused {
        channel: channel(),
        seq: 2,
        refusal: Refusal {
            code: RefusedCode::Busy,
            retry_after_ms: 10,
        },
    }
    .put(&mut frames);
    // In two parts, cut within a frame.
    let (head, tail) = frames.split_at(7);
    socket.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    socket.write_all(tail).await.unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(timeout(SOON, call).await.unwrap().unwrap());
    }
    assert_eq!(answers.remove(0).unwrap(), [1]);
    assert!(matches!(
        answers.remove(0),
        Err(Error::Refused(RefusedCode::Busy))
    ));
    assert_eq!(answers.remove(0).unwrap(), [3]);
}

#[tokio::test]
async fn a_host_that_hangs_up_fails_what_waits_and_what_comes_after() {
    let (base, served) = host(UPGRADED.to_vec()).await;
    let stream = Stream::connect(&base).await.unwrap();
    let mut socket = served.await.unwrap();
    let waiting = stream.clone();
    let call = tokio::spawn(async move { waiting.call(channel(), 1, b"sealed").await });
    first_call(&mut socket).await;
    drop(socket);
    let answer = timeout(SOON, call).await.unwrap().unwrap();
    assert!(matches!(answer, Err(Error::Host(_))));
    let after = timeout(SOON, stream.call(channel(), 2, b"sealed")).await;
    assert!(matches!(after.unwrap(), Err(Error::Host(_))));
}

#[tokio::test]
async fn a_host_that_does_not_upgrade_is_refused() {
    let (base, _served) = host(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    assert!(matches!(Stream::connect(&base).await, Err(Error::Host(_))));
    assert!(matches!(
        Stream::connect("https://x").await,
        Err(Error::Host(_))
    ));
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_by_itself() {
    let (base, served) = host(UPGRADED.to_vec()).await;
    let stream = Stream::connect(&base).await.unwrap();
    let mut socket = served.await.unwrap();
    let call = tokio::spawn(async move { stream.call(channel(), 1, b"sealed").await });
    first_call(&mut socket).await;
    // From here on the runtime's clock runs whenever nothing else does.
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let answer = call.await.unwrap();
    let waited = before.elapsed();
    assert!(
        matches!(&answer, Err(Error::Host(text)) if text.contains("in time")),
        "{answer:?}"
    );
    let least = Duration::from_secs(19);
    assert!(waited > least && waited < least + SOON + SOON, "{waited:?}");
    drop(socket);
}
