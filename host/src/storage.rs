//! Serves the enclave's storage connection from a [`Store`], on one thread of its own with blocking I/O.
//!
//! A reply to Append leaves after the store said so, never before. Whatever breaks, the thread connects again: the
//! enclave sends the same bytes again and the store answers a repeat like the first time. What the bytes say is not its
//! business.

use crate::{
    config::EnclaveAddress,
    link::{Backoff, decode, dial, encode, put, read_frame},
    store::{BlobReply, Entry, Store},
    sync::lock,
};
use claviger_shared::wire::{
    FrameType, Role,
    storage::{Blob, Chunk, Read, SnapshotGet, SnapshotPut},
};
use std::{
    io::{self, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// Buffers larger than this are given back after use.
const KEEP: usize = 64 * 1024;

#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    stream: Mutex<Option<UnixStream>>,
}

/// The running thread.
#[derive(Debug)]
pub struct Storage {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Storage {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system's answer when no thread can be started.
    pub fn start(address: EnclaveAddress, store: Arc<dyn Store>) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let own = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || keep(&address, store.as_ref(), &own))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the connection after the request under way, and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.asked.store(true, Ordering::Release);
        if let Some(stream) = lock(&self.stop.stream).take() {
            // A connection that is gone already needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("storage thread panicked");
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.end();
    }
}

fn keep(address: &EnclaveAddress, store: &dyn Store, stop: &Stop) {
    let mut backoff = Backoff::default();
    while !stop.asked.load(Ordering::Acquire) {
        match dial(address, Role::Storage) {
            Ok((stream, _)) => {
                backoff.reset();
                if let Ok(second) = stream.try_clone() {
                    *lock(&stop.stream) = Some(second);
                }
                if stop.asked.load(Ordering::Acquire) {
                    return;
                }
                if let Err(error) = serve(stream, store) {
                    tracing::warn!(%error, "storage connection lost");
                }
                *lock(&stop.stream) = None;
            }
            Err(error) => tracing::debug!(%error, "enclave not reached for storage"),
        }
        if !stop.asked.load(Ordering::Acquire) {
            std::thread::park_timeout(backoff.pause());
        }
    }
}

fn serve(stream: UnixStream, store: &dyn Store) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(KEEP, stream.try_clone()?);
    let mut writer = stream;
    let (mut body, mut out) = (Vec::new(), Vec::new());
    loop {
        let head = read_frame(&mut reader, &mut body)?;
        let kind = FrameType::from_code(head.kind)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let reply = answer(store, kind, &mut body)?;
        out.clear();
        put(&mut out, kind.reply(), head.id, &reply)?;
        writer.write_all(&out)?;
        body.shrink_to(KEEP);
        out.shrink_to(KEEP);
    }
}

/// The reply's body; an error closes the connection, and the enclave asks again on the next.
fn answer(store: &dyn Store, kind: FrameType, body: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    if kind == FrameType::Append {
        let entry = Entry::parse(std::mem::take(body)).map_err(io::Error::other)?;
        return encode(&store.append(&entry));
    }
    if kind == FrameType::Tail {
        decode::<()>(body)?;
        return encode(&store.tail());
    }
    if kind == FrameType::Read {
        let read: Read = decode(body)?;
        let entries = store.read(read.from, read.max_bytes);
        return encode(&entries.map_err(io::Error::other)?);
    }
    if kind == FrameType::SnapshotPut {
        return encode(&store.snapshot_put(&decode::<SnapshotPut>(body)?));
    }
    if kind == FrameType::SnapshotGet {
        let chunk: Chunk = store
            .snapshot_get(&decode::<SnapshotGet>(body)?)
            .map_err(io::Error::other)?;
        return encode(&chunk);
    }
    if kind == FrameType::Blob {
        let done = store.blob(&decode::<Blob>(body)?);
        return match done.map_err(io::Error::other)? {
            BlobReply::Chunk(chunk) => encode(&chunk),
            BlobReply::Done(done) => encode(&done),
        };
    }
    Err(io::ErrorKind::InvalidData.into())
}
