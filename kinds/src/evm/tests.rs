//! Transactions, typed data and sign-in texts against a catalog that has one of every route.

pub(super) mod lists;
mod refusals;
mod signing;
mod typed;

use super::*;
use crate::fixture;
use claviger_shared::{
    amount::Amount,
    catalog::Catalog,
    chain::Word,
    effect::{Effect, Verb},
    id::ResourceName,
};
use secp256k1::{Message, SecretKey, ecdsa::RecoverableSignature};
use serde_json::{Value, json};

pub(super) const PAYEE: &str = "0x1111111111111111111111111111111111111111";
pub(super) const OTHER: &str = "0x2222222222222222222222222222222222222222";
pub(super) const POOL: &str = "0x3333333333333333333333333333333333333333";
pub(super) const OWN: &str = "0x6666666666666666666666666666666666666666";
pub(super) const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
pub(super) const NFT: &str = "0x4444444444444444444444444444444444444444";
pub(super) const ITEMS: &str = "0x5555555555555555555555555555555555555555";
/// EIP-712, example: who reads mail.
pub(super) const MAILBOX: &str = "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC";

pub(super) fn catalog() -> Catalog {
    let evm = |chain: u64, mut route: Value| {
        route["kind"] = json!("evm");
        route["chain"] = json!(chain);
        route
    };
    let base = |route: Value| evm(8453, route);
    let token =
        |contract: &str, call: &str| json!({"contract": contract, "call": call, "to": [PAYEE]});
    let from = |mut route: Value| {
        route["from"] = json!([OWN]);
        route
    };
    let id = |mut route: Value, ids: Value| {
        route["token_id"] = ids;
        route
    };
    let text = json!({
        "v": 1,
        "assets": {
            "eth": {"chain": 1, "native": true, "decimals": 18},
            "eth.base": {"chain": 8453, "native": true, "decimals": 18, "extra_fee_max": "1000"},
            "usdc.base": {"chain": 8453, "contract": USDC, "decimals": 6},
            "nft.base": {"chain": 8453, "contract": NFT, "decimals": 0, "standard": "erc721"},
            "items.base": {"chain": 8453, "contract": ITEMS, "decimals": 0, "standard": "erc1155"},
        },
        "resources": {
            "payouts": [
                base(json!({"to": [PAYEE]})),
                base(token("usdc.base", "transfer")),
                base(from(token("usdc.base", "transferFrom"))),
                evm(1, json!({"to": ["0x3535353535353535353535353535353535353535"]})),
            ],
            "allowances": [base(token("usdc.base", "approve")), base(token("usdc.base", "increaseAllowance"))],
            "things": [
                base(id(from(token("nft.base", "transferFrom")), json!(["7"]))),
                base(id(from(token("nft.base", "safeTransferFrom")), json!("any"))),
                base(id(from(token("items.base", "safeTransferFrom")), json!(["1", "2"]))),
            ],
            "pool": [
                base(json!({"contract": POOL, "call": "deposit(uint256,address)", "arguments": [
                    {"charge": "usdc.base", "max": "1000000", "name": "amount"}, {"any_of": [OWN], "name": "for"},
                ]})),
                base(json!({"contract": POOL, "call": "wrap()", "payable": true})),
                base(json!({"contract": POOL, "call": "spread((address,uint256)[],string[],bytes)", "arguments": [
                    {"any_of": [PAYEE, OWN], "name": "whom"}, {"charge": "usdc.base", "max": "1000000"}, {"any": true, "name": "notes"},
                    {"any_of": ["0x", "0x00ff"]},
                ]})),
                base(json!({"contract": POOL, "call": "mark(uint8[2][],bool)", "arguments": [{"max": "9"}, {"any": true}]})),
                base(json!({"contract": POOL, "call": "set(int16,bool,bytes4,uint8)", "verb": "delete", "arguments": [
                    {"any_of": ["-5"]}, {"any_of": [true]}, {"any_of": ["0x01020304"]}, {"max": "9"},
                ]})),
            ],
            "mail": [evm(1, json!({"typed_data": {
                "domain": {"name": "Ether Mail", "version": "1", "contract": MAILBOX}, "primary_type": "Mail",
                "types": {
                    "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
                    "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"}],
                },
                "members": {
                    "/from/name": {"any": true}, "/from/wallet": {"any": true}, "/to/name": {"any_of": ["Bob", "Eve"]},
                    "/to/wallet": {"any_of": ["0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"]}, "/contents": {"any": true},
                },
            }}))],
            "orders": [base(json!({"typed_data": {
                "domain": {"name": "Shop", "contract": POOL, "salt": format!("0x{}", "5a".repeat(32))}, "primary_type": "Order",
                "types": {"Order": [
                    {"name": "amount", "type": "uint256"}, {"name": "nonce", "type": "bytes32"}, {"name": "until", "type": "uint64"},
                    {"name": "tag", "type": "bytes"},
                ]},
                "members": {
                    "/amount": {"charge": "usdc.base", "max": "500"}, "/nonce": {"nonce": true}, "/until": {"deadline": true},
                    "/tag": {"any_of": ["0x00ff"]},
                },
                "max_lifetime_s": 3600,
            }}))],
            "baskets": [base(json!({"typed_data": {
                "domain": {"name": "Shop", "contract": POOL}, "primary_type": "Basket",
                "types": {
                    "Basket": [
                        {"name": "items", "type": "Item[]"}, {"name": "marks", "type": "bytes4[2][]"}, {"name": "notes", "type": "string[]"},
                        {"name": "blobs", "type": "bytes[1]"}, {"name": "nonce", "type": "uint256"},
                    ],
                    "Item": [{"name": "price", "type": "uint256"}, {"name": "whom", "type": "address[]"}],
                },
                "members": {
                    "/items/*/price": {"charge": "usdc.base", "max": "500"}, "/items/*/whom/*": {"any_of": [PAYEE, OWN]},
                    "/marks/*/*": {"any": true}, "/notes/*": {"any": true}, "/blobs/*": {"any_of": ["0x00ff"]}, "/nonce": {"nonce": true},
                },
            }}))],
            "login": [evm(1, json!({"sign_in": {
                "domain": "app.example", "uri": "https://app.example/login", "statements": ["I accept."],
                "resources": ["https://app.example/terms"],
            }}))],
        },
    });
    Catalog::parse(text.to_string().as_bytes()).unwrap()
}

/// All of the catalog's names, in every list.
pub(super) fn grant() -> Grant {
    let names = [
        "payouts",
        "allowances",
        "things",
        "pool",
        "mail",
        "orders",
        "baskets",
        "login",
    ];
    fixture::grant(&names, &names, &names)
}

pub(super) fn parse(input: &EvmInput) -> Result<EvmCall, Denial> {
    EvmCall::parse(input, None, &catalog(), &grant())
}

pub(super) fn tx(value: &Value) -> EvmInput {
    EvmInput::Tx(value.to_string().into_bytes().into())
}

/// A transaction on Base with 21,000 units of gas at 5 of the coin's smallest parts.
pub(super) fn base(to: &str, value: &str, data: &str) -> Value {
    json!({
        "type": "0x2", "chainId": "0x2105", "nonce": "7", "maxPriorityFeePerGas": "1", "maxFeePerGas": "0x5", "gas": "21000",
        "to": to, "value": value, "data": data,
    })
}

/// A selector and words, in hexadecimal digits.
pub(super) fn data(selector: &str, words: &[&str]) -> String {
    let word = |text: &&str| match text.strip_prefix("0x") {
        Some(digits) => format!("{digits:0>64}"),
        None => hex::encode(Word::parse(text).unwrap().0),
    };
    let words: String = words.iter().map(word).collect();
    format!("0x{selector}{words}").to_lowercase()
}

pub(super) fn effect(call: &EvmCall) -> &Effect {
    &call.effects.first
}

pub(super) fn charges(call: &EvmCall) -> Vec<(String, u128)> {
    let list = effect(call).charges.iter();
    list.map(|charge| (charge.unit.to_string(), charge.amount.0))
        .collect()
}

/// `r ‖ s ‖ y parity` by a library that is the vault's too, of a key that is published.
pub(super) fn signature(call: &EvmCall, secret: [u8; 32]) -> [u8; SIGNATURE_LEN] {
    let ToSign::Message(message) = call.to_sign(&key(), &fixture::moment()).unwrap() else {
        panic!("no message");
    };
    let hash = claviger_shared::crypto::keccak::keccak256(&[&message]);
    let key = SecretKey::from_secret_bytes(secret).unwrap();
    let (id, rs) = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(hash), &key)
        .serialize_compact();
    let mut out = [0; SIGNATURE_LEN];
    out[..64].copy_from_slice(&rs);
    out[64] = id.to_u8();
    out
}

pub(super) fn key() -> SigningKeyInfo {
    fixture::key(Kind::Evm, Alg::Secp256k1)
}

pub(super) fn assembled(call: &EvmCall, secret: [u8; 32]) -> Credential {
    let signed = call.to_sign(&key(), &fixture::moment()).unwrap();
    let signature = signature(call, secret);
    call.assemble(&fixture::moment(), &signed, &signature)
        .unwrap()
}
