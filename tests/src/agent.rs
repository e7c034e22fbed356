//! An agent over the scripted courier: attests, shakes hands, seals frames, and can be made to repeat and mix them up.

use crate::{
    courier::{Answer, Link},
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use claviger_client::trust;
use claviger_shared::{
    call::{
        Answer as Sealed, Ask, Echo, HttpInput, Input, IssuedWithReceipt, JwtInput, Reply, Request,
        Sign, Whoami,
    },
    codec::{cbor, frame::MAX_BODY},
    crypto::handshake::{Initiator, Session},
    denial::{Code, Denial},
    id::ChannelId,
    log::checkpoint::LogKey,
    wire::{
        FrameType, RefusedCode,
        call::{Answer as AnswerFrame, Call, MAX_ANSWER_ITEMS, MAX_SEALED_ANSWER, Open, Opened},
    },
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// 127.0.0.1, IPv4 mapped.
pub const SOURCE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];

/// A connected agent.
#[derive(Debug)]
pub struct Agent {
    /// The connection its frames go on.
    pub link: Arc<Link>,
    /// Its channel.
    pub channel: ChannelId,
    session: Session,
    next: AtomicU64,
    /// The log's key, by the manifest.
    pub log_key: LogKey,
    /// What it says it has seen.
    pub echo: Mutex<Option<Echo>>,
    /// Where the courier says it calls from.
    pub source: Mutex<[u8; 16]>,
}

/// A frame under way.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The frame's id on its connection.
    pub id: u64,
    /// Its number in the channel.
    pub seq: u64,
}

/// The handshake's first message and what finishes it.
#[must_use]
pub fn greeting(
    deployment: &Deployment,
    enclave: &Enclave,
    secret: &[u8; 32],
) -> (Initiator, Open, LogKey) {
    let nonce = [7; 32];
    let document = enclave.attest(&nonce);
    let entry = deployment.boot_entry();
    let chain = deployment.verified_chain();
    let now = deployment.clock.now().0;
    let trusted = trust::check(chain, &document, &nonce, &entry, now).unwrap();
    let (initiator, noise) =
        Initiator::start(secret, &trusted.channel_key, &trusted.prologue).unwrap();
    let open = Open {
        source: SOURCE,
        noise,
    };
    (initiator, open, trusted.log_key)
}

impl Agent {
    /// Attests and opens a channel on an own connection.
    #[track_caller]
    #[must_use]
    pub fn connect(deployment: &Deployment, enclave: &Enclave, granted: &Granted) -> Self {
        Self::on(&Arc::new(enclave.call_link()), deployment, enclave, granted)
    }

    /// Attests and opens a channel on a connection.
    #[track_caller]
    #[must_use]
    pub fn on(
        link: &Arc<Link>,
        deployment: &Deployment,
        enclave: &Enclave,
        granted: &Granted,
    ) -> Self {
        let (initiator, open, log_key) = greeting(deployment, enclave, &granted.secret);
        let opened: Opened = link.ask(FrameType::Open, &open).reply();
        Self {
            link: Arc::clone(link),
            channel: opened.channel,
            session: initiator.finish(&opened.noise).unwrap(),
            next: AtomicU64::new(0),
            log_key,
            echo: Mutex::new(None),
            source: Mutex::new(SOURCE),
        }
    }

    /// The body of a Call frame that holds a request.
    #[must_use]
    pub fn seal(&self, ask: &Ask) -> (u64, Vec<u8>) {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            echo: *self.echo.lock().unwrap(),
            ask: ask.clone(),
        };
        (seq, self.seal_text(seq, cbor::encode(&request).unwrap()))
    }

    /// The body of a Call frame that holds any text.
    #[must_use]
    pub fn seal_text(&self, seq: u64, mut text: Vec<u8>) -> Vec<u8> {
        self.session.sealing.seal(seq, &mut text).unwrap();
        let mut body = Vec::new();
        Call {
            channel: self.channel,
            seq,
            source: *self.source.lock().unwrap(),
            sealed: &text,
        }
        .put(&mut body);
        body
    }

    /// Sends a request and does not wait.
    #[must_use]
    pub fn send(&self, ask: &Ask) -> Sent {
        let (seq, body) = self.seal(ask);
        let id = self.link.send(FrameType::Call, &body);
        Sent { id, seq }
    }

    /// Opens an answer's body under a frame's number; nothing when it does not open.
    #[must_use]
    pub fn open(&self, seq: u64, body: &[u8]) -> Option<Sealed> {
        let frame = AnswerFrame::parse(body).ok()?;
        let text = self.session.opening.open(seq, frame.sealed).ok()?;
        Some(cbor::decode_many(&text, MAX_SEALED_ANSWER, MAX_ANSWER_ITEMS).unwrap())
    }

    /// Waits for the answer to a frame.
    #[track_caller]
    #[must_use]
    pub fn wait(&self, sent: Sent) -> Reply {
        match self.link.wait(sent.id) {
            Answer::Reply(body) => self.understand(sent, &body),
            other => panic!("no answer but {other:?}"),
        }
    }

    /// The answer to a frame, if it came in so long.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, sent: Sent, patience: Duration) -> Option<Reply> {
        match self.link.wait_for(sent.id, patience)? {
            Answer::Reply(body) => Some(self.understand(sent, &body)),
            other => panic!("no answer but {other:?}"),
        }
    }

    #[track_caller]
    fn understand(&self, sent: Sent, body: &[u8]) -> Reply {
        let answer = self.open(sent.seq, body).expect("it opens");
        let mut echo = self.echo.lock().unwrap();
        if echo.is_some_and(|seen| seen.size < answer.echo.size) || echo.is_none() {
            *echo = Some(answer.echo);
        }
        answer.reply
    }

    /// Asks and waits.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, ask: &Ask) -> Reply {
        self.wait(self.send(ask))
    }

    /// Asks for a credential.
    ///
    /// # Errors
    ///
    /// The enclave's denial.
    #[track_caller]
    pub fn sign(&self, input: Input) -> Result<IssuedWithReceipt, Denial> {
        issued(self.ask(&sign(input)))
    }

    /// Asks for a credential that must be denied; the code.
    #[track_caller]
    #[must_use]
    pub fn denied(&self, input: Input) -> Code {
        match self.sign(input) {
            Err(denial) => denial.code,
            Ok(issued) => panic!("issued: {issued:?}"),
        }
    }

    /// The own grant.
    #[track_caller]
    #[must_use]
    pub fn whoami(&self) -> Whoami {
        match self.ask(&Ask::Whoami) {
            Reply::Grant(whoami) => *whoami,
            other => panic!("{other:?}"),
        }
    }

    /// What is left of every budget, in its order.
    #[track_caller]
    #[must_use]
    pub fn left(&self) -> Vec<u128> {
        self.whoami()
            .remaining
            .iter()
            .map(|left| left.amount.0)
            .collect()
    }

    /// Sends a frame's body as it is; the refusal's code.
    #[track_caller]
    #[must_use]
    pub fn refused(&self, body: &[u8]) -> RefusedCode {
        self.link
            .wait(self.link.send(FrameType::Call, body))
            .refusal()
            .code
    }

    /// Finishes a handshake answered with this reply, as the agent would; whether it finishes.
    #[must_use]
    pub fn finishes(initiator: Initiator, body: &[u8]) -> bool {
        let opened: Opened = cbor::decode(body, MAX_BODY).unwrap();
        initiator.finish(&opened.noise).is_ok()
    }
}

/// A reply that is a credential or a denial.
///
/// # Errors
///
/// The denial.
#[track_caller]
pub fn issued(reply: Reply) -> Result<IssuedWithReceipt, Denial> {
    match reply {
        Reply::Issued(issued) => Ok(*issued),
        Reply::Denied(denial) => Err(denial),
        other => panic!("{other:?}"),
    }
}

/// A Sign without an idempotency key.
#[must_use]
pub const fn sign(input: Input) -> Ask {
    Ask::Sign(Sign {
        input,
        idempotency_key: None,
    })
}

/// A read of one order.
#[must_use]
pub fn read_order(id: &str) -> Input {
    get(&format!("https://api.example.com/v1/orders/{id}"))
}

/// A GET.
#[must_use]
pub fn get(url: &str) -> Input {
    Input::Http(HttpInput {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
    })
}

/// A charge of so many cents.
#[must_use]
pub fn charge(cents: u64) -> Input {
    charge_body(&format!(r#"{{"amount":{cents},"currency":"usd"}}"#))
}

/// A charge with any body.
#[must_use]
pub fn charge_body(body: &str) -> Input {
    Input::Http(HttpInput {
        method: "POST".to_owned(),
        url: "https://pay.example.com/v1/charges".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(body.as_bytes().to_vec().into()),
    })
}

/// A client assertion.
#[must_use]
pub fn token(ttl_s: Option<u64>) -> Input {
    Input::Jwt(JwtInput {
        profile: "assertion".to_owned(),
        audience: "https://idp.example.com/token".to_owned(),
        nonce: None,
        ttl_s,
        method: None,
        url: None,
        ath: None,
        wit: None,
    })
}
