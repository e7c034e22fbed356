//! A scripted courier: connections to an enclave, frame by frame, and everything the enclave ever sent.
//! What a command, a call or a record means is not known here.

use crate::store::Store;
use claviger_shared::{
    codec::{
        cbor,
        frame::{self, HEAD_BYTES, Head, LEN_BYTES, MAX_BODY},
    },
    wire::{FrameType, Hello, Refused, Role, VERSION, Welcome},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Every frame an enclave sent, its head included.
pub type Tap = Arc<Mutex<Vec<Vec<u8>>>>;

/// One frame, whole.
#[must_use]
pub fn frame(kind: u8, id: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, kind, id, body).unwrap();
    out
}

/// Reads one frame; nothing at the end of the connection.
fn read_frame(stream: &mut UnixStream, tap: &Tap) -> Option<(Head, Vec<u8>)> {
    let mut fixed = [0; LEN_BYTES + HEAD_BYTES];
    stream.read_exact(&mut fixed).ok()?;
    let head = Head::parse(&fixed).expect("the enclave sends whole frames");
    let mut body = vec![0; head.body_len];
    stream.read_exact(&mut body).ok()?;
    tap.lock().unwrap().push([&fixed[..], &body].concat());
    Some((head, body))
}

/// What came back for a request.
#[derive(Debug)]
pub enum Answer {
    /// A reply of the request's own type.
    Reply(Vec<u8>),
    /// A bare refusal.
    Refused(Refused),
    /// The connection was closed.
    Closed,
}

impl Answer {
    /// The reply, decoded.
    ///
    /// # Panics
    ///
    /// For anything else.
    #[track_caller]
    #[must_use]
    pub fn reply<T: DeserializeOwned + Serialize>(self) -> T {
        match self {
            Self::Reply(body) => cbor::decode(&body, MAX_BODY).unwrap(),
            other => panic!("no reply but {other:?}"),
        }
    }

    /// The refusal.
    ///
    /// # Panics
    ///
    /// For anything else.
    #[track_caller]
    #[must_use]
    pub fn refusal(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            other => panic!("no refusal but {other:?}"),
        }
    }
}

#[derive(Debug, Default)]
struct Inbox {
    answers: HashMap<u64, (u8, Vec<u8>)>,
    events: Vec<(u8, Vec<u8>)>,
    closed: bool,
}

/// A control or call connection.
#[derive(Debug)]
pub struct Link {
    stream: Mutex<UnixStream>,
    inbox: Arc<(Mutex<Inbox>, Condvar)>,
    next: AtomicU64,
    /// What the enclave said first.
    pub welcome: Option<Welcome>,
}

impl Link {
    /// Connects in a role; `None` for the welcome where the enclave refused it.
    #[must_use]
    pub fn connect(socket: &Path, role: Role, tap: &Tap) -> Self {
        let mut link = Self::raw(socket, tap);
        let hello = Hello {
            versions: vec![VERSION],
            role,
        };
        let answer = link.ask(FrameType::Hello, &hello);
        link.welcome = match answer {
            Answer::Reply(body) => cbor::decode(&body, MAX_BODY).ok(),
            Answer::Refused(_) | Answer::Closed => None,
        };
        link
    }

    /// Connects and says nothing.
    #[must_use]
    pub fn raw(socket: &Path, tap: &Tap) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        let mut reading = stream.try_clone().unwrap();
        let inbox: Arc<(Mutex<Inbox>, Condvar)> = Arc::default();
        let (filling, tap) = (Arc::clone(&inbox), Arc::clone(tap));
        thread::spawn(move || {
            while let Some((head, body)) = read_frame(&mut reading, &tap) {
                let mut inbox = filling.0.lock().unwrap();
                if head.id == 0 {
                    inbox.events.push((head.kind, body));
                } else {
                    inbox.answers.insert(head.id, (head.kind, body));
                }
                filling.1.notify_all();
            }
            filling.0.lock().unwrap().closed = true;
            filling.1.notify_all();
        });
        Self {
            stream: Mutex::new(stream),
            inbox,
            next: AtomicU64::new(1),
            welcome: None,
        }
    }

    /// Gives up on a write after so long: an enclave does not read storage that it asked nothing.
    pub fn give_up_after(&self, patience: Duration) {
        let stream = self.stream.lock().unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
    }

    /// Writes any bytes; a closed connection takes none and says nothing.
    pub fn write(&self, bytes: &[u8]) {
        let _ = self.stream.lock().unwrap().write_all(bytes);
    }

    /// Sends a body; the frame's id.
    pub fn send(&self, kind: FrameType, body: &[u8]) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(&frame(kind.code(), id, body));
        id
    }

    /// Waits for the answer to a frame.
    #[track_caller]
    #[must_use]
    pub fn wait(&self, id: u64) -> Answer {
        self.wait_for(id, PATIENCE).expect("an answer in time")
    }

    /// Waits so long for the answer to a frame.
    #[must_use]
    pub fn wait_for(&self, id: u64, patience: Duration) -> Option<Answer> {
        let (inbox, changed) = &*self.inbox;
        let waits = |inbox: &mut Inbox| !inbox.closed && !inbox.answers.contains_key(&id);
        let (mut inbox, _) = changed
            .wait_timeout_while(inbox.lock().unwrap(), patience, waits)
            .unwrap();
        match inbox.answers.remove(&id) {
            Some((kind, body)) if kind == FrameType::Refused.code() => {
                Some(Answer::Refused(cbor::decode(&body, MAX_BODY).unwrap()))
            }
            Some((_, body)) => Some(Answer::Reply(body)),
            None if inbox.closed => Some(Answer::Closed),
            None => None,
        }
    }

    /// Sends and waits.
    #[track_caller]
    #[must_use]
    pub fn ask<T: Serialize>(&self, kind: FrameType, body: &T) -> Answer {
        self.wait(self.send(kind, &cbor::encode(body).unwrap()))
    }

    /// Waits for an event that fits.
    #[track_caller]
    #[must_use]
    pub fn event<T: DeserializeOwned + Serialize>(&self, fits: impl Fn(&T) -> bool) -> T {
        let (inbox, changed) = &*self.inbox;
        let find = |inbox: &Inbox| {
            let mut events = inbox.events.iter();
            events.find_map(|(_, body)| cbor::decode(body, MAX_BODY).ok().filter(&fits))
        };
        let (inbox, late) = changed
            .wait_timeout_while(inbox.lock().unwrap(), PATIENCE, |inbox| {
                find(inbox).is_none()
            })
            .unwrap();
        assert!(!late.timed_out(), "no such event: {:?}", inbox.events);
        find(&inbox).unwrap()
    }

    /// Waits until the enclave has closed the connection.
    #[track_caller]
    pub fn wait_until_closed(&self) {
        let (inbox, changed) = &*self.inbox;
        let (_inbox, late) = changed
            .wait_timeout_while(inbox.lock().unwrap(), PATIENCE, |inbox| !inbox.closed)
            .unwrap();
        assert!(!late.timed_out(), "still open");
    }

    /// Closes the connection.
    pub fn close(&self) {
        let _ = self
            .stream
            .lock()
            .unwrap()
            .shutdown(std::net::Shutdown::Both);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// One life of an enclave as its courier sees it: whether it is over, and the sockets that end with it.
#[derive(Debug, Default)]
pub struct Life {
    over: AtomicBool,
    sockets: Mutex<Vec<UnixStream>>,
}

impl Life {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends it, and whatever it kept.
    pub fn end(&self) {
        let mut sockets = self.sockets.lock().unwrap();
        self.over.store(true, Ordering::SeqCst);
        for socket in sockets.drain(..) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Keeps a connection, or a listener, which then ends with this life; says whether that is still to come.
    ///
    /// A listener's accept fails once it was shut down. That needs no name in the file system, which may be gone by then.
    pub fn keep(&self, socket: impl AsFd) -> bool {
        let socket = socket.as_fd().try_clone_to_owned().unwrap();
        let mut sockets = self.sockets.lock().unwrap();
        sockets.push(socket.into());
        !self.is_over()
    }
}

/// Serves an enclave's storage connection from a store until the enclave is gone.
pub fn serve_storage(socket: PathBuf, store: Arc<Store>, tap: Tap, life: Arc<Life>) {
    thread::spawn(move || {
        let Ok(mut stream) = UnixStream::connect(&socket) else {
            return;
        };
        if !life.keep(&stream) {
            return;
        }
        let hello = Hello {
            versions: vec![VERSION],
            role: Role::Storage,
        };
        let hello = cbor::encode(&hello).unwrap();
        let _ = stream.write_all(&frame(FrameType::Hello.code(), 1, &hello));
        if read_frame(&mut stream, &tap).is_none() {
            return;
        }
        let is_gone = || life.is_over();
        while let Some((head, body)) = read_frame(&mut stream, &tap) {
            let kind = FrameType::from_code(head.kind).unwrap();
            let Some(answer) = store.answer(kind, &body, &is_gone).filter(|_| !is_gone()) else {
                return;
            };
            if stream
                .write_all(&frame(kind.reply(), head.id, &answer))
                .is_err()
            {
                return;
            }
        }
    });
}
