//! The storage connection: the enclave asks, the host answers, one request at a time.
//!
//! A request waits for a connection and is sent again on the next one when it breaks: every request here may be repeated.
//! What comes back is not believed; callers check it against the log.

use super::link::{Closer, Input, Output};
use claviger_shared::{
    codec::{
        cbor::{self, MAX_ITEMS},
        frame::MAX_BODY,
    },
    id::Digest,
    wire::{
        FrameType,
        storage::{
            Appended, Blob, BlobBytes, Chunk, Done, Entries, MAX_CHUNK, MAX_ENTRIES_ITEMS, Read,
            SnapshotGet, SnapshotPut, StoredEntry, Tail,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// How long a request waits for a storage connection.
const WAIT: Duration = Duration::from_secs(30);

/// The host did not answer, or not in the wire's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("storage did not answer")]
pub struct NoAnswer;

/// The enclave's side of the storage connection.
#[derive(Default)]
pub struct Storage {
    link: Mutex<Link>,
    /// Ends the connection in `link`, also while somebody waits on it.
    close: Mutex<Option<Closer>>,
    connected: Condvar,
}

#[derive(Default)]
struct Link {
    halves: Option<(Input, Output)>,
    next_id: u64,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

impl Storage {
    /// Takes a new connection; it replaces the old, which is closed whatever it is in.
    pub fn connect(&self, input: Input, output: Output, close: Closer) {
        let old = {
            let mut closing = self.close.lock().unwrap_or_else(PoisonError::into_inner);
            closing.replace(close)
        };
        if let Some(close) = old {
            close();
        }
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.halves = Some((input, output));
        self.connected.notify_all();
    }

    /// Stores one entry.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`]: it may or may not be stored; send the same bytes again.
    pub fn append(&self, entry: &StoredEntry) -> Result<Appended, NoAnswer> {
        self.ask(FrameType::Append, entry)
    }

    /// Reads entries.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn read(&self, from: u64, max_bytes: u64) -> Result<Entries, NoAnswer> {
        let question = Read { from, max_bytes };
        self.ask_many(FrameType::Read, &question, MAX_ENTRIES_ITEMS)
    }

    /// Where the stored log ends.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn tail(&self) -> Result<Tail, NoAnswer> {
        self.ask(FrameType::Tail, &())
    }

    /// Stores a blob under its digest.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`], also when the host says that it failed.
    pub fn put_blob(&self, digest: Digest, bytes: &[u8]) -> Result<(), NoAnswer> {
        let body = Blob::Put(BlobBytes {
            digest,
            bytes: bytes.to_vec(),
        });
        match self.ask(FrameType::Blob, &body)? {
            Done::Ok => Ok(()),
            Done::Failed(_) => Err(NoAnswer),
        }
    }

    /// Reads a blob; its digest is checked.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`], also when there is none or its digest is another.
    pub fn get_blob(&self, digest: Digest) -> Result<Vec<u8>, NoAnswer> {
        let chunk: Chunk = self.ask(FrameType::Blob, &Blob::Get(digest))?;
        let whole = chunk.bytes.len() <= MAX_CHUNK
            && claviger_shared::crypto::sha256(&[&chunk.bytes]) == digest;
        if whole {
            Ok(chunk.bytes)
        } else {
            Err(NoAnswer)
        }
    }

    /// Asks the host to forget a blob.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn delete_blob(&self, digest: Digest) -> Result<(), NoAnswer> {
        let _: Done = self.ask(FrameType::Blob, &Blob::Delete(digest))?;
        Ok(())
    }

    /// Stores a snapshot in parts.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`], also when the host says that it failed.
    pub fn put_snapshot(&self, size: u64, digest: Digest, bytes: &[u8]) -> Result<(), NoAnswer> {
        let total = u64::try_from(bytes.len()).map_err(|_| NoAnswer)?;
        let mut offset = 0_u64;
        for part in bytes.chunks(MAX_CHUNK) {
            let body = SnapshotPut {
                size,
                digest,
                offset,
                total,
                bytes: part.to_vec(),
            };
            match self.ask(FrameType::SnapshotPut, &body)? {
                Done::Ok => {}
                Done::Failed(_) => return Err(NoAnswer),
            }
            offset = offset.saturating_add(u64::try_from(part.len()).map_err(|_| NoAnswer)?);
        }
        Ok(())
    }

    /// Reads a snapshot of at most `max` bytes; its digest is checked.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`], also when there is none, it is larger, or its digest is another.
    pub fn get_snapshot(&self, digest: Digest, max: usize) -> Result<Vec<u8>, NoAnswer> {
        let mut whole = Vec::new();
        loop {
            let offset = u64::try_from(whole.len()).map_err(|_| NoAnswer)?;
            let chunk: Chunk = self.ask(FrameType::SnapshotGet, &SnapshotGet { digest, offset })?;
            let total = usize::try_from(chunk.total).map_err(|_| NoAnswer)?;
            let after = whole.len().saturating_add(chunk.bytes.len());
            if chunk.bytes.is_empty() || total > max || after > total {
                return Err(NoAnswer);
            }
            whole.extend_from_slice(&chunk.bytes);
            if whole.len() == total {
                break;
            }
        }
        if claviger_shared::crypto::sha256(&[&whole]) == digest {
            Ok(whole)
        } else {
            Err(NoAnswer)
        }
    }

    fn ask<Q: Serialize, A: Serialize + DeserializeOwned>(
        &self,
        kind: FrameType,
        question: &Q,
    ) -> Result<A, NoAnswer> {
        self.ask_many(kind, question, MAX_ITEMS)
    }

    fn ask_many<Q: Serialize, A: Serialize + DeserializeOwned>(
        &self,
        kind: FrameType,
        question: &Q,
        max_items: u64,
    ) -> Result<A, NoAnswer> {
        let body = cbor::encode(question).map_err(|_| NoAnswer)?;
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut link, late) = self
            .connected
            .wait_timeout_while(link, WAIT, |link| link.halves.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            return Err(NoAnswer);
        }
        link.next_id = link.next_id.saturating_add(1);
        let id = link.next_id;
        let answer = link
            .halves
            .as_mut()
            .and_then(|halves| exchange(halves, kind, id, &body));
        if answer.is_none() {
            link.halves = None;
        }
        cbor::decode_many(&answer.ok_or(NoAnswer)?, MAX_BODY, max_items).map_err(|_| NoAnswer)
    }
}

fn exchange(
    (input, output): &mut (Input, Output),
    kind: FrameType,
    id: u64,
    body: &[u8],
) -> Option<Vec<u8>> {
    output.push(kind.code(), id, body);
    output.flush();
    let mut reply = Vec::new();
    let head = input.next(&mut reply).ok()?;
    (!output.is_dead() && head.kind == kind.reply() && head.id == id).then_some(reply)
}
