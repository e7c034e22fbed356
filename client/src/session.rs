//! An agent's session: attested once, then one sealed frame per request.
//!
//! Frame numbers come from a counter in memory alone and are never used twice. Each request echoes the highest tree head
//! seen; a granted answer that shows a smaller one than its request, or another root for the same size, is refused, and an
//! enclave that does not know the echo is shown the signed tree head of a receipt, which stops it. When
//! the enclave restarts, [`Agent::ask`] attests anew, once for all requests under way, and asks again by itself only what
//! cannot spend twice.

use crate::{
    AgentKey, Error,
    face::Face,
    receipt::{self, Checked},
    stream::Stream,
    trust,
};
use claviger_shared::{
    call::{Answer, Ask, Echo, Reply},
    codec::cbor,
    crypto::handshake::{Initiator, Session},
    denial::{Code, Denial},
    id::ChannelId,
    owner::manifest::Durability,
    wire::{
        RefusedCode,
        call::{MAX_ANSWER_ITEMS, MAX_SEALED_ANSWER},
    },
};
use serde::Serialize;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{Mutex as TurnLock, RwLock};

/// A connected agent.
#[derive(Debug)]
pub struct Agent {
    key: AgentKey,
    face: Face,
    open: RwLock<Arc<Open>>,
    /// Held by whoever opens the next channel.
    opening: TurnLock<()>,
    seen: Mutex<Echo>,
    /// The newest tree head a receipt held: what proves a rollback to the enclave itself.
    proof: Mutex<Option<(u64, String)>>,
}

/// An answer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The answer.
    pub reply: Reply,
    /// The receipt of a credential as it was read and checked, so that nobody has to read it again.
    pub receipt: Option<Box<Checked>>,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        let receipt = None;
        Self { reply, receipt }
    }
}

/// One channel of one boot.
#[derive(Debug)]
struct Open {
    stream: Stream,
    session: Session,
    channel: ChannelId,
    next: AtomicU64,
    trusted: trust::Trusted,
    notes: receipt::Notes,
}

/// Milliseconds since 1970 by this machine's clock, for the freshness of documents.
#[must_use]
pub fn wall_clock_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of the client; the enclave never asks it"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

impl Agent {
    /// Attests the enclave and opens a channel.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the enclave has then learnt at most that somebody with this key wanted to speak.
    pub async fn connect(key: AgentKey) -> Result<Self, Error> {
        let face = Face::new(&key.api)?;
        let open = open(&key, &face).await?;
        let seen = Mutex::new(Echo {
            size: key.size,
            root: key.root,
        });
        Ok(Self {
            key,
            face,
            open: RwLock::new(Arc::new(open)),
            opening: TurnLock::new(()),
            seen,
            proof: Mutex::new(None),
        })
    }

    /// The agent key.
    #[must_use]
    pub const fn key(&self) -> &AgentKey {
        &self.key
    }

    /// Whether the deployment is a simulation.
    pub async fn is_simulation(&self) -> bool {
        self.open.read().await.trusted.simulation
    }

    /// Asks once; a restarted enclave is attested anew and asked again where nothing could be spent twice.
    ///
    /// # Errors
    ///
    /// Any [`Error`]. After [`Error::Host`] a Sign may have been charged; ask again with its idempotency key.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, Error> {
        self.answered(ask).await.map(|answered| answered.reply)
    }

    /// [`Self::ask`], with the receipt that was checked.
    ///
    /// # Errors
    ///
    /// As for [`Self::ask`].
    pub async fn answered(&self, ask: Ask) -> Result<Answered, Error> {
        let mut open = self.current().await;
        if open.stream.is_closed() {
            // Nothing was sent on it, so nothing can be spent twice.
            open = self.replace(&open).await?;
        }
        match self.ask_once(&open, &ask).await {
            Ok(Answered {
                reply: Reply::Denied(denial),
                ..
            }) if denial.code == Code::EchoMismatch => {
                return self.prove_rollback(&open, denial).await.map(Answered::from);
            }
            // These two say that the frame was never opened, so nothing was decided.
            Err(Error::Refused(RefusedCode::UnknownChannel | RefusedCode::NotServing)) => {}
            Err(Error::Host(_)) if may_repeat(&ask) => {}
            other => return other,
        }
        let open = self.replace(&open).await?;
        self.ask_once(&open, &ask).await
    }

    /// Attests anew and opens a new channel.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn reconnect(&self) -> Result<(), Error> {
        let open = self.current().await;
        self.replace(&open).await.map(drop)
    }

    /// Shows the enclave the newest signed tree head this agent holds; where its log does not have it, the enclave stops.
    async fn prove_rollback(&self, open: &Open, denial: Denial) -> Result<Reply, Error> {
        let proof = self
            .proof
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some((_, note)) = proof else {
            return Ok(Reply::Denied(denial));
        };
        match self.exchange(open, None, &Ask::Checkpoint(note)).await {
            Ok(answer) if answer.reply == Reply::Known => Ok(Reply::Denied(denial)),
            Ok(_) | Err(_) => Err(Error::Distrust(
                "host serves another log than this agent has seen; the enclave was shown the proof",
            )),
        }
    }

    async fn current(&self) -> Arc<Open> {
        Arc::clone(&*self.open.read().await)
    }

    /// A newer channel than `old`: one that somebody else has opened meanwhile, else one opened here.
    async fn replace(&self, old: &Arc<Open>) -> Result<Arc<Open>, Error> {
        let _turn = self.opening.lock().await;
        let current = self.current().await;
        if !Arc::ptr_eq(&current, old) {
            return Ok(current);
        }
        let new = Arc::new(open(&self.key, &self.face).await?);
        *self.open.write().await = Arc::clone(&new);
        Ok(new)
    }

    async fn ask_once(&self, open: &Open, ask: &Ask) -> Result<Answered, Error> {
        // A volatile deployment answers before it stores: its log may end before what it has told.
        let volatile = open.trusted.boot.durability == Durability::Volatile;
        let sent = self.seen();
        let Answer { echo, reply } = self
            .exchange(open, (!volatile).then_some(sent), ask)
            .await?;
        let mut receipt = None;
        if let Reply::Issued(issued) = &reply
            && issued.issued.credential.is_some()
        {
            let checked = receipt::check_with(issued, &self.key.grant, &open.notes)?;
            self.keep_proof(&checked);
            receipt = Some(Box::new(checked));
        }
        if !volatile {
            let denied = matches!(reply, Reply::Denied(_));
            if !denied && echo.size < sent.size {
                return Err(Error::Answer("log is shorter than one seen before"));
            }
            self.remember(echo)?;
        }
        Ok(Answered { reply, receipt })
    }

    /// Seals one request, sends it, and opens its one answer.
    async fn exchange(&self, open: &Open, echo: Option<Echo>, ask: &Ask) -> Result<Answer, Error> {
        let mut text = cbor::encode(&Asked { echo, ask })
            .map_err(|_| Error::Answer("request does not encode"))?;
        let seq = open.next.fetch_add(1, Ordering::Relaxed);
        open.session
            .sealing
            .seal(seq, &mut text)
            .map_err(|_| Error::Answer("request does not seal"))?;
        let sealed = open.stream.call(open.channel, seq, &text).await?;
        let text = open
            .session
            .opening
            .open_in_place(seq, sealed)
            .map_err(|_| Error::Answer("answer does not open"))?;
        cbor::decode_many(&text, MAX_SEALED_ANSWER, MAX_ANSWER_ITEMS)
            .map_err(|_| Error::Answer("answer is malformed"))
    }

    fn keep_proof(&self, Checked { receipt, proved }: &Checked) {
        let size = proved.checkpoint.size;
        let mut proof = self.proof.lock().unwrap_or_else(PoisonError::into_inner);
        if proof.as_ref().is_none_or(|(known, _)| *known < size) {
            *proof = Some((size, receipt.checkpoint.clone()));
        }
    }

    /// Keeps the highest tree head seen. Answers come in any order, so a smaller one is not a fault by itself.
    fn remember(&self, echo: Echo) -> Result<(), Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if echo.size == seen.size && echo.root != seen.root {
            return Err(Error::Answer("log is another than one seen before"));
        }
        if echo.size > seen.size {
            *seen = echo;
        }
        Ok(())
    }

    /// The highest tree head seen.
    #[must_use]
    pub fn seen(&self) -> Echo {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A [`claviger_shared::call::Request`] whose parts stay where they are; it encodes as that does.
#[derive(Serialize)]
struct Asked<'a> {
    echo: Option<Echo>,
    ask: &'a Ask,
}

fn may_repeat(ask: &Ask) -> bool {
    match ask {
        Ask::Checkpoint(_)
        | Ask::Renew
        | Ask::RevokeSelf { .. }
        | Ask::Simulate(_)
        | Ask::Whoami => true,
        Ask::Sign(sign) => sign.idempotency_key.is_some(),
    }
}

async fn open(key: &AgentKey, face: &Face) -> Result<Open, Error> {
    let floor = trust::Floor {
        fingerprint: key.fingerprint,
        generation: key.generation,
    };
    let trusted = trust::establish(face, &floor, wall_clock_ms()).await?;
    let start = Initiator::start(key.secret.expose(), &trusted.channel_key, &trusted.prologue);
    let (initiator, message) = start.map_err(|_| Error::AgentKey)?;
    let stream = Stream::connect(&key.api).await?;
    let (channel, reply) = stream.open(&message).await?;
    let session = initiator
        .finish(&reply)
        .map_err(|_| Error::Distrust("handshake does not finish"))?;
    Ok(Open {
        stream,
        session,
        channel,
        next: AtomicU64::new(0),
        notes: receipt::Notes::new(trusted.log_key.clone()),
        trusted,
    })
}
