//! Payments are built from the catalog's word alone, and refused wherever a server's word is another.

use super::*;
use crate::fixture;
use claviger_shared::{
    amount::Amount,
    catalog::Asset,
    crypto::secp256k1::{public_of, recover},
    effect::Env,
    id::{KeyId, Unit},
    owner::command::Alg,
    time::UnixMs,
};
use serde_json::{Value as Json, json};

pub(super) const CONTRACT: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
pub(super) const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
pub(super) const OTHER: &str = "0x857b06519E91e3A54538791bDbb0E22373e36b66";

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn unit(text: &str) -> Unit {
    Unit::parse(text).unwrap()
}

pub(super) fn token(chain: u64, contract: &str) -> Asset {
    Asset {
        env: Env::Live,
        chain,
        decimals: 6,
        form: AssetForm::Token {
            contract: address(contract),
            eip712: Some(DomainName {
                name: "USDC".into(),
                version: "2".into(),
            }),
        },
    }
}

pub(super) fn route(asset: &str, chain: u64, payees: &[&str]) -> Route {
    Route::X402(X402Route {
        chain,
        asset: unit(asset),
        pay_to: payees.iter().map(|text| address(text)).collect(),
    })
}

/// `data` is paid for in `usdc`; `more`, which the grant does not name, too.
fn whole() -> (Catalog, Grant) {
    let mut catalog = fixture::catalog(vec![
        ("data", vec![route("usdc", 84_532, &[PAYEE])]),
        ("more", vec![route("usdc", 84_532, &[OTHER])]),
    ]);
    catalog.assets.insert(unit("usdc"), token(84_532, CONTRACT));
    let (_, mut grant) = fixture::whole();
    grant.permissions.write = vec![fixture::name("data")];
    (catalog, grant)
}

fn requirements() -> Json {
    json!({
        "scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": CONTRACT, "payTo": PAYEE,
        "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"}
    })
}

fn asked(requirements: &Json) -> X402Input {
    X402Input {
        version: 2,
        requirements: requirements.to_string(),
        resource: None,
        extensions: None,
        ttl_s: None,
    }
}

fn parse(input: &X402Input) -> Result<X402Call, Denial> {
    let (catalog, grant) = whole();
    X402Call::parse(input, None, &catalog, &grant)
}

pub(super) fn key() -> SigningKeyInfo {
    let public = public_of(&[0x46; 32]).unwrap().to_vec();
    SigningKeyInfo {
        id: KeyId::parse("k_evm").unwrap(),
        kind: Kind::Evm,
        alg: Alg::Secp256k1,
        deployment: "o".into(),
        thumbprint: String::new(),
        public,
        session_token: None,
    }
}

pub(super) fn moment() -> Moment {
    Moment {
        now: UnixMs(1_740_672_149_500),
        expires_at: UnixMs(1_740_672_209_000),
        nonce: [7; 16],
    }
}

fn signed(call: &X402Call) -> Authorization {
    let ToSign::Payment(authorization) = call.to_sign(&key(), &moment()).unwrap() else {
        panic!("no payment")
    };
    authorization
}

#[test]
fn what_is_signed_is_what_is_charged() {
    let call = parse(&asked(&requirements())).unwrap();
    let effect = &call.effects().first;
    assert_eq!(effect.charges.len(), 1);
    assert_eq!(effect.charges[0].amount, Amount(10_000));
    assert_eq!(effect.charges[0].unit, unit("usdc"));
    assert_eq!(effect.destination, format!("eip155:84532:{PAYEE}"));
    assert_eq!(effect.max_lifetime, Millis(60_000));
    assert!(!effect.identity_only && !effect.mints && !effect.fixed);
    let authorization = signed(&call);
    assert_eq!(authorization.to, address(PAYEE));
    assert_eq!(authorization.value, 10_000);
    assert_eq!(authorization.valid_after, 1_740_672_149 - BACK_S);
    assert_eq!(authorization.valid_before, 1_740_672_209);
    assert_eq!(
        Some(authorization.from),
        Address::of_public_key(&key().public)
    );
}

#[test]
fn every_moment_has_its_own_nonce_and_every_retry_the_same() {
    let call = parse(&asked(&requirements())).unwrap();
    assert_eq!(signed(&call), signed(&call));
    let other = Moment {
        nonce: [8; 16],
        ..moment()
    };
    let ToSign::Payment(other) = call.to_sign(&key(), &other).unwrap() else {
        panic!("no payment")
    };
    assert_ne!(other.nonce, signed(&call).nonce);
}

#[test]
fn a_payment_of_version_two_holds_what_the_server_wrote() {
    let text = format!("{}  ", requirements());
    let input = X402Input {
        requirements: text,
        resource: Some(r#"{"url": "https://api.example.com/data"}"#.into()),
        extensions: Some(r#"{"a": {"info": {"n": 1.5}}}"#.into()),
        ..asked(&requirements())
    };
    let call = parse(&input).unwrap();
    let to_sign = call.to_sign(&key(), &moment()).unwrap();
    let Credential::X402 { headers, payload } = call
        .assemble(&moment(), &to_sign, &[[1; 64].as_slice(), &[0]].concat())
        .unwrap()
    else {
        panic!("another kind")
    };
    let [(name, value)] = headers.as_slice() else {
        panic!("{headers:?}")
    };
    assert_eq!(name, "payment-signature");
    assert_eq!(STANDARD.decode(value).unwrap(), payload.as_bytes());
    let shown: Json = serde_json::from_str(&payload).unwrap();
    assert_eq!(shown["x402Version"], 2);
    assert_eq!(shown["accepted"], requirements());
    assert_eq!(shown["resource"]["url"], "https://api.example.com/data");
    assert_eq!(shown["extensions"]["a"]["info"]["n"], 1.5);
    let authorization = &shown["payload"]["authorization"];
    assert_eq!(authorization["value"], "10000");
    assert_eq!(authorization["to"], PAYEE);
    let signature = shown["payload"]["signature"].as_str().unwrap();
    assert_eq!(signature, format!("0x{}1b", "01".repeat(64)));
}

#[test]
fn a_payment_of_version_one_names_its_network() {
    let demand = json!({
        "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "10000", "asset": CONTRACT, "payTo": PAYEE,
        "maxTimeoutSeconds": 600, "extra": {"name": "USDC", "version": "2"}, "resource": "https://api.example.com/data",
        "description": "data", "mimeType": "application/json", "outputSchema": null
    });
    let input = X402Input {
        version: 1,
        ..asked(&demand)
    };
    let call = parse(&input).unwrap();
    assert_eq!(call.effects().first.max_lifetime, MAX_LIFETIME);
    let to_sign = call.to_sign(&key(), &moment()).unwrap();
    let signature = [[1; 64].as_slice(), &[1]].concat();
    let Credential::X402 { headers, payload } =
        call.assemble(&moment(), &to_sign, &signature).unwrap()
    else {
        panic!("another kind")
    };
    assert_eq!(headers[0].0, "x-payment");
    let shown: Json = serde_json::from_str(&payload).unwrap();
    assert_eq!(shown["network"], "base-sepolia");
    assert_eq!(shown["x402Version"], 1);
    assert!(shown.get("accepted").is_none());
    let back = X402Input {
        resource: Some("{}".into()),
        ..input
    };
    denied(&back, Code::UnlistedMember, "/resource");
}

#[track_caller]
fn denied(input: &X402Input, code: Code, at: &str) {
    let denial = parse(input).unwrap_err();
    assert_eq!((denial.code, denial.param.as_deref()), (code, Some(at)));
}

#[test]
fn a_servers_other_word_is_refused_at_its_place() {
    for (member, value, code) in [
        ("scheme", json!("upto"), Code::Unsupported),
        ("scheme", json!(1), Code::InvalidRequest),
        ("network", json!("base-sepolia"), Code::Unsupported),
        ("network", json!("solana:x"), Code::Unsupported),
        ("network", json!("eip155:1"), Code::DestinationDenied),
        ("asset", json!(OTHER), Code::DestinationDenied),
        ("asset", json!("USD"), Code::InvalidRequest),
        ("payTo", json!(OTHER), Code::DestinationDenied),
        ("payTo", json!("merchant"), Code::InvalidRequest),
        ("payTo", json!(PAYEE.to_uppercase()), Code::InvalidRequest),
        ("amount", json!(10_000), Code::InvalidRequest),
        ("amount", json!(1.5), Code::InvalidRequest),
        ("amount", json!("0"), Code::InvalidRequest),
        ("amount", json!("-1"), Code::InvalidRequest),
        ("amount", json!("1e3"), Code::InvalidRequest),
        ("amount", json!("010"), Code::InvalidRequest),
        ("amount", json!("9".repeat(40)), Code::PerCallExceeded),
        ("maxTimeoutSeconds", json!(0), Code::InvalidRequest),
        ("maxTimeoutSeconds", json!("60"), Code::InvalidRequest),
        ("maxTimeoutSeconds", json!(-1), Code::InvalidRequest),
        ("extra/name", json!("USD Coin"), Code::DestinationDenied),
        ("extra/version", json!("1"), Code::DestinationDenied),
        ("extra/name", json!(1), Code::InvalidRequest),
        (
            "extra/assetTransferMethod",
            json!("permit2"),
            Code::Unsupported,
        ),
        ("extra/feePayer", json!(OTHER), Code::UnlistedMember),
        ("amountMax", json!("1"), Code::UnlistedMember),
    ] {
        let mut changed = requirements();
        match member.split_once('/') {
            Some((outer, inner)) => changed[outer][inner] = value.clone(),
            None => changed[member] = value.clone(),
        }
        denied(&asked(&changed), code, &format!("/requirements/{member}"));
    }
    for member in [
        "scheme",
        "network",
        "asset",
        "payTo",
        "amount",
        "maxTimeoutSeconds",
    ] {
        let mut changed = requirements();
        changed.as_object_mut().unwrap().remove(member);
        let at = format!("/requirements/{member}");
        denied(&asked(&changed), Code::InvalidRequest, &at);
    }
}

#[test]
fn a_domain_that_a_server_leaves_out_is_the_registrys() {
    let mut bare = requirements();
    bare.as_object_mut().unwrap().remove("extra");
    let without = signed(&parse(&asked(&bare)).unwrap());
    assert_eq!(without, signed(&parse(&asked(&requirements())).unwrap()));
    bare["extra"] = Json::Null;
    parse(&asked(&bare)).unwrap();
}

#[test]
fn other_texts_are_refused() {
    let base = asked(&requirements());
    let text = requirements().to_string();
    for bad in [
        "",
        "[]",
        "{",
        "null",
        &text.replacen('{', r#"{"payTo":"x","#, 1),
    ] {
        let input = X402Input {
            requirements: bad.into(),
            ..base.clone()
        };
        let denial = parse(&input).unwrap_err();
        let code = denial.code;
        assert!(
            matches!(code, Code::UnparsableContent | Code::InvalidRequest),
            "{bad}: {code:?}"
        );
    }
    for (resource, code) in [
        ("[]", Code::UnparsableContent),
        (r#"{}, "payload": {}"#, Code::UnparsableContent),
        (r#"{"a": 1, "a": 2}"#, Code::UnparsableContent),
        (
            &format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_RESOURCE)),
            Code::InvalidRequest,
        ),
    ] {
        let input = X402Input {
            resource: Some(resource.into()),
            ..base.clone()
        };
        denied(&input, code, "/resource");
        let input = X402Input {
            extensions: Some(resource.into()),
            ..base.clone()
        };
        denied(&input, code, "/extensions");
    }
    let version = |version| X402Input {
        version,
        ..base.clone()
    };
    denied(&version(0), Code::Unsupported, "/version");
    denied(&version(3), Code::Unsupported, "/version");
}

#[test]
fn texts_are_taken_up_to_their_limits() {
    let mut input = asked(&requirements());
    let room = MAX_REQUIREMENTS - input.requirements.len();
    input.requirements.push_str(&" ".repeat(room));
    parse(&input).unwrap();
    input.requirements.push(' ');
    denied(&input, Code::InvalidRequest, "/requirements");
    let mut input = asked(&requirements());
    input.resource = Some(format!("{{}}{}", " ".repeat(MAX_RESOURCE - 2)));
    input.extensions = Some(format!("{{}}{}", " ".repeat(MAX_EXTENSIONS - 2)));
    parse(&input).unwrap();
}

#[test]
fn a_payment_lives_no_longer_than_the_server_waits() {
    let with = |ttl_s| X402Input {
        ttl_s,
        ..asked(&requirements())
    };
    let lifetime = |ttl| parse(&with(ttl)).map(|call| call.effects().first.max_lifetime);
    assert_eq!(lifetime(Some(5)), Ok(Millis(5000)));
    assert_eq!(lifetime(Some(60)), Ok(Millis(60_000)));
    denied(&with(Some(61)), Code::Outliving, "/ttl_s");
    denied(&with(Some(0)), Code::InvalidRequest, "/ttl_s");
}

#[test]
fn a_key_that_is_no_account_signs_no_payment() {
    let call = parse(&asked(&requirements())).unwrap();
    let other = SigningKeyInfo {
        alg: Alg::P256,
        ..key()
    };
    let denial = call.to_sign(&other, &moment()).unwrap_err();
    assert_eq!(denial.code, Code::KeyDenied);
    let http = SigningKeyInfo {
        kind: Kind::Http,
        ..key()
    };
    let denial = call.to_sign(&http, &moment()).unwrap_err();
    assert_eq!(denial.code, Code::KeyDenied);
}

#[test]
fn what_is_no_signature_makes_no_payment() {
    let call = parse(&asked(&requirements())).unwrap();
    let to_sign = call.to_sign(&key(), &moment()).unwrap();
    for bad in [vec![], vec![0; 64], vec![0; 66], vec![2; 65], vec![27; 65]] {
        call.assemble(&moment(), &to_sign, &bad).unwrap_err();
    }
    let message = ToSign::Message(vec![0; 66]);
    call.assemble(&moment(), &message, &[0; 65]).unwrap_err();
    recover(&[1; 32], &[0; 65]).ok_or(()).unwrap_err();
}

#[test]
fn equal_calls_alone_have_equal_canonical_bytes() {
    let base = asked(&requirements());
    let canonical = |input: &X402Input| parse(input).unwrap().canonical();
    let first = canonical(&base);
    assert_eq!(first, canonical(&base));
    let mut dearer = requirements();
    dearer["amount"] = json!("10001");
    for other in [
        asked(&dearer),
        X402Input {
            resource: Some("{}".into()),
            ..base.clone()
        },
        X402Input {
            extensions: Some("{}".into()),
            ..base.clone()
        },
        X402Input {
            ttl_s: Some(60),
            ..base
        },
    ] {
        assert_ne!(first, canonical(&other));
    }
}
