//! An ssh-agent (RFC 9987) beside the sidecar, so that stock `ssh` and `git` use the grant unchanged.
//!
//! It offers certificates for a key that lives in this process and nowhere else, renewed in time, and the enclave's own key
//! for git's signatures. It lists and signs; whatever else is asked of it fails. It decides nothing: what a certificate
//! permits, and which objects are signed, the enclave says. It never has an object signed by a digest: it finds the text
//! (`text`).

mod held;
pub mod message;
mod socket;
mod text;

pub use socket::Socket;

use super::{Asks, Sidecar};
use held::Held;
use message::{Request, read, write};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use text::Peer;
use tokio::{net::UnixStream, sync::Semaphore};

/// Connections held at once; further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 32;
/// How long the rest of a message may take, and how long a connection may be silent.
const MESSAGE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(3600);

/// What happened, for whoever runs this program.
pub type Tell = fn(&str);

/// Serves for ever; without a socket it waits for ever.
pub async fn serve<A: Asks>(socket: Option<Socket>, sidecar: Arc<Sidecar<A>>) {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    let held = match Held::new(socket.tell) {
        Ok(held) => Arc::new(held),
        Err(error) => {
            (socket.tell)(&error.to_string());
            return std::future::pending().await;
        }
    };
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let Some(peer) = socket.accept().await else {
            // Out of descriptors, most likely, or a stranger: some connection has to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (held, sidecar) = (Arc::clone(&held), Arc::clone(&sidecar));
        tokio::spawn(async move {
            connection(peer, &held, &sidecar).await;
            drop(slot);
        });
    }
}

/// One message after the other, until the peer goes or says something malformed.
async fn connection<A: Asks>(mut peer: UnixStream, held: &Held, sidecar: &Sidecar<A>) {
    let who = peer.peer_cred().ok().and_then(|who| {
        let (pid, uid) = (who.pid()?, who.uid());
        Some(Peer { pid, uid })
    });
    loop {
        let Ok(Some(bytes)) = read(&mut peer, IDLE, MESSAGE).await else {
            return;
        };
        let answer = match Request::parse(&bytes) {
            Some(Request::Identities) => held.identities(&sidecar.agent).await,
            Some(Request::Sign { key, data }) => held.sign(&sidecar.agent, (key, data), who).await,
            Some(Request::Other) => None,
            None => return,
        };
        if write(&mut peer, answer, MESSAGE).await.is_err() {
            return;
        }
    }
}

/// What is kept under a lock is whole after every change to it.
fn whole<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
