//! The HTTP faces: attestation, manifests, genesis, commands, tokens.

use super::{fake::Fake, *};
use crate::link::{decode, encode};
use claviger_shared::{
    codec::cbor,
    id::{Digest, InstanceId, Pcr},
    log::entry::Leaf,
    time::UnixMs,
    wire::{
        FrameType, Phase,
        control::{
            Attest, Born, CommandDone, CommandRefused, CommandReply, Document, Drained, Measured,
            Status, Submitted,
        },
        storage::StoredEntry,
    },
};
use serde_json::json;

const TOKEN: &str = "correct-horse";

#[tokio::test]
async fn an_attestation_carries_the_callers_nonce() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let document = Document {
        document: b"document".to_vec(),
    };
    fake.answers(FrameType::Attest, &document);
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    for (query, nonce) in [("?nonce=00ff", vec![0, 255]), ("", vec![])] {
        let answer = http::get(courier.agents, &format!("/v1/attestation{query}")).await;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"document"[..])
        );
        assert!(answer.head.contains("application/octet-stream"));
        let asked: Attest = decode(&fake.asked().last().unwrap().1).unwrap();
        assert_eq!(asked.nonce, nonce);
    }
    let long = |bytes: usize| format!("/v1/attestation?nonce={}", "ab".repeat(bytes));
    assert_eq!(http::get(courier.agents, &long(64)).await.status, 200);
    for bad in [
        long(65),
        "/v1/attestation?nonce=0g".into(),
        "/v1/attestation?x=1".into(),
    ] {
        assert_eq!(http::get(courier.agents, &bad).await.code(), "malformed");
    }
    courier.stop().await;
}

#[tokio::test]
async fn the_boot_entry_of_the_instance_that_serves_is_shown_also_after_a_restart_of_the_courier() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let mut wanted = Vec::new();
    {
        let log = dir.path().join("log");
        let store = crate::store::local::Local::open(&log, Default::default()).unwrap();
        for (index, instance) in [InstanceId([1; 16]), fake::INSTANCE, fake::INSTANCE]
            .into_iter()
            .enumerate()
        {
            let leaf = Leaf {
                v: 1,
                origin: "o".into(),
                instance,
                index: index as u64,
                parent: Digest([0; 32]),
                time: UnixMs(0),
                count: 0,
                records_root: Digest([0; 32]),
            };
            let entry = StoredEntry {
                index: index as u64,
                leaf: cbor::encode(&leaf).unwrap(),
                records: Vec::new(),
                checkpoint: String::new(),
            };
            wanted.push(encode(&entry).unwrap());
            let entry = crate::store::Entry::new(entry).unwrap();
            crate::store::Store::append(&store, &entry);
        }
    }
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    let answer = http::get(courier.agents, "/v1/boot").await.json();
    assert_eq!(
        answer,
        json!({"index": 1, "entry": STANDARD.encode(&wanted[1])})
    );
    fake.event(Phase::Serving, Some(2), None);
    for _ in 0..100 {
        if http::get(courier.agents, "/v1/boot").await.json()["index"] == 2 {
            return courier.stop().await;
        }
    }
    panic!("the event's index is not taken");
}

#[tokio::test]
async fn manifests_are_stored_only_as_an_extension_and_used_at_once_when_nothing_is_measured() {
    let (fake, dir) = (Fake::new(Phase::Booted), TempDir::new().unwrap());
    fake.answers(
        FrameType::Measure,
        &Measured {
            pcr16: Pcr([0; 48]),
        },
    );
    let courier = Courier::start(&fake, dir.path()).await;
    drop(http::connect(courier.operators).await);
    assert_eq!(http::get(courier.agents, "/v1/manifests").await.status, 404);
    let put = async |file: &str| {
        http::send(
            courier.operators,
            "PUT /v1/manifests HTTP/1.1",
            file.as_bytes(),
        )
        .await
    };
    assert_eq!(put("{}").await.code(), "malformed");
    assert_eq!(put(&chain(&["g0"])).await.status, 200);
    fake.was_asked(FrameType::Measure).await;
    assert_eq!(put(&chain(&["other"])).await.code(), "not_an_extension");
    assert_eq!(put(&chain(&["g0", "g1"])).await.json()["generation"], 1);
    assert_eq!(put(&chain(&["g0"])).await.code(), "not_an_extension");
    let shown = http::get(courier.agents, "/v1/manifests").await;
    assert_eq!(shown.body, chain(&["g0", "g1"]).as_bytes());
    let agents = http::send(courier.agents, "PUT /v1/manifests HTTP/1.1", b"{}").await;
    assert_eq!(agents.status, 405, "agents change nothing");
    courier.stop().await;
}

#[tokio::test]
async fn a_genesis_stores_its_bundle_before_it_answers_and_happens_once() {
    let (fake, dir) = (Fake::new(Phase::Booted), dir_with(&chain(&["g0"]), None));
    fake.answers(
        FrameType::Measure,
        &Measured {
            pcr16: Pcr([0; 48]),
        },
    );
    let born = Born {
        bundle: b"bundle".to_vec(),
        origin: "o".to_owned(),
        vkey: "v".to_owned(),
        first_root: Digest([7; 32]),
        document: b"document".to_vec(),
    };
    fake.answers(FrameType::Genesis, &born);
    let courier = Courier::start(&fake, dir.path()).await;
    fake.was_asked(FrameType::Measure).await;
    let short = json!({"nonce": "ab".repeat(15)}).to_string();
    let refused = http::post(courier.operators, "/v1/genesis", short.as_bytes()).await;
    assert_eq!(refused.code(), "malformed");
    let nonce = json!({"nonce": "ab".repeat(16)}).to_string();
    let answer = http::post(courier.operators, "/v1/genesis", nonce.as_bytes()).await;
    let wanted = json!({
        "bundle": STANDARD.encode("bundle"), "origin": "o", "vkey": "v",
        "first_root": format!("sha256:{}", "07".repeat(32)), "document": STANDARD.encode("document"),
    });
    assert_eq!((answer.status, answer.json()), (200, wanted));
    assert_eq!(std::fs::read(dir.path().join("bundle")).unwrap(), b"bundle");
    assert_eq!(
        http::get(courier.operators, "/v1/bundle").await.body,
        b"bundle"
    );
    let again = http::post(courier.operators, "/v1/genesis", nonce.as_bytes()).await;
    assert_eq!((again.status, again.code().as_str()), (409, "exists"));
    let asked = fake
        .kinds()
        .into_iter()
        .filter(|kind| *kind == FrameType::Genesis);
    assert_eq!(asked.count(), 1);
    courier.stop().await;
}

#[tokio::test]
async fn a_command_goes_through_byte_for_byte_and_its_refusal_names_the_place() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let done = CommandReply::Done(CommandDone {
        seq: 3,
        result: r#"{"id":"gr_1"}"#.to_owned(),
        receipt: b"receipt".to_vec(),
    });
    fake.answers(FrameType::Command, &done);
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    let body = json!({"body": STANDARD.encode("{ }"), "signatures": ["s"], "sealed": STANDARD.encode("key")});
    let body = body.to_string();
    let answer = http::post(courier.operators, "/v1/commands", body.as_bytes()).await;
    let wanted = json!({"seq": 3, "result": {"id": "gr_1"}, "receipt": STANDARD.encode("receipt")});
    assert_eq!((answer.status, answer.json()), (200, wanted));
    let Submitted { signed, sealed } = decode(&fake.asked()[0].1).unwrap();
    assert_eq!(
        (signed.body.as_slice(), signed.signatures.len()),
        (&b"{ }"[..], 1)
    );
    assert_eq!(sealed, b"key");
    let refused = CommandReply::Refused(CommandRefused {
        code: "invalid".to_owned(),
        pointer: Some("/action".to_owned()),
        detail: "an action".to_owned(),
    });
    fake.answers(FrameType::Command, &refused);
    let answer = http::post(courier.operators, "/v1/commands", body.as_bytes()).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"));
    assert_eq!(answer.json()["pointer"], "/action");
    let unknown = http::post(courier.operators, "/v1/commands", br#"{"x":1}"#).await;
    assert_eq!(unknown.code(), "malformed");
    assert_eq!(
        http::post(courier.agents, "/v1/commands", body.as_bytes())
            .await
            .status,
        404
    );
    courier.stop().await;
}

#[tokio::test]
async fn without_an_enclave_operators_are_told_to_try_later() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let path = TempDir::new().unwrap().path().join("nobody");
    let courier = Courier::with(&fake, dir.path(), |c| {
        c.enclave = EnclaveAddress::Unix(path)
    })
    .await;
    drop(http::connect(courier.operators).await);
    let body = json!({"body": "", "signatures": []}).to_string();
    let answer = http::post(courier.operators, "/v1/commands", body.as_bytes()).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
    assert!(answer.head.to_ascii_lowercase().contains("retry-after: 1"));
    assert_eq!(http::get(courier.agents, "/readyz").await.status, 503);
    assert_eq!(http::get(courier.agents, "/healthz").await.status, 200);
    courier.stop().await;
}

#[tokio::test]
async fn status_metrics_and_drain_say_what_the_enclave_says() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let status = Status {
        phase: Phase::Serving,
        instance: fake::INSTANCE,
        size: 4,
        generation: 1,
        now_ms: 99,
        counters: vec![("calls_issued".to_owned(), 8)],
    };
    fake.answers(FrameType::Status, &status);
    fake.answers(FrameType::Drain, &Drained { size: 5 });
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    let status = http::get(courier.operators, "/v1/status").await.json();
    assert_eq!(status["counters"]["calls_issued"], 8);
    assert_eq!(
        (&status["phase"], &status["now_ms"]),
        (&json!("serving"), &json!(99))
    );
    let metrics = http::get(courier.operators, "/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(
        text.contains("claviger_enclave_phase{phase=\"serving\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("claviger_relay_connections 1\n"), "{text}");
    let drained = http::post(courier.operators, "/v1/drain", b"").await;
    assert_eq!(drained.json(), json!({"size": 5}));
    courier.stop().await;
}

#[tokio::test]
async fn with_a_token_only_its_holder_is_an_operator() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let courier = Courier::with(&fake, dir.path(), |c| c.operator_token_file = Some(file)).await;
    courier.ready().await;
    let get = async |authorization: &str| {
        let head = format!("GET /v1/bundle HTTP/1.1{authorization}");
        http::send(courier.operators, &head, b"").await.status
    };
    assert_eq!(get("").await, 401);
    assert_eq!(get("\r\nAuthorization: Bearer wrong").await, 401);
    assert_eq!(
        get(&format!("\r\nAuthorization: Bearer {TOKEN}")).await,
        404,
        "no bundle yet"
    );
    let health = http::get(courier.operators, "/healthz").await;
    assert_eq!(health.status, 200);
    courier.stop().await;
}

#[tokio::test]
async fn a_page_in_a_browser_is_no_operator() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    let head = "POST /v1/drain HTTP/1.1\r\nOrigin: https://evil.example";
    let answer = http::send(courier.operators, head, b"").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "cross_origin")
    );
    courier.stop().await;
}

#[tokio::test]
async fn beyond_loopback_without_a_token_it_does_not_start() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let courier = Courier::with(&fake, dir.path(), |c| {
        c.operators = "0.0.0.0:0".parse().unwrap();
    })
    .await;
    let ended = courier.ended.await.unwrap();
    assert!(matches!(ended, Err(Error::Config(config::Error::Token))));
}

#[tokio::test]
async fn unknown_addresses_are_problems_too() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    for face in [courier.agents, courier.operators] {
        assert_eq!(http::get(face, "/nothing").await.code(), "not_found");
    }
    assert_eq!(http::get(courier.agents, "/metrics").await.status, 404);
    courier.stop().await;
}
