//! A stand-in for the enclave: it serves, and answers everything the host can ask at once.

use claviger_host::link::{decode, encode, frames};
use claviger_shared::{
    codec::frame,
    id::{ChannelId, InstanceId},
    wire::{
        FrameType, Phase, Refused, RefusedCode, VERSION, Welcome,
        call::{Answer, Call, Opened},
        control::{
            CommandDone, CommandRefused, CommandReply, Document, Drained, Status, Submitted,
        },
    },
};
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// Serves every connection.
pub(super) async fn serve(listener: UnixListener, instance: InstanceId) {
    while let Ok((stream, _)) = listener.accept().await {
        // The host may go at any time.
        tokio::spawn(async move { drop(connection(stream, instance).await) });
    }
}

async fn connection(mut stream: UnixStream, instance: InstanceId) -> io::Result<()> {
    let mut incoming = frames::Incoming::default();
    loop {
        if stream.read_buf(incoming.room()).await? == 0 {
            return Ok(());
        }
        let (mut rest, mut out) = (incoming.unread(), Vec::new());
        let before = rest.len();
        while let Some((head, body)) = frames::split(&mut rest)? {
            let kind = FrameType::from_code(head.kind).ok_or(io::ErrorKind::InvalidData)?;
            let (code, body) = match reply(kind, body, instance) {
                Some(body) => (kind.reply(), body),
                None => (FrameType::Refused.code(), refusal()),
            };
            frame::put(&mut out, code, head.id, &body).unwrap();
        }
        let used = before - rest.len();
        incoming.consume(used);
        stream.write_all(&out).await?;
    }
}

fn refusal() -> Vec<u8> {
    let refused = Refused {
        code: RefusedCode::NotServing,
        retry_after_ms: 7,
        reason: "scripted".to_owned(),
    };
    encode(&refused).unwrap()
}

fn reply(kind: FrameType, body: &[u8], instance: InstanceId) -> Option<Vec<u8>> {
    let bytes = match kind {
        FrameType::Hello => encode(&Welcome {
            version: VERSION,
            phase: Phase::Serving,
            instance,
            window: 256,
            committed: 0,
            pending: None,
        }),
        FrameType::Attest => encode(&Document {
            document: b"document".to_vec(),
        }),
        FrameType::Command => encode(&command(&decode(body).unwrap())),
        FrameType::Status => encode(&Status {
            phase: Phase::Serving,
            instance,
            size: 1,
            generation: 1,
            now_ms: 1,
            counters: vec![("calls".to_owned(), 1)],
        }),
        FrameType::Drain => encode(&Drained { size: 1 }),
        FrameType::Open => encode(&Opened {
            channel: ChannelId([9; 16]),
            noise: b"pong".to_vec(),
        }),
        FrameType::Call => {
            let Call { seq, sealed, .. } = Call::parse(body).unwrap();
            let sealed = &sealed[..sealed.len().min(16)];
            let mut out = Vec::new();
            Answer { seq, sealed }.put(&mut out);
            Ok(out)
        }
        _ => return None,
    };
    Some(bytes.unwrap())
}

/// Objects are applied; anything else is refused.
fn command(submitted: &Submitted) -> CommandReply {
    if submitted.signed.body.starts_with(b"{") {
        CommandReply::Done(CommandDone {
            seq: 1,
            result: "{}".to_owned(),
            receipt: vec![1],
        })
    } else {
        CommandReply::Refused(CommandRefused {
            code: "not_next".to_owned(),
            pointer: Some("/seq".to_owned()),
            detail: "scripted".to_owned(),
        })
    }
}
