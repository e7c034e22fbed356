//! The courier between host and an emulated Nitro machine: it stands in for the hypervisor's signature, and passes on everything else.
//!
//! Hosts dial it as they would dial the machine. In what the enclave says it finds attestation documents and has them signed under the
//! simulator's PKI, or passes them on as the emulated module made them, unsigned, as a test wants.

use claviger_shared::{
    codec::{
        cbor,
        frame::{self, HEAD_BYTES, Head, LEN_BYTES, MAX_BODY},
    },
    wire::{
        FrameType,
        control::{Born, Document},
    },
};
use claviger_sim::nsm::Resigner;
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Longest line of a monitor's greeting.
const MAX_LINE: usize = 64;

/// What the courier does with documents, and those it saw.
#[derive(Debug)]
pub struct Courier {
    resigner: Resigner,
    signs: AtomicBool,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Courier {
    /// Listens here for hosts and dials the machine there, for as long as this process lives.
    ///
    /// # Errors
    ///
    /// Any failure to listen.
    pub fn start(here: &Path, there: PathBuf, resigner: Resigner) -> io::Result<Arc<Self>> {
        let listener = UnixListener::bind(here)?;
        let courier = Arc::new(Self {
            resigner,
            signs: AtomicBool::new(true),
            seen: Mutex::default(),
        });
        let own = Arc::clone(&courier);
        thread::spawn(move || {
            for host in listener.incoming().map_while(Result::ok) {
                let (own, there) = (Arc::clone(&own), there.clone());
                // A connection that fails is closed, on both sides.
                thread::spawn(move || own.carry(host, &there));
            }
        });
        Ok(courier)
    }

    /// Whether documents are signed on their way.
    pub fn signs(&self, signs: bool) {
        self.signs.store(signs, Ordering::SeqCst);
    }

    /// Documents as the machine made them, oldest first.
    #[must_use]
    pub fn documents(&self) -> Vec<Vec<u8>> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn carry(&self, mut host: UnixStream, there: &Path) -> io::Result<()> {
        let mut guest = UnixStream::connect(there)?;
        // The greeting of the monitor: one line each way.
        guest.write_all(&line(&mut host)?)?;
        host.write_all(&line(&mut guest)?)?;
        let (mut from_host, mut to_guest) = (host.try_clone()?, guest.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_host, &mut to_guest);
            close(&from_host, &to_guest);
        });
        let end = self.back(&mut guest, &mut host);
        close(&host, &guest);
        end
    }

    /// Frames of the enclave, until there are no more.
    fn back(&self, guest: &mut UnixStream, host: &mut UnixStream) -> io::Result<()> {
        let mut body = Vec::new();
        loop {
            let mut fixed = [0; LEN_BYTES + HEAD_BYTES];
            guest.read_exact(&mut fixed)?;
            let head = Head::parse(&fixed).map_err(|_| io::ErrorKind::InvalidData)?;
            body.resize(head.body_len, 0);
            guest.read_exact(&mut body)?;
            let mut out = Vec::new();
            let passed = self.passed(head.kind, &body)?;
            frame::put(
                &mut out,
                head.kind,
                head.id,
                passed.as_deref().unwrap_or(&body),
            )
            .map_err(|_| io::ErrorKind::InvalidData)?;
            host.write_all(&out)?;
        }
    }

    /// The body to pass on instead, where it holds a document.
    fn passed(&self, kind: u8, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let of = |one: FrameType| kind == one.reply();
        if of(FrameType::AttestKms) || of(FrameType::Attest) {
            let Document { document } = cbor::decode(body, MAX_BODY).map_err(invalid)?;
            let document = self.document(document)?;
            return cbor::encode(&Document { document })
                .map(Some)
                .map_err(invalid);
        }
        if of(FrameType::Genesis) {
            let born: Born = cbor::decode(body, MAX_BODY).map_err(invalid)?;
            let document = self.document(born.document)?;
            return cbor::encode(&Born { document, ..born })
                .map(Some)
                .map_err(invalid);
        }
        Ok(None)
    }

    fn document(&self, document: Vec<u8>) -> io::Result<Vec<u8>> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(document.clone());
        if self.signs.load(Ordering::SeqCst) {
            self.resigner.resign(&document).map_err(io::Error::other)
        } else {
            Ok(document)
        }
    }
}

fn close(one: &UnixStream, other: &UnixStream) {
    // One that is gone already cannot be closed again.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
        if line.len() > MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(line)
}
