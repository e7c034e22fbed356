//! Connections to the enclave: dialling, the greeting, and when to try again.
//!
//! A Unix socket and a vsock connection are one type here: the same calls on a stream socket's descriptor. A peer's
//! frame head is checked before its body is read. This module does not know what frames mean.

pub mod control;
pub mod frames;
pub mod hybrid;

use crate::config::EnclaveAddress;
use claviger_shared::{
    codec::{
        cbor,
        frame::{self, HEAD_BYTES, Head, LEN_BYTES, MAX_BODY},
    },
    wire::{FrameType, Hello, Role, VERSION, Welcome},
};
use std::{
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{SocketAddr, UnixStream},
    },
    time::Duration,
};

/// First pause before a connection is tried again.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
pub const LAST_PAUSE: Duration = Duration::from_secs(2);
/// The greeting's id; 0 is for events.
const HELLO_ID: u64 = 1;
/// How long the greeting may take.
pub const GREETING: Duration = Duration::from_secs(5);

/// Pauses that double from [`FIRST_PAUSE`] to [`LAST_PAUSE`].
#[derive(Debug, Clone, Copy)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Backoff {
    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LAST_PAUSE);
        pause
    }

    /// Begins again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Connects and greets, blocking.
///
/// # Errors
///
/// Any failure of the platform; `InvalidData` for a peer that does not speak this wire.
pub fn dial(address: &EnclaveAddress, role: Role) -> io::Result<(UnixStream, Welcome)> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(GREETING))?;
    stream.set_write_timeout(Some(GREETING))?;
    let welcome = greet(&mut stream, role)?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok((stream, welcome))
}

/// Connects and greets; the stream is ready for the runtime.
///
/// # Errors
///
/// As [`dial`].
pub async fn dial_async(
    address: &EnclaveAddress,
    role: Role,
) -> io::Result<(tokio::net::UnixStream, Welcome)> {
    let address = address.clone();
    let dialled = tokio::task::spawn_blocking(move || dial(&address, role)).await;
    let (stream, welcome) = dialled.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    Ok((tokio::net::UnixStream::from_std(stream)?, welcome))
}

fn connect(address: &EnclaveAddress) -> io::Result<UnixStream> {
    match address {
        EnclaveAddress::Unix(path) => UnixStream::connect_addr(&SocketAddr::from_pathname(path)?),
        EnclaveAddress::Vsock(at) => {
            let stream = vsock::VsockStream::connect_with_cid_port(at.cid, at.port)?;
            // The calls that std makes on a connected stream socket are the same for both families.
            Ok(UnixStream::from(stream.as_fd().try_clone_to_owned()?))
        }
        EnclaveAddress::Hybrid(at) => hybrid::connect(at),
    }
}

fn greet(stream: &mut UnixStream, role: Role) -> io::Result<Welcome> {
    let hello = Hello {
        versions: vec![VERSION],
        role,
    };
    let mut out = Vec::new();
    put(
        &mut out,
        FrameType::Hello.code(),
        HELLO_ID,
        &encode(&hello)?,
    )?;
    stream.write_all(&out)?;
    let mut body = Vec::new();
    let head = read_frame(stream, &mut body)?;
    if head.kind != FrameType::Hello.reply() || head.id != HELLO_ID {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let welcome: Welcome = decode(&body)?;
    if welcome.version != VERSION || welcome.window == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(welcome)
}

/// Reads one frame, blocking: its head, and its body into `body`.
///
/// # Errors
///
/// Any read failure; `InvalidData` for a head out of range.
pub fn read_frame(stream: &mut impl Read, body: &mut Vec<u8>) -> io::Result<Head> {
    let mut fixed = [0_u8; LEN_BYTES + HEAD_BYTES];
    stream.read_exact(&mut fixed)?;
    let head = Head::parse(&fixed).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    body.clear();
    body.resize(head.body_len, 0);
    stream.read_exact(body)?;
    Ok(head)
}

/// Appends a frame.
///
/// # Errors
///
/// `InvalidData` when the body is over the limit.
pub fn put(out: &mut Vec<u8>, kind: u8, id: u64, body: &[u8]) -> io::Result<()> {
    frame::put(out, kind, id, body).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Canonical bytes of a body.
///
/// # Errors
///
/// `InvalidData`; no body of the wire causes one.
pub fn encode<T: serde::Serialize>(body: &T) -> io::Result<Vec<u8>> {
    cbor::encode(body).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a body.
///
/// # Errors
///
/// `InvalidData` for anything but its canonical bytes.
pub fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    cbor::decode(bytes, MAX_BODY).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs where the kernel has vsock's loopback (`modprobe vsock_loopback`), and says where it has not.
    #[test]
    fn a_vsock_connection_is_a_stream_like_a_unix_socket() {
        if !std::path::Path::new("/sys/module/vsock_loopback").exists() {
            println!("not run: this kernel has no vsock loopback");
            return;
        }
        let listener = vsock::VsockListener::bind_with_cid_port(vsock::VMADDR_CID_ANY, u32::MAX);
        let listener = listener.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).unwrap();
            said
        });
        let cid = vsock::VMADDR_CID_LOCAL;
        let at = EnclaveAddress::Vsock(crate::config::VsockAddress { cid, port });
        let mut stream = connect(&at).unwrap();
        stream.set_write_timeout(Some(GREETING)).unwrap();
        stream.write_all(b"bytes").unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(peer.join().unwrap(), b"bytes");
    }

    #[test]
    fn pauses_double_from_50_ms_to_2_s() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.pause(), FIRST_PAUSE);
    }
}
