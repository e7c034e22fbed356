//! Typed data and sign-in texts: the published example of EIP-712, and what is none.

use super::*;
use claviger_shared::{
    crypto::keccak::keccak256,
    time::{Millis, UnixMs},
};

fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"}, {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
            "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "verifyingContract": MAILBOX},
        "message": {
            "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!",
        },
    })
}

fn order() -> Value {
    json!({
        "types": {"Order": [
            {"name": "amount", "type": "uint256"}, {"name": "nonce", "type": "bytes32"}, {"name": "until", "type": "uint64"},
            {"name": "tag", "type": "bytes"},
        ]},
        "primaryType": "Order",
        "domain": {"name": "Shop", "chainId": "0x2105", "verifyingContract": POOL, "salt": format!("0x{}", "5a".repeat(32))},
        "message": {"amount": "500", "nonce": format!("0x{}", "01".repeat(32)), "until": 1_795_424_500, "tag": "0x00ff"},
    })
}

fn typed(value: &Value) -> EvmInput {
    EvmInput::TypedData(value.to_string().into_bytes().into())
}

fn refused(value: &Value) -> (Code, String) {
    let denied = parse(&typed(value)).expect_err(&value.to_string());
    (denied.code, denied.param.unwrap_or_default())
}

#[test]
fn the_example_of_eip_712_is_signed() {
    // EIP-712, Example.js: every hash, and the signature of the key that is Keccak-256 of "cow".
    let call = parse(&typed(&mail())).unwrap();
    let message = call.message();
    assert_eq!(message[..2], [0x19, 1]);
    assert_eq!(
        hex::encode(&message[2..34]),
        "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    );
    assert_eq!(
        hex::encode(&message[34..]),
        "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"
    );
    assert_eq!(
        hex::encode(keccak256(&[&message])),
        "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    );
    let Credential::EvmSignature { signature } = assembled(&call, keccak256(&[b"cow"])) else {
        panic!("no signature");
    };
    assert_eq!(
        signature,
        "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
    );
    assert_eq!(
        alloy::typed_hash(&mail().to_string()),
        keccak256(&[&message])
    );
    let kind = "Mail(Person from,Person to,string contents)Person(string name,address wallet)";
    assert_eq!(
        hex::encode(keccak256(&[kind.as_bytes()])),
        "a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2"
    );
    let one = effect(&call);
    assert_eq!(
        (one.method.as_str(), one.max_lifetime, one.ends_at),
        ("Mail", Millis::ENDLESS, None)
    );
    assert!(one.charges.is_empty() && !call.replay(&fixture::moment()).single_use);
    assert!(
        one.parameters
            .contains(&("path.to.name".to_owned(), "Bob".to_owned()))
    );
}

#[test]
fn a_form_is_signed_as_it_was_registered_and_in_no_other_way() {
    let set = |pointer: &str, value: Value| {
        let mut mail = mail();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        mail.pointer_mut(parent).unwrap()[name] = value;
        refused(&mail)
    };
    let at = |code, place: &str| (code, format!("/typed_data{place}"));
    assert_eq!(
        set("/domain/chainId", json!(2)),
        at(Code::DestinationDenied, "/domain")
    );
    assert_eq!(
        set("/domain/chainId", json!(1.0)),
        at(Code::InvalidRequest, "/domain/chainId")
    );
    assert_eq!(
        set("/domain/verifyingContract", json!(POOL)),
        at(Code::DestinationDenied, "/domain")
    );
    assert_eq!(
        set("/domain/name", json!("Ether Mai1")),
        at(Code::DestinationDenied, "/domain/name")
    );
    assert_eq!(
        set("/domain/version", json!(1)),
        at(Code::InvalidRequest, "/domain/version")
    );
    assert_eq!(
        set("/domain/salt", json!("0x00")),
        at(Code::UnlistedMember, "/domain/salt")
    );
    assert_eq!(
        set("/primaryType", json!("Person")),
        at(Code::MethodDenied, "/primaryType")
    );
    assert_eq!(
        set("/types/Group", json!([])),
        at(Code::UnlistedMember, "/types/Group")
    );
    let swapped =
        json!([{"name": "wallet", "type": "address"}, {"name": "name", "type": "string"}]);
    assert_eq!(
        set("/types/Person", swapped),
        at(Code::UnlistedMember, "/types/Person")
    );
    assert_eq!(
        set("/types/EIP712Domain", json!([])),
        at(Code::UnlistedMember, "/types/EIP712Domain")
    );
    assert_eq!(
        set("/message/to/name", json!("Mallory")),
        at(Code::UnlistedMember, "/message/to/name")
    );
    assert_eq!(
        set("/message/to/wallet", json!(POOL)),
        at(Code::UnlistedMember, "/message/to/wallet")
    );
    assert_eq!(
        set("/message/to/extra", json!(1)),
        at(Code::UnlistedMember, "/message/to/extra")
    );
    assert_eq!(
        set("/message/contents", json!(5)),
        at(Code::InvalidRequest, "/message/contents")
    );
    assert_eq!(
        set("/message/from", json!("Cow")),
        at(Code::InvalidRequest, "/message/from")
    );
    assert_eq!(
        set("/digest", json!("0x00")),
        at(Code::UnlistedMember, "/digest")
    );
    let mut short = mail();
    short["message"].as_object_mut().unwrap().remove("contents");
    assert_eq!(
        refused(&short),
        at(Code::InvalidRequest, "/message/contents")
    );
    let twice = mail()
        .to_string()
        .replacen("\"contents\":", "\"contents\":\"a\",\"contents\":", 1);
    let twice = EvmInput::TypedData(twice.into_bytes().into());
    assert_eq!(parse(&twice).unwrap_err().code, Code::InvalidRequest);
}

#[test]
fn amounts_are_charged_and_deadlines_end_it() {
    let call = parse(&typed(&order())).unwrap();
    let hash = keccak256(&[&call.message()]);
    assert_eq!(alloy::typed_hash(&order().to_string()), hash);
    let one = effect(&call);
    assert_eq!(charges(&call), [("usdc.base".to_owned(), 500)]);
    assert_eq!(
        (one.ends_at, one.max_lifetime),
        (Some(UnixMs(1_795_424_500_000)), Millis(3_600_000))
    );
    assert!(call.replay(&fixture::moment()).single_use);
    let set = |name: &str, value: Value| {
        let mut order = order();
        order["message"][name] = value;
        order
    };
    let at = |code, name: &str| (code, format!("/typed_data/message/{name}"));
    assert_eq!(
        refused(&set("amount", json!("501"))),
        at(Code::PerCallExceeded, "amount")
    );
    assert_eq!(
        refused(&set("amount", json!(1.5))),
        at(Code::InvalidRequest, "amount")
    );
    assert_eq!(
        refused(&set("amount", json!("-1"))),
        at(Code::InvalidRequest, "amount")
    );
    assert_eq!(
        refused(&set("tag", json!("0x00FF"))),
        at(Code::UnlistedMember, "tag")
    );
    assert_eq!(
        refused(&set("nonce", json!("0x01"))),
        at(Code::InvalidRequest, "nonce")
    );
    let late = parse(&typed(&set("until", json!("18446744073709551615")))).unwrap();
    assert_eq!(effect(&late).ends_at, Some(UnixMs(u64::MAX)));
}

fn text(change: impl Fn(&str) -> String) -> EvmInput {
    let text = "app.example wants you to sign in with your Ethereum account:\n0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826\n\nI accept.\n\n\
                URI: https://app.example/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\nIssued At: 2026-11-23T09:00:00.000Z\n\
                Expiration Time: 2026-11-23T09:10:00.500Z\nNot Before: 2026-11-23T09:00:00Z\nRequest ID: r-1\nResources:\n\
                - https://app.example/terms";
    EvmInput::SignIn(change(text))
}

#[test]
fn a_sign_in_text_is_signed_for_the_account_that_it_names() {
    let call = parse(&text(str::to_owned)).unwrap();
    let one = effect(&call);
    assert_eq!(
        one.signer.unwrap().to_string(),
        "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
    );
    assert_eq!(
        (one.method.as_str(), one.destination.as_str(), one.mints),
        ("sign-in", "https://app.example/login", true)
    );
    assert_eq!(
        one.ends_at,
        UnixMs::parse_rfc3339("2026-11-23T09:10:01Z").ok()
    );
    assert!(
        call.message()
            .starts_with(b"\x19Ethereum Signed Message:\n")
    );
    assert!(call.replay(&fixture::moment()).single_use);
    let plain = |text: &str| {
        let text = text.replace("\nI accept.\n", "\n");
        text.split("\nNot Before").next().unwrap().to_owned()
    };
    parse(&text(plain)).unwrap();
    parse(&text(|text| format!("https://{text}"))).unwrap();
}

#[test]
fn other_texts_are_not_signed() {
    let refuse = |from: &str, to: &str| {
        let denied = parse(&text(|text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        }));
        let denied = denied.expect_err(&format!("{from} {to}"));
        (denied.code, denied.param.unwrap_or_default())
    };
    let at = |code, line: &str| (code, format!("/sign_in/{line}"));
    let invalid = |line: &str| at(Code::InvalidRequest, line);
    assert_eq!(
        refuse("app.example wants", "evil.example wants").0,
        Code::DestinationDenied
    );
    assert_eq!(
        refuse("app.example wants you to", "app.example wants to"),
        invalid("domain")
    );
    assert_eq!(refuse("0xCD2a", "0xcd2a"), invalid("address"));
    assert_eq!(
        refuse("I accept.", "I pay all."),
        at(Code::UnlistedMember, "statement")
    );
    assert_eq!(
        refuse("I accept.", "I accept.\nI pay."),
        invalid("statement")
    );
    assert_eq!(
        refuse("/login", "/other"),
        at(Code::DestinationDenied, "URI")
    );
    assert_eq!(refuse("Version: 1", "Version: 2"), invalid("Version"));
    assert_eq!(
        refuse("Chain ID: 1", "Chain ID: 2"),
        at(Code::DestinationDenied, "Chain ID")
    );
    assert_eq!(refuse("Chain ID: 1", "Chain ID: 01"), invalid("Chain ID"));
    assert_eq!(refuse("32891756", "3289175"), invalid("Nonce"));
    assert_eq!(refuse("32891756", "3289-756"), invalid("Nonce"));
    assert_eq!(
        refuse("09:00:00.000Z", "09:00:00+00:00"),
        invalid("Issued At")
    );
    assert_eq!(
        refuse("Expiration Time: 2026-11-23T09:10:00.500Z\n", ""),
        invalid("Expiration Time")
    );
    assert_eq!(
        refuse("09:10:00.500Z", "09:10:00.Z"),
        invalid("Expiration Time")
    );
    assert_eq!(
        refuse("/terms", "/more"),
        at(Code::UnlistedMember, "Resources")
    );
    assert_eq!(
        refuse("\n- https://app.example/terms", ""),
        invalid("Resources")
    );
    assert_eq!(refuse("- https", "* https"), invalid("Resources"));
    assert_eq!(refuse("Request ID", "Request-ID"), invalid("Resources"));
    assert_eq!(refuse("URI: ", "URI:"), invalid("URI"));
    assert_eq!(refuse("accept", "\u{430}ccept"), invalid("text"));
    assert_eq!(
        parse(&EvmInput::SignIn("I owe you.".to_owned()))
            .unwrap_err()
            .code,
        Code::InvalidRequest
    );
    assert_eq!(
        parse(&EvmInput::SignIn(String::new())).unwrap_err().code,
        Code::InvalidRequest
    );
}
