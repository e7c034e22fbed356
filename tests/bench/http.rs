//! A blocking HTTP/1.1 client of one kept connection: for setting things up, not for measuring.
//!
//! It reads bodies with a length and chunked ones, and nothing else.

use crate::clock::now;
use anyhow::{Context, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Time after which a server may have closed an idle connection: another one is made.
const IDLE: Duration = Duration::from_secs(5);

/// A connection to one loopback server.
pub struct Http {
    authority: String,
    stream: BufReader<TcpStream>,
    used: Instant,
}

impl Http {
    /// Connects to `http://HOST:PORT`.
    pub fn connect(base: &str) -> anyhow::Result<Self> {
        let authority = authority(base)?.to_owned();
        Ok(Self {
            stream: stream(&authority)?,
            authority,
            used: now(),
        })
    }

    /// One request; the status and the body.
    pub fn ask(
        &mut self,
        line: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let request = request(line, &self.authority, headers, body);
        if self.used.elapsed() > IDLE {
            self.stream = stream(&self.authority)?;
        }
        self.used = now();
        self.stream.get_mut().write_all(&request)?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.context("no status")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let body = if chunked {
            self.chunks()?
        } else {
            self.take(length)?
        };
        Ok((status, body))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "connection closed");
        Ok(line.trim_end().to_owned())
    }

    fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16)?;
            body.append(&mut self.take(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

fn stream(authority: &str) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(authority).with_context(|| authority.to_owned())?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// `HOST:PORT` of a base URL.
pub fn authority(base: &str) -> anyhow::Result<&str> {
    match base.strip_prefix("http://") {
        Some(rest) => Ok(rest.trim_end_matches('/')),
        None => bail!("not a loopback address: {base}"),
    }
}

/// A whole request: `line` is method and path, `headers` whole lines.
pub fn request(line: &str, authority: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {authority}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
