//! One request, from its head to its answer.
//!
//! In this order: no browser (`Origin`, another `Host`), the token, the path, room, the body, the enclave.

use super::{
    Asks, BODY, MAX_REQUEST, Problem, Sidecar,
    problem::json_response,
    request::{Kind, parse},
};
use bytes::Bytes;
use claviger_client::render;
use claviger_shared::call::{Ask, Reply};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{HOST, ORIGIN},
};
use serde_json::{Value, json};
use std::{convert::Infallible, error::Error as StdError};

/// Where a path leads.
enum Route {
    Health,
    Grant,
    Call { kind: Kind, simulate: bool },
}

/// Answers one request.
pub(super) async fn answer<A: Asks, B>(
    sidecar: &Sidecar<A>,
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let answered = respond(sidecar, request).await;
    Ok(match answered {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(problem) => problem.response(),
    })
}

async fn respond<A: Asks, B>(sidecar: &Sidecar<A>, request: Request<B>) -> Result<Value, Problem>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    no_browser(sidecar, &request)?;
    let route = route(request.method(), request.uri().path());
    if matches!(route, Ok(Route::Health)) {
        return Ok(json!({ "ok": true }));
    }
    if !sidecar.token.admits(request.headers()) {
        let detail = "no token, or another one";
        let next = "send `Authorization: Bearer` with the sidecar's token";
        let status = StatusCode::UNAUTHORIZED;
        return Err(Problem::new(status, "unauthorized", detail, next));
    }
    let route = route?;
    let _room = sidecar.calls.try_acquire().map_err(|_| Problem::busy())?;
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
        Err(_) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            let detail = "the body did not come in time";
            Err(Problem::new(status, "late", detail, "send faster"))
        }
    }
}

async fn ask_and_show<A: Asks>(sidecar: &Sidecar<A>, ask: Ask) -> Result<Value, Problem> {
    let reply = sidecar.agent.ask(ask).await;
    let reply = reply.map_err(|error| Problem::client(&error))?;
    let simulation = sidecar.agent.is_simulation().await;
    if let Reply::Denied(denial) = &reply {
        return Err(Problem::denied(denial, simulation));
    }
    if let Reply::Issued(issued) = &reply {
        return render::issued(issued, simulation).map_err(|error| Problem::client(&error));
    }
    if let Reply::Grant(own) = &reply {
        return Ok(render::whoami(own, simulation));
    }
    let error = claviger_client::Error::Answer("answer to another request");
    Err(Problem::client(&error))
}
