//! Demands for payment of any bytes: what is signed pays the listed payee what the text says, in the one token, to another parser too.

use super::calls::told_of;
use crate::x402 as calls;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::{Input, Sign, x402::X402Input},
    catalog::Catalog,
    crypto::secp256k1,
    effect::Kind,
    grant::Grant,
    id::KeyId,
    owner::command::Alg,
    time::UnixMs,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(calls::catalog().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> = LazyLock::new(|| {
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_evm"],
        "permissions": {"read": [], "write": ["data"], "delete": []},
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// Requirements, and after an empty line the resource; version 1 where the first byte is `1`.
fn input(text: &[u8]) -> Option<X402Input> {
    let text = std::str::from_utf8(text).ok()?;
    let (version, text) = text.strip_prefix('1').map_or((2, text), |rest| (1, rest));
    let (requirements, resource) = match text.split_once("\n\n") {
        Some((first, rest)) => (first, Some(rest.to_owned())),
        None => (text, None),
    };
    Some(X402Input {
        version,
        requirements: requirements.to_owned(),
        resource,
        extensions: None,
        ttl_s: None,
    })
}

/// Whatever a server asks for, what is signed is that amount to a payee of the catalog.
pub fn x402_call(data: &[u8]) {
    let Some(input) = input(data) else { return };
    let sign = Sign {
        input: Input::X402(input.clone()),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let asked: Value = serde_json::from_str(&input.requirements).expect("JSON to another parser");
    let amount = ["maxAmountRequired", "amount"][usize::from(input.version) - 1];
    let amount = asked[amount].as_str().expect("a text");
    let effect = &call.effects().first;
    assert_eq!(effect.charges.len(), 1);
    assert_eq!(effect.charges[0].amount.to_string(), amount);
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(effect.max_lifetime),
        nonce: [0; 16],
    };
    let key = SigningKeyInfo {
        id: KeyId::parse("k_evm").unwrap(),
        kind: Kind::Evm,
        alg: Alg::Secp256k1,
        deployment: "fuzz".into(),
        public: secp256k1::public_of(&[7; 32]).unwrap().to_vec(),
        thumbprint: String::new(),
        session_token: None,
    };
    let to_sign = call.to_sign(&key, &moment).unwrap();
    let ToSign::Payment(payment) = &to_sign else {
        panic!("no payment");
    };
    assert_eq!(payment.to.to_string(), calls::PAYEE);
    assert_eq!(payment.value.to_string(), amount);
    let timeout = asked["maxTimeoutSeconds"].as_u64().expect("seconds");
    assert!(payment.valid_before <= now.secs().saturating_add(timeout));
    let credential = call.assemble(&moment, &to_sign, &[0; 65]).unwrap();
    let claviger_shared::credential::Credential::X402 { payload, .. } = credential else {
        panic!("no payment");
    };
    let payload: Value = serde_json::from_str(&payload).expect("a payment is JSON");
    assert_eq!(payload["payload"]["authorization"]["value"], amount);
}
