//! What is signed, read again from the payment that leaves, never exceeds what the catalog and the server say.
//!
//! The reader is written apart: it knows typed data by its text alone, builds every word itself, and takes the payer from the
//! signature, which is made over what it built: another payment than the one that is shown would have another payer.

use super::{
    tests::{CONTRACT, OTHER, PAYEE, address, key, moment, route, token, unit},
    *,
};
use crate::fixture;
use claviger_shared::crypto::secp256k1::recover;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use secp256k1::{Message, SecretKey, ecdsa::RecoverableSignature};
use serde_json::{Value as Json, json};
use std::cell::Cell;

const CASES: u32 = 3000;
const EURC: &str = "0x808456652fdb597867f38412077A9182bf77359F";
const THIRD: &str = "0x1111111111111111111111111111111111111111";

fn whole() -> (Catalog, Grant) {
    let mut catalog = fixture::catalog(vec![
        ("a", vec![route("usdc", 84_532, &[PAYEE, OTHER])]),
        ("b", vec![route("eurc", 84_532, &[THIRD])]),
    ]);
    catalog.assets.insert(unit("usdc"), token(84_532, CONTRACT));
    catalog.assets.insert(unit("eurc"), token(84_532, EURC));
    let (_, mut grant) = fixture::whole();
    grant.permissions.write = vec![fixture::name("a"), fixture::name("b")];
    (catalog, grant)
}

/// The hash that a payment's own text stands for.
fn hash_of(shown: &Json) -> [u8; 32] {
    let accepted = &shown["accepted"];
    let authorization = &shown["payload"]["authorization"];
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let bytes = |value: &Json| hex::decode(text(value).trim_start_matches("0x")).unwrap();
    let left = |bytes: Vec<u8>| [vec![0; 32_usize.saturating_sub(bytes.len())], bytes].concat();
    let number = |text: String| left(text.parse::<u128>().unwrap().to_be_bytes().to_vec());
    let keccak = |bytes: &[u8]| keccak256(&[bytes]).to_vec();
    let network = text(&accepted["network"]);
    let domain = [
        keccak(
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        ),
        keccak(b"USDC"),
        keccak(b"2"),
        number(network.trim_start_matches("eip155:").to_owned()),
        left(bytes(&accepted["asset"])),
    ];
    let message = [
        keccak(b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"),
        left(bytes(&authorization["from"])),
        left(bytes(&authorization["to"])),
        number(text(&authorization["value"])),
        number(text(&authorization["validAfter"])),
        number(text(&authorization["validBefore"])),
        bytes(&authorization["nonce"]),
    ];
    let whole = [
        vec![0x19, 1],
        keccak(&domain.concat()),
        keccak(&message.concat()),
    ];
    keccak256(&[&whole.concat()])
}

/// The vault's signature, by the key of the tests.
fn sign(authorization: &Authorization) -> Vec<u8> {
    let secret = SecretKey::from_secret_bytes([0x46; 32]).unwrap();
    let hash = Message::from_digest(keccak256(&[&authorization.message()]));
    let made = RecoverableSignature::sign_ecdsa_recoverable(hash, &secret);
    let (id, rs) = made.serialize_compact();
    [rs.as_slice(), &[id.to_u8()]].concat()
}

fn demands() -> impl Strategy<Value = (Json, Option<u64>)> {
    let asset = prop_oneof![4 => Just(CONTRACT), 2 => Just(EURC), 1 => Just(THIRD)];
    let payee = prop_oneof![4 => Just(PAYEE), 2 => Just(OTHER), 2 => Just(THIRD), 1 => Just(EURC)];
    let amount = prop_oneof![
        8 => (0..1_000_000_u128).prop_map(|n| json!(n.to_string())),
        2 => any::<u128>().prop_map(|n| json!(n.to_string())),
        1 => "[0-9]{30,80}".prop_map(|text| json!(text)),
        1 => any::<u32>().prop_map(|n| json!(n)),
        1 => "[-+.e0-9x]{1,6}".prop_map(|text| json!(text)),
    ];
    let network =
        prop_oneof![9 => Just("eip155:84532"), 1 => Just("eip155:8453"), 1 => Just("base-sepolia")];
    let timeout = prop_oneof![8 => 0..1000_u64, 1 => any::<u64>()];
    let extra = prop_oneof![
        6 => Just(json!({"name": "USDC", "version": "2"})),
        2 => Just(Json::Null),
        1 => Just(json!({"name": "EURC", "version": "2"})),
        1 => Just(json!({"name": "USDC", "version": "2", "assetTransferMethod": "permit2"})),
    ];
    let parts = (asset, payee, amount, network, timeout, extra);
    let demand = parts.prop_map(|(asset, payee, amount, network, timeout, extra)| {
        json!({
            "scheme": "exact", "network": network, "amount": amount, "asset": asset, "payTo": payee,
            "maxTimeoutSeconds": timeout, "extra": extra,
        })
    });
    (
        demand,
        prop_oneof![3 => Just(None), 1 => (0..400_u64).prop_map(Some)],
    )
}

#[test]
fn what_leaves_pays_no_more_and_nobody_else() {
    let (catalog, grant) = whole();
    let paid = Cell::new(0_u32);
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::with_cases(CASES), seed);
    runner
        .run(&demands(), |(demand, ttl_s)| {
            let input = X402Input {
                version: 2,
                requirements: demand.to_string(),
                resource: None,
                extensions: None,
                ttl_s,
            };
            let Ok(call) = X402Call::parse(&input, None, &catalog, &grant) else {
                return Ok(());
            };
            paid.set(paid.get() + 1);
            let effect = &call.effects().first;
            let from = moment().now;
            let end = from.plus(effect.max_lifetime);
            let moment = Moment {
                expires_at: claviger_shared::time::UnixMs(end.secs() * 1000),
                ..moment()
            };
            let to_sign = call.to_sign(&key(), &moment).unwrap();
            let ToSign::Payment(authorization) = &to_sign else {
                panic!("no payment")
            };
            let credential = call.assemble(&moment, &to_sign, &sign(authorization));
            let Credential::X402 { payload, .. } = credential.unwrap() else {
                panic!("no payment")
            };
            let shown: Json = serde_json::from_str(&payload).unwrap();
            let said = &shown["payload"]["authorization"];
            // Who pays, by the signature over what the text stands for.
            let signature = shown["payload"]["signature"].as_str().unwrap();
            let mut raw = hex::decode(signature.trim_start_matches("0x")).unwrap();
            raw[64] -= 27;
            let payer = recover(&hash_of(&shown), raw.as_slice().try_into().unwrap());
            prop_assert_eq!(payer.map(Vec::from), Some(key().public));
            // How much, to whom and until when, by the catalog and the demand.
            let (asset, payee) = (&demand["asset"], said["to"].as_str().unwrap());
            let (charged, payees) = match asset.as_str().unwrap() {
                CONTRACT => ("usdc", [PAYEE, OTHER]),
                EURC => ("eurc", [THIRD, THIRD]),
                other => panic!("paid in {other}"),
            };
            prop_assert!(payees.contains(&payee));
            prop_assert_eq!(&demand["payTo"], payee);
            prop_assert_eq!(effect.charges.len(), 1);
            prop_assert_eq!(effect.charges[0].unit.as_str(), charged);
            let value = said["value"].as_str().unwrap();
            prop_assert_eq!(effect.charges[0].amount.to_string(), value);
            prop_assert_eq!(&demand["amount"], value);
            prop_assert_ne!(value, "0");
            let before: u64 = said["validBefore"].as_str().unwrap().parse().unwrap();
            let timeout = demand["maxTimeoutSeconds"].as_u64().unwrap().min(300);
            let longest = ttl_s.unwrap_or(timeout).min(timeout);
            prop_assert!(before <= from.secs() + longest + 1);
            prop_assert_eq!(&shown["accepted"], &demand);
            Ok(())
        })
        .unwrap();
    assert!(paid.get() > CASES / 10, "{} were paid", paid.get());
    let address = address(PAYEE).to_string();
    assert_eq!(address, PAYEE);
}
