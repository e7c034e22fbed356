//! Seeds of what is signed for a chain: transactions as JSON and as bytes, typed data, a sign-in text.

use super::put;
use crate::evm;
use serde_json::json;

pub(super) fn texts() {
    let tx = |value: &serde_json::Value| format!("tx\n{value}").into_bytes();
    let raw = |digits: &str| [b"raw\n".to_vec(), hex::decode(digits).unwrap()].concat();
    let account = claviger_shared::chain::Address([0x11; 20]);
    let mut legacy = evm::transaction(0, evm::PAYEE, 1, "0x");
    let members = legacy.as_object_mut().unwrap();
    members.remove("maxFeePerGas");
    members.remove("maxPriorityFeePerGas");
    members.insert("gasPrice".to_owned(), json!("0x5"));
    let deposit = evm::data("9a408321", &["3e8", "1"]);
    for (name, bytes) in [
        ("coin", tx(&evm::transaction(7, evm::PAYEE, 5, "0x"))),
        ("legacy", tx(&legacy)),
        ("transfer", tx(&evm::transfer(1, 5_000_000))),
        ("approve", tx(&evm::approve(2, 0))),
        (
            "unlimited",
            tx(&evm::transaction(
                3,
                evm::TOKEN,
                0,
                &evm::data("095ea7b3", &[&evm::PAYEE[2..], &"f".repeat(64)]),
            )),
        ),
        ("deposit", tx(&evm::transaction(4, evm::POOL, 9, &deposit))),
        (
            "spread",
            tx(&evm::spread(
                5,
                &[(evm::PAYEE, 5), (evm::OTHER, 7)],
                "thanks",
            )),
        ),
        (
            "basket",
            format!("typed\n{}", evm::basket(&["5", "6"], 1_795_424_500)).into_bytes(),
        ),
        (
            "creation",
            tx(
                &json!({"chainId": 8453, "nonce": 0, "gas": 1, "maxFeePerGas": 1, "maxPriorityFeePerGas": 0, "data": "0x00"}),
            ),
        ),
        (
            "raw",
            raw("02e18221050701058252089411111111111111111111111111111111111111110180c0"),
        ),
        (
            "raw-legacy",
            raw("e1070582520894111111111111111111111111111111111111111101808221058080"),
        ),
        (
            "typed",
            format!("typed\n{}", evm::order("5", 1_795_424_500)).into_bytes(),
        ),
        (
            "sign-in",
            format!(
                "sign-in\n{}",
                evm::sign_in(&account, "2026-11-23T10:00:00Z")
            )
            .into_bytes(),
        ),
    ] {
        put("evm_call", name, &bytes);
    }
    put("catalog", "chain", evm::catalog().to_string().as_bytes());
}
