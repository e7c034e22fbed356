//! The sidecar: the agent key in one process, credentials over loopback for another.
//!
//! Whoever speaks to it has a token and neither the agent key nor a signing key; what the token may get is what the grant
//! allows, decided in the enclave. Nothing is decided here: a request is read, asked and shown (docs/spec/sidecar.md).

mod caller;
mod connection;
mod plain;
mod problem;
mod renew;
pub mod request;
mod service;
pub mod ssh;
mod token;

pub use caller::{Answer, Caller};
pub use problem::Problem;
pub use token::Token;

use claviger_client::{Agent, Error as ClientError, session::Answered};
use claviger_shared::call::Ask;
use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// Longest request body in bytes: [`claviger_shared::call::MAX_BODY`] in base64, and what stands around it.
pub const MAX_REQUEST: usize = 1024 * 1024;
/// Connections held at once; further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 256;
/// Calls under way at once; further ones are refused as `busy`.
pub const MAX_CALLS: usize = 64;
/// How long a request's head may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(10);
/// Longest head in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// Who answers: an attested channel to the enclave.
pub trait Asks: Send + Sync + 'static {
    /// Asks once.
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<Answered, ClientError>> + Send;
    /// Whether the deployment is a simulation.
    fn is_simulation(&self) -> impl Future<Output = bool> + Send;
}

impl Asks for Agent {
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<Answered, ClientError>> + Send {
        self.answered(ask)
    }

    fn is_simulation(&self) -> impl Future<Output = bool> + Send {
        Self::is_simulation(self)
    }
}

/// A sidecar of one agent at one address.
#[derive(Debug)]
pub struct Sidecar<A> {
    agent: A,
    token: Token,
    authority: String,
    calls: Arc<Semaphore>,
    /// Connections with calls under way.
    busy: AtomicUsize,
}

impl<A: Asks> Sidecar<A> {
    /// A sidecar that answers requests for `address` with this token.
    #[must_use]
    pub fn new(agent: A, token: Token, address: SocketAddr) -> Self {
        Self {
            agent,
            token,
            authority: address.to_string(),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            busy: AtomicUsize::new(0),
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Its token.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }
}

/// Renews the grant in time, for ever.
pub async fn keep_renewed<A: Asks>(sidecar: Arc<Sidecar<A>>) {
    renew::keep(&sidecar.agent).await;
}

/// Serves for ever.
pub async fn serve<A: Asks>(listener: TcpListener, sidecar: Arc<Sidecar<A>>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let Ok((socket, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some connection has to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Without it answers only come later.
        let _ = socket.set_nodelay(true);
        let sidecar = Arc::clone(&sidecar);
        tokio::spawn(async move {
            connection::serve(socket, sidecar).await;
            drop(slot);
        });
    }
}
