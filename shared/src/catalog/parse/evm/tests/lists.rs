//! Arguments and members of lengths of their own: lists, tuples, texts and bytes.

use super::*;
use crate::{
    catalog::{MemberRule, MemberType, ValueRule},
    chain::abi::MAX_ITEMS,
};

fn spread() -> Value {
    json!({"contract": POOL, "call": "spread((address,uint256)[],string[2],bytes)", "arguments": [
        {"name": "whom", "any_of": [A]}, {"charge": "usdc.base", "max": "5"}, {"any": true}, {"any_of": ["0x", "0x00ff"]},
    ]})
}

fn basket() -> Value {
    json!({"typed_data": {
        "domain": {"name": "Shop", "contract": POOL}, "primary_type": "Basket",
        "types": {
            "Basket": [
                {"name": "items", "type": "Item[]"}, {"name": "marks", "type": "bytes32[2][]"}, {"name": "notes", "type": "string[]"},
                {"name": "nonce", "type": "uint256"}, {"name": "until", "type": "uint64"},
            ],
            "Item": [{"name": "price", "type": "uint256"}, {"name": "whom", "type": "address"}],
        },
        "members": {
            "/items/*/price": {"charge": "usdc.base"}, "/items/*/whom": {"any_of": [A]}, "/marks/*/*": {"any": true},
            "/notes/*": {"any_of": ["a", "b"]}, "/nonce": {"nonce": true}, "/until": {"deadline": true},
        },
    }})
}

#[test]
fn lists_tuples_and_texts_have_rules_for_what_they_are_made_of() {
    let route = parse(spread()).unwrap();
    let EvmSigns::Call(call) = &route.signs else {
        panic!("{route:?}")
    };
    let signature = "spread((address,uint256)[],string[2],bytes)";
    assert_eq!(call.signature(), signature);
    assert_eq!(route.units().len(), 2, "the coin, and what a part charges");
    let types: Vec<_> = call
        .arguments
        .iter()
        .map(|one| one.of.to_string())
        .collect();
    assert_eq!(types, ["address", "uint256", "string[2]", "bytes"]);
    for (at, value, refused_at) in [
        (
            "/arguments",
            json!([{"any": true}, {"any": true}, {"any_of": ["0x"]}]),
            "/arguments",
        ),
        ("/arguments/0/any_of", json!(["5"]), "/arguments/0/any_of/0"),
        (
            "/arguments/0",
            json!({"charge": "usdc.base"}),
            "/arguments/0/charge",
        ),
        ("/arguments/1/name", json!("whom"), "/arguments/1/name"),
        ("/arguments/2", json!({}), "/arguments/2/any"),
        ("/arguments/2", json!({"any": false}), "/arguments/2"),
        ("/arguments/2", json!({"any_of": []}), "/arguments/2/any_of"),
        (
            "/arguments/2",
            json!({"any_of": ["a"], "any": true}),
            "/arguments/2/any",
        ),
        ("/arguments/2", json!({"max": "5"}), "/arguments/2/any"),
        // What may be anything may be another call.
        ("/arguments/3", json!({"any": true}), "/arguments/3/any_of"),
        (
            "/arguments/3/any_of",
            json!(["0xFF"]),
            "/arguments/3/any_of/0",
        ),
        (
            "/arguments/3/any_of",
            json!(["ff"]),
            "/arguments/3/any_of/0",
        ),
    ] {
        let route = with(spread(), at, value);
        assert_eq!(refused(route.clone()).1, refused_at, "{route}");
    }
    for (call, at) in [
        ("execute(bytes)", 0),
        ("multicall(bytes[])", 0),
        ("multicall((address,bytes)[])", 1),
    ] {
        let rules = json!([{"any": true}, {"any": true}]);
        let rules = json!(rules.as_array().unwrap()[..=at]);
        let refused = refused(json!({"contract": POOL, "call": call, "arguments": rules}));
        assert_eq!(refused.1, format!("/arguments/{at}/any_of"), "{call}");
    }
}

#[test]
fn arguments_and_parts_are_limited_on_both_sides() {
    let of = |types: &str, rules: Value| json!({"contract": POOL, "call": format!("f({types})"), "arguments": rules});
    let many = |n: usize| (vec!["bool"; n].join(","), vec![json!({"any": true}); n]);
    let (types, rules) = many(32);
    parse(of(&types, json!(rules))).unwrap();
    parse(of(&format!("({types})[]"), json!(rules))).unwrap();
    let (types, rules) = many(33);
    assert_eq!(refused(of(&types, json!(rules))).1, "/call");
    assert_eq!(
        refused(of(&format!("({types})[]"), json!(rules))).1,
        "/call"
    );
}

#[test]
fn lists_tell_routes_apart_as_their_elements_do() {
    let kind = |mut route: Value| {
        route["kind"] = json!("evm");
        route["chain"] = json!(8453);
        route
    };
    let both = |a: Value, b: Value| set(json!([kind(a), kind(b)])).is_ok();
    let whom = |whom: &str| with(spread(), "/arguments/0/any_of", json!([whom]));
    assert!(both(whom(A), whom(B)) && !both(whom(A), whom(A)));
    let bytes = with(spread(), "/arguments/3/any_of", json!(["0x01"]));
    assert!(both(spread(), bytes));
    assert!(!both(
        spread(),
        with(spread(), "/arguments/2", json!({"any_of": ["a"]}))
    ));
}

#[test]
fn what_is_never_called_is_known_by_its_selector_too() {
    let signatures = [
        "setApprovalForAll(address,bool)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
        "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
    ];
    for (signature, selector) in signatures
        .iter()
        .zip(crate::catalog::parse::evm::call::NEVER_SELECTORS)
    {
        let hash = crate::crypto::keccak::keccak256(&[signature.as_bytes()]);
        assert_eq!(hash[..4], selector, "{signature}");
    }
}

#[test]
fn types_of_one_word_are_kept_as_they_were() {
    let mut route = deposit();
    route["kind"] = json!("evm");
    route["chain"] = json!(8453);
    let bytes = cbor::encode(&set(json!([route])).unwrap()).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    // Maps and texts of RFC 8949: {"atom": "address", "name": "who", "rule": {"listed": …
    assert!(has(b"datomgaddress") && has(b"drule\xa1flisted") && !has(b"types"));
}

#[test]
fn lists_of_typed_data_have_one_rule_for_each_value_of_an_element() {
    let route = parse(basket()).unwrap();
    let EvmSigns::TypedData(typed) = &route.signs else {
        panic!("{route:?}")
    };
    assert_eq!(
        typed.encode_type("Basket"),
        "Basket(Item[] items,bytes32[2][] marks,string[] notes,uint256 nonce,uint64 until)Item(uint256 price,address whom)"
    );
    assert_eq!(typed.type_at("/notes/*"), Some(&MemberType::String));
    assert_eq!(
        typed.type_at("/items/*/whom").unwrap().to_string(),
        "address"
    );
    for none in ["", "/other", "/notes/0", "/nonce/*", "/items/whom", "notes"] {
        assert_eq!(typed.type_at(none), None, "{none}");
    }
    assert_eq!(
        typed.members["/marks/*/*"],
        MemberRule::Value(ValueRule::Any)
    );
    assert_eq!(route.units().len(), 1);
    let t = |at: &str| format!("/typed_data{at}");
    let changed = |from: &str, to: &str| {
        let text = basket().to_string();
        assert!(text.contains(from), "{from}");
        serde_json::from_str::<Value>(&text.replace(from, to)).unwrap()
    };
    for (from, to, at) in [
        ("\"/notes/*\"", "\"/notes\"", "/members/~1notes"),
        ("\"/notes/*\"", "\"/notes/0\"", "/members/~1notes~10"),
        ("\"/marks/*/*\"", "\"/marks/*\"", "/members/~1marks~1*"),
        ("Item[]", "Item[0]", "/types/Basket/0/type"),
        ("Item[]", "Nobody[]", "/types/Basket/0/type"),
        ("Item[]", "Basket[]", "/primary_type"),
        ("string[]", "string[65]", "/types/Basket/2/type"),
        // One of many ends nothing, and makes nothing single use.
        (
            "{\"any_of\":[\"a\",\"b\"]}",
            "{\"nonce\":true}",
            "/members/~1notes~1*/any",
        ),
        (
            "\"/marks/*/*\":{\"any\":true}",
            "\"/marks/*/*\":{\"nonce\":true}",
            "/members/~1marks~1*~1*",
        ),
    ] {
        let refused = parse(changed(from, to)).unwrap_err();
        let place = refused.pointer().replace("/resources/r/0", "");
        assert_eq!(place, t(at), "{to}");
    }
    parse(changed("string[]", &format!("string[{MAX_ITEMS}]"))).unwrap();
    let permit = basket().to_string().replace("Basket", "PermitBatch");
    let refused = refused(serde_json::from_str(&permit).unwrap());
    assert_eq!(refused.0, Error::UNSUPPORTED);
}

#[test]
fn structures_and_lists_are_not_nested_deeper_than_the_limit() {
    let deep = |lists: usize| {
        let name = format!("bool{}", "[]".repeat(lists));
        let pointer = format!("/a{}", "/*".repeat(lists));
        json!({"typed_data": {"domain": {"contract": POOL}, "primary_type": "D", "types": {"D": [{"name": "a", "type": name}]},
            "members": {pointer: {"any": true}}}})
    };
    parse(deep(7)).unwrap();
    assert_eq!(refused(deep(8)).1, "/typed_data/primary_type");
    assert_eq!(refused(deep(9)).1, "/typed_data/types/D/0/type");
}
