//! The agents' face: channels, and what a client checks before it opens one.
//!
//! ```text
//! GET  /v1/attestation?nonce=<hex>     the raw document; without a nonce, a cached one
//! GET  /v1/manifests  /v1/boot         the chain; the Boot entry of the instance that serves
//! POST /v1/channel                     Noise message → channel[16] ‖ Noise message
//! POST /v1/channel/{id}                1 to 256 items → as many answer items, in any order
//! GET  /v1/channel/stream              Upgrade: claviger-frames
//! GET  /.well-known/jwks.json                              public keys of tokens
//! GET  /.well-known/openid-configuration                   where the catalog names an issuer
//! GET  /.well-known/http-message-signatures-directory      public keys of HTTP signatures
//! ```
//! Bodies of channels are application/octet-stream. What stands under `.well-known` is a convenience, by the host's word
//! alone: relying parties take keys from an origin that the owner controls.

use super::{
    App, Peer, blocking, body,
    face::{Face, Named},
    problem::Problem,
    public,
};
use crate::{
    index::{Index, Unavailable},
    relay::{post, source, stream},
};
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_shared::{
    effect::Kind,
    id::ChannelId,
    wire::{
        call::MAX_NOISE,
        stream::{MAX_POST, UPGRADE},
    },
};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Steps of the index that one question of anybody's may cost: what half a second of a busy log comes to, and more.
const STEPS: usize = 16;

/// The face.
pub(super) fn face() -> Face {
    public::face()
        .post("/v1/channel", open)
        .get("/v1/channel/stream", upgrade)
        .post("/v1/channel/{id}", calls)
        .get("/.well-known/jwks.json", jwks)
        .get("/.well-known/openid-configuration", discovery)
        .get("/.well-known/http-message-signatures-directory", directory)
}

/// The face, served.
pub(crate) fn router(app: Arc<App>) -> Router {
    public::with_fallbacks(face().into_router())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            public::count,
        ))
        .with_state(app)
}

async fn open(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let noise = body(request, MAX_NOISE).await?;
    if noise.is_empty() {
        return Err(Problem::malformed("a Noise message"));
    }
    let from = source(peer.address.ip());
    let opened = post::open(&app.relay, peer.asker, &from, &noise).await?;
    Ok(public::octets(opened))
}

async fn calls(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Named(channel): Named<String>,
    request: Request,
) -> Result<Response, Problem> {
    let channel = ChannelId::parse(&channel)
        .map_err(|_| Problem::malformed("a channel: 32 lower-case hexadecimal digits"))?;
    let items = body(request, MAX_POST).await?;
    let from = source(peer.address.ip());
    let answers = post::calls(&app.relay, peer.asker, &from, channel, &items).await?;
    Ok(public::octets(answers))
}

async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    if !asks_for_frames(&request) {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "send Connection: Upgrade and Upgrade: claviger-frames",
        ));
    }
    let upgrade = hyper::upgrade::on(request);
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        // The accept loop puts nothing else under a connection.
        if let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() {
            let (socket, early) = (parts.io.into_inner(), parts.read_buf.to_vec());
            let from = source(peer.address.ip());
            stream::serve(Arc::clone(&app.relay), socket, early, from).await;
        }
        drop(peer);
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(UPGRADE));
    Ok(response)
}

fn asks_for_frames(request: &Request) -> bool {
    let has = |name, wanted: &str| {
        let values = request.headers().get_all(name).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        texts
            .flat_map(|text| text.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, UPGRADE)
}

/// Asks the index for what was stored by now: a key must be there as soon as its maker was told of it.
async fn ask<R: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Index) -> Result<R, Unavailable> + Send + 'static,
) -> Result<R, Problem> {
    let index = Arc::clone(&app.index);
    let found = blocking(move || index.follow(STEPS).and_then(|()| look(&index)));
    found.await?.map_err(|_| Problem::unavailable())
}

async fn keys(app: Arc<App>, kind: Kind) -> Result<String, Problem> {
    let keys = ask(&app, move |index| index.jwks(kind)).await?;
    Ok(keys.to_string())
}

async fn jwks(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let keys = keys(app, Kind::Jwt).await?;
    Ok(public::bytes("application/jwk-set+json", keys))
}

async fn discovery(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let document = ask(&app, Index::discovery).await?;
    Ok(public::json(&document.ok_or_else(Problem::not_found)?))
}

async fn directory(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(public::bytes(
        "application/http-message-signatures-directory+json",
        keys(app, Kind::Http).await?,
    ))
}
