//! The operators' face: commands, genesis, manifests, the log, status.
//!
//! Commands and manifests carry their own signatures, which the enclave checks; a token here keeps strangers out and
//! makes nobody an owner. What is said of grants and keys is a convenience, by the host's word alone.

use super::{
    App, blocking, body, metrics,
    problem::Problem,
    public::{self, json, unhex},
    token,
};
use crate::{deployment, link::encode};
use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::{HeaderName, StatusCode},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::{GrantId, to_hex},
    time::UnixMs,
    wire::{
        FrameType,
        control::{
            Born, CommandReply, Drained, Genesis, MAX_COMMAND, MAX_NONCE, MAX_SEALED_KEY,
            MAX_SIGNATURES, Signed, Status, Submitted,
        },
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest body of a command: its bytes in base64, and its signatures.
const MAX_COMMAND_BODY: usize = MAX_COMMAND / 3 * 4 + MAX_SIGNATURES * 4096 + 1024;
/// Bytes of entries in one answer, beside the one that passes it.
const ENTRIES: usize = 1024 * 1024;
/// Shortest nonce of a genesis.
const MIN_NONCE: usize = 16;

/// The face.
pub(crate) fn router(app: Arc<App>) -> Router {
    public::router()
        .route("/v1/commands", post(command))
        .route("/v1/genesis", post(genesis))
        .route("/v1/drain", post(drain))
        .route("/v1/status", get(status))
        .route("/v1/bundle", get(bundle))
        .route("/v1/manifests", axum::routing::put(put_manifests))
        .route("/v1/grants", get(grants))
        .route("/v1/grants/{id}", get(grant))
        .route("/v1/keys", get(keys))
        .route("/log/entries", get(entries))
        .route("/log/checkpoint", get(checkpoint))
        .route("/metrics", get(metrics::answer))
        .layer(from_fn_with_state(Arc::clone(&app), token::check))
        .layer(from_fn_with_state(Arc::clone(&app), public::count))
        .with_state(app)
}

fn parse<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|_| Problem::malformed(expected))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedBody {
    body: String,
    signatures: Vec<String>,
    /// For a key that is imported.
    sealed: Option<String>,
}

async fn command(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let form = "body in base64, signatures, and for key.import the sealed key in base64";
    let bytes = body(request, MAX_COMMAND_BODY).await?;
    let signed: SignedBody = parse(&bytes, form)?;
    let decode = |text: String| STANDARD.decode(text).map_err(|_| Problem::malformed(form));
    let sealed = signed.sealed.map(decode).transpose()?.unwrap_or_default();
    let signed = Signed {
        body: decode(signed.body)?,
        signatures: signed.signatures,
    };
    let few = signed.signatures.len() <= MAX_SIGNATURES && sealed.len() <= MAX_SEALED_KEY;
    if signed.body.len() > MAX_COMMAND || !few {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "send less",
        ));
    }
    let submitted = Submitted { signed, sealed };
    match app.control.ask(FrameType::Command, &submitted).await? {
        CommandReply::Done(done) => {
            let result: Value = serde_json::from_str(&done.result).unwrap_or(Value::Null);
            let receipt = STANDARD.encode(done.receipt);
            Ok(json(
                &json!({"seq": done.seq, "result": result, "receipt": receipt}),
            ))
        }
        CommandReply::Refused(refused) if refused.code == "unavailable" => {
            Err(Problem::unavailable().detail(refused.detail))
        }
        CommandReply::Refused(refused) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            &refused.code,
            "fix the command and sign it again",
        )
        .pointer(refused.pointer)
        .detail(refused.detail)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisBody {
    nonce: String,
}

async fn genesis(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let bytes = body(request, 1024).await?;
    let form = "nonce: 16 to 64 bytes in hexadecimal";
    let GenesisBody { nonce } = parse(&bytes, form)?;
    let nonce = unhex(&nonce)
        .filter(|nonce| (MIN_NONCE..=MAX_NONCE).contains(&nonce.len()))
        .ok_or_else(|| Problem::malformed(form))?;
    let _one = app.genesis.lock().await;
    if app.deployment.bundle().is_some() {
        return Err(exists());
    }
    let born: Born = app
        .control
        .ask(FrameType::Genesis, &Genesis { nonce })
        .await?;
    let (deployment, bundle) = (Arc::clone(&app.deployment), born.bundle.clone());
    blocking(move || deployment.put_bundle(&bundle))
        .await?
        .map_err(refused)?;
    app.changed.notify_one();
    Ok(json(&json!({
        "bundle": STANDARD.encode(born.bundle), "origin": born.origin, "vkey": born.vkey,
        "first_root": born.first_root, "document": STANDARD.encode(born.document),
    })))
}

fn exists() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "exists",
        "this deployment is born; use another directory for another one",
    )
}

fn refused(refused: deployment::Refused) -> Problem {
    match refused {
        deployment::Refused::Exists => exists(),
        deployment::Refused::Malformed => Problem::malformed("a manifest chain"),
        deployment::Refused::NotAnExtension => Problem::new(
            StatusCode::CONFLICT,
            "not_an_extension",
            "send the stored chain with new manifests behind it",
        ),
        deployment::Refused::Io(error) => {
            tracing::error!(%error, "write a file of the deployment");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "io",
                "look at the host's log",
            )
        }
    }
}

async fn put_manifests(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let file = body(request, deployment::MAX_CHAIN_FILE).await?;
    let deployment = Arc::clone(&app.deployment);
    let chain = blocking(move || deployment.put_chain(&file))
        .await?
        .map_err(refused)?;
    app.changed.notify_one();
    let generation = chain.links.len() - 1;
    tracing::info!(generation, "manifest chain stored");
    Ok(json(&json!({ "generation": generation })))
}

async fn drain(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Drained { size } = app.control.ask(FrameType::Drain, &()).await?;
    tracing::info!(size, "enclave drained");
    Ok(json(&json!({ "size": size })))
}

async fn status(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let status: Status = app.control.ask(FrameType::Status, &()).await?;
    let counters: serde_json::Map<String, Value> = status
        .counters
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let view = app.control.view();
    Ok(json(&json!({
        "phase": status.phase, "instance": to_hex(&status.instance.0), "size": status.size,
        "generation": status.generation, "now_ms": status.now_ms, "counters": counters,
        "boot_index": view.boot_index, "reason": view.reason, "stored": app.store.tail().size,
    })))
}

async fn bundle(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let bundle = app.deployment.bundle().ok_or_else(Problem::not_found)?;
    Ok(public::octets(bundle.as_ref().clone()))
}

/// The host's time, for what it says of grants.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this face needs the time of day; nothing is decided by it"
)]
fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.map_or(0, |since| since.as_millis() as u64))
}

async fn grants(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let index = Arc::clone(&app.index);
    let grants = blocking(move || {
        index.catch_up();
        index.grants(now())
    })
    .await?;
    Ok(json(&grants.map_err(|_| Problem::unavailable())?))
}

async fn grant(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = GrantId::parse(&id).map_err(|_| Problem::not_found())?;
    let index = Arc::clone(&app.index);
    let grant = blocking(move || {
        index.catch_up();
        index.grant(&id, now())
    })
    .await?;
    let grant = grant.map_err(|_| Problem::unavailable())?;
    Ok(json(&grant.ok_or_else(Problem::not_found)?))
}

async fn keys(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let index = Arc::clone(&app.index);
    let keys = blocking(move || {
        index.catch_up();
        index.keys()
    })
    .await?;
    Ok(json(&keys.map_err(|_| Problem::unavailable())?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    #[serde(default)]
    from: u64,
}

/// Repeated `length u32be ‖ canonical CBOR of a stored entry`, about 1 MiB at most; empty at the log's end.
async fn entries(
    State(app): State<Arc<App>>,
    query: Result<Query<From>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(From { from }) = query.map_err(|_| Problem::malformed("from: an index"))?;
    let store = Arc::clone(&app.store);
    let read = blocking(move || {
        let size = store.tail().size;
        let found = store.read(from, ENTRIES as u64).ok()?;
        let mut out = Vec::new();
        for entry in &found.entries {
            let bytes = encode(entry).ok()?;
            out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
            out.extend_from_slice(&bytes);
        }
        Some((size, out))
    });
    let (size, out) = read.await?.ok_or_else(Problem::unavailable)?;
    let name = HeaderName::from_static("claviger-log-size");
    Ok(([(name, size.to_string())], public::octets(out)).into_response())
}

async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let tail = app.store.tail();
    if tail.size == 0 {
        return Err(Problem::not_found());
    }
    Ok(public::bytes("text/plain; charset=utf-8", tail.checkpoint))
}
