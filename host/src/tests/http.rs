//! The smallest HTTP client that shows what came back.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(super) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The stable code of a problem.
    pub(super) fn code(&self) -> String {
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn send(to: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut socket = connect(to).await;
    let length = body.len();
    let request = format!(
        "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    // The other side may answer and close before it has read everything.
    let _ = socket.write_all(body).await;
    read(socket).await
}

/// Sends these very bytes.
pub(super) async fn raw(to: SocketAddr, request: &[u8]) -> Answer {
    let mut socket = connect(to).await;
    socket.write_all(request).await.unwrap();
    read(socket).await
}

async fn read(mut socket: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes).await;
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: bytes[end + 4..].to_vec(),
        head,
    }
}

pub(super) async fn get(to: SocketAddr, path: &str) -> Answer {
    send(to, &format!("GET {path} HTTP/1.1"), b"").await
}

pub(super) async fn post(to: SocketAddr, path: &str, body: &[u8]) -> Answer {
    send(to, &format!("POST {path} HTTP/1.1"), body).await
}

/// Connects as soon as somebody listens.
pub(super) async fn connect(to: SocketAddr) -> TcpStream {
    for _ in 0..500 {
        if let Ok(socket) = TcpStream::connect(to).await {
            return socket;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody listens on {to}");
}
