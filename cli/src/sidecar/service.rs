//! One request, from its head to its answer.
//!
//! In this order: no browser (`Origin`, another `Host`), the token, the path, room, the body, the enclave.

use super::{
    Asks, BODY, MAX_REQUEST, Problem, Sidecar,
    problem::json_response,
    request::{Kind, parse},
};
use bytes::Bytes;
use claviger_client::{render, session::Answered};
use claviger_shared::call::{Ask, Reply};
use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{HOST, ORIGIN},
};
use serde_json::{Value, json};
use std::{error::Error as StdError, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;

/// Where a path leads.
enum Route {
    Health,
    Grant,
    Call { kind: Kind, simulate: bool },
}

/// Answers one request.
///
/// `room` is what was taken for it before; without it, it takes its own or is refused.
pub(super) async fn answer<A: Asks, B>(
    sidecar: &Sidecar<A>,
    request: Request<B>,
    room: Option<OwnedSemaphorePermit>,
) -> Response<Bytes>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match respond(sidecar, request, room).await {
        Ok(text) => json_response(StatusCode::OK, text),
        Err(problem) => problem.response(),
    }
}

async fn respond<A: Asks, B>(
    sidecar: &Sidecar<A>,
    request: Request<B>,
    room: Option<OwnedSemaphorePermit>,
) -> Result<Vec<u8>, Problem>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    no_browser(sidecar, &request)?;
    let route = route(request.method(), request.uri().path());
    if matches!(route, Ok(Route::Health)) {
        return Ok(text(&json!({ "ok": true })));
    }
    if !sidecar.token.admits(request.headers()) {
        let detail = "no token, or another one";
        let next = "send `Authorization: Bearer` with the sidecar's token";
        let status = StatusCode::UNAUTHORIZED;
        return Err(Problem::new(status, "unauthorized", detail, next));
    }
    let route = route?;
    let own = || Arc::clone(&sidecar.calls).try_acquire_owned();
    let _room = room.map_or_else(own, Ok).map_err(|_| Problem::busy())?;
    let ask = match route {
        // Answered above: health needs no token.
        Route::Health | Route::Grant => Ask::Whoami,
        Route::Call { kind, simulate } => {
            let sign = parse(kind, &whole(request).await?)?;
            if simulate {
                Ask::Simulate(sign)
            } else {
                Ask::Sign(sign)
            }
        }
    };
    ask_and_show(sidecar, ask).await
}

/// A page that a browser on this machine shows must not reach the agent's credentials, under whatever name it found us.
fn no_browser<A, B>(sidecar: &Sidecar<A>, request: &Request<B>) -> Result<(), Problem> {
    let refused = |code: &str, detail: &str| {
        let next = "call the sidecar by its own URL, not from a browser";
        Err(Problem::new(StatusCode::FORBIDDEN, code, detail, next))
    };
    if request.headers().contains_key(ORIGIN) {
        return refused("cross_origin", "a request from a web page");
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let ours = sidecar.authority.as_bytes();
    let named =
        matches!((hosts.next(), hosts.next()), (Some(host), None) if host.as_bytes() == ours);
    let target = request.uri().authority();
    if !named || target.is_some_and(|target| target.as_str().as_bytes() != ours) {
        return refused("wrong_host", "`Host` is not the address of the sidecar");
    }
    Ok(())
}

fn route(method: &Method, path: &str) -> Result<Route, Problem> {
    let missing = || {
        let detail = "no such address";
        let next = "see docs/spec/sidecar.md";
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail, next)
    };
    let call = |kind: &str, simulate: bool| {
        let kind = Kind::parse(kind).ok_or_else(missing)?;
        Ok((Method::POST, Route::Call { kind, simulate }))
    };
    let (wanted, route) = match path {
        "/healthz" => (Method::GET, Route::Health),
        "/v1/grants/self" => (Method::GET, Route::Grant),
        other => match (
            other.strip_prefix("/v1/credentials/"),
            other.strip_prefix("/v1/simulate/"),
        ) {
            (Some(kind), _) => call(kind, false)?,
            (None, Some(kind)) => call(kind, true)?,
            (None, None) => return Err(missing()),
        },
    };
    if *method != wanted {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let detail = "the address takes another method";
        let next = format!("use {wanted}");
        return Err(Problem::new(status, "method_not_allowed", detail, &next));
    }
    Ok(route)
}

/// A request's whole body, within the limit and in time.
async fn whole<B>(request: Request<B>) -> Result<Bytes, Problem>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let limited = Limited::new(request.into_body(), MAX_REQUEST);
    let collected = tokio::time::timeout(BODY, Box::pin(limited.collect())).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let detail = "the request is longer than 1 MiB";
            Err(Problem::new(status, "too_large", detail, "send less"))
        }
        Ok(Err(_)) => Err(Problem::malformed("the body broke off")),
        Err(_) => Err(late()),
    }
}

/// A body that takes too long.
pub(super) fn late() -> Problem {
    let status = StatusCode::REQUEST_TIMEOUT;
    let detail = "the body did not come in time";
    Problem::new(status, "late", detail, "send faster")
}

async fn ask_and_show<A: Asks>(sidecar: &Sidecar<A>, ask: Ask) -> Result<Vec<u8>, Problem> {
    let answer = sidecar.agent.ask(ask).await;
    let Answered { reply, receipt } = answer.map_err(|error| Problem::client(&error))?;
    let simulation = sidecar.agent.is_simulation().await;
    match &reply {
        Reply::Denied(denial) => Err(Problem::denied(denial, simulation)),
        Reply::Issued(issued) => render::issued_text(issued, receipt.as_deref(), simulation)
            .map_err(|error| Problem::client(&error)),
        Reply::Grant(own) => Ok(text(&render::whoami(own, simulation))),
        Reply::Known | Reply::Renewed(_) | Reply::Revoked => {
            let error = claviger_client::Error::Answer("answer to another request");
            Err(Problem::client(&error))
        }
    }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
