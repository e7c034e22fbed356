//! The floor server: the least that a server does which checks everything and signs. A process of its own, written for this
//! comparison alone: it keeps no log, no state beyond counters, and nothing of it is Claviger's.
//!
//! A request: seventeen fields, each `len u16be ‖ bytes`, then an HMAC of them under the agent's session key. The server
//! reads it, looks the agent up among [`AGENTS`], checks the MAC, scopes and lifetime, takes from an atomic budget, and
//! answers with an EdDSA token. One blocking thread per connection; a [`relay`] may stand before it, as the host does
//! before the enclave.

use crate::primitives;
use anyhow::Context;
use aws_lc_rs::{hmac, signature::Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    collections::HashMap,
    fmt::Write as _,
    hint::black_box,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// Agents that it knows.
pub const AGENTS: usize = 1000;
const SCOPES: [&str; 3] = ["issues:write", "pay:send", "repo:read"];
const MAX_TTL: u64 = 300;
const BUFFER: usize = 256 * 1024;
const MAC: usize = 32;
const JOSE: &[u8] = br#"{"alg":"EdDSA","typ":"JWT","kid":"floor-signer-1"}"#;

struct Agent {
    session: hmac::Key,
    budget: AtomicI64,
    scopes: [&'static str; 3],
}

struct Server {
    key: Ed25519KeyPair,
    agents: HashMap<String, Agent>,
}

fn session_key(agent: usize) -> hmac::Key {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(agent as u64).to_be_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, &key)
}

/// A whole request of an agent, its length in front.
pub fn request(agent: usize, number: u64) -> Vec<u8> {
    let name = format!("agent-{agent:08x}");
    let number = number.to_string();
    let fields = [
        "1",
        "sign",
        &number,
        "tenant-1",
        &name,
        "session-1",
        "key-1",
        "EdDSA",
        "https://api.example.com",
        "GET",
        "https://api.example.com/v1/orders/ord_1?expand=items",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "60",
        "1",
        SCOPES[0],
        SCOPES[1],
        SCOPES[2],
    ];
    let mut body = Vec::new();
    for field in fields {
        body.extend_from_slice(&(field.len() as u16).to_be_bytes());
        body.extend_from_slice(field.as_bytes());
    }
    let mac = hmac::sign(&session_key(agent), &body);
    body.extend_from_slice(mac.as_ref());
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// Takes one frame off the front, if it is whole: `len u32be ‖ body`.
pub fn frame<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(body)
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (field, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    std::str::from_utf8(field).ok()
}

impl Server {
    fn new() -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]);
        let agent = |number| Agent {
            session: session_key(number),
            budget: AtomicI64::new(i64::MAX / 2),
            scopes: SCOPES,
        };
        let named = |number| (format!("agent-{number:08x}"), agent(number));
        Ok(Self {
            key: key.map_err(|_| anyhow::anyhow!("key"))?,
            agents: (0..AGENTS).map(named).collect(),
        })
    }

    /// One request's answer: `len u32be ‖ status ‖ left i64be ‖ token`. Nothing where it must be refused.
    fn answer(&self, request: &[u8], now: u64, out: &mut Vec<u8>) -> Option<()> {
        let (mut rest, mac) = request.split_at_checked(request.len().checked_sub(MAC)?)?;
        let body = rest;
        let mut fields = [""; 17];
        for slot in &mut fields {
            *slot = field(&mut rest)?;
        }
        let [
            _,
            _,
            number,
            _,
            name,
            _,
            _,
            _,
            audience,
            method,
            url,
            _,
            ttl,
            amount,
            scopes @ ..,
        ] = fields;
        let agent = self.agents.get(name)?;
        hmac::verify(&agent.session, body, mac).ok()?;
        let (ttl, amount): (u64, i64) = (ttl.parse().ok()?, amount.parse().ok()?);
        let scoped = scopes.iter().all(|scope| agent.scopes.contains(scope));
        if ttl > MAX_TTL || !scoped {
            return None;
        }
        let left = agent.budget.fetch_sub(amount, Ordering::AcqRel) - amount;
        if left < 0 {
            return None;
        }
        let mut claims = String::with_capacity(320);
        write!(
            claims,
            r#"{{"iss":"floor","sub":"{name}","aud":"{audience}","scope":"{}","iat":{now},"exp":{},"jti":"{number}","htm":"{method}","htu":"{url}"}}"#,
            scopes.join(" "),
            now + ttl,
        )
        .ok()?;
        let mut token = String::with_capacity(640);
        URL_SAFE_NO_PAD.encode_string(JOSE, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.as_bytes(), &mut token);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        out.extend_from_slice(&(9 + token.len() as u32).to_be_bytes());
        out.push(0);
        out.extend_from_slice(&left.to_be_bytes());
        out.extend_from_slice(token.as_bytes());
        Some(())
    }
}

/// CPU of one answer alone, in microseconds: without a socket, a thread or a wake-up.
pub fn alone() -> anyhow::Result<f64> {
    let (server, request) = (Server::new()?, request(7, 1));
    let body = frame(&mut &request[..]).context("no frame")?;
    let mut out = Vec::new();
    primitives::least(|_| {
        out.clear();
        server
            .answer(black_box(body), 1_700_000_000, &mut out)
            .context("refused")
    })
}

/// Serves a socket until the process that started this one is gone.
pub fn serve(socket: &Path) -> anyhow::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let server = Arc::new(Server::new()?);
    for stream in listener.incoming() {
        let (stream, server) = (stream?, Arc::clone(&server));
        std::thread::spawn(move || connection(stream, &server));
    }
    Ok(())
}

fn connection(mut stream: UnixStream, server: &Server) -> Option<()> {
    let (mut buffer, mut length, mut out) = (vec![0; BUFFER], 0, Vec::new());
    loop {
        let count = stream.read(&mut buffer[length..]).ok()?;
        if count == 0 {
            return None;
        }
        length += count;
        let mut rest = &buffer[..length];
        let now = claviger_client::session::wall_clock_ms() / 1000;
        out.clear();
        while let Some(request) = frame(&mut rest) {
            if server.answer(request, now, &mut out).is_none() {
                out.extend_from_slice(&[0, 0, 0, 1, 1]);
            }
        }
        let left = rest.len();
        buffer.copy_within(length - left..length, 0);
        length = left;
        stream.write_all(&out).ok()?;
    }
}

/// Copies bytes both ways between clients of a socket and the server behind it, one connection for each.
pub fn relay(socket: &Path, behind: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(socket)?;
        loop {
            let (mut client, _) = listener.accept().await?;
            let behind = behind.to_owned();
            tokio::spawn(async move {
                let mut server = tokio::net::UnixStream::connect(behind).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_answers_only_what_checks_out() {
        let server = Server::new().unwrap();
        let request = request(7, 1);
        let body = frame(&mut &request[..]).unwrap().to_vec();
        let mut out = Vec::new();
        server.answer(&body, 0, &mut out).unwrap();
        let answer = frame(&mut &out[..]).unwrap();
        assert_eq!(answer[9..].split(|byte| *byte == b'.').count(), 3);
        for at in [0, 40, body.len() - 1] {
            let mut other = body.clone();
            other[at] ^= 1;
            assert!(server.answer(&other, 0, &mut Vec::new()).is_none(), "{at}");
        }
    }
}
