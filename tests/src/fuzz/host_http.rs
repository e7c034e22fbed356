//! The host's two HTTP faces as a whole: any path, query, header fields and body, to a host with the kept sample log.
//!
//! An input is `agents|operators METHOD TARGET`, header lines, an empty line and a body; how it is framed is the harness's, since
//! `hostile_sockets` writes any bytes to the sockets. Every answer is a problem (docs/spec/problem.md), or what
//! `/openapi.json` says of the route that was asked.

mod answer;
mod enclave;
mod host;

use answer::Answer;
use serde_json::Value;
use std::{cell::OnceCell, sync::LazyLock};

/// The host's own description of its faces.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../host/src/http/openapi.json")).unwrap()
});

thread_local! {
    /// One host for each thread, so that what it allocates is counted where it is asked.
    static HOST: OnceCell<host::Host> = const { OnceCell::new() };
}

/// Valid requests of every route.
pub const SEEDS: &[(&str, &str)] = &[
    (
        "agents-attestation",
        "agents GET /v1/attestation?nonce=00ff\nhost: a.example\n\n",
    ),
    ("agents-boot", "agents GET /v1/boot\n\n"),
    (
        "agents-calls",
        "agents POST /v1/channel/09090909090909090909090909090909\ncontent-type: application/octet-stream\n\n\0\0\0\x0a\0\0\0\0\0\0\0\x07zz",
    ),
    (
        "agents-directory",
        "agents GET /.well-known/http-message-signatures-directory\n\n",
    ),
    (
        "agents-discovery",
        "agents GET /.well-known/openid-configuration\n\n",
    ),
    (
        "agents-jwks",
        "agents GET /.well-known/jwks.json\naccept: */*\n\n",
    ),
    ("agents-manifests", "agents HEAD /v1/manifests\n\n"),
    ("agents-open", "agents POST /v1/channel\n\nnoise"),
    ("agents-ready", "agents GET /readyz\n\n"),
    (
        "agents-stream",
        "agents GET /v1/channel/stream\nconnection: upgrade\nupgrade: claviger-frames\n\n",
    ),
    (
        "audit",
        "operators GET /v1/audit?from=0.0&limit=3&grant=gr_1&kind=call&decision=issued&since=2026-01-01T00:00:00Z\nhost: 127.0.0.1\n\n",
    ),
    (
        "audit-denied",
        "operators GET /v1/audit?agent=bot&code=not_normal_form\nhost: localhost\nsec-fetch-site: none\n\n",
    ),
    ("bundle", "operators GET /v1/bundle\nhost: 127.0.0.1\n\n"),
    ("catalog", "operators GET /v1/catalog\nhost: 127.0.0.1\n\n"),
    (
        "checkpoint",
        "operators GET /log/checkpoint\nhost: 127.0.0.1\n\n",
    ),
    (
        "command",
        "operators POST /v1/commands\nhost: 127.0.0.1\n\n{\"body\":\"e30=\",\"signatures\":[\"s\"],\"sealed\":\"AA==\"}",
    ),
    (
        "command-refused",
        "operators POST /v1/commands\nhost: 127.0.0.1\n\n{\"body\":\"W10=\",\"signatures\":[]}",
    ),
    ("dashboard", "operators GET /\nhost: 127.0.0.1\n\n"),
    ("drain", "operators POST /v1/drain\nhost: 127.0.0.1\n\n"),
    (
        "entries",
        "operators GET /log/entries?from=2\nhost: [::1]:7001\n\n",
    ),
    (
        "entry-tile",
        "operators GET /log/tile/entries/000.p/3\nhost: 127.0.0.1\n\n",
    ),
    (
        "follow",
        "operators GET /v1/audit?follow=true\nhost: 127.0.0.1\nlast-event-id: 1.0\n\n",
    ),
    (
        "genesis",
        "operators POST /v1/genesis\nhost: 127.0.0.1\n\n{\"nonce\":\"00112233445566778899aabbccddeeff\"}",
    ),
    (
        "grant",
        "operators GET /v1/grants/gr_1\nhost: 127.0.0.1\n\n",
    ),
    (
        "grants",
        "operators GET /v1/grants?after=gr_0&limit=500\nhost: 127.0.0.1\n\n",
    ),
    (
        "keys",
        "operators GET /v1/keys?limit=1\nhost: 127.0.0.1\n\n",
    ),
    (
        "manifests",
        "operators PUT /v1/manifests\nhost: 127.0.0.1\n\n{\"manifests\":[{\"body\":\"e30=\",\"signatures\":[\"s\"]}]}",
    ),
    (
        "metrics",
        "operators GET /metrics\nhost: 127.0.0.1\nauthorization: Bearer x\n\n",
    ),
    (
        "openapi",
        "operators GET /openapi.json\nhost: 127.0.0.1\n\n",
    ),
    (
        "path-no-text",
        "operators GET /v1/grants/%FF\nhost: 127.0.0.1\n\n",
    ),
    (
        "receipt",
        "operators GET /v1/receipts/1.0\nhost: 127.0.0.1\n\n",
    ),
    (
        "status",
        "operators GET /v1/status\nhost: 127.0.0.1\norigin: https://evil.example\n\n",
    ),
    (
        "tile",
        "operators GET /log/tile/0/000.p/3\nhost: 127.0.0.1\n\n",
    ),
];

/// One request.
struct Request<'a> {
    operators: bool,
    method: &'a str,
    target: &'a str,
    /// As it goes over the connection.
    bytes: Vec<u8>,
}

/// Asks, and holds the answer to the document.
pub fn host_http(data: &[u8]) {
    let Some((request, answer)) = asked(data) else {
        return;
    };
    if answer.is_not_http() {
        return;
    }
    if answer.content_type.as_deref() == Some("application/problem+json") {
        problem(&answer, request.method == "HEAD");
    } else {
        documented(&request, &answer);
    }
}

/// The status that an input is answered with.
#[must_use]
pub fn status(data: &[u8]) -> Option<u16> {
    asked(data).map(|(_, answer)| answer.status)
}

fn asked(data: &[u8]) -> Option<(Request<'_>, Answer)> {
    let request = parse(data)?;
    let answer = HOST.with(|host| {
        let host = host.get_or_init(host::Host::start);
        host.ask(request.operators, &request.bytes)
    });
    Some((request, Answer::parse(&answer)))
}

fn parse(data: &[u8]) -> Option<Request<'_>> {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.splitn(3, ' ');
    let operators = match words.next()? {
        "agents" => false,
        "operators" => true,
        _ => return None,
    };
    let (method, target) = (words.next()?, words.next()?);
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for line in lines {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        // An empty line would end the head.
        let framing = [&b""[..], b"content-length", b"transfer-encoding"];
        if !framing
            .iter()
            .any(|own| name.trim_ascii().eq_ignore_ascii_case(own))
        {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    Some(Request {
        operators,
        method,
        target,
        bytes,
    })
}

fn problem(answer: &Answer, without_body: bool) {
    assert!(answer.status >= 400, "{answer:?}");
    if without_body {
        return;
    }
    let body: Value = serde_json::from_slice(&answer.body).expect("a problem is JSON");
    assert_eq!(body["type"], "about:blank", "{body}");
    assert_eq!(body["status"], answer.status, "{body}");
    for member in ["title", "code", "next"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "{body}"
        );
    }
    let code = body["code"].as_str().unwrap();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(code.bytes().all(plain), "{code}");
}

/// The status and the media type are those that the document lists for the route.
fn documented(request: &Request<'_>, answer: &Answer) {
    let told = || format!("{} {}: {answer:?}", request.method, request.target);
    let method = match request.method {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let responses = route(request.target)
        .map(|path| &path[method.as_str()]["responses"])
        .unwrap_or_else(|| panic!("an undocumented route: {}", told()));
    let response = &responses[answer.status.to_string().as_str()];
    assert!(
        response.is_object(),
        "an undocumented answer: {}, {:?}",
        told(),
        String::from_utf8_lossy(&answer.body)
    );
    match (&answer.content_type, response["content"].as_object()) {
        (None, None) => {}
        (Some(media), Some(known)) => assert!(known.contains_key(media), "{}", told()),
        _ => panic!("another body than documented: {}", told()),
    }
}

/// The path of the document that a target is of; fixed texts before parameters.
fn route(target: &str) -> Option<&'static Value> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) if !path.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => path,
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let fits = |pattern: &str| {
        let (mut own, mut given) = (pattern.split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                // The number of a tile goes on over slashes.
                (Some("{tile}"), Some(_)) => return true,
                (Some(one), Some(two)) if one == two || one.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let exact = paths.get(path);
    let fixed = paths.iter().filter(|(pattern, _)| fits(pattern));
    exact.or_else(|| {
        fixed
            .min_by_key(|(pattern, _)| pattern.matches('{').count())
            .map(|(_, value)| value)
    })
}
