//! The operators' face for looking: who may, within which bounds, and what is said while the log says nothing.

use super::{fake::Fake, *};
use claviger_shared::wire::Phase;

const TOKEN: &str = "correct-horse";

async fn courier(token: bool) -> (Courier, TempDir, Fake) {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let file = dir.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let courier = Courier::with(&fake, dir.path(), |config| {
        config.operator_token_file = token.then_some(file);
    })
    .await;
    courier.ready().await;
    (courier, dir, fake)
}

#[tokio::test]
async fn the_page_needs_no_token_and_all_that_it_shows_does() {
    let (courier, _dir, _fake) = courier(true).await;
    let page = http::get(courier.operators, "/").await;
    assert_eq!(page.status, 200);
    let head = page.head.to_ascii_lowercase();
    for field in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(field), "{field}");
    }
    let shown = [
        "/v1/status",
        "/v1/grants",
        "/v1/grants/gr_1",
        "/v1/keys",
        "/v1/catalog",
        "/v1/audit",
        "/v1/audit?follow=true",
        "/v1/receipts/0.0",
        "/log/checkpoint",
        "/log/entries",
        "/log/tile/0/000",
        "/log/tile/entries/000",
        "/metrics",
        "/openapi.json",
    ];
    for path in shown {
        assert_eq!(
            http::get(courier.operators, path).await.code(),
            "unauthorized",
            "{path}"
        );
    }
    let head = format!("GET /openapi.json HTTP/1.1\r\nAuthorization: Bearer {TOKEN}");
    assert_eq!(http::send(courier.operators, &head, b"").await.status, 200);
    assert_eq!(
        http::get(courier.agents, "/").await.status,
        404,
        "agents have no page"
    );
    courier.stop().await;
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_reads_nothing() {
    let (courier, _dir, _fake) = courier(false).await;
    let get = async |host: &str, more: &str| {
        let request =
            format!("GET /v1/audit HTTP/1.1\r\nHost: {host}\r\nConnection: close{more}\r\n\r\n");
        http::raw(courier.operators, request.as_bytes()).await
    };
    assert_eq!(get("127.0.0.1:80", "").await.status, 200);
    assert_eq!(get("rebound.example:80", "").await.code(), "cross_origin");
    assert_eq!(
        get("localhost", "\r\nSec-Fetch-Site: cross-site")
            .await
            .code(),
        "cross_origin"
    );
    assert_eq!(
        get("localhost", "\r\nSec-Fetch-Site: same-origin")
            .await
            .status,
        200
    );
    courier.stop().await;
}

#[tokio::test]
async fn an_empty_log_has_no_records_and_proves_nothing() {
    let (courier, _dir, _fake) = courier(false).await;
    let page = http::get(courier.operators, "/v1/audit").await.json();
    assert_eq!(
        page,
        serde_json::json!({"records": [], "next": "0.0", "end": true})
    );
    for path in [
        "/log/checkpoint",
        "/log/tile/0/000.p/1",
        "/log/tile/entries/000.p/1",
        "/v1/receipts/0.0",
    ] {
        assert_eq!(
            http::get(courier.operators, path).await.code(),
            "not_found",
            "{path}"
        );
    }
    // Without a deployment there is no state to show; the host's own counts are there.
    for path in ["/v1/grants", "/v1/keys", "/v1/catalog"] {
        assert_eq!(
            http::get(courier.operators, path).await.code(),
            "unavailable",
            "{path}"
        );
    }
    let metrics = http::get(courier.operators, "/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(
        text.contains("claviger_log_size 0\n") && !text.contains("claviger_grants"),
        "{text}"
    );
    courier.stop().await;
}

#[tokio::test]
async fn bodies_are_taken_up_to_their_limits() {
    let (courier, _dir, _fake) = courier(false).await;
    let code = async |head: &str, bytes: usize| {
        http::send(courier.operators, head, &vec![b' '; bytes])
            .await
            .code()
    };
    let limits = [
        ("POST /v1/genesis HTTP/1.1", 1024),
        (
            "POST /v1/commands HTTP/1.1",
            crate::http::operator::MAX_COMMAND_BODY,
        ),
        (
            "PUT /v1/manifests HTTP/1.1",
            crate::deployment::MAX_CHAIN_FILE,
        ),
    ];
    for (head, limit) in limits {
        assert_eq!(code(head, limit).await, "malformed", "{head}");
        assert_eq!(code(head, limit + 1).await, "too_large", "{head}");
    }
    courier.stop().await;
}
