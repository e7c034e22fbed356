//! The audit trail for operators: pages of records, records as they come, receipts.
//!
//! ```text
//! GET /v1/audit?from&limit&grant&agent&kind&decision&code&since       a page, and where to go on
//! GET /v1/audit?follow=true&…                                         server-sent events; Last-Event-ID resumes
//! GET /v1/receipts/{id}                                               proof of one record
//! ```
//! A record's id is `<entry>.<number>`. What is shown is the host's word; a receipt proves itself.

use super::{
    App, blocking,
    face::{Face, Named},
    look::ask,
    problem::Problem,
    public::json,
};
use crate::index::{
    DECISIONS, KINDS,
    audit::{Filter, MAX_PAGE, Page, Place, page},
};
use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use claviger_shared::{
    denial::Code,
    id::{AgentId, GrantId},
    time::UnixMs,
};
use serde::Deserialize;
use serde_json::json;
use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// Records of a page unless told otherwise.
const PAGE: usize = 100;
/// Records sent to a follower at once.
const BURST: usize = 100;
/// How often the log's end is looked at for a follower.
const LOOK: Duration = Duration::from_millis(200);
/// Looks without a record before a follower gets a sign of life: 15 s.
const QUIET: u32 = 75;
/// What a follower waits before it comes again.
const RETRY_MS: u64 = 2000;

pub(super) fn add(face: Face) -> Face {
    face.get("/v1/audit", audit)
        .get("/v1/receipts/{id}", receipt)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: Option<String>,
    limit: Option<usize>,
    grant: Option<String>,
    agent: Option<String>,
    kind: Option<String>,
    decision: Option<String>,
    code: Option<String>,
    since: Option<String>,
    #[serde(default)]
    follow: bool,
}

/// A checked query.
struct Asked {
    filter: Filter,
    agent: Option<AgentId>,
    from: Option<Place>,
    limit: usize,
    follow: bool,
}

impl Asked {
    fn of(query: Result<Query<Wanted>, QueryRejection>) -> Result<Self, Problem> {
        let known =
            "from, limit, grant, agent, kind, decision, code, since, follow: each at most once";
        let Query(wanted) = query.map_err(|_| Problem::malformed(known))?;
        let Wanted {
            from,
            limit,
            grant,
            agent,
            kind,
            decision,
            code,
            since,
            follow,
        } = wanted;
        let limit = limit.unwrap_or(PAGE);
        if limit == 0 || limit > MAX_PAGE {
            return Err(Problem::malformed("limit: 1 to 1000"));
        }
        let word = |given: Option<String>, known: &[&str], expected: &str| match given {
            Some(word) if !known.contains(&word.as_str()) => Err(Problem::malformed(expected)),
            given => Ok(given),
        };
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let (kinds, decisions) = (KINDS.join(", "), DECISIONS.join(", "));
        let filter = Filter {
            grant: parsed(grant, GrantId::parse, "grant: a grant's id")?.map(|id| id.to_string()),
            grants: None,
            kind: word(kind, &KINDS, &format!("kind: one of {kinds}"))?,
            decision: word(
                decision,
                &DECISIONS,
                &format!("decision: one of {decisions}"),
            )?,
            code: word(code, &codes, "code: a denial's, as budget_exceeded")?,
            since: parsed(
                since,
                UnixMs::parse_rfc3339,
                "since: a time, as 2026-11-23T09:00:00Z",
            )?,
        };
        let place = |text: &str| place(text).ok_or(());
        Ok(Self {
            filter,
            agent: parsed(agent, AgentId::parse, "agent: an agent's name")?,
            from: parsed(from, place, "from: an entry\'s index, or a record\'s id")?,
            limit,
            follow,
        })
    }
}

fn parsed<T, E>(
    given: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
    expected: &str,
) -> Result<Option<T>, Problem> {
    let read = given.map(|text| parse(&text)).transpose();
    read.map_err(|_| Problem::malformed(expected))
}

/// An entry's index, or a record's id.
fn place(text: &str) -> Option<Place> {
    Place::parse(text).or_else(|| {
        let index: u64 = text.parse().ok()?;
        (index.to_string() == text).then_some(Place { index, number: 0 })
    })
}

async fn audit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let mut asked = Asked::of(query)?;
    if let Some(agent) = asked.agent.take() {
        asked.filter.grants = Some(ask(&app, move |index| index.grants_of(&agent)).await?);
    }
    if asked.follow {
        return follow(app, &headers, asked);
    }
    let from = asked.from.unwrap_or_default();
    let found = look(&app, asked.filter, from, asked.limit).await?;
    let records: Vec<_> = found.records.into_iter().map(|(_, value)| value).collect();
    Ok(json(&json!({
        "records": records, "next": found.next.to_string(), "end": found.end,
    })))
}

async fn look(app: &App, filter: Filter, from: Place, limit: usize) -> Result<Page, Problem> {
    let _turn = app.turn().await?;
    let store = Arc::clone(&app.store);
    let found = blocking(move || page(store.as_ref(), &filter, from, limit)).await?;
    found.map_err(|error| {
        tracing::error!(%error, "read the log");
        Problem::unavailable()
    })
}

/// One follower; its place among them goes with it.
struct Follower {
    app: Arc<App>,
    filter: Filter,
    next: Place,
    quiet: u32,
    _seat: OwnedSemaphorePermit,
}

fn follow(app: Arc<App>, headers: &HeaderMap, asked: Asked) -> Result<Response, Problem> {
    let seat = Arc::clone(&app.followers).try_acquire_owned();
    let seat = seat.map_err(|_| Problem::busy("too many followers"))?;
    let last = match headers.get("last-event-id") {
        None => None,
        Some(id) => {
            let place = id.to_str().ok().and_then(Place::parse);
            Some(place.ok_or_else(|| Problem::malformed("Last-Event-ID: a record\'s id"))?)
        }
    };
    let tail = Place {
        index: app.store.tail().size,
        number: 0,
    };
    let begin = asked.filter.since.map(|_| Place::default());
    let next = last
        .map(Place::after)
        .or(asked.from)
        .or(begin)
        .unwrap_or(tail);
    let follower = Follower {
        app,
        filter: asked.filter,
        next,
        quiet: 0,
        _seat: seat,
    };
    let first = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
    let events =
        futures_util::stream::unfold((Some(first), follower), |(first, mut follower)| async {
            let chunk = match first {
                Some(first) => first,
                None => follower.chunk().await?,
            };
            Some((Ok::<_, Infallible>(chunk), (None, follower)))
        });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Follower {
    /// The next events, or a sign of life; nothing when the log cannot be read, which ends the stream.
    async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            let found = look(&self.app, self.filter.clone(), self.next, BURST)
                .await
                .ok()?;
            // What was looked at is not looked at again, also where a time was asked for.
            (self.next, self.filter.since) = (found.next, None);
            if !found.records.is_empty() {
                self.quiet = 0;
                let mut out = String::new();
                for (place, value) in found.records {
                    // JSON is one line: a text in it has no line break of its own.
                    let _ = write!(out, "id: {place}\nevent: record\ndata: {value}\n\n");
                }
                return Some(Bytes::from(out));
            }
            if found.end {
                tokio::time::sleep(LOOK).await;
                self.quiet += 1;
            }
            if self.quiet >= QUIET {
                self.quiet = 0;
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
    }
}

async fn receipt(
    State(app): State<Arc<App>>,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let place = Place::parse(&id).ok_or_else(Problem::not_found)?;
    let _turn = app.turn().await?;
    let index = Arc::clone(&app.index);
    let receipt = blocking(move || index.receipt(place)).await??;
    Ok(json(
        &json!({ "id": place.to_string(), "receipt": receipt }),
    ))
}
