//! The storage connection: the enclave asks, the host answers, one request at a time.
//!
//! Its own thread reads what comes. Most requests wait for their answer; an entry does not, so that whoever finished the last
//! call of it can go on: its answer is handed to a keeper on the reading thread. Every request here may be repeated, and
//! what comes back is not believed; callers check it against the log.

use super::link::{Closer, Input, Output, STALL};
use claviger_shared::{
    codec::{
        cbor::{self, MAX_ITEMS},
        frame::{Head, MAX_BODY},
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
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

/// How long a request waits for a storage connection.
const WAIT: Duration = Duration::from_secs(30);

/// The host did not answer, or not in the wire's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("storage did not answer")]
pub struct NoAnswer;

/// Takes the answer to an entry that was sent with [`Storage::send`].
pub type Keeper = Box<dyn Fn(Result<Appended, NoAnswer>) + Send + Sync>;

/// The enclave's side of the storage connection.
#[derive(Default)]
pub struct Storage {
    line: Mutex<Line>,
    changed: Condvar,
    keeper: OnceLock<Keeper>,
}

#[derive(Default)]
struct Line {
    link: Option<Link>,
    last_link: u64,
    last_request: u64,
    /// The one request that the host owes an answer to, or whose answer nobody took yet.
    owed: Option<Owed>,
}

/// Where requests are written, and how it is ended.
#[derive(Clone)]
struct Link {
    number: u64,
    output: Arc<Output>,
    close: Closer,
}

struct Owed {
    id: u64,
    kind: FrameType,
    state: State,
}

enum State {
    /// An entry; its answer goes to the keeper.
    Entry,
    /// Somebody waits.
    Waiting,
    /// The answer, or nothing: the connection ended.
    Answered(Option<Vec<u8>>),
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

impl Storage {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who takes the answers to entries; the first one stays.
    pub fn keep(&self, keeper: Keeper) {
        // Set once, where serving begins.
        let _first = self.keeper.set(keeper);
    }

    /// Takes a new connection and reads it until it ends; it replaces the old, which is closed whatever it is in.
    pub fn serve(&self, mut input: Input, output: Output, close: Closer) {
        let number = self.connect(output, Arc::clone(&close));
        let mut body = Vec::new();
        while let Ok(head) = input.next(&mut body) {
            if !self.take(number, head, &mut body) {
                break;
            }
        }
        close();
        self.disconnect(number);
    }

    fn connect(&self, output: Output, close: Closer) -> u64 {
        let mut line = self.line();
        line.last_link = line.last_link.saturating_add(1);
        let number = line.last_link;
        let output = Arc::new(output);
        let old = line.link.replace(Link {
            number,
            output,
            close,
        });
        let entry = line.lose();
        drop(line);
        self.changed.notify_all();
        if let Some(old) = old {
            (old.close)();
        }
        if entry {
            self.tell(Err(NoAnswer));
        }
        number
    }

    fn disconnect(&self, number: u64) {
        let mut line = self.line();
        if line.link.as_ref().is_none_or(|link| link.number != number) {
            return;
        }
        line.link = None;
        let entry = line.lose();
        drop(line);
        self.changed.notify_all();
        if entry {
            self.tell(Err(NoAnswer));
        }
    }

    /// Takes a frame of a connection; whether it is what was owed on it.
    fn take(&self, number: u64, head: Head, body: &mut Vec<u8>) -> bool {
        let mut line = self.line();
        let current = line.link.as_ref().is_some_and(|link| link.number == number);
        let Some(owed) = line
            .owed
            .as_mut()
            .filter(|owed| current && owed.id == head.id && owed.kind.reply() == head.kind)
        else {
            return false;
        };
        match owed.state {
            State::Entry => {
                line.owed = None;
                drop(line);
                self.changed.notify_all();
                self.tell(cbor::decode(body, MAX_BODY).map_err(|_| NoAnswer));
                true
            }
            State::Waiting => {
                owed.state = State::Answered(Some(std::mem::take(body)));
                drop(line);
                self.changed.notify_all();
                true
            }
            State::Answered(_) => false,
        }
    }

    fn tell(&self, answer: Result<Appended, NoAnswer>) {
        if let Some(keeper) = self.keeper.get() {
            keeper(answer);
        }
    }

    /// Sends an entry without waiting; whether it was sent. Its answer, or the connection's end, goes to the keeper.
    ///
    /// Nothing is sent while there is no connection or another answer is owed: [`Self::append`] waits for that.
    #[must_use]
    pub fn send(&self, entry: &StoredEntry) -> bool {
        let Ok(body) = cbor::encode(entry) else {
            return false;
        };
        let mut line = self.line();
        if line.owed.is_some() {
            return false;
        }
        let Some((link, id)) = line.ask(FrameType::Append, State::Entry) else {
            return false;
        };
        drop(line);
        link.write(FrameType::Append, id, &body);
        true
    }

    /// Which sent entry is unanswered, if one is: a number that no other entry gets.
    #[must_use]
    pub fn unanswered(&self) -> Option<u64> {
        let line = self.line();
        let entry = line.owed.as_ref();
        entry
            .filter(|owed| matches!(owed.state, State::Entry))
            .map(|owed| owed.id)
    }

    /// Ends the connection on which this request is still unanswered.
    pub fn give_up(&self, id: u64) {
        let line = self.line();
        let owed = line.owed.as_ref().is_some_and(|owed| owed.id == id);
        let link = line.link.clone().filter(|_| owed);
        drop(line);
        if let Some(link) = link {
            (link.close)();
        }
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
        let answer = self.exchange(kind, &body)?;
        cbor::decode_many(&answer, MAX_BODY, max_items).map_err(|_| NoAnswer)
    }

    /// Waits for a connection on which nothing is owed, asks, and waits for the answer.
    fn exchange(&self, kind: FrameType, body: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let (mut line, _) = self
            .changed
            .wait_timeout_while(self.line(), WAIT, |line| {
                line.link.is_none() || line.owed.is_some()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if line.owed.is_some() {
            return Err(NoAnswer);
        }
        let (link, id) = line.ask(kind, State::Waiting).ok_or(NoAnswer)?;
        drop(line);
        link.write(kind, id, body);
        let (mut line, late) = self
            .changed
            .wait_timeout_while(self.line(), STALL, |line| line.is_waiting(id))
            .unwrap_or_else(PoisonError::into_inner);
        let answer = line.answer(id);
        drop(line);
        self.changed.notify_all();
        if late.timed_out() {
            (link.close)();
        }
        answer.ok_or(NoAnswer)
    }
}

impl Line {
    /// Notes what is about to be asked; where, and under which number.
    fn ask(&mut self, kind: FrameType, state: State) -> Option<(Link, u64)> {
        let link = self.link.clone()?;
        self.last_request = self.last_request.saturating_add(1);
        let id = self.last_request;
        self.owed = Some(Owed { id, kind, state });
        Some((link, id))
    }

    fn is_waiting(&self, id: u64) -> bool {
        let owed = self.owed.as_ref();
        owed.is_some_and(|owed| owed.id == id && matches!(owed.state, State::Waiting))
    }

    /// The answer to a request, which is then not owed any more.
    fn answer(&mut self, id: u64) -> Option<Vec<u8>> {
        match self.owed.take_if(|owed| owed.id == id)?.state {
            State::Answered(answer) => answer,
            State::Waiting | State::Entry => None,
        }
    }

    /// No answer will come; whether it was to an entry.
    fn lose(&mut self) -> bool {
        match self.owed.as_mut().map(|owed| &mut owed.state) {
            Some(State::Entry) => {
                self.owed = None;
                true
            }
            Some(state @ State::Waiting) => {
                *state = State::Answered(None);
                false
            }
            Some(State::Answered(_)) | None => false,
        }
    }
}

impl Link {
    /// Writes a request; a connection that does not take it is ended, and its reader then says so.
    fn write(&self, kind: FrameType, id: u64, body: &[u8]) {
        self.output.push(kind.code(), id, body);
        self.output.flush();
        if self.output.is_dead() {
            (self.close)();
        }
    }
}

#[cfg(test)]
mod tests;
