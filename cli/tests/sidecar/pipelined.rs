//! Requests that come behind others on one connection: they are under way together, wait instead of being refused, and share
//! the room for calls alike. What is not pipelined is tested beside the rest of the face.

use super::{HOST, OTHER, SIGN, Stage, next};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn pipelined_calls_are_under_way_together_and_answered_in_their_order() {
    let stage = Stage::set(0).await;
    let mut bytes = String::new();
    for body in [HOST, OTHER, HOST] {
        bytes.push_str(&stage.kept(SIGN, "", body));
    }
    bytes.push_str(&stage.kept("GET /healthz", "", ""));
    // In two parts, cut within a request.
    let (first, second) = bytes.split_at(bytes.len() - 200);
    let mut socket = stage.start(first.as_bytes()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    socket.write_all(second.as_bytes()).await.unwrap();
    stage.asked(3).await;
    stage.gate.add_permits(9);
    for status in [503, 403, 503, 200] {
        assert_eq!(next(&mut socket).await.0, status);
    }
    let more = stage.kept(SIGN, "connection: Keep-Alive\r\n", OTHER);
    socket.write_all(more.as_bytes()).await.unwrap();
    assert_eq!(next(&mut socket).await.0, 403, "and goes on");
}

#[tokio::test]
async fn what_is_pipelined_leaves_room_for_others_and_waits_instead_of_being_refused() {
    let stage = Stage::set(0).await;
    let deep = stage.kept(SIGN, "", OTHER).repeat(40);
    let mut sockets = Vec::new();
    for asked in [16, 32, 48, 49, 50] {
        sockets.push(stage.start(deep.as_bytes()).await);
        stage.asked(asked).await;
    }
    stage.gate.add_permits(1000);
    for socket in &mut sockets {
        for _ in 0..40 {
            assert_eq!(next(socket).await.0, 403);
        }
    }
    assert_eq!(stage.asked.load(Ordering::SeqCst), 200);
}

#[tokio::test]
async fn connections_that_pipeline_get_the_same_share_of_the_room() {
    let stage = Stage::set(0).await;
    let mut sockets = Vec::new();
    // The first three take all that may be pipelined; the others come too late.
    for (number, asked) in [16, 32, 48, 49, 50].into_iter().enumerate() {
        let body = format!(r#"{{"method":"GET","url":"https://{number}.example/"}}"#);
        let deep = stage.kept(SIGN, "", &body).repeat(100);
        sockets.push(stage.start(deep.as_bytes()).await);
        stage.asked(asked).await;
    }
    // Those fifty are answered, and others take their place.
    stage.gate.add_permits(50);
    stage.asked(100).await;
    let urls = stage.urls.lock().unwrap();
    let shares: Vec<_> = urls
        .values()
        .map(|one| one.load(Ordering::SeqCst))
        .collect();
    assert_eq!(
        shares, [10; 5],
        "its first, and a fifth of three quarters of 64"
    );
}
