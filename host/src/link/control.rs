//! The control connection: one task asks for everybody, and knows where the enclave is.
//!
//! At most as many requests are outstanding as the enclave's Welcome allows. When the connection breaks, every request
//! under way is answered [`AskError::Unavailable`]; nothing is sent again by itself.

use super::{Backoff, decode, dial_async, encode, frames, put};
use crate::{config::EnclaveAddress, tasks::Tasks};
use claviger_shared::{
    id::InstanceId,
    wire::{FrameType, Phase, Refused, Role, WINDOW_CONTROL, Welcome, control::PhaseEvent},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::HashMap, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot, watch},
};

/// Requests waiting for their turn.
const QUEUE: usize = 64;
/// How long a request may take; a command waits up to 20 s for storage.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of the enclave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Its phase, while connected.
    pub phase: Option<Phase>,
    /// The boot.
    pub instance: Option<InstanceId>,
    /// Entries it knows to be stored.
    pub size: u64,
    /// Index of its Boot entry.
    pub boot_index: Option<u64>,
    /// Why it stands still.
    pub reason: Option<String>,
}

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too many requests wait here.
    #[error("too many requests wait for the enclave")]
    Busy,
    /// Not of the wire's form.
    #[error("enclave's reply is malformed")]
    Malformed,
    /// The enclave refused.
    #[error("enclave refused: {:?} ({})", .0.code, .0.reason)]
    Refused(Refused),
    /// No connection, or it broke, or no reply in time.
    #[error("enclave is not reachable")]
    Unavailable,
}

/// Who waits for a reply's body.
type ReplyTo = oneshot::Sender<Result<Vec<u8>, AskError>>;

struct Ask {
    kind: FrameType,
    body: Vec<u8>,
    reply: ReplyTo,
}

/// A handle to the control connection.
#[derive(Debug, Clone)]
pub struct Control {
    asks: mpsc::Sender<Ask>,
    view: watch::Sender<View>,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ask").field(&self.kind).finish()
    }
}

impl Control {
    /// Starts the task.
    #[must_use]
    pub fn start(address: EnclaveAddress, tasks: &Tasks) -> Self {
        let (asks, queue) = mpsc::channel(QUEUE);
        let (view, _) = watch::channel(View::default());
        let keeper = view.clone();
        tasks.spawn(keep(address, queue, keeper));
        Self { asks, view }
    }

    /// What is known of the enclave now.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// What is known of the enclave, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Notes that a request moved the enclave on, where no event has said more.
    pub fn moved(&self, from: Phase, to: Phase) {
        self.view.send_if_modified(|view| {
            let moved = view.phase == Some(from);
            if moved {
                view.phase = Some(to);
            }
            moved
        });
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    ///
    /// An [`AskError`].
    pub async fn ask<Q: Serialize, A: Serialize + DeserializeOwned>(
        &self,
        kind: FrameType,
        question: &Q,
    ) -> Result<A, AskError> {
        let body = encode(question).map_err(|_| AskError::Malformed)?;
        let (reply, answer) = oneshot::channel();
        self.asks
            .try_send(Ask { kind, body, reply })
            .map_err(|_| AskError::Busy)?;
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| AskError::Unavailable)?;
        let bytes = answer.map_err(|_| AskError::Unavailable)??;
        decode(&bytes).map_err(|_| AskError::Malformed)
    }
}

async fn keep(address: EnclaveAddress, mut queue: mpsc::Receiver<Ask>, view: watch::Sender<View>) {
    let mut backoff = Backoff::default();
    loop {
        match dial_async(&address, Role::Control).await {
            Ok((stream, welcome)) => {
                tracing::info!(phase = ?welcome.phase, instance = %welcome.instance, "enclave connected");
                backoff.reset();
                let ended = serve(stream, &welcome, &mut queue, &view).await;
                view.send_replace(View::default());
                match ended {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "control connection lost"),
                }
            }
            Err(error) => tracing::debug!(%error, "enclave not reached"),
        }
        if !rest(backoff.pause(), &mut queue).await {
            return;
        }
    }
}

/// Refuses what is asked during a pause; false when nobody can ask any more.
async fn rest(pause: Duration, queue: &mut mpsc::Receiver<Ask>) -> bool {
    let over = tokio::time::sleep(pause);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return true,
            ask = queue.recv() => match ask {
                Some(ask) => drop(ask.reply.send(Err(AskError::Unavailable))),
                None => return false,
            },
        }
    }
}

struct Session<'a> {
    writer: OwnedWriteHalf,
    waiting: HashMap<u64, (FrameType, ReplyTo)>,
    next_id: u64,
    view: &'a watch::Sender<View>,
}

/// Serves one connection; `Ok` when nobody can ask any more.
async fn serve(
    stream: UnixStream,
    welcome: &Welcome,
    queue: &mut mpsc::Receiver<Ask>,
    view: &watch::Sender<View>,
) -> io::Result<()> {
    view.send_replace(View {
        phase: Some(welcome.phase),
        instance: Some(welcome.instance),
        size: welcome.committed,
        boot_index: None,
        reason: None,
    });
    let window = welcome.window.min(WINDOW_CONTROL) as usize;
    let (mut reader, writer) = stream.into_split();
    let mut session = Session {
        writer,
        waiting: HashMap::new(),
        next_id: 0,
        view,
    };
    let mut incoming = frames::Incoming::default();
    loop {
        tokio::select! {
            ask = queue.recv(), if session.waiting.len() < window => match ask {
                Some(ask) => session.send(ask).await?,
                None => return Ok(()),
            },
            read = receive(&mut reader, &mut incoming) => {
                read?;
                session.take(&mut incoming)?;
            }
        }
    }
}

async fn receive(reader: &mut OwnedReadHalf, incoming: &mut frames::Incoming) -> io::Result<()> {
    if reader.read_buf(incoming.room()).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

impl Session<'_> {
    async fn send(&mut self, ask: Ask) -> io::Result<()> {
        if ask.reply.is_closed() {
            return Ok(());
        }
        self.next_id += 1;
        let mut out = Vec::new();
        if put(&mut out, ask.kind.code(), self.next_id, &ask.body).is_err() {
            drop(ask.reply.send(Err(AskError::Malformed)));
            return Ok(());
        }
        self.waiting.insert(self.next_id, (ask.kind, ask.reply));
        self.writer.write_all(&out).await
    }

    fn take(&mut self, incoming: &mut frames::Incoming) -> io::Result<()> {
        let mut rest = incoming.unread();
        let before = rest.len();
        while let Some((head, body)) = frames::split(&mut rest)? {
            if head.kind == FrameType::Phase.code() && head.id == 0 {
                self.event(decode(body)?);
            } else {
                self.reply(head.kind, head.id, body)?;
            }
        }
        let used = before - rest.len();
        incoming.consume(used);
        Ok(())
    }

    fn event(&self, event: PhaseEvent) {
        if matches!(event.phase, Phase::Fenced | Phase::Stopped) {
            tracing::error!(phase = ?event.phase, size = event.size, reason = ?event.reason, "enclave stands still");
        } else {
            tracing::info!(phase = ?event.phase, size = event.size, "enclave moved on");
        }
        self.view.send_modify(|view| {
            view.phase = Some(event.phase);
            view.size = event.size;
            view.boot_index = event.boot_index.or(view.boot_index);
            view.reason = event.reason;
        });
    }

    fn reply(&mut self, kind: u8, id: u64, body: &[u8]) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let (asked, reply) = self.waiting.remove(&id).ok_or_else(invalid)?;
        let answer = if kind == asked.reply() {
            Ok(body.to_vec())
        } else if kind == FrameType::Refused.code() {
            Err(AskError::Refused(decode(body)?))
        } else {
            return Err(invalid());
        };
        // Who asked may have given up.
        drop(reply.send(answer));
        Ok(())
    }
}
