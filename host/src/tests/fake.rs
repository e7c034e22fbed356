//! A scripted enclave on a Unix socket: it answers as told and shows what it was asked.

use crate::link::{decode, encode, frames};
use claviger_shared::{
    codec::frame,
    id::{ChannelId, InstanceId},
    wire::{
        FrameType, Hello, Phase, Refused, RefusedCode, Role, VERSION, Welcome,
        call::{Answer, Call, Opened},
        control::PhaseEvent,
    },
};
use serde::Serialize;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    task::AbortHandle,
};

/// One frame that the host sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub kind: FrameType,
    pub id: u64,
    pub body: Vec<u8>,
    out: mpsc::UnboundedSender<Vec<u8>>,
}

impl Asked {
    pub(super) fn reply(&self, body: &[u8]) {
        let _ = self.out.send(bytes(self.kind.reply(), self.id, body));
    }

    pub(super) fn raw(&self, bytes: &[u8]) {
        let _ = self.out.send(bytes.to_vec());
    }

    pub(super) fn refuse(&self, code: RefusedCode) {
        let _ = self.out.send(refused(self.id, code));
    }

    /// Answers a call with its own sealed part.
    pub(super) fn echo(&self) {
        let call = Call::parse(&self.body).unwrap();
        let mut body = Vec::new();
        Answer {
            seq: call.seq,
            sealed: call.sealed,
        }
        .put(&mut body);
        self.reply(&body);
    }
}

fn bytes(kind: u8, id: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, kind, id, body).unwrap();
    out
}

fn refused(id: u64, code: RefusedCode) -> Vec<u8> {
    let refused = Refused {
        code,
        retry_after_ms: 7,
        reason: "scripted".to_owned(),
    };
    bytes(FrameType::Refused.code(), id, &encode(&refused).unwrap())
}

#[derive(Default)]
struct Script {
    phase: Option<Phase>,
    answers: HashMap<FrameType, Vec<u8>>,
    asked: Vec<(FrameType, Vec<u8>)>,
    connections: Vec<(Role, AbortHandle, mpsc::UnboundedSender<Vec<u8>>)>,
    storage: Option<mpsc::UnboundedSender<UnixStream>>,
    calls: Option<mpsc::UnboundedSender<Asked>>,
    window: u32,
}

/// The enclave.
pub(super) struct Fake {
    _dir: TempDir,
    pub path: PathBuf,
    script: Arc<Mutex<Script>>,
    accept: AbortHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accept.abort();
        for (_, connection, _) in &self.script.lock().unwrap().connections {
            connection.abort();
        }
    }
}

pub(super) const INSTANCE: InstanceId = InstanceId([5; 16]);

impl Fake {
    pub(super) fn new(phase: Phase) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("enclave");
        let script = Arc::new(Mutex::new(Script {
            phase: Some(phase),
            window: 256,
            ..Script::default()
        }));
        let listener = UnixListener::bind(&path).unwrap();
        let own = Arc::clone(&script);
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(greet(stream, Arc::clone(&own)));
            }
        });
        Self {
            _dir: dir,
            path,
            script,
            accept: accept.abort_handle(),
        }
    }

    pub(super) fn answers<T: Serialize>(&self, kind: FrameType, body: &T) {
        let mut script = self.script.lock().unwrap();
        script.answers.insert(kind, encode(body).unwrap());
    }

    pub(super) fn window(&self, window: u32) {
        self.script.lock().unwrap().window = window;
    }

    /// Calls go to the test instead of being echoed.
    pub(super) fn take_calls(&self) -> mpsc::UnboundedReceiver<Asked> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.script.lock().unwrap().calls = Some(sender);
        receiver
    }

    /// Storage connections go to the test.
    pub(super) fn take_storage(&self) -> mpsc::UnboundedReceiver<UnixStream> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.script.lock().unwrap().storage = Some(sender);
        receiver
    }

    pub(super) fn asked(&self) -> Vec<(FrameType, Vec<u8>)> {
        self.script.lock().unwrap().asked.clone()
    }

    pub(super) fn kinds(&self) -> Vec<FrameType> {
        self.asked().into_iter().map(|(kind, _)| kind).collect()
    }

    pub(super) async fn was_asked(&self, kind: FrameType) {
        super::until(|| self.kinds().contains(&kind)).await;
    }

    /// A new phase, told to the control connection.
    pub(super) fn event(&self, phase: Phase, boot_index: Option<u64>, reason: Option<&str>) {
        let event = PhaseEvent {
            phase,
            size: 0,
            boot_index,
            reason: reason.map(str::to_owned),
        };
        let out = bytes(FrameType::Phase.code(), 0, &encode(&event).unwrap());
        let mut script = self.script.lock().unwrap();
        script.phase = Some(phase);
        for (role, _, sender) in &script.connections {
            if *role == Role::Control {
                let _ = sender.send(out.clone());
            }
        }
    }

    /// Breaks every connection of a role, as a restart would.
    pub(super) fn cut(&self, role: Role, phase: Phase) {
        let mut script = self.script.lock().unwrap();
        script.phase = Some(phase);
        script.connections.retain(|(own, connection, _)| {
            let is = *own == role;
            if is {
                connection.abort();
            }
            !is
        });
    }
}

async fn greet(mut stream: UnixStream, script: Arc<Mutex<Script>>) {
    let mut fixed = [0; 14];
    stream.read_exact(&mut fixed).await.unwrap();
    let head = frame::Head::parse(&fixed).unwrap();
    let mut body = vec![0; head.body_len];
    stream.read_exact(&mut body).await.unwrap();
    let hello: Hello = decode(&body).unwrap();
    let welcome = {
        let script = script.lock().unwrap();
        Welcome {
            version: VERSION,
            phase: script.phase.unwrap(),
            instance: INSTANCE,
            window: script.window,
            committed: 0,
            pending: None,
        }
    };
    let welcome = bytes(
        FrameType::Hello.reply(),
        head.id,
        &encode(&welcome).unwrap(),
    );
    stream.write_all(&welcome).await.unwrap();
    if hello.role == Role::Storage {
        if let Some(sender) = &script.lock().unwrap().storage {
            let _ = sender.send(stream);
        }
        return;
    }
    let (out, queue) = mpsc::unbounded_channel();
    let serve = tokio::spawn(serve(stream, Arc::clone(&script), out.clone(), queue));
    let mut script = script.lock().unwrap();
    script
        .connections
        .push((hello.role, serve.abort_handle(), out));
}

async fn serve(
    mut stream: UnixStream,
    script: Arc<Mutex<Script>>,
    out: mpsc::UnboundedSender<Vec<u8>>,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let (mut reader, mut writer) = stream.split();
    let mut incoming = frames::Incoming::default();
    loop {
        tokio::select! {
            bytes = queue.recv() => writer.write_all(&bytes.unwrap()).await.unwrap(),
            count = reader.read_buf(incoming.room()) => {
                if !matches!(count, Ok(count) if count > 0) {
                    return;
                }
                let mut rest = incoming.unread();
                let before = rest.len();
                while let Some((head, body)) = frames::split(&mut rest).unwrap() {
                    let kind = FrameType::from_code(head.kind).unwrap();
                    let asked = Asked { kind, id: head.id, body: body.to_vec(), out: out.clone() };
                    answer(&mut script.lock().unwrap(), asked);
                }
                let used = before - rest.len();
                incoming.consume(used);
            }
        }
    }
}

fn answer(script: &mut Script, asked: Asked) {
    if let (FrameType::Call | FrameType::Open, Some(calls)) = (asked.kind, &script.calls) {
        let _ = calls.send(asked);
        return;
    }
    if asked.kind == FrameType::Call {
        return asked.echo();
    }
    if asked.kind == FrameType::Open {
        let opened = Opened {
            channel: ChannelId([9; 16]),
            noise: b"pong".to_vec(),
        };
        return asked.reply(&encode(&opened).unwrap());
    }
    script.asked.push((asked.kind, asked.body.clone()));
    match script.answers.get(&asked.kind) {
        Some(body) => asked.reply(body),
        None => asked.refuse(RefusedCode::NotServing),
    }
}
