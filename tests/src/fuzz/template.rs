//! Requests of any bytes to services that sign in ways of their own: what is signed is the caller's request, whole.

use super::calls::told_of;
use crate::template as calls;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::{Input, Sign},
    catalog::Catalog,
    credential::Credential,
    effect::Kind,
    grant::Grant,
    id::KeyId,
    owner::command::Alg,
    time::UnixMs,
};
use serde_json::json;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(calls::catalog().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> = LazyLock::new(|| {
    let names: Vec<_> = CATALOG.resources.keys().collect();
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_template"],
        "permissions": {"read": names, "write": names, "delete": names},
        "allow_identity_only": names, "allow_outliving": names,
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// Whatever stands in a request, what is signed is that request and no other, and what is sent is it with what was written.
pub fn template_call(data: &[u8]) {
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match at {
        Some(at) => (&data[..at], Some(&data[at + 2..])),
        None => (data, None),
    };
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    let (method, url) = first.split_once(' ').unwrap_or((first, ""));
    let fields: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .collect();
    let input = calls::call(method, url, &fields, body);
    let sign = Sign {
        input: Input::Template(input.clone()),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let effect = &call.effects().first;
    let plain = reqwest::Url::parse(&input.url).expect("a URL to another parser");
    assert_eq!(plain.host_str(), Some(effect.destination.as_str()));
    let algs = [
        Alg::Hs256,
        Alg::Hs512,
        Alg::Ed25519,
        Alg::P256,
        Alg::P521,
        Alg::Rs256,
    ];
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(effect.max_lifetime),
        nonce: [0; 16],
    };
    let mut signed = None;
    for alg in algs {
        let key = SigningKeyInfo {
            id: KeyId::parse("k_template").unwrap(),
            kind: Kind::Template,
            alg,
            deployment: "fuzz".into(),
            public: b"name".to_vec(),
            thumbprint: "name".into(),
            session_token: None,
        };
        if let Ok(to_sign) = call.to_sign(&key, &moment) {
            assert!(signed.replace(to_sign).is_none(), "two algorithms");
        }
    }
    let to_sign = signed.expect("an algorithm");
    let ToSign::Template(signing) = &to_sign else {
        panic!("another kind");
    };
    let length = match signing.alg {
        Alg::Hs256 => 32,
        Alg::P521 => 132,
        Alg::Rs256 => 256,
        Alg::Hs512 | Alg::Ed25519 | Alg::P256 | Alg::Ps512 | Alg::SigV4 | Alg::Secp256k1 => 64,
    };
    let credential = call.assemble(&moment, &to_sign, &vec![7; length]).unwrap();
    let Credential::Template {
        headers,
        url,
        body: sent,
    } = credential
    else {
        panic!("another kind");
    };
    for (name, value) in &headers {
        assert!(!value.contains(['\r', '\n']) && input.headers.iter().all(|(own, _)| own != name));
    }
    let (path, query) = input.url.split_once('?').unwrap_or((&input.url, ""));
    if let Some(url) = url {
        assert!(url.starts_with(path) && url.contains(query), "{url}");
        reqwest::Url::parse(&url).expect("a URL to another parser");
    }
    if let (Some(sent), Some(own)) = (sent, body) {
        let found = own.is_empty() || sent.windows(own.len()).any(|part| part == own);
        assert!(found, "the caller's members are sent");
    }
    // A scheme without a hash or a JWS around it holds the query as it is.
    let has = |part: &str| {
        signing
            .message
            .windows(part.len().max(1))
            .any(|at| at == part.as_bytes())
    };
    assert!(query.is_empty() || has(query), "the query is signed");
}
