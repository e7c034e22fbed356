//! The socket of a mock KMS: one bounded request in, one answer of AWS's form out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::service::{Service, uuid};
use super::{Error, KmsConfig};
use crate::aws::{ErrorType, ServiceError};

/// Largest request body, in bytes: an attestation document of 256 KiB in base64 and room for the rest.
const MAX_BODY: usize = 512 * 1024;

/// Requests worked on at once; more wait.
const MAX_AT_ONCE: usize = 64;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How long open requests may take to end when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// A mock KMS that answers. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL an SDK is pointed to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops: no new requests, open ones end within five seconds, the directory is free again.
    pub async fn stop(self) {
        let Self {
            address: _,
            stop,
            mut task,
        } = self;
        drop(stop);
        if tokio::time::timeout(STOP_PATIENCE, &mut task)
            .await
            .is_err()
        {
            task.abort();
        }
    }
}

struct Shared {
    service: Service,
    places: Semaphore,
}

/// Starts a mock KMS and returns once it listens.
///
/// # Errors
///
/// [`Error`] if the configuration is wrong, the directory in use or damaged, or the address taken. Nothing runs then.
pub async fn serve(config: KmsConfig) -> Result<Running, Error> {
    if !config.listen.ip().is_loopback() {
        return Err(Error::NotLoopback);
    }
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let service = Service::open(config)?;
    let shared = Arc::new(Shared {
        service,
        places: Semaphore::new(MAX_AT_ONCE),
    });
    let router = Router::new().fallback(handle).with_state(shared);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // Sent or dropped, either way the end.
        stopped.await.unwrap_or_default();
    });
    Ok(Running {
        address,
        stop,
        task: tokio::spawn(async move { server.await }),
    })
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let answer = answer(shared, request).await;
    if let Err(error) = &answer {
        tracing::debug!(%error, "kms refused");
    }
    respond(answer)
}

async fn answer(shared: Arc<Shared>, request: Request) -> Result<Option<Value>, ServiceError> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST || parts.uri.path() != "/" || parts.uri.query().is_some() {
        return Err(ServiceError::new(
            ErrorType::UnknownOperation,
            "Requests are POSTs to / without a query.",
        ));
    }
    let too_large = || {
        ServiceError::new(
            ErrorType::RequestEntityTooLarge,
            "The request is too large.",
        )
    };
    if body.size_hint().lower() > u64::try_from(MAX_BODY).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let body = tokio::time::timeout(BODY_PATIENCE, to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| {
            ServiceError::new(
                ErrorType::Serialization,
                "The request did not arrive in time.",
            )
        })?
        .map_err(|_| too_large())?;
    let internal = || {
        ServiceError::new(
            ErrorType::KmsInternal,
            "The request could not be worked on.",
        )
    };
    let _place = shared.places.acquire().await.map_err(|_| internal())?;
    let working = Arc::clone(&shared);
    tokio::task::spawn_blocking(move || working.service.answer(&parts, &body))
        .await
        .map_err(|_| internal())?
}

fn respond(answer: Result<Option<Value>, ServiceError>) -> Response {
    let (status, error_type, body) = match answer {
        Ok(None) => (200, None, Vec::new()),
        Ok(Some(value)) => (200, None, value.to_string().into_bytes()),
        Err(ServiceError { kind, message }) => {
            let body = json!({ "__type": kind.name(), "message": message });
            (
                kind.status(),
                Some(kind.name()),
                body.to_string().into_bytes(),
            )
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", JSON_1_1);
    if let Some(error_type) = error_type {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error_type));
    }
    if let Some(id) = uuid().ok().and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
