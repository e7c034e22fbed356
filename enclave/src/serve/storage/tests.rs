//! The storage connection against a host that answers, is replaced, ends, says something else, or says nothing.
//!
//! Hosts here are the other ends of socket pairs, each acted by hand.

use super::*;
use claviger_shared::wire::storage::StoreFailure;
use std::{
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, channel},
    thread::{self, JoinHandle},
};

type Told = Receiver<Result<Appended, NoAnswer>>;

/// The host's end of a connection.
struct Host {
    input: Input,
    output: Output,
    serving: JoinHandle<()>,
}

fn storage() -> (Arc<Storage>, Told) {
    let storage = Arc::new(Storage::default());
    let (tell, told) = channel();
    storage.keep(Box::new(move |answer| tell.send(answer).unwrap()));
    (storage, told)
}

impl Host {
    /// Connects; a later connection takes the place of an earlier one.
    fn connect(storage: &Arc<Storage>) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let before = storage.line().last_link;
        let (read, write) = (theirs.try_clone().unwrap(), theirs.try_clone().unwrap());
        let close: Closer = Arc::new(move || drop(theirs.shutdown(std::net::Shutdown::Both)));
        let own = Arc::clone(storage);
        let serving = thread::spawn(move || {
            own.serve(
                Input::new(Box::new(read)),
                Output::new(Box::new(write)),
                close,
            );
        });
        while storage.line().last_link == before {
            thread::yield_now();
        }
        Self {
            input: Input::new(Box::new(ours.try_clone().unwrap())),
            output: Output::new(Box::new(ours)),
            serving,
        }
    }

    /// The next request: its kind and its number.
    fn request(&mut self) -> (u8, u64) {
        let head = self.input.next(&mut Vec::new()).unwrap();
        (head.kind, head.id)
    }

    fn answer(&self, kind: FrameType, id: u64, body: &impl Serialize) {
        let body = cbor::encode(body).unwrap();
        self.output.push(kind.reply(), id, &body);
        self.output.flush();
    }

    /// Waits until the enclave has ended the connection, whatever it asked before; its thread ends too.
    fn was_closed(mut self) -> bool {
        while self.input.next(&mut Vec::new()).is_ok() {}
        self.serving.join().is_ok()
    }
}

fn entry(index: u64) -> StoredEntry {
    StoredEntry {
        index,
        leaf: vec![1],
        records: Vec::new(),
        checkpoint: String::new(),
    }
}

#[test]
fn the_answer_to_a_sent_entry_goes_to_the_keeper() {
    let (storage, told) = storage();
    let mut host = Host::connect(&storage);
    for answer in [
        Appended::Stored,
        Appended::Failed(StoreFailure::Io),
        Appended::Conflict,
    ] {
        assert!(storage.send(&entry(3)));
        let (kind, id) = host.request();
        assert_eq!(
            (kind, Some(id)),
            (FrameType::Append.code(), storage.unanswered())
        );
        host.answer(FrameType::Append, id, &answer);
        assert_eq!(told.recv().unwrap(), Ok(answer));
        assert_eq!(storage.unanswered(), None);
    }
}

#[test]
fn nothing_is_sent_without_a_connection_or_while_an_answer_is_owed() {
    let (storage, told) = storage();
    assert!(!storage.send(&entry(1)), "no connection");
    let mut host = Host::connect(&storage);
    assert!(storage.send(&entry(1)));
    assert!(!storage.send(&entry(2)), "the first is unanswered");
    let (_, id) = host.request();
    host.answer(FrameType::Append, id, &Appended::Stored);
    assert_eq!(told.recv().unwrap(), Ok(Appended::Stored));
    told.try_recv().expect_err("one answer, told once");
}

#[test]
fn a_connection_that_ends_or_is_replaced_tells_the_keeper_once() {
    let (storage, told) = storage();
    let first = Host::connect(&storage);
    assert!(storage.send(&entry(1)));
    let second = Host::connect(&storage);
    assert_eq!(told.recv().unwrap(), Err(NoAnswer), "replaced");
    assert!(first.was_closed());
    assert!(storage.send(&entry(1)), "the same entry, on the new one");
    drop(second.output);
    drop(second.input);
    second.serving.join().unwrap();
    assert_eq!(told.recv().unwrap(), Err(NoAnswer), "ended");
    told.try_recv().unwrap_err();
    assert!(!storage.send(&entry(1)), "there is none now");
}

#[test]
fn an_entry_given_up_ends_its_connection_and_no_other() {
    let (storage, told) = storage();
    let mut host = Host::connect(&storage);
    assert!(storage.send(&entry(1)));
    let (_, id) = host.request();
    storage.give_up(id.wrapping_add(1));
    told.try_recv().expect_err("another request's number");
    storage.give_up(id);
    assert_eq!(told.recv().unwrap(), Err(NoAnswer));
    assert!(host.was_closed());
}

#[test]
fn what_was_not_asked_ends_the_connection() {
    for wrong in ["number", "kind", "body", "unasked"] {
        let (storage, told) = storage();
        let mut host = Host::connect(&storage);
        if wrong != "unasked" {
            assert!(storage.send(&entry(1)));
            let (_, id) = host.request();
            assert_eq!(Some(id), storage.unanswered());
        }
        let id = storage.unanswered().unwrap_or(9);
        match wrong {
            "number" => host.answer(FrameType::Append, id.wrapping_add(1), &Appended::Stored),
            "kind" => host.answer(FrameType::Tail, id, &Appended::Stored),
            "body" => {
                host.answer(FrameType::Append, id, &"no such word");
                assert_eq!(told.recv().unwrap(), Err(NoAnswer), "not believed");
                continue;
            }
            _ => host.answer(FrameType::Append, id, &Appended::Stored),
        }
        assert!(host.was_closed(), "{wrong}");
        assert_eq!(told.try_recv().is_ok(), wrong != "unasked", "{wrong}");
    }
}

#[test]
fn an_answer_to_an_old_connection_is_nobodys() {
    let (storage, told) = storage();
    let mut old = Host::connect(&storage);
    assert!(storage.send(&entry(1)));
    let (_, id) = old.request();
    let _new = Host::connect(&storage);
    assert_eq!(told.recv().unwrap(), Err(NoAnswer));
    old.answer(FrameType::Append, id, &Appended::Stored);
    assert!(old.was_closed());
    told.try_recv().unwrap_err();
}

#[test]
fn whoever_waits_is_answered_after_the_entry_that_is_owed() {
    let (storage, told) = storage();
    let mut host = Host::connect(&storage);
    assert!(storage.send(&entry(1)));
    let own = Arc::clone(&storage);
    let waiting = thread::spawn(move || own.delete_blob(Digest([1; 32])));
    let (kind, id) = host.request();
    assert_eq!(kind, FrameType::Append.code());
    host.answer(FrameType::Append, id, &Appended::Stored);
    let (kind, id) = host.request();
    assert_eq!(kind, FrameType::Blob.code(), "only then the other request");
    assert!(!storage.send(&entry(2)), "whose answer is owed now");
    host.answer(FrameType::Blob, id, &Done::Ok);
    assert_eq!(waiting.join().unwrap(), Ok(()));
    assert_eq!(told.recv().unwrap(), Ok(Appended::Stored));
}

#[test]
fn whoever_waits_is_told_that_the_connection_ended() {
    let (storage, told) = storage();
    let mut host = Host::connect(&storage);
    let own = Arc::clone(&storage);
    let waiting = thread::spawn(move || own.tail());
    assert_eq!(host.request().0, FrameType::Tail.code());
    drop(host);
    assert_eq!(waiting.join().unwrap(), Err(NoAnswer));
    told.try_recv().expect_err("it was no entry");
}
