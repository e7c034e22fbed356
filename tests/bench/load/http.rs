//! One HTTP/1.1 request again and again on a kept connection, pipelined where more than one is under way.

use super::{Caller, Outcome, Socket};
use std::net::TcpStream;

/// A connection and its one request.
pub struct Http {
    request: Vec<u8>,
    /// What stands in every good answer's body.
    good: &'static [u8],
    asked: usize,
    answered: usize,
}

/// Connects to `HOST:PORT`.
pub fn connect(
    authority: &str,
    request: Vec<u8>,
    good: &'static [u8],
) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let socket = TcpStream::connect(authority)?;
    socket.set_nodelay(true)?;
    let http = Http {
        request,
        good,
        asked: 0,
        answered: 0,
    };
    Ok((Socket::Tcp(socket), Box::new(http)))
}

impl Caller for Http {
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize> {
        out.extend_from_slice(&self.request);
        self.asked += 1;
        Ok(self.asked - 1)
    }

    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>> {
        let Some(head) = find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, body) = (&bytes[..head], &bytes[head + 4..]);
        let length = length(head).ok_or_else(|| anyhow::anyhow!("an answer without length"))?;
        let Some((body, rest)) = body.split_at_checked(length) else {
            return Ok(None);
        };
        let outcome = match head.get(9..12) {
            Some(b"200") if find(body, self.good).is_some() => Outcome::Issued,
            Some(b"429" | b"503") => Outcome::Refused,
            Some(b"403") => Outcome::Denied,
            _ => anyhow::bail!("not issued: {}", String::from_utf8_lossy(body)),
        };
        *bytes = rest;
        self.answered += 1;
        Ok(Some((self.answered - 1, outcome)))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines
        .filter(|line| line.len() > NAME.len())
        .find(|line| line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    let text = std::str::from_utf8(&value[NAME.len()..]).ok()?;
    text.trim().parse().ok()
}
