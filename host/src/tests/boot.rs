//! The order of a boot, and what happens when a part of it is missing or breaks.

use super::{fake::Fake, *};
use axum::{Router, routing::post};
use claviger_shared::{
    bundle::{Bundle, Head, Recipient},
    id::{Digest, Pcr},
    wire::{
        FrameType, Phase, Role,
        control::{Document, Measure, Measured, Unseal, Unsealed},
    },
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const ARNS: [&str; 2] = [
    "arn:aws:kms:eu-west-1:111122223333:key/one",
    "arn:aws:kms:us-east-1:111122223333:key/two",
];

fn bundle() -> Vec<u8> {
    let recipient = |arn: &str| Recipient {
        arn: arn.to_owned(),
        spki: vec![1],
        wrapped: vec![2],
    };
    let head = Head {
        v: 1,
        g0: Digest([0; 32]),
        ephemeral: b"ephemeral".to_vec(),
        recipients: ARNS.iter().map(|arn| recipient(arn)).collect(),
        nonce: [0; 12],
    };
    Bundle { head, ct: vec![3] }.encode().unwrap()
}

/// A KMS that answers for one key alone.
async fn kms(answers_for: &'static str) -> (String, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&asked);
    let router = Router::new().route(
        "/",
        post(async move |body: bytes::Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let fine = body["KeyId"] == answers_for;
            own.lock().unwrap().push(body);
            if fine {
                (
                    http_status(200),
                    json!({"CiphertextForRecipient": STANDARD.encode("ct")}).to_string(),
                )
            } else {
                (
                    http_status(400),
                    json!({"__type": "AccessDeniedException"}).to_string(),
                )
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), asked)
}

fn http_status(code: u16) -> axum::http::StatusCode {
    axum::http::StatusCode::from_u16(code).unwrap()
}

fn scripted() -> Fake {
    let fake = Fake::new(Phase::Booted);
    fake.answers(
        FrameType::Measure,
        &Measured {
            pcr16: Pcr([0; 48]),
        },
    );
    let document = Document {
        document: b"document".to_vec(),
    };
    fake.answers(FrameType::AttestKms, &document);
    let unsealed = Unsealed {
        origin: "o".to_owned(),
        vkey: "v".to_owned(),
        generation: 1,
    };
    fake.answers(FrameType::Unseal, &unsealed);
    fake.answers(FrameType::Resume, &());
    fake
}

const WHOLE: [FrameType; 4] = [
    FrameType::Measure,
    FrameType::AttestKms,
    FrameType::Unseal,
    FrameType::Resume,
];

#[tokio::test]
async fn a_boot_asks_in_order_and_hands_over_what_kms_answered() {
    let (fake, dir) = (scripted(), dir_with(&chain(&["g0", "g1"]), Some(&bundle())));
    let (endpoint, asked) = kms(ARNS[0]).await;
    let courier = Courier::with(&fake, dir.path(), |c| c.kms.endpoint = Some(endpoint)).await;
    fake.was_asked(FrameType::Resume).await;
    assert_eq!(fake.kinds(), WHOLE);
    let bodies = fake.asked();
    let measure: Measure = crate::link::decode(&bodies[0].1).unwrap();
    let links: Vec<_> = measure
        .manifests
        .into_iter()
        .map(|link| link.body)
        .collect();
    assert_eq!(links, [b"g0", b"g1"]);
    let unseal: Unseal = crate::link::decode(&bodies[2].1).unwrap();
    assert_eq!(
        (unseal.recipient.as_str(), &*unseal.ciphertext),
        (ARNS[0], &b"ct"[..])
    );
    assert_eq!(unseal.bundle, bundle());
    let body = asked.lock().unwrap()[0].clone();
    assert_eq!(body["KeyAgreementAlgorithm"], "ECDH");
    assert_eq!(body["PublicKey"], STANDARD.encode("ephemeral"));
    assert_eq!(
        body["Recipient"]["AttestationDocument"],
        STANDARD.encode("document")
    );
    assert_eq!(
        body["Recipient"]["KeyEncryptionAlgorithm"],
        "RSAES_OAEP_SHA_256"
    );
    courier.stop().await;
}

#[tokio::test]
async fn another_recipient_is_asked_when_the_first_refuses_with_the_same_document() {
    let (fake, dir) = (scripted(), dir_with(&chain(&["g0", "g1"]), Some(&bundle())));
    let (endpoint, asked) = kms(ARNS[1]).await;
    let courier = Courier::with(&fake, dir.path(), |c| c.kms.endpoint = Some(endpoint)).await;
    fake.was_asked(FrameType::Resume).await;
    assert_eq!(
        fake.kinds(),
        WHOLE,
        "one document, for an enclave makes few"
    );
    let keys: Vec<_> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|body| body["KeyId"].clone())
        .collect();
    assert_eq!(keys, ARNS);
    courier.stop().await;
}

#[tokio::test]
async fn a_restarted_enclave_is_booted_again() {
    let (fake, dir) = (scripted(), dir_with(&chain(&["g0", "g1"]), Some(&bundle())));
    let (endpoint, _) = kms(ARNS[0]).await;
    let courier = Courier::with(&fake, dir.path(), |c| c.kms.endpoint = Some(endpoint)).await;
    fake.was_asked(FrameType::Resume).await;
    fake.cut(Role::Control, Phase::Booted);
    until(|| fake.kinds().len() == 8).await;
    assert_eq!(fake.kinds()[4..], WHOLE);
    courier.stop().await;
}

#[tokio::test]
async fn a_serving_enclave_is_left_alone() {
    let (fake, dir) = (
        Fake::new(Phase::Serving),
        dir_with(&chain(&["g0", "g1"]), Some(&bundle())),
    );
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    assert_eq!(fake.kinds(), []);
    courier.stop().await;
}

#[tokio::test]
async fn under_g0_alone_it_waits_for_genesis() {
    let (fake, dir) = (scripted(), dir_with(&chain(&["g0"]), None));
    let courier = Courier::start(&fake, dir.path()).await;
    fake.was_asked(FrameType::Measure).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fake.kinds(), [FrameType::Measure]);
    courier.stop().await;
}

#[tokio::test]
async fn one_that_is_born_is_not_measured_before_its_g1_is_here() {
    let (fake, dir) = (scripted(), dir_with(&chain(&["g0"]), Some(&bundle())));
    let (endpoint, _) = kms(ARNS[0]).await;
    let courier = Courier::with(&fake, dir.path(), |c| c.kms.endpoint = Some(endpoint)).await;
    drop(http::connect(courier.agents).await);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(fake.kinds(), []);
    let put = chain(&["g0", "g1"]);
    let answer = http::send(
        courier.operators,
        "PUT /v1/manifests HTTP/1.1",
        put.as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200);
    fake.was_asked(FrameType::Resume).await;
    assert_eq!(fake.kinds(), WHOLE);
    courier.stop().await;
}

#[tokio::test]
async fn a_fenced_enclave_is_not_ready_and_says_why() {
    let (fake, dir) = (Fake::new(Phase::Serving), TempDir::new().unwrap());
    let courier = Courier::start(&fake, dir.path()).await;
    courier.ready().await;
    fake.event(Phase::Fenced, None, Some("conflict"));
    for _ in 0..500 {
        if http::get(courier.agents, "/readyz").await.status == 503 {
            break;
        }
    }
    let answer = http::get(courier.agents, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        (&answer.json()["phase"], &answer.json()["reason"]),
        (&json!("fenced"), &json!("conflict"))
    );
    courier.stop().await;
}
