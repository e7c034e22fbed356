//! What is no route's transaction, and where it is said to be wrong.

#![expect(clippy::string_slice, reason = "a test that cuts a text wrongly fails")]

use super::*;

fn refused(input: &EvmInput) -> (Code, String) {
    let denied = parse(input).expect_err(&format!("{input:?}"));
    (denied.code, denied.param.unwrap_or_default())
}

fn changed(change: impl FnOnce(&mut Value)) -> (Code, String) {
    let mut value = base(PAYEE, "1", "0x");
    change(&mut value);
    refused(&tx(&value))
}

fn usdc(data: &str) -> (Code, String) {
    refused(&tx(&base(USDC, "0", data)))
}

#[test]
fn types_that_are_not_built_are_refused_by_their_members() {
    let list = json!([{"address": PAYEE, "storageKeys": []}]);
    for (name, value) in [
        ("authorizationList", json!([])),
        ("blobVersionedHashes", json!([])),
        ("maxFeePerBlobGas", json!("1")),
        ("accessList", list),
        ("type", json!("0x1")),
        ("type", json!("0x3")),
        ("type", json!("0x4")),
    ] {
        let place = format!("/tx/{name}");
        assert_eq!(changed(|tx| tx[name] = value), (Code::Unsupported, place));
    }
}

#[test]
fn contracts_are_not_made() {
    let to = (Code::Unsupported, "/tx/to".to_owned());
    assert_eq!(changed(|tx| tx["to"] = json!(null)), to);
    assert_eq!(
        changed(|tx| drop(tx.as_object_mut().unwrap().remove("to"))),
        to
    );
}

#[test]
fn members_are_whole_known_and_integers() {
    let invalid = |name: &str| (Code::InvalidRequest, format!("/tx/{name}"));
    for name in [
        "chainId",
        "nonce",
        "gas",
        "maxFeePerGas",
        "maxPriorityFeePerGas",
    ] {
        let missing = changed(|tx| drop(tx.as_object_mut().unwrap().remove(name)));
        assert_eq!(missing, invalid(name));
        for bad in [
            json!(1.0),
            json!(-1),
            json!("1.0"),
            json!("1e3"),
            json!("0x"),
            json!("01"),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(changed(|tx| tx[name] = bad.clone()), invalid(name), "{bad}");
        }
    }
    for (name, value) in [
        ("to", json!("0x11")),
        ("to", json!("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02914")),
        ("value", json!(0.5)),
        ("data", json!("0x1")),
        ("data", json!("00")),
        ("from", json!("me")),
        ("gas", json!("18446744073709551616")),
        ("nonce", json!("18446744073709551615")),
        ("chainId", json!("0")),
        ("chainId", json!("18446744073709551615")),
        ("gasLimit", json!("1")),
        ("input", json!("0x")),
        ("gasPrice", json!("1")),
        ("maxPriorityFeePerGas", json!("6")),
    ] {
        assert_eq!(
            changed(|tx| tx[name] = value.clone()),
            invalid(name),
            "{name} {value}"
        );
    }
    assert_eq!(
        changed(|tx| tx["v"] = json!("0x1")),
        (Code::UnlistedMember, "/tx/v".to_owned())
    );
    assert_eq!(
        changed(|tx| tx["hash"] = json!("0x1")),
        (Code::UnlistedMember, "/tx/hash".to_owned())
    );
    let over = json!("340282366920938463463374607431768211456");
    assert_eq!(
        changed(|tx| tx["value"] = over),
        (Code::PerCallExceeded, "/tx/value".to_owned())
    );
    let twice = base(PAYEE, "1", "0x")
        .to_string()
        .replacen('{', "{\"nonce\":\"7\",", 1);
    let twice = refused(&EvmInput::Tx(twice.into_bytes().into()));
    assert_eq!(twice.0, Code::InvalidRequest);
    let text = |text: &str| refused(&EvmInput::Tx(text.as_bytes().to_vec().into()));
    assert_eq!(text("").0, Code::InvalidRequest);
    assert_eq!(text("[]"), (Code::InvalidRequest, "/tx".to_owned()));
    assert_eq!(
        text(&" ".repeat(MAX_EVM.saturating_add(1))),
        (Code::InvalidRequest, "/tx".to_owned())
    );
}

#[test]
fn an_input_is_limited_on_both_sides() {
    let good = base(PAYEE, "1", "0x").to_string();
    let padded = |length: usize| {
        let spaces = " ".repeat(length.saturating_sub(good.len()));
        let text = format!("{good}{spaces}");
        assert_eq!(text.len(), length);
        parse(&EvmInput::Tx(text.into_bytes().into()))
    };
    let over = MAX_EVM.saturating_add(1);
    padded(MAX_EVM).unwrap();
    let denied = padded(over).unwrap_err();
    assert_eq!(
        (denied.code, denied.param.as_deref()),
        (Code::InvalidRequest, Some("/tx"))
    );
    for (input, place) in [
        (EvmInput::RawTx(vec![0; over].into()), "/raw_tx"),
        (EvmInput::TypedData(vec![b' '; over].into()), "/typed_data"),
        (EvmInput::SignIn(" ".repeat(over)), "/sign_in"),
    ] {
        assert_eq!(refused(&input), (Code::InvalidRequest, place.to_owned()));
    }
}

#[test]
fn chains_accounts_and_contracts_are_listed() {
    let denied = |place: &str| (Code::DestinationDenied, place.to_owned());
    assert_eq!(
        changed(|tx| tx["chainId"] = json!(10)),
        denied("/tx/chainId")
    );
    assert_eq!(changed(|tx| tx["chainId"] = json!(1)), denied("/tx/to"));
    assert_eq!(changed(|tx| tx["to"] = json!(OTHER)), denied("/tx/to"));
    let data_to_account = changed(|tx| tx["data"] = json!("0x00"));
    assert_eq!(
        data_to_account,
        (Code::UnlistedMember, "/tx/data".to_owned())
    );
}

#[test]
fn calls_are_of_known_functions_with_whole_clean_arguments() {
    let method = (Code::MethodDenied, "/tx/data".to_owned());
    for data in ["0x", "0xa9059c", "0xdeadbeef", "0xa22cb465", "0xd505accf"] {
        assert_eq!(usdc(data), method, "{data}");
    }
    let good = data("a9059cbb", &[PAYEE, "5"]);
    let unreadable = (Code::UnparsableContent, "/tx/data".to_owned());
    for length in [10, 12, good.len() - 64, good.len() - 2] {
        assert_eq!(usdc(&good[..length]), unreadable, "{length}");
    }
    assert_eq!(usdc(&format!("{good}00")), unreadable);
    assert_eq!(usdc(&format!("{good}{}", "0".repeat(64))), unreadable);
    let dirty = format!("0x01{}{}", "0".repeat(22), &PAYEE[2..]);
    assert_eq!(usdc(&data("a9059cbb", &[&dirty, "5"])), unreadable);
    let value = refused(&tx(&base(USDC, "1", &good)));
    assert_eq!(value, (Code::UnlistedMember, "/tx/value".to_owned()));
}

#[test]
fn who_gets_it_is_listed_and_how_much_is_counted() {
    let at = |code| (code, "/tx/data".to_owned());
    assert_eq!(
        usdc(&data("a9059cbb", &[OTHER, "5"])),
        at(Code::DestinationDenied)
    );
    assert_eq!(
        usdc(&data("095ea7b3", &[OTHER, "5"])),
        at(Code::DestinationDenied)
    );
    assert_eq!(
        usdc(&data("23b872dd", &[OTHER, PAYEE, "5"])),
        at(Code::UnlistedMember)
    );
    let (all, over) = (
        Word::MAX.to_string(),
        "340282366920938463463374607431768211456",
    );
    for selector in ["a9059cbb", "095ea7b3", "39509351"] {
        for amount in [&all, over] {
            assert_eq!(
                usdc(&data(selector, &[PAYEE, amount])),
                at(Code::PerCallExceeded)
            );
        }
    }
    let nft = |words: &[&str]| refused(&tx(&base(NFT, "0", &data("23b872dd", words))));
    assert_eq!(nft(&[OWN, PAYEE, "8"]), at(Code::UnlistedMember));
    assert_eq!(nft(&[OTHER, PAYEE, "7"]), at(Code::UnlistedMember));
    let items = |words: &[&str]| refused(&tx(&base(ITEMS, "0", &data("f242432a", words))));
    assert_eq!(
        items(&[OWN, PAYEE, "3", "1", "160", "0"]),
        at(Code::UnlistedMember)
    );
    assert_eq!(
        items(&[OWN, PAYEE, "2", "1", "128", "0"]),
        at(Code::UnparsableContent)
    );
    assert_eq!(
        items(&[OWN, PAYEE, "2", "1", "160", "1"]),
        at(Code::UnparsableContent)
    );
}

#[test]
fn arguments_of_other_contracts_keep_to_their_rules() {
    let selector = |text: &str| {
        let hash = claviger_shared::crypto::keccak::keccak256(&[text.as_bytes()]);
        hex::encode(&hash[..4])
    };
    let deposit = selector("deposit(uint256,address)");
    let pool = |value: &str, data: &str| refused(&tx(&base(POOL, value, data)));
    let at = |code| (code, "/tx/data".to_owned());
    assert_eq!(
        pool("0", &data(&deposit, &["1000001", OWN])),
        at(Code::PerCallExceeded)
    );
    assert_eq!(
        pool("0", &data(&deposit, &["1", OTHER])),
        at(Code::UnlistedMember)
    );
    assert_eq!(
        pool("1", &data(&deposit, &["1", OWN])),
        (Code::UnlistedMember, "/tx/value".to_owned())
    );
    let set = selector("set(int16,bool,bytes4,uint8)");
    let (minus_five, bytes) = (
        format!("0x{}fb", "f".repeat(62)),
        format!("0x01020304{}", "0".repeat(56)),
    );
    let with = |words: [&str; 4]| pool("0", &data(&set, &words));
    assert_eq!(with(["5", "1", &bytes, "9"]), at(Code::UnlistedMember));
    assert_eq!(
        with(["0xfffb", "1", &bytes, "9"]),
        at(Code::UnparsableContent)
    );
    assert_eq!(
        with([&minus_five, "0", &bytes, "9"]),
        at(Code::UnlistedMember)
    );
    assert_eq!(
        with([&minus_five, "2", &bytes, "9"]),
        at(Code::UnparsableContent)
    );
    assert_eq!(
        with([&minus_five, "1", "0x01020304", "9"]),
        at(Code::UnparsableContent)
    );
    assert_eq!(
        with([&minus_five, "1", &bytes, "10"]),
        at(Code::PerCallExceeded)
    );
    assert_eq!(
        with([&minus_five, "1", &bytes, "256"]),
        at(Code::UnparsableContent)
    );
}

#[test]
fn bytes_have_one_form_and_are_of_one_chain() {
    let raw = |bytes: &[u8]| {
        let (code, place) = refused(&EvmInput::RawTx(bytes.to_vec().into()));
        assert_eq!(place, "/raw_tx");
        code
    };
    let good = parse(&tx(&base(PAYEE, "250", "0x"))).unwrap().message();
    assert_eq!(raw(&[good.clone(), vec![0]].concat()), Code::NotNormalForm);
    assert_eq!(raw(&good[..good.len() - 1]), Code::NotNormalForm);
    assert_eq!(raw(&[]), Code::InvalidRequest);
    assert_eq!(raw(&[2, 0x80]), Code::InvalidRequest);
    assert_eq!(raw(&[2, 0xc0]), Code::InvalidRequest);
    for kind in [1, 3, 4, 0x7f] {
        assert_eq!(raw(&[&[kind], &good[1..]].concat()), Code::Unsupported);
    }
    let list = |parts: &[&[u8]]| {
        parts
            .iter()
            .fold(rlp::List::default(), |list, part| list.bytes(part))
    };
    let to = hex::decode(&PAYEE[2..]).unwrap();
    let typed = |parts: &[&[u8]]| raw(&list(parts).empty_list().after(&[2]));
    let chain: &[u8] = &[0x21, 0x05];
    assert_eq!(
        typed(&[chain, &[0], &[1], &[5], &[9], &to, &[], &[]]),
        Code::NotNormalForm,
        "a zero"
    );
    assert_eq!(
        typed(&[chain, &[7], &[1], &[0, 5], &[9], &to, &[], &[]]),
        Code::NotNormalForm
    );
    assert_eq!(
        typed(&[chain, &[7], &[1], &[5], &[9], &[], &[], &[]]),
        Code::Unsupported,
        "a contract is made"
    );
    assert_eq!(
        typed(&[chain, &[7], &[1], &[5], &[9], &to[1..], &[], &[]]),
        Code::InvalidRequest
    );
    assert_eq!(
        typed(&[chain, &[7], &[1], &[5], &[1; 9], &to, &[], &[]]),
        Code::InvalidRequest
    );
    assert_eq!(
        typed(&[chain, &[7], &[1], &[5], &[9], &to, &[1; 17], &[]]),
        Code::PerCallExceeded
    );
    let access = list(&[chain, &[7], &[1], &[5], &[9], &to, &[], &[]])
        .bytes(&[1])
        .after(&[2]);
    assert_eq!(raw(&access), Code::Unsupported);
    let any_chain = list(&[&[7], &[5], &[9], &to, &[], &[]]).after(&[]);
    assert_eq!(raw(&any_chain), Code::Unsupported);
    let signed = list(&[&[7], &[5], &[9], &to, &[], &[], &[37], &[1], &[1]]).after(&[]);
    assert_eq!(raw(&signed), Code::InvalidRequest);
}

#[test]
fn a_name_that_the_grant_has_not_is_not_reached() {
    let input = tx(&base(PAYEE, "1", "0x"));
    let grant = fixture::grant(&[], &["pool"], &[]);
    let denied = EvmCall::parse(&input, None, &catalog(), &grant).unwrap_err();
    assert_eq!(denied.code, Code::DestinationDenied);
}
