//! Messages of Solana of any bytes: what is signed is those bytes, under one account's name, and moves what the effects say, to the
//! payee of the catalog.

use super::calls::told_of;
use crate::solana as calls;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall, solana::message::Message};
use claviger_shared::{
    call::{
        Input, Sign,
        solana::{FROM, SolanaInput},
    },
    catalog::Catalog,
    credential::Credential,
    effect::Kind,
    grant::Grant,
    id::KeyId,
    ledger::reserve,
    owner::command::Alg,
    solana::Pubkey,
    time::UnixMs,
};
use serde_json::json;
use std::sync::LazyLock;

/// The account of the samples.
pub const ME: [u8; 32] = [7; 32];

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(calls::catalog().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> = LazyLock::new(|| {
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_sol"],
        "permissions": {"read": [], "write": ["coins", "sponsored", "usdc"], "delete": []},
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// Whatever is asked, what is signed is what was read, and its amounts are in its bytes.
pub fn solana_call(data: &[u8]) {
    let message = Message::parse(data);
    if let Ok(message) = &message {
        assert_eq!(message.bytes().as_deref(), Some(data), "one spelling");
    }
    let sign = Sign {
        input: Input::Solana(SolanaInput {
            message: data.to_vec().into(),
        }),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let message = message.expect("a message");
    let signer = message.signer().expect("somebody signs");
    for effect in call.effects().iter() {
        let payee = effect.destination.rsplit(':').next();
        assert_eq!(payee, Some(calls::PAYEE));
        let from = effect.parameters.iter().find(|(name, _)| name == FROM);
        assert_eq!(from.expect("from").1, signer.to_string());
        assert!(effect.fixed);
    }
    charged(&message, &call, data);
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(call.effects().first.max_lifetime),
        nonce: [0; 16],
    };
    let key = |account: Pubkey| SigningKeyInfo {
        id: KeyId::parse("k_sol").unwrap(),
        kind: Kind::Solana,
        alg: Alg::Ed25519,
        deployment: "fuzz".into(),
        public: account.0.to_vec(),
        thumbprint: String::new(),
        session_token: None,
    };
    let mut other = signer;
    other.0[0] ^= 1;
    assert!(call.to_sign(&key(other), &moment).is_err());
    let to_sign = call.to_sign(&key(signer), &moment).unwrap();
    let ToSign::Solana(signing) = &to_sign else {
        panic!("another kind");
    };
    assert_eq!(
        (signing.account, signing.message.as_slice()),
        (signer, data)
    );
    let made = call.assemble(&moment, &to_sign, &[3; 64]).unwrap();
    let Credential::Solana { transaction, .. } = made else {
        panic!("another kind");
    };
    let transaction = STANDARD.decode(transaction).expect("base64");
    let before = 1 + 64 * usize::from(message.signers);
    assert_eq!(&transaction[before..], data);
    assert_eq!(&transaction[before - 64..before], [3; 64]);
}

/// Every amount charged but fees and rent stands in the message, and a fee where we pay it.
fn charged(message: &Message, call: &AnyCall, data: &[u8]) {
    let charges = reserve::charges(call.effects().iter()).expect("sums fit");
    let ours = message.payer() == message.signer();
    let fees = charges.iter().find(|charge| charge.unit.as_str() == "sol");
    assert!(!ours || fees.is_some_and(|fees| fees.amount.0 >= 5000));
    for effect in call.effects().iter().filter(|one| one.method == "transfer") {
        let amount = effect.charges.first().expect("an amount").amount.0;
        let amount = u64::try_from(amount).expect("64 bits").to_le_bytes();
        assert!(data.windows(8).any(|bytes| bytes == amount));
    }
}
