//! Calls of the `evm` kind, and a deployment whose agent makes them.

use crate::{
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use claviger_shared::{
    call::{EvmInput, Input},
    chain::Address,
    id::KeyId,
    owner::command::Alg,
};
use serde_json::{Value, json};

/// The chain of every transaction.
pub const CHAIN: u64 = 8453;
/// Who is paid.
pub const PAYEE: &str = "0x1111111111111111111111111111111111111111";
/// Nobody's.
pub const OTHER: &str = "0x2222222222222222222222222222222222222222";
/// A contract without a standard.
pub const POOL: &str = "0x3333333333333333333333333333333333333333";
/// A token's contract.
pub const TOKEN: &str = "0x7777777777777777777777777777777777777777";
/// The largest fee for data.
pub const EXTRA_FEE: u128 = 1000;

/// What the names of this module's grants mean.
#[must_use]
pub fn catalog() -> Value {
    let evm = |mut route: Value| {
        route["kind"] = json!("evm");
        route["chain"] = json!(CHAIN);
        route
    };
    let token = |call: &str| evm(json!({"contract": "usd", "call": call, "to": [PAYEE]}));
    json!({"v": 1,
        "assets": {
            "eth": {"chain": CHAIN, "native": true, "decimals": 18, "extra_fee_max": EXTRA_FEE.to_string()},
            "usd": {"chain": CHAIN, "contract": TOKEN, "decimals": 6, "eip712": {"name": "Dollar", "version": "1"}},
        },
        "resources": {
            "payouts": [evm(json!({"to": [PAYEE]})), token("transfer")],
            "allowances": [token("approve")],
            "pool": [
                evm(json!({"contract": POOL, "call": "deposit(uint256,bool)", "payable": true, "arguments": [
                    {"charge": "usd", "max": "1000", "name": "amount"}, {"any": true},
                ]})),
                evm(json!({"contract": POOL, "call": "spread((address,uint256)[],string)", "arguments": [
                    {"any_of": [PAYEE, OTHER], "name": "whom"}, {"charge": "usd", "max": "1000"}, {"any": true},
                ]})),
            ],
            "orders": [evm(json!({"typed_data": {
                "domain": {"name": "Shop", "version": "1", "contract": POOL}, "primary_type": "Order",
                "types": {
                    "Order": [
                        {"name": "buyer", "type": "Person"}, {"name": "amount", "type": "uint256"},
                        {"name": "nonce", "type": "bytes32"}, {"name": "until", "type": "uint64"}, {"name": "delta", "type": "int64"},
                        {"name": "gift", "type": "bool"}, {"name": "note", "type": "string"}, {"name": "extra", "type": "bytes"},
                    ],
                    "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
                },
                "members": {
                    "/buyer/name": {"any": true}, "/buyer/wallet": {"any": true}, "/amount": {"charge": "usd", "max": "500"},
                    "/nonce": {"nonce": true}, "/until": {"deadline": true}, "/delta": {"any": true}, "/gift": {"any": true},
                    "/note": {"any": true}, "/extra": {"any": true},
                },
            }}))],
            "baskets": [evm(json!({"typed_data": {
                "domain": {"name": "Shop", "contract": POOL}, "primary_type": "Basket",
                "types": {
                    "Basket": [
                        {"name": "items", "type": "Item[]"}, {"name": "marks", "type": "bytes4[2][]"}, {"name": "notes", "type": "string[]"},
                        {"name": "nonce", "type": "uint256"}, {"name": "until", "type": "uint64"},
                    ],
                    "Item": [{"name": "price", "type": "uint256"}, {"name": "whom", "type": "address[]"}],
                },
                "members": {
                    "/items/*/price": {"charge": "usd", "max": "1000"}, "/items/*/whom/*": {"any_of": [PAYEE, OTHER]},
                    "/marks/*/*": {"any": true}, "/notes/*": {"any": true}, "/nonce": {"nonce": true}, "/until": {"deadline": true},
                },
            }}))],
            "login": [evm(json!({"sign_in": {
                "domain": "app.example", "uri": "https://app.example/login", "statements": ["I accept."],
            }}))],
        },
    })
}

/// Every name of [`catalog`].
pub const NAMES: [&str; 6] = [
    "payouts",
    "allowances",
    "pool",
    "orders",
    "baskets",
    "login",
];

/// A deployment that serves, with a key made inside, and a grant over all of [`catalog`]; `change` narrows it.
#[must_use]
pub fn serving(change: impl FnOnce(&mut Value)) -> (Deployment, Enclave, Granted) {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    let key = json!({"id": "k_evm", "kind": "evm", "alg": "secp256k1"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_evm", |grant| {
        grant["keys"] = json!(["k_evm"]);
        grant["permissions"] = json!({"read": [], "write": NAMES, "delete": ["allowances"]});
        grant["allow_minting"] = json!(["login"]);
        grant["allow_outliving"] = json!(["payouts", "allowances", "pool"]);
        grant["credentials"] = json!({});
        let whole = |unit: &str| json!({"unit": unit, "max": u128::MAX.to_string(), "window": "grant"});
        grant["budgets"] = json!([{"unit": "call", "max": "100000", "window": "grant"}, whole("eth"), whole("usd")]);
        change(grant);
    });
    (deployment, enclave, granted)
}

/// The account of a key.
///
/// # Panics
///
/// For a key that is none of a chain's.
#[must_use]
pub fn address(deployment: &Deployment, id: &str) -> Address {
    let state = deployment.audited();
    let key = state.key(&KeyId::parse(id).unwrap()).unwrap();
    assert_eq!(key.alg, Alg::Secp256k1);
    key.alg.address(&key.public).unwrap()
}

/// A transaction of EIP-1559, as JSON-RPC names its members.
#[must_use]
pub fn transaction(nonce: u64, to: &str, value: u128, data: &str) -> Value {
    json!({
        "chainId": CHAIN, "nonce": nonce, "maxPriorityFeePerGas": "1", "maxFeePerGas": "2000000000", "gas": 100_000, "to": to,
        "value": value.to_string(), "data": data,
    })
}

/// A transaction as an agent asks for it.
#[must_use]
pub fn tx(value: &Value) -> Input {
    Input::Evm(EvmInput::Tx(value.to_string().into_bytes().into()))
}

/// A call's data: a selector and words, each of at most 32 bytes in hexadecimal digits.
#[must_use]
pub fn data(selector: &str, words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("{word:0>64}"));
    format!("0x{selector}{}", words.collect::<String>())
}

/// `transfer` of an amount to the payee.
#[must_use]
pub fn transfer(nonce: u64, amount: u128) -> Value {
    let data = data("a9059cbb", &[&PAYEE[2..], &format!("{amount:x}")]);
    transaction(nonce, TOKEN, 0, &data)
}

/// `approve` of an amount for the payee.
#[must_use]
pub fn approve(nonce: u64, amount: u128) -> Value {
    let data = data("095ea7b3", &[&PAYEE[2..], &format!("{amount:x}")]);
    transaction(nonce, TOKEN, 0, &data)
}

/// `spread((address,uint256)[],string)` of the pool.
///
/// # Panics
///
/// For a note that is longer than a word.
#[must_use]
pub fn spread(nonce: u64, parts: &[(&str, u128)], note: &str) -> Value {
    assert!(note.len() <= 32);
    let mut words = vec![
        "40".to_owned(),
        format!("{:x}", 0x60 + 64 * parts.len()),
        format!("{:x}", parts.len()),
    ];
    for (whom, amount) in parts {
        words.extend([whom[2..].to_owned(), format!("{amount:x}")]);
    }
    words.push(format!("{:x}", note.len()));
    if !note.is_empty() {
        words.push(format!("{:0<64}", hex::encode(note)));
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    transaction(nonce, POOL, 0, &data(SPREAD, &words))
}

/// The selector of `spread((address,uint256)[],string)`.
pub const SPREAD: &str = "5229a082";

/// Typed data of the catalog's form with lists; an item for each price.
#[must_use]
pub fn basket(prices: &[&str], until: u64) -> Value {
    let member = |name: &str, of: &str| json!({"name": name, "type": of});
    let item = |price: &&str| json!({"price": price, "whom": [PAYEE, OTHER]});
    json!({
        "types": {
            "EIP712Domain": [member("name", "string"), member("chainId", "uint256"), member("verifyingContract", "address")],
            "Basket": [
                member("items", "Item[]"), member("marks", "bytes4[2][]"), member("notes", "string[]"), member("nonce", "uint256"),
                member("until", "uint64"),
            ],
            "Item": [member("price", "uint256"), member("whom", "address[]")],
        },
        "primaryType": "Basket",
        "domain": {"name": "Shop", "chainId": CHAIN, "verifyingContract": POOL},
        "message": {
            "items": prices.iter().map(item).collect::<Vec<_>>(), "marks": [["0x01020304", "0x00000000"], ["0xffffffff", "0x00000001"]],
            "notes": ["a", "", "\u{65e5}"], "nonce": 1, "until": until,
        },
    })
}

/// Typed data of the catalog's form.
#[must_use]
pub fn order(amount: &str, until: u64) -> Value {
    let member = |name: &str, of: &str| json!({"name": name, "type": of});
    json!({
        "types": {
            "EIP712Domain": [
                member("name", "string"), member("version", "string"), member("chainId", "uint256"),
                member("verifyingContract", "address"),
            ],
            "Order": [
                member("buyer", "Person"), member("amount", "uint256"), member("nonce", "bytes32"), member("until", "uint64"),
                member("delta", "int64"), member("gift", "bool"), member("note", "string"), member("extra", "bytes"),
            ],
            "Person": [member("name", "string"), member("wallet", "address")],
        },
        "primaryType": "Order",
        "domain": {"name": "Shop", "version": "1", "chainId": CHAIN, "verifyingContract": POOL},
        "message": {
            "buyer": {"name": "B\u{fc}, \u{65e5}", "wallet": OTHER}, "amount": amount, "nonce": format!("0x{}", "0a".repeat(32)),
            "until": until, "delta": -7, "gift": true, "note": "", "extra": "0x00ff",
        },
    })
}

/// Typed data as an agent asks for it.
#[must_use]
pub fn typed(value: &Value) -> Input {
    Input::Evm(EvmInput::TypedData(value.to_string().into_bytes().into()))
}

/// A sign-in text for an account.
#[must_use]
pub fn sign_in(account: &Address, ends: &str) -> String {
    format!(
        "app.example wants you to sign in with your Ethereum account:\n{account}\n\nI accept.\n\nURI: https://app.example/login\n\
         Version: 1\nChain ID: {CHAIN}\nNonce: 32891756\nIssued At: 2026-11-23T09:00:00.000Z\nExpiration Time: {ends}"
    )
}
