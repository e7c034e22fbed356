//! The operators' face: commands, genesis, manifests, status; what can be looked at is in the rooms beside.
//!
//! Commands and manifests carry their own signatures, which the enclave checks; a token here keeps strangers out and
//! makes nobody an owner.

use super::{
    App, audit, blocking, body, dashboard,
    face::Face,
    log, look, metrics,
    problem::Problem,
    public::{self, json, unhex},
    token,
};
use crate::deployment;
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::from_fn_with_state,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::to_hex,
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
pub(crate) const MAX_COMMAND_BODY: usize = MAX_COMMAND / 3 * 4 + MAX_SIGNATURES * 4096 + 1024;
/// Shortest nonce of a genesis.
const MIN_NONCE: usize = 16;

/// The face.
pub(super) fn face() -> Face {
    let face = public::face()
        .get("/", dashboard::page)
        .post("/v1/commands", command)
        .post("/v1/genesis", genesis)
        .post("/v1/drain", drain)
        .get("/v1/status", status)
        .get("/v1/bundle", bundle)
        .put("/v1/manifests", put_manifests)
        .get("/metrics", metrics::answer)
        .get("/openapi.json", openapi);
    log::add(audit::add(look::add(face)))
}

/// The face, served.
pub(crate) fn router(app: Arc<App>) -> Router {
    public::with_fallbacks(face().into_router())
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

/// The document of both faces.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> Response {
    public::bytes("application/json", OPENAPI)
}

async fn bundle(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let bundle = app.deployment.bundle().ok_or_else(Problem::not_found)?;
    Ok(public::octets(bundle.as_ref().clone()))
}
