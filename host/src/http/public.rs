//! What both faces answer: documents that prove themselves, public keys as a convenience, health.

use super::{App, blocking, face::Face, problem::Problem};
use crate::{
    index,
    link::{control::AskError, encode},
};
use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::wire::{
    FrameType, Phase,
    control::{Attest, Document, MAX_NONCE},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long an attestation waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// The endpoints of both faces.
pub(super) fn face() -> Face {
    Face::default()
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/v1/attestation", attestation)
        .get("/v1/manifests", manifests)
        .get("/v1/boot", boot)
}

/// What is said of all addresses and methods that a face does not have.
pub(super) fn with_fallbacks(router: Router<Arc<App>>) -> Router<Arc<App>> {
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "check the method",
            )
        })
}

/// Counts requests.
pub(super) async fn count(
    State(app): State<Arc<App>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    app.requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

pub(super) fn bytes(content_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // What the log says may look like anything; no browser is to guess what it is.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body.into()).into_response()
}

pub(super) fn octets(body: impl Into<axum::body::Body>) -> Response {
    bytes("application/octet-stream", body)
}

pub(super) fn json(value: &serde_json::Value) -> Response {
    bytes("application/json", value.to_string())
}

/// Hexadecimal digits in pairs.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
    let view = app.control.view();
    let ready = view.phase == Some(Phase::Serving) && app.relay.connections() > 0;
    let body = json!({
        "ready": ready, "phase": view.phase, "reason": view.reason, "connections": app.relay.connections(),
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, json(&body)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nonce {
    nonce: Option<String>,
}

async fn attestation(
    State(app): State<Arc<App>>,
    query: Result<Query<Nonce>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let malformed = || Problem::malformed("nonce: at most 64 bytes in hexadecimal");
    let Query(Nonce { nonce }) = query.map_err(|_| malformed())?;
    let nonce = unhex(nonce.as_deref().unwrap_or_default()).ok_or_else(malformed)?;
    if nonce.len() > MAX_NONCE {
        return Err(malformed());
    }
    let turn = tokio::time::timeout(TURN, app.attestations.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(AskError::Busy.into());
    };
    let Document { document } = app
        .control
        .ask(FrameType::Attest, &Attest { nonce })
        .await?;
    Ok(octets(document))
}

async fn manifests(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let chain = app.deployment.chain().ok_or_else(Problem::not_found)?;
    Ok(bytes("application/json", chain.file.clone()))
}

async fn boot(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let view = app.control.view();
    let instance = view
        .instance
        .filter(|_| view.phase == Some(Phase::Serving))
        .ok_or_else(Problem::unavailable)?;
    let store = Arc::clone(&app.store);
    let found = blocking(move || {
        let index = view
            .boot_index
            .or_else(|| index::boot_of(store.as_ref(), &instance))?;
        let entry = store.read(index, 0).ok()?.entries.into_iter().next()?;
        Some((index, encode(&entry).ok()?))
    });
    let (index, entry) = found.await?.ok_or_else(Problem::unavailable)?;
    Ok(json(
        &json!({ "index": index, "entry": STANDARD.encode(entry) }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_comes_in_pairs_of_digits() {
        assert_eq!(unhex(""), Some(vec![]));
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 0xa1]));
        for bad in ["0", "0g", "+1", "é"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
