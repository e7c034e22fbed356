//! Requests to AWS of any bytes: what is signed is the caller's request, whole, to the one host of its service and Region.

use super::calls::told_of;
use crate::aws as calls;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::{AwsInput, Input, Sign},
    catalog::Catalog,
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
    let names = ["bucket", "table", "topic", "secret", "caller", "gateway"];
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_aws"],
        "permissions": {"read": names, "write": names, "delete": names}, "allow_minting": ["secret", "caller"],
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// A request: `SERVICE METHOD URL [presign]`, header lines, and after an empty line the body.
fn request(text: &[u8]) -> Option<AwsInput> {
    let at = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match at {
        Some(at) => (&text[..at], Some(text[at + 2..].to_vec().into())),
        None => (text, None),
    };
    let mut lines = std::str::from_utf8(head).ok()?.split('\n');
    let mut words = lines.next()?.splitn(4, ' ');
    let (service, method, url) = (words.next()?, words.next()?, words.next()?);
    let fields = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
    Some(AwsInput {
        body,
        presign: words.next() == Some("presign"),
        headers: fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..calls::call(service, method, url)
    })
}

/// Whatever stands in a request, what is signed is that request and no other.
pub fn aws_call(data: &[u8]) {
    let Some(input) = request(data) else {
        return;
    };
    let sign = Sign {
        input: Input::Aws(input.clone()),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let effect = &call.effects().first;
    let plain = reqwest::Url::parse(&input.url).expect("a URL to another parser");
    assert_eq!(plain.host_str(), Some(effect.destination.as_str()));
    assert!(effect.destination.ends_with(".eu-west-1.amazonaws.com"));
    let key = SigningKeyInfo {
        id: KeyId::parse("k_aws").unwrap(),
        kind: Kind::Aws,
        alg: Alg::SigV4,
        deployment: "fuzz".into(),
        public: b"AKIAIOSFODNN7EXAMPLE".to_vec(),
        thumbprint: "AKIAIOSFODNN7EXAMPLE".into(),
        session_token: None,
    };
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(effect.max_lifetime),
        nonce: [0; 16],
    };
    let to_sign = call.to_sign(&key, &moment).unwrap();
    let ToSign::SigV4(signing) = &to_sign else {
        panic!("a message");
    };
    let canonical = std::str::from_utf8(&signing.canonical).expect("text");
    let lines: Vec<_> = canonical.split('\n').collect();
    assert_eq!(lines[0], input.method);
    assert!(lines.contains(&format!("host:{}", effect.destination).as_str()));
    let signed: Vec<_> = signing.signed_headers().unwrap().split(';').collect();
    for (name, _) in input
        .headers
        .iter()
        .filter(|(name, _)| name != "x-amz-content-sha256")
    {
        assert!(signed.contains(&name.as_str()), "{name} is not signed");
    }
    let unsigned = canonical.ends_with("\nUNSIGNED-PAYLOAD");
    assert!(
        !unsigned || matches!(input.method.as_str(), "GET" | "HEAD" | "DELETE"),
        "{canonical}"
    );
    call.assemble(&moment, &to_sign, &[7; 32]).unwrap();
}
