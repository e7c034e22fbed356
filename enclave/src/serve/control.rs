//! The control connection: boot, commands, attestation, status.
//!
//! Boot steps are answered in the order they come; once serving, each request has a short thread of its own, at most the
//! window's number of them, so that a command that waits for storage holds up no other. Refusals name the failed check and
//! nothing else.

use super::{
    answer::refuse,
    command,
    life::{Life, Serving, spawn},
    link::{Input, Output},
};
use crate::{
    boot::Error,
    core::{Input as Step, Standing},
};
use claviger_shared::{
    codec::{cbor, frame::MAX_BODY},
    wire::{
        FrameType, Phase, RefusedCode, WINDOW_CONTROL,
        control::{
            Attest, Document, Drained, Genesis, Measure, Measured, Status, Unseal, Unsealed,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Why a request has no reply of its own.
type Refusal = (RefusedCode, String);

/// Serves the control connection until it ends.
pub fn run(life: &Arc<Life>, mut input: Input, output: &Arc<Output>) {
    let waiting = Arc::new(AtomicU32::new(0));
    let mut body = Vec::new();
    while let Ok(head) = input.next(&mut body) {
        let Some(kind) = FrameType::from_code(head.kind) else {
            break;
        };
        let fine = match life.serving() {
            None => boot_step(life, output, kind, head.id, &body),
            Some(serving) => serve_step(life, &serving, output, &waiting, (kind, head.id, &body)),
        };
        if !fine || output.is_dead() {
            break;
        }
    }
}

fn reply<T: Serialize>(output: &Output, kind: FrameType, id: u64, result: Result<T, Refusal>) {
    match result {
        Ok(body) => output.push(kind.reply(), id, &cbor::encode(&body).unwrap_or_default()),
        Err((code, reason)) => refuse(output, id, code, &reason),
    }
    output.flush();
}

fn parse<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    cbor::decode(body, MAX_BODY).map_err(|_| (RefusedCode::Invalid, "malformed".to_owned()))
}

fn refused(error: &Error) -> Refusal {
    let code = match error {
        Error::Phase(_) => RefusedCode::NotServing,
        Error::Platform(_) | Error::Storage(_) => RefusedCode::Unavailable,
        Error::Bundle
        | Error::Chain(_)
        | Error::Debug
        | Error::KeyBlob
        | Error::Log(_)
        | Error::Registers
        | Error::Reply
        | Error::Unreleased => RefusedCode::Invalid,
    };
    (code, error.to_string())
}

/// One request before serving; says whether the connection goes on.
fn boot_step(life: &Arc<Life>, output: &Output, kind: FrameType, id: u64, body: &[u8]) -> bool {
    match kind {
        FrameType::Measure => {
            let done = parse::<Measure>(body).and_then(|asked| {
                life.measure(&asked.manifests)
                    .map_err(|error| refused(&error))
            });
            reply(output, kind, id, done.map(|pcr16| Measured { pcr16 }));
        }
        FrameType::AttestKms => {
            let document = life.attest_kms().map_err(|error| refused(&error));
            reply(
                output,
                kind,
                id,
                document.map(|document| Document { document }),
            );
        }
        FrameType::Unseal => {
            let done = parse::<Unseal>(body)
                .and_then(|asked| life.unseal(&asked).map_err(|error| refused(&error)));
            reply(
                output,
                kind,
                id,
                done.map(|(origin, vkey, generation)| Unsealed {
                    origin,
                    vkey,
                    generation,
                }),
            );
        }
        FrameType::Genesis => genesis(life, output, id, body),
        FrameType::Resume => reply(
            output,
            kind,
            id,
            life.resume().map_err(|error| refused(&error)),
        ),
        FrameType::Status => reply(output, kind, id, Ok(status(life, None))),
        FrameType::Drain => {
            reply(output, kind, id, Ok(Drained { size: 0 }));
            life.end(Phase::Stopped, "drained");
        }
        FrameType::Attest | FrameType::Command => {
            refuse_now(output, id, RefusedCode::NotServing, "phase")
        }
        FrameType::Witnessed | FrameType::Heartbeat => {
            refuse_now(output, id, RefusedCode::NotSupported, "not built")
        }
        FrameType::Hello
        | FrameType::Phase
        | FrameType::Append
        | FrameType::Read
        | FrameType::SnapshotPut
        | FrameType::SnapshotGet
        | FrameType::Tail
        | FrameType::Blob
        | FrameType::Open
        | FrameType::Call
        | FrameType::Refused => return false,
    }
    true
}

fn refuse_now(output: &Output, id: u64, code: RefusedCode, reason: &str) {
    refuse(output, id, code, reason);
    output.flush();
}

/// The root is born, told, and forgotten; the process ends either way once it was tried.
fn genesis(life: &Arc<Life>, output: &Output, id: u64, body: &[u8]) {
    let born = parse::<Genesis>(body)
        .and_then(|asked| life.genesis(&asked.nonce).map_err(|error| refused(&error)));
    let tried = !matches!(&born, Err((RefusedCode::NotServing, _)));
    let reason = if born.is_ok() {
        "genesis is done"
    } else {
        "genesis failed"
    };
    reply(output, FrameType::Genesis, id, born);
    if tried {
        life.end(Phase::Stopped, reason);
    }
}

/// One request while serving; says whether the connection goes on.
fn serve_step(
    life: &Arc<Life>,
    serving: &Serving,
    output: &Arc<Output>,
    waiting: &Arc<AtomicU32>,
    frame: (FrameType, u64, &[u8]),
) -> bool {
    let (kind, id, body) = frame;
    match kind {
        FrameType::Attest | FrameType::Command | FrameType::Status | FrameType::Drain => {}
        FrameType::Witnessed | FrameType::Heartbeat => {
            refuse_now(output, id, RefusedCode::NotSupported, "not built");
            return true;
        }
        FrameType::Measure
        | FrameType::AttestKms
        | FrameType::Unseal
        | FrameType::Genesis
        | FrameType::Resume => {
            refuse_now(output, id, RefusedCode::Invalid, "already serving");
            return true;
        }
        FrameType::Hello
        | FrameType::Phase
        | FrameType::Append
        | FrameType::Read
        | FrameType::SnapshotPut
        | FrameType::SnapshotGet
        | FrameType::Tail
        | FrameType::Blob
        | FrameType::Open
        | FrameType::Call
        | FrameType::Refused => return false,
    }
    if waiting.fetch_add(1, Ordering::AcqRel) >= WINDOW_CONTROL {
        return false;
    }
    let (life, serving) = (Arc::clone(life), serving.clone());
    let (output, waiting, body) = (Arc::clone(output), Arc::clone(waiting), body.to_vec());
    let spawned = spawn("control", move || {
        answer(&life, &serving, &output, (kind, id, &body));
        waiting.fetch_sub(1, Ordering::AcqRel);
    });
    spawned.is_ok()
}

fn answer(
    life: &Arc<Life>,
    serving: &Serving,
    output: &Output,
    (kind, id, body): (FrameType, u64, &[u8]),
) {
    if kind == FrameType::Attest {
        let document = parse::<Attest>(body).and_then(|asked| {
            let made = serving.attestor.document(&asked.nonce);
            made.map_err(|code| (code, "attestation".to_owned()))
        });
        reply(
            output,
            kind,
            id,
            document.map(|document| Document { document }),
        );
    } else if kind == FrameType::Command {
        reply(output, kind, id, Ok(command::run(&serving.hub, body)));
    } else if kind == FrameType::Drain {
        drain(life, serving, output, id);
    } else {
        reply(output, kind, id, Ok(status(life, Some(serving))));
    }
}

/// Takes nothing new, lets the journal finish, and tells how long the log is then.
fn drain(life: &Life, serving: &Serving, output: &Output, id: u64) {
    let hub = &serving.hub;
    let now = hub.time.now();
    hub.lock().step(now, Step::Drain, &mut Vec::new());
    hub.wake.notify_one();
    let _ended = life.wait();
    let size = hub.lock().stored().0;
    reply(output, FrameType::Drain, id, Ok(Drained { size }));
}

fn status(life: &Life, serving: Option<&Serving>) -> Status {
    let welcome = life.welcome(0);
    let (generation, now_ms, counters) = serving.map_or((0, 0, Vec::new()), |serving| {
        let hub = &serving.hub;
        let generation = hub.lock().state().generation();
        (generation, hub.time.now().0, hub.counters.list())
    });
    let fenced = serving.is_some_and(|serving| serving.hub.lock().standing() == Standing::Fenced);
    Status {
        phase: if fenced { Phase::Fenced } else { welcome.phase },
        instance: welcome.instance,
        size: welcome.committed,
        generation,
        now_ms,
        counters,
    }
}
