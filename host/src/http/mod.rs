//! The two HTTP faces: who may connect, how long a request may take, how much it may send.
//!
//! HTTP/1.1 over plain TCP; TLS is put in front. Nothing that is answered here is trusted because it came from here.

pub(crate) mod agent;
mod audit;
mod dashboard;
mod face;
mod log;
mod look;
mod metrics;
pub(crate) mod operator;
mod problem;
mod public;
mod sources;
mod token;

pub(crate) use token::Token;

use crate::{
    deployment::Deployment, index::Index, link::control::Control, relay::Relay, store::Store,
    tasks::Tasks,
};
use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use problem::Problem;
use sources::{Held, Sources};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
};
use tower::ServiceExt;

/// Agents' connections at once.
pub(crate) const MAX_AGENT_CONNECTIONS: usize = 4096;
/// Operators' connections at once.
pub(crate) const MAX_OPERATOR_CONNECTIONS: usize = 128;
/// How long a request's head may take, waiting for its first byte included.
const HEAD: Duration = Duration::from_secs(30);
/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(30);
/// Largest head.
const MAX_HEAD: usize = 32 * 1024;
/// Attestations under way at once: they must not crowd out commands.
const ATTESTATIONS: usize = 2;
/// Who follow the audit trail at once.
pub(crate) const FOLLOWERS: usize = 16;
/// Reads of the log for operators under way at once: they must not crowd out the enclave's own.
const READERS: usize = 4;
/// How long a read waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What the faces stand on.
pub(crate) struct App {
    pub(crate) control: Control,
    pub(crate) relay: Arc<Relay>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Arc<Index>,
    /// Told when the manifests or the bundle change.
    pub(crate) changed: Arc<Notify>,
    pub(crate) tasks: Tasks,
    pub(crate) token: Option<Token>,
    pub(crate) requests: AtomicU64,
    pub(crate) attestations: Semaphore,
    /// Places of those who follow the audit trail.
    pub(crate) followers: Arc<Semaphore>,
    /// Turns of those who read the log.
    pub(crate) readers: Semaphore,
    /// Held while a genesis is under way.
    pub(crate) genesis: Mutex<()>,
}

impl App {
    pub(crate) const fn attestations() -> Semaphore {
        Semaphore::const_new(ATTESTATIONS)
    }

    pub(crate) fn followers() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(FOLLOWERS))
    }

    pub(crate) const fn readers() -> Semaphore {
        Semaphore::const_new(READERS)
    }

    /// A turn to read the log, waited for no longer than [`TURN`].
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(TURN, self.readers.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Problem::busy("too many read the log")),
        }
    }
}

/// The connection that a request came on.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Its name among askers of the relay.
    pub(crate) asker: u64,
    /// Held as long as the connection, also after an upgrade.
    _slot: Arc<(OwnedSemaphorePermit, Held)>,
}

/// Accepts until the stop.
pub(crate) async fn serve(listener: TcpListener, router: Router, app: Arc<App>, max: usize) {
    let slots = Arc::new(Semaphore::new(max));
    let sources = Arc::new(Sources::default());
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((socket, address)) => {
                // One address takes no more than half, so that another finds room.
                let Some(held) = sources.hold(address.ip(), max.div_ceil(2)) else {
                    continue;
                };
                let peer = Peer {
                    address,
                    asker: app.relay.asker(),
                    _slot: Arc::new((slot, held)),
                };
                app.tasks.spawn(connection(socket, peer, router.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: Peer, router: Router) {
    // Without it answers only come later.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection");
    }
}

/// A request's whole body, within a limit and in time.
async fn body(request: Request, max: usize) -> Result<Bytes, Problem> {
    use axum::http::StatusCode;
    let limited = Limited::new(request.into_body(), max).collect();
    match tokio::time::timeout(BODY, limited).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "send less",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "late",
            "send faster",
        )),
    }
}

/// Runs what blocks beside the runtime.
async fn blocking<R: Send + 'static>(
    act: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Problem> {
    let done = tokio::task::spawn_blocking(act).await;
    done.map_err(|_| Problem::unavailable())
}
