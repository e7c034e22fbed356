//! A host face that answers with what it was given, whatever it is asked for.

use std::collections::BTreeMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A listening face.
pub struct Liar {
    /// Its base URL.
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is served, by path without query.
pub type Bodies = BTreeMap<&'static str, Vec<u8>>;

impl Liar {
    /// Serves these bodies; everything else is 404.
    pub async fn start(bodies: Bodies) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = answer(socket, &bodies).await;
            }
        });
        Ok(Self { url, task })
    }
}

async fn answer(mut socket: TcpStream, bodies: &Bodies) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&head);
    let path = line.split([' ', '?']).nth(1).unwrap_or_default();
    let (status, body) = bodies
        .get(path)
        .map_or(("404 Not Found", &[][..]), |body| ("200 OK", body));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body).await?;
    socket.shutdown().await
}
