//! The log as files: C2SP tlog-tiles under `/log`, and whole entries with their records.
//!
//! ```text
//! /log/checkpoint                    the newest signed tree head
//! /log/tile/<L>/<N>[.p/<W>]          hashes
//! /log/tile/entries/<N>[.p/<W>]      leaves
//! /log/entries?from=                 entries with records and checkpoints, our own form
//! ```
//! A tile is served in every width that the log has had; nothing here is asked to be believed.

use super::{
    App, blocking,
    face::{Face, Named},
    problem::Problem,
    public,
};
use crate::{
    index::{MAX_LEVEL, Unproved, WIDTH},
    link::encode,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;

/// Bytes of entries in one answer, beside the one that passes it.
const ENTRIES: usize = 1024 * 1024;
/// Digits of one element of a tile's number.
const DIGITS: usize = 3;
/// Elements of a tile's number at most: 2^64 has twenty digits.
const MAX_ELEMENTS: usize = 7;

pub(super) fn add(face: Face) -> Face {
    face.get("/log/checkpoint", checkpoint)
        .get("/log/entries", entries)
        .get("/log/tile/entries/{*tile}", bundle)
        .get("/log/tile/{level}/{*tile}", tile)
}

async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let tail = app.store.tail();
    if tail.size == 0 {
        return Err(Problem::not_found());
    }
    let mut response = public::bytes("text/plain; charset=utf-8", tail.checkpoint);
    let none = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, none);
    Ok(response)
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
    query: Result<Query<From>, QueryRejection>,
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

async fn tile(
    State(app): State<Arc<App>>,
    Named((level, tile)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let level = number(&level).and_then(|level| u8::try_from(level).ok());
    let level = level.filter(|level| *level <= MAX_LEVEL);
    let (Some(level), Some((index, width))) = (level, place(&tile)) else {
        return Err(Problem::not_found());
    };
    let _turn = app.turn().await?;
    let index_of = Arc::clone(&app.index);
    let hashes = blocking(move || index_of.tile(level, index, width)).await?;
    Ok(kept(hashes?))
}

async fn bundle(
    State(app): State<Arc<App>>,
    Named(tile): Named<String>,
) -> Result<Response, Problem> {
    let (index, width) = place(&tile).ok_or_else(Problem::not_found)?;
    let _turn = app.turn().await?;
    let index_of = Arc::clone(&app.index);
    let leaves = blocking(move || index_of.bundle(index, width)).await?;
    Ok(kept(leaves?))
}

/// Bytes that never change.
fn kept(bytes: Vec<u8>) -> Response {
    let mut response = public::octets(bytes);
    let kept = HeaderValue::from_static("private, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    response
}

/// `<N>[.p/<W>]`: the tile's number and how many hashes are wanted of it.
fn place(text: &str) -> Option<(u64, u64)> {
    let (digits, width) = match text.split_once(".p/") {
        Some((digits, width)) => {
            let width = number(width).filter(|width| (1..WIDTH).contains(width))?;
            (digits, width)
        }
        None => (text, WIDTH),
    };
    let elements: Vec<_> = digits.split('/').collect();
    let (last, before) = elements.split_last()?;
    let mut joined = String::new();
    for element in before {
        joined.push_str(element.strip_prefix('x')?);
    }
    joined.push_str(last);
    let fine = elements.len() <= MAX_ELEMENTS
        && joined.bytes().all(|byte| byte.is_ascii_digit())
        && joined.len() == elements.len() * DIGITS;
    // One spelling: a first element of zeros stands alone only.
    let shortest = before.is_empty() || !joined.starts_with("000");
    let index = joined.parse().ok().filter(|_| fine && shortest)?;
    Some((index, width))
}

/// Decimal without leading zeros.
fn number(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == text)
}

impl std::convert::From<Unproved> for Problem {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::Absent => Self::not_found(),
            Unproved::TooLarge => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_large",
                "prove this record from /log/entries, as `claviger audit` does",
            ),
            Unproved::Unavailable => Self::unavailable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiles_path_has_one_spelling() {
        assert_eq!(place("000"), Some((0, 256)));
        assert_eq!(place("067.p/1"), Some((67, 1)));
        assert_eq!(place("067.p/255"), Some((67, 255)));
        assert_eq!(place("x001/x234/067"), Some((1_234_067, 256)));
        assert_eq!(place("x001/x234/067.p/8"), Some((1_234_067, 8)));
        assert_eq!(
            place("x018/x446/x744/x073/x709/x551/615"),
            Some((u64::MAX, 256))
        );
        for bad in [
            "",
            "0",
            "00",
            "0000",
            "x000",
            "x000/001",
            "001/002",
            "x01/002",
            "x001/x002",
            "067.p/0",
            "067.p/256",
            "067.p/01",
            "067.p/",
            "067.p",
            "067.p/1/2",
            "+67",
            "x+01/002",
            "06a",
            "x018/x446/x744/x073/x709/x551/616",
            "x001/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
