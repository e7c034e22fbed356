//! What operators look at: grants, keys, the catalog. A convenience, by the host's word alone.
//!
//! Every list is a page: `limit` elements after the name in `after`; `next` is the name to go on from, or null.

use super::{
    App, blocking,
    face::{Face, Named},
    problem::Problem,
    public::json,
};
use crate::index::{Index, MAX_LIST, Unavailable};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use claviger_shared::{
    id::{GrantId, KeyId},
    time::UnixMs,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Elements of one page unless told otherwise.
const LIST: usize = 100;

pub(super) fn add(face: Face) -> Face {
    face.get("/v1/grants", grants)
        .get("/v1/grants/{id}", grant)
        .get("/v1/keys", keys)
        .get("/v1/catalog", catalog)
}

/// The host's time, for what it says of grants.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this face needs the time of day; nothing is decided by it"
)]
pub(super) fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.map_or(0, |since| since.as_millis() as u64))
}

/// Asks the index once it has followed the log.
pub(super) async fn ask<R: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Index) -> Result<R, Unavailable> + Send + 'static,
) -> Result<R, Problem> {
    let index = Arc::clone(&app.index);
    let found = blocking(move || {
        index.catch_up();
        look(&index)
    });
    found.await?.map_err(|_| Problem::unavailable())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    after: Option<String>,
    limit: Option<usize>,
}

/// Where a page begins and how long it is.
fn cut<T, E>(
    query: Result<Query<Cut>, QueryRejection>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<(Option<T>, usize), Problem> {
    let malformed = || Problem::malformed("after: a name; limit: 1 to 500");
    let Query(Cut { after, limit }) = query.map_err(|_| malformed())?;
    let after = after.map(|text| parse(&text)).transpose();
    let limit = limit.unwrap_or(LIST);
    if limit == 0 || limit > MAX_LIST {
        return Err(malformed());
    }
    Ok((after.map_err(|_| malformed())?, limit))
}

async fn grants(
    State(app): State<Arc<App>>,
    query: Result<Query<Cut>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = cut(query, GrantId::parse)?;
    let page = ask(&app, move |index| {
        index.grants(after.as_ref(), limit, now())
    });
    Ok(json(&page.await?))
}

async fn grant(State(app): State<Arc<App>>, Named(id): Named<String>) -> Result<Response, Problem> {
    let id = GrantId::parse(&id).map_err(|_| Problem::not_found())?;
    let found: Option<Value> = ask(&app, move |index| index.grant(&id, now())).await?;
    Ok(json(&found.ok_or_else(Problem::not_found)?))
}

async fn keys(
    State(app): State<Arc<App>>,
    query: Result<Query<Cut>, QueryRejection>,
) -> Result<Response, Problem> {
    let (after, limit) = cut(query, KeyId::parse)?;
    let page = ask(&app, move |index| index.keys(after.as_ref(), limit));
    Ok(json(&page.await?))
}

async fn catalog(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let found = ask(&app, Index::catalog).await?;
    Ok(json(&found.ok_or_else(Problem::not_found)?))
}
