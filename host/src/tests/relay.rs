//! Agents' frames through the courier: matching, windows, refusals, fairness, broken connections.

use super::{fake::Fake, *};
use claviger_shared::{
    id::ChannelId,
    wire::{
        Phase, RefusedCode, Role,
        call::{Call, MAX_IN_FLIGHT},
        stream::{AnswerItem, Item, Reply, Request, split},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CHANNEL: ChannelId = ChannelId([3; 16]);

/// A reply, owned.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Answer(u64, Vec<u8>),
    Refused(u64, RefusedCode),
    Opened(u32, ChannelId, Vec<u8>),
    OpenRefused(u32, RefusedCode),
}

struct Stream {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Stream {
    async fn open(courier: &Courier) -> Self {
        let mut socket = http::connect(courier.agents).await;
        let ask = "GET /v1/channel/stream HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: claviger-frames\r\n\r\n";
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("upgrade: claviger-frames"), "{head}");
        Self {
            socket,
            bytes: Vec::new(),
        }
    }

    async fn send(&mut self, requests: &[Request<'_>]) {
        let mut out = Vec::new();
        requests.iter().for_each(|request| request.put(&mut out));
        self.socket.write_all(&out).await.unwrap();
    }

    async fn call(&mut self, seqs: std::ops::Range<u64>) {
        let call = |seq| Request::Call {
            channel: CHANNEL,
            seq,
            sealed: b"sealed",
        };
        let calls: Vec<_> = seqs.map(call).collect();
        self.send(&calls).await;
    }

    /// The next reply; none when the courier closed.
    async fn next(&mut self) -> Option<Got> {
        loop {
            let mut rest = self.bytes.as_slice();
            if let Some(content) = split(&mut rest).unwrap() {
                let got = match Reply::parse(content).unwrap() {
                    Reply::Answer {
                        channel,
                        seq,
                        sealed,
                    } => {
                        assert_eq!(channel, CHANNEL);
                        Got::Answer(seq, sealed.to_vec())
                    }
                    Reply::CallRefused { seq, refusal, .. } => Got::Refused(seq, refusal.code),
                    Reply::OpenRefused { cid, refusal } => Got::OpenRefused(cid, refusal.code),
                    Reply::Opened {
                        cid,
                        channel,
                        noise,
                    } => Got::Opened(cid, channel, noise.to_vec()),
                };
                self.bytes = rest.to_vec();
                return Some(got);
            }
            let read = self.socket.read_buf(&mut self.bytes);
            let read = tokio::time::timeout(Duration::from_secs(10), read)
                .await
                .unwrap();
            if !matches!(read, Ok(count) if count > 0) {
                return None;
            }
        }
    }
}

async fn serving(fake: &Fake) -> (Courier, TempDir) {
    let dir = TempDir::new().unwrap();
    let courier = Courier::start(fake, dir.path()).await;
    courier.ready().await;
    (courier, dir)
}

#[tokio::test]
async fn every_call_is_answered_under_its_own_number() {
    let fake = Fake::new(Phase::Serving);
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    stream
        .send(&[Request::Open {
            cid: 77,
            noise: b"ping",
        }])
        .await;
    let opened = Got::Opened(77, ChannelId([9; 16]), b"pong".to_vec());
    assert_eq!(stream.next().await, Some(opened));
    let many = u64::from(MAX_IN_FLIGHT);
    for first in [0, many, 2 * many] {
        stream.call(first..first + many).await;
        let mut seen = Vec::new();
        for _ in 0..many {
            match stream.next().await {
                Some(Got::Answer(seq, sealed)) if sealed == b"sealed" => seen.push(seq),
                other => panic!("{other:?}"),
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (first..first + many).collect::<Vec<_>>());
    }
    courier.stop().await;
}

#[tokio::test]
async fn the_enclave_is_told_where_a_call_came_from() {
    let fake = Fake::new(Phase::Serving);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    stream.call(5..6).await;
    let asked = calls.recv().await.unwrap();
    let call = Call::parse(&asked.body).unwrap();
    assert_eq!(
        (call.channel, call.seq, call.sealed),
        (CHANNEL, 5, &b"sealed"[..])
    );
    assert_eq!(
        call.source,
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_refusal_of_the_enclave_passes_through() {
    let fake = Fake::new(Phase::Serving);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    stream.call(1..2).await;
    calls.recv().await.unwrap().refuse(RefusedCode::Replayed);
    assert_eq!(
        stream.next().await,
        Some(Got::Refused(1, RefusedCode::Replayed))
    );
    stream
        .send(&[Request::Open {
            cid: 4,
            noise: b"n",
        }])
        .await;
    calls.recv().await.unwrap().refuse(RefusedCode::Invalid);
    assert_eq!(
        stream.next().await,
        Some(Got::OpenRefused(4, RefusedCode::Invalid))
    );
    courier.stop().await;
}

#[tokio::test]
async fn beyond_what_a_channel_may_have_under_way_a_client_is_told_busy_before_anything_is_sent() {
    let fake = Fake::new(Phase::Serving);
    fake.window(2);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    let most = u64::from(MAX_IN_FLIGHT);
    stream.call(0..most + 9).await;
    // 2 outstanding, the others waiting, the rest refused.
    for seq in most..most + 9 {
        assert_eq!(
            stream.next().await,
            Some(Got::Refused(seq, RefusedCode::Busy))
        );
    }
    let held = [calls.recv().await.unwrap(), calls.recv().await.unwrap()];
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(calls.try_recv().is_err(), "the window is 2");
    held[0].echo();
    assert_eq!(
        stream.next().await,
        Some(Got::Answer(0, b"sealed".to_vec()))
    );
    assert_eq!(
        Call::parse(&calls.recv().await.unwrap().body).unwrap().seq,
        2
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_flooding_client_does_not_starve_another() {
    let fake = Fake::new(Phase::Serving);
    fake.window(1);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let (mut flood, mut quiet) = (Stream::open(&courier).await, Stream::open(&courier).await);
    flood.call(0..250).await;
    let first = calls.recv().await.unwrap();
    quiet.call(1000..1001).await;
    // Its frame has to arrive before turns are taken.
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.echo();
    for _ in 0..2 {
        calls.recv().await.unwrap().echo();
    }
    assert_eq!(
        quiet.next().await,
        Some(Got::Answer(1000, b"sealed".to_vec()))
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_broken_connection_refuses_what_was_under_way_and_comes_back() {
    let fake = Fake::new(Phase::Serving);
    fake.window(2);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    stream.call(0..5).await;
    calls.recv().await.unwrap();
    fake.cut(Role::Call, Phase::Serving);
    let mut refused = Vec::new();
    for _ in 0..5 {
        match stream.next().await {
            Some(Got::Refused(seq, RefusedCode::Unavailable)) => refused.push(seq),
            other => panic!("{other:?}"),
        }
    }
    refused.sort_unstable();
    assert_eq!(refused, [0, 1, 2, 3, 4]);
    courier.ready().await;
    while calls.try_recv().is_ok() {}
    stream.call(9..10).await;
    calls.recv().await.unwrap().echo();
    assert_eq!(
        stream.next().await,
        Some(Got::Answer(9, b"sealed".to_vec()))
    );
    courier.stop().await;
}

#[tokio::test]
async fn an_answer_nobody_asked_for_breaks_the_connection_and_harms_nobody() {
    let fake = Fake::new(Phase::Serving);
    let mut calls = fake.take_calls();
    let (courier, _dir) = serving(&fake).await;
    let mut stream = Stream::open(&courier).await;
    stream.call(0..1).await;
    let asked = calls.recv().await.unwrap();
    asked.raw(&[0xFF; 64]);
    assert_eq!(
        stream.next().await,
        Some(Got::Refused(0, RefusedCode::Unavailable))
    );
    courier.ready().await;
    stream.call(1..2).await;
    calls.recv().await.unwrap().echo();
    assert_eq!(
        stream.next().await,
        Some(Got::Answer(1, b"sealed".to_vec()))
    );
    courier.stop().await;
}

#[tokio::test]
async fn before_the_enclave_serves_calls_are_refused() {
    let (fake, dir) = (Fake::new(Phase::Replaying), TempDir::new().unwrap());
    let courier = Courier::start(&fake, dir.path()).await;
    let mut stream = Stream::open(&courier).await;
    stream.call(0..1).await;
    assert_eq!(
        stream.next().await,
        Some(Got::Refused(0, RefusedCode::NotServing))
    );
    fake.event(Phase::Serving, Some(0), None);
    courier.ready().await;
    stream.call(1..2).await;
    assert_eq!(
        stream.next().await,
        Some(Got::Answer(1, b"sealed".to_vec()))
    );
    courier.stop().await;
}

#[tokio::test]
async fn garbage_and_oversized_frames_close_the_stream() {
    let fake = Fake::new(Phase::Serving);
    let (courier, _dir) = serving(&fake).await;
    let unknown = [&3_u32.to_be_bytes()[..], &[0x77, 1, 2]].concat();
    let oversized = [0xFF; 16].to_vec();
    let empty = [0; 4].to_vec();
    for bytes in [unknown, oversized, empty] {
        let mut stream = Stream::open(&courier).await;
        stream.socket.write_all(&bytes).await.unwrap();
        assert_eq!(stream.next().await, None);
    }
    courier.stop().await;
}

#[tokio::test]
async fn a_stream_needs_the_upgrade() {
    let fake = Fake::new(Phase::Serving);
    let (courier, _dir) = serving(&fake).await;
    let answer = http::get(courier.agents, "/v1/channel/stream").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (426, "upgrade_required")
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_post_opens_a_channel_and_carries_items() {
    let fake = Fake::new(Phase::Serving);
    let (courier, _dir) = serving(&fake).await;
    let opened = http::post(courier.agents, "/v1/channel", b"ping").await;
    assert_eq!(opened.status, 200);
    assert_eq!(opened.body, [&[9; 16][..], b"pong"].concat());
    let mut items = Vec::new();
    for seq in 0..3 {
        Item {
            seq,
            sealed: b"sealed",
        }
        .put(&mut items);
    }
    let path = format!("/v1/channel/{CHANNEL}");
    let answers = http::post(courier.agents, &path, &items).await;
    assert!(answers.head.contains("application/octet-stream"));
    let (mut rest, mut seen) = (answers.body.as_slice(), Vec::new());
    while let Some(content) = split(&mut rest).unwrap() {
        let item = AnswerItem::parse(content).unwrap();
        assert_eq!(item.outcome, Ok(&b"sealed"[..]));
        seen.push(item.seq);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    let malformed = http::post(courier.agents, &path, b"xx").await;
    assert_eq!(
        (malformed.status, malformed.code().as_str()),
        (400, "malformed")
    );
    let too_large = http::post(courier.agents, "/v1/channel", &[0; 1025]).await;
    assert_eq!(
        (too_large.status, too_large.code().as_str()),
        (413, "too_large")
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_stop_another() {
    let fake = Fake::new(Phase::Serving);
    let (courier, _dir) = serving(&fake).await;
    let mut deaf = Stream::open(&courier).await;
    let large = vec![1; 60_000];
    let call = Request::Call {
        channel: CHANNEL,
        seq: 1,
        sealed: &large,
    };
    for _ in 0..100 {
        let calls = [call];
        let send = deaf.send(&calls);
        if tokio::time::timeout(Duration::from_millis(200), send)
            .await
            .is_err()
        {
            break;
        }
    }
    let mut other = Stream::open(&courier).await;
    other.call(1..2).await;
    assert_eq!(other.next().await, Some(Got::Answer(1, b"sealed".to_vec())));
    courier.stop().await;
}
