//! Between the command and a host's face: passes requests on and changes what comes back, as a host could.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Where the changed face is. It lasts as long as the test's process.
pub(crate) fn start(face: &str, path: &'static str, change: fn(&mut Value)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();
    let face = face.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, face) = (stream.unwrap(), face.clone());
            // Who asked may have given up.
            thread::spawn(move || drop(pass(stream, &face, path, change)));
        }
    });
    format!("http://{own}")
}

fn pass(
    mut client: TcpStream,
    face: &str,
    path: &str,
    change: fn(&mut Value),
) -> std::io::Result<()> {
    let head = request_head(&mut client)?;
    let mut lines: Vec<_> = head.split("\r\n").filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let request = format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n"));
    let mut host = TcpStream::connect(face)?;
    host.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    host.read_to_end(&mut answer)?;
    let asked = lines.first().and_then(|line| line.split(' ').nth(1));
    if asked == Some(path) {
        answer = changed(&answer, change);
    }
    client.write_all(&answer)
}

/// The head of a request without a body.
fn request_head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

fn changed(answer: &[u8], change: fn(&mut Value)) -> Vec<u8> {
    let answer = std::str::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut value: Value = serde_json::from_str(body).unwrap();
    change(&mut value);
    let text = value.to_string();
    let length = text.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}
