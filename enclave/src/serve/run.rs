//! The accepting end: a connection's first frame names its role, then it is handed on.
//!
//! One control and one storage connection, at most four for calls, a bounded number that have not said what they are.

use super::{
    answer::refuse,
    call, control,
    life::{Life, spawn},
    link::{Connection, Halves, Input, Listener, Output, STALL},
};
use crate::boot::{Error, Platform};
use claviger_shared::{
    codec::cbor,
    wire::{
        FrameType, Hello, MAX_CALL_CONNECTIONS, Phase, RefusedCode, Role, VERSION, WINDOW_CALL,
        WINDOW_CONTROL, WINDOW_STORAGE,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Connections in all, whatever they are for.
const MAX_CONNECTIONS: usize = 16;
/// Largest Hello.
const MAX_HELLO: usize = 256;
/// Time for last answers to leave before the process ends.
const LINGER: Duration = Duration::from_millis(200);

/// Counts one connection for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::AcqRel);
        let place = Self(Arc::clone(count));
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves the host's connections until this enclave's life ends; why it ended.
///
/// # Errors
///
/// [`Error::Platform`] when the platform gives no entropy or no thread.
pub fn run(platform: Platform, listener: Box<dyn Listener>) -> Result<(Phase, String), Error> {
    let life = Arc::new(Life::new(platform)?);
    let accepting = Arc::clone(&life);
    spawn("accept", move || {
        accept(&accepting, listener.as_ref());
        accepting.end(Phase::Stopped, "no more connections");
    })?;
    let end = life.wait();
    thread::sleep(LINGER);
    Ok(end)
}

fn accept(life: &Arc<Life>, listener: &dyn Listener) {
    let all = Arc::new(AtomicUsize::new(0));
    let calls = Arc::new(AtomicUsize::new(0));
    while let Ok(connection) = listener.accept() {
        let Some(place) = Place::take(&all, MAX_CONNECTIONS) else {
            continue;
        };
        let (life, calls) = (Arc::clone(life), Arc::clone(&calls));
        let spawned = spawn("connection", move || {
            let _place = place;
            serve(&life, connection, &calls);
        });
        if spawned.is_err() {
            return;
        }
    }
}

fn serve(life: &Arc<Life>, connection: Box<dyn Connection>, calls: &Arc<AtomicUsize>) {
    let Ok(halves) = connection.split() else {
        return;
    };
    let Halves {
        read,
        write,
        close,
        patience,
    } = halves;
    if patience(Some(STALL)).is_err() {
        return close();
    }
    let mut input = Input::new(read);
    let output = Output::new(write);
    let Some((id, role)) = hello(&mut input) else {
        return close();
    };
    // A connection may be silent for as long as it likes; what storage owes is watched by who waits for it.
    if patience(None).is_err() {
        return close();
    }
    let (window, place) = match role {
        Role::Control => (WINDOW_CONTROL, None),
        Role::Storage => (WINDOW_STORAGE, None),
        Role::Call => {
            let Some(place) = Place::take(calls, MAX_CALL_CONNECTIONS) else {
                refuse(&output, id, RefusedCode::Busy, "call connections");
                output.flush();
                return close();
            };
            (WINDOW_CALL, Some(place))
        }
    };
    let serving = life.serving();
    if role == Role::Call && serving.is_none() {
        refuse(&output, id, RefusedCode::NotServing, "phase");
        output.flush();
        return close();
    }
    let welcome = cbor::encode(&life.welcome(window)).unwrap_or_default();
    output.push(FrameType::Hello.reply(), id, &welcome);
    output.flush();
    match (role, serving) {
        (Role::Control, _) => {
            let output = Arc::new(output);
            life.attend(Arc::clone(&output));
            control::run(life, input, &output);
        }
        (Role::Storage, _) => return life.storage().serve(input, output, close),
        (Role::Call, Some(serving)) => call::run(&serving.hub, &serving.handshakes, input, output),
        (Role::Call, None) => {}
    }
    drop(place);
    close();
}

/// The first frame's id and role; nothing when it is no Hello of a version we speak.
fn hello(input: &mut Input) -> Option<(u64, Role)> {
    let mut body = Vec::new();
    let head = input.next(&mut body).ok()?;
    let hello: Hello = cbor::decode(&body, MAX_HELLO).ok()?;
    let fits = head.kind == FrameType::Hello.code() && hello.versions.contains(&VERSION);
    fits.then_some((head.id, hello.role))
}
