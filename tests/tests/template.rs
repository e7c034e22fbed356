//! Requests signed by templates, end to end: keys of each algorithm, restarts, repetitions, what is charged and refused.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey as OtherPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    call::{Ask, HttpInput, Sign},
    credential::Credential,
    denial::Code,
};
use claviger_tests::{
    agent::{Agent, issued},
    deployment::Deployment,
    template::{ALGS, SECRET, call, granted, import_secret, input, quote, start},
};
use ring::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

type Fields = BTreeMap<String, String>;

fn signed(agent: &Agent, call: &HttpInput) -> (Fields, Option<String>, Option<Vec<u8>>) {
    let answer = agent.sign(input(call.clone())).unwrap().issued;
    let Some(Credential::Template { headers, url, body }) = answer.credential else {
        panic!("another kind")
    };
    let body = body.map(serde_bytes::ByteBuf::into_vec);
    (headers.into_iter().collect(), url, body)
}

fn public(deployment: &Deployment, id: &str) -> Vec<u8> {
    let state = deployment.audited();
    let key = state.keys().find(|(key, _)| key.as_str() == id).unwrap().1;
    key.public.clone()
}

/// Whether a quote's signature verifies under another provider over the message that the catalog describes.
fn verify(alg: &str, public: &[u8], fields: &Fields) {
    let (time, nonce) = (&fields["x-time"], &fields["x-nonce"]);
    let message = format!("GET|{alg}.example.com|/v1/quotes/7?depth=3|t 1|{time}|{nonce}");
    let signature = URL_SAFE_NO_PAD.decode(&fields["x-sig"]).unwrap();
    let fits = |message: &str| {
        let message = message.as_bytes();
        let by = |hash| {
            let key = hmac::Key::new(hash, SECRET);
            hmac::verify(&key, message, &signature).is_ok()
        };
        match alg {
            "hs256" => by(hmac::HMAC_SHA256),
            "hs512" => by(hmac::HMAC_SHA512),
            "ed25519" => UnparsedPublicKey::new(&ED25519, public)
                .verify(message, &signature)
                .is_ok(),
            "p256" => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                .verify(message, &signature)
                .is_ok(),
            "rs256" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
                .verify(message, &signature)
                .is_ok(),
            _ => OtherPublicKey::new(&ECDSA_P521_SHA512_FIXED, public)
                .verify(message, &signature)
                .is_ok(),
        }
    };
    assert!(fits(&message), "{alg}: {message}");
    assert!(!fits(&message.replace("GET", "DELETE")), "{alg}");
}

#[test]
fn every_algorithm_signs_with_its_own_key_and_after_a_restart() {
    let (deployment, mut enclave) = start();
    let names: Vec<_> = ALGS.iter().map(|alg| format!("quotes-{alg}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let keys: Vec<_> = ALGS.iter().map(|alg| format!("k_{alg}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let grant = granted(&deployment, &enclave, "gr_1", &names, &keys);
    let publics = ALGS.map(|alg| public(&deployment, &format!("k_{alg}")));
    for round in 0..2 {
        let agent = Agent::connect(&deployment, &enclave, &grant);
        for (alg, public) in ALGS.iter().zip(&publics) {
            let (fields, url, body) = signed(&agent, &quote(alg));
            assert_eq!((url, body), (None, None));
            verify(alg, public, &fields);
            if alg.starts_with("hs") {
                assert_eq!(fields["x-key"], format!("id-{alg}"));
            }
            assert_eq!(fields["x-time"], deployment.clock.now().0.to_string());
        }
        if round == 0 {
            enclave.crash();
            enclave = deployment.boot();
        }
    }
}

#[test]
fn no_key_of_another_algorithm_stands_in() {
    let (deployment, enclave) = start();
    let link = Arc::new(enclave.call_link());
    for alg in ALGS {
        let (name, own) = (format!("quotes-{alg}"), format!("k_{alg}"));
        let others: Vec<_> = ALGS
            .iter()
            .filter(|other| **other != alg)
            .map(|other| format!("k_{other}"))
            .collect();
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        let grant = granted(
            &deployment,
            &enclave,
            &format!("gr_{alg}"),
            &[&name],
            &others,
        );
        let agent = Agent::on(&link, &deployment, &enclave, &grant);
        let denial = agent.sign(input(quote(alg))).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (Code::KeyDenied, Some("template")),
            "{own}"
        );
    }
}

/// Two services with HMAC: each route's key is the one whose identifier it names, or the first.
#[test]
fn a_route_names_its_key_of_hmac() {
    let (deployment, enclave) = start();
    import_secret(
        &deployment,
        &enclave,
        ("k_second", "hs256"),
        "second",
        &[7; 32],
    );
    let names = ["quotes-hs256", "quotes-named"];
    let grant = granted(
        &deployment,
        &enclave,
        "gr_1",
        &names,
        &["k_hs256", "k_second"],
    );
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let mut named = quote("hs256");
    named.url = named.url.replace("hs256", "named");
    assert_eq!(signed(&agent, &quote("hs256")).0["x-key"], "id-hs256");
    assert_eq!(signed(&agent, &named).0["x-key"], "second");
    let grant = granted(
        &deployment,
        &enclave,
        "gr_2",
        &names,
        &["k_hs256", "k_hs512"],
    );
    let agent = Agent::connect(&deployment, &enclave, &grant);
    assert_eq!(agent.sign(input(named)).unwrap_err().code, Code::KeyDenied);
}

/// The same key and input give the same bytes again for one charge, what the enclave wrote into them included.
#[test]
fn a_repetition_is_the_same_credential() {
    let (deployment, enclave) = start();
    let grant = granted(
        &deployment,
        &enclave,
        "gr_1",
        &["kraken-orders", "payments"],
        &["k_hs512", "k_hs256"],
    );
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let form = b"ordertype=limit&pair=XBTUSD&volume=1.25";
    let media = [("content-type", "application/x-www-form-urlencoded")];
    let order = call(
        "POST",
        "https://api.kraken.com/0/private/AddOrder",
        &media,
        Some(form),
    );
    let json = [("content-type", "application/json")];
    let body = br#"{"amount":40,"currency":"usd"}"#;
    let payment = call(
        "POST",
        "https://pay.example.com/v1/payments",
        &json,
        Some(body),
    );
    for (call, once) in [(order, "one"), (payment, "two")] {
        let ask = |call: &HttpInput| {
            let ask = Ask::Sign(Sign {
                input: input(call.clone()),
                idempotency_key: Some(once.to_owned()),
            });
            issued(agent.ask(&ask))
        };
        let first = ask(&call).unwrap().issued;
        let left = agent.left();
        deployment.clock.advance_ms(1500);
        let again = ask(&call).unwrap().issued;
        assert!(again.replayed && !first.replayed);
        assert_eq!(again.credential, first.credential);
        assert_eq!(agent.left(), left, "one charge");
        assert!(first.replay.single_use);
        let mut other = call.clone();
        other.url.push_str("?x=1");
        other.url.truncate(call.url.len());
        other.body = Some(b"ordertype=market".to_vec().into());
        if once == "two" {
            let body = br#"{"amount":41,"currency":"usd"}"#;
            other.body = Some(body.to_vec().into());
            let Some(Credential::Template { headers, .. }) = first.credential else {
                panic!("another kind")
            };
            assert!(headers.contains(&("idempotency-key".to_owned(), "two".to_owned())));
        }
        assert_eq!(ask(&other).unwrap_err().code, Code::IdempotencyConflict);
    }
}

#[test]
fn what_is_charged_is_read_from_what_is_signed() {
    let (deployment, enclave) = start();
    let grant = granted(&deployment, &enclave, "gr_1", &["payments"], &["k_hs256"]);
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let json = [("content-type", "application/json")];
    let pay = |body: &str| {
        let url = "https://pay.example.com/v1/payments";
        agent.sign(input(call("POST", url, &json, Some(body.as_bytes()))))
    };
    let answer = pay(r#"{"currency":"usd","amount":1250}"#).unwrap().issued;
    let charged: Vec<_> = answer
        .charged
        .iter()
        .map(|one| (one.unit.as_str(), one.amount.0))
        .collect();
    assert!(charged.contains(&("usd-cents", 1250)), "{charged:?}");
    assert_eq!(answer.effects[0].path_template, "/v1/payments");
    for (body, code) in [
        (r#"{"currency":"eur","amount":1}"#, Code::PermissionDenied),
        (
            r#"{"currency":"usd","amount":1.5}"#,
            Code::UnparsableContent,
        ),
        (
            r#"{"currency":"usd","amount":100001}"#,
            Code::BudgetExceeded,
        ),
        (
            r#"{"currency":"usd","amount":1,"fee":2}"#,
            Code::UnlistedMember,
        ),
    ] {
        assert_eq!(pay(body).unwrap_err().code, code, "{body}");
    }
}

#[test]
fn a_simulated_call_signs_and_charges_nothing() {
    let (deployment, enclave) = start();
    let grant = granted(
        &deployment,
        &enclave,
        "gr_1",
        &["quotes-hs256"],
        &["k_hs256"],
    );
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let left = agent.left();
    let ask = Ask::Simulate(Sign {
        input: input(quote("hs256")),
        idempotency_key: None,
    });
    let answer = issued(agent.ask(&ask)).unwrap();
    assert!(answer.issued.credential.is_none() && answer.receipt.is_empty());
    assert_eq!(answer.issued.effects[0].destination, "hs256.example.com");
    assert_eq!(agent.left(), left);
    let told = agent.whoami().routes;
    let told: Vec<_> = told
        .iter()
        .map(|one| json!([one.kind, one.methods, one.destination]))
        .collect();
    assert_eq!(
        told,
        [json!([
            "template",
            ["GET", "DELETE"],
            "https://hs256.example.com/v1/quotes/{id}"
        ])]
    );
}
