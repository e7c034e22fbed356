//! Transactions, typed data and sign-in texts of any bytes: what is signed is one thing of one chain, in its one form.

use super::calls::told_of;
use crate::evm as calls;
use claviger_kinds::{Moment, SigningKeyInfo, any::AnyCall};
use claviger_shared::{
    call::{EvmInput, Input, Sign},
    catalog::Catalog,
    credential::Credential,
    effect::Kind,
    grant::Grant,
    id::KeyId,
    owner::command::Alg,
    time::{Millis, UnixMs},
};
use serde_json::json;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(calls::catalog().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> = LazyLock::new(|| {
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_evm"],
        "permissions": {"read": [], "write": calls::NAMES, "delete": ["allowances"]},
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// A word that says what follows, a line's end, and that.
fn input(data: &[u8]) -> Option<EvmInput> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    let (word, rest) = (&data[..at], data[at + 1..].to_vec());
    match word {
        b"tx" => Some(EvmInput::Tx(rest.into())),
        b"raw" => Some(EvmInput::RawTx(rest.into())),
        b"typed" => Some(EvmInput::TypedData(rest.into())),
        b"sign-in" => String::from_utf8(rest).ok().map(EvmInput::SignIn),
        _ => None,
    }
}

fn parse(input: &EvmInput) -> Result<AnyCall, claviger_shared::denial::Denial> {
    let sign = Sign {
        input: Input::Evm(input.clone()),
        idempotency_key: None,
    };
    AnyCall::parse(&sign, &CATALOG, &GRANT)
}

/// Whatever stands in it, what is signed begins as its kind does, is read again as the same, and goes where it says.
pub fn evm_call(data: &[u8]) {
    let Some(input) = input(data) else {
        return;
    };
    let call = match parse(&input) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let effect = &call.effects().first;
    let key = SigningKeyInfo {
        id: KeyId::parse("k_evm").unwrap(),
        kind: Kind::Evm,
        alg: Alg::Secp256k1,
        deployment: "fuzz".into(),
        public: Vec::new(),
        thumbprint: "fuzz".into(),
        session_token: None,
    };
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(effect.max_lifetime),
        nonce: [0; 16],
    };
    let to_sign = call.to_sign(&key, &moment).unwrap();
    let message = to_sign.message().unwrap();
    let credential = call.assemble(&moment, &to_sign, &[1; 65]);
    let chain = format!("eip155:{}:0x", calls::CHAIN);
    match (&input, credential.unwrap()) {
        (EvmInput::Tx(_) | EvmInput::RawTx(_), Credential::Evm { raw_tx, .. }) => {
            assert!(message[0] == 2 || message[0] >= 0xc0);
            assert!(effect.max_lifetime == Millis::ENDLESS && effect.nonce.is_some());
            assert!(effect.destination.starts_with(&chain) && !effect.charges.is_empty());
            assert!(raw_tx.len() > 2 * message.len());
            let again = parse(&EvmInput::RawTx(message.to_vec().into())).expect("its own bytes");
            assert_eq!(again.canonical(), call.canonical());
            if let EvmInput::RawTx(bytes) = &input {
                assert_eq!(bytes.as_slice(), message);
            }
        }
        (EvmInput::TypedData(_), Credential::EvmSignature { .. }) => {
            assert_eq!((message[..2].to_vec(), message.len()), (vec![0x19, 1], 66));
            assert!(effect.destination.starts_with(&chain) && effect.ends_at.is_some());
        }
        (EvmInput::SignIn(text), Credential::EvmSignature { .. }) => {
            assert!(message.starts_with(b"\x19Ethereum Signed Message:\n"));
            assert!(message.ends_with(text.as_bytes()));
            assert!(effect.mints && effect.signer.is_some() && effect.ends_at.is_some());
        }
        (input, credential) => panic!("{input:?} {credential:?}"),
    }
}
