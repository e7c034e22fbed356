//! What is signed and what it costs: the published example of EIP-155, and each route.

#![expect(clippy::string_slice, reason = "a test that cuts a text wrongly fails")]

use super::*;
use claviger_shared::time::{Millis, UnixMs};

#[test]
fn the_example_of_eip_155_is_signed() {
    // EIP-155, example: nonce 9, 20 gwei, 21,000 gas, one coin, the key of 32 bytes 0x46.
    let input = tx(&json!({
        "chainId": 1, "nonce": 9, "gasPrice": "20000000000", "gas": 21000, "to": "0x3535353535353535353535353535353535353535",
        "value": "1000000000000000000", "data": "0x",
    }));
    let call = parse(&input).unwrap();
    let unsigned = "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
    assert_eq!(hex::encode(call.message()), unsigned);
    let Credential::Evm { raw_tx, tx_hash } = assembled(&call, [0x46; 32]) else {
        panic!("no transaction");
    };
    assert_eq!(
        raw_tx,
        "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
    let hash = claviger_shared::crypto::keccak::keccak256(&[&hex::decode(&raw_tx[2..]).unwrap()]);
    assert_eq!(tx_hash, format!("0x{}", hex::encode(hash)));
    assert_eq!(
        charges(&call),
        [(
            "eth".to_owned(),
            1_000_000_000_000_000_000 + 21_000 * 20_000_000_000
        )]
    );
    // The same as bytes.
    let raw = EvmInput::RawTx(hex::decode(unsigned).unwrap().into());
    assert_eq!(parse(&raw).unwrap().canonical(), call.canonical());
}

#[test]
fn a_transaction_says_all_that_it_does() {
    let call = parse(&tx(&base(PAYEE, "250", "0x"))).unwrap();
    let one = effect(&call);
    assert_eq!((one.kind, one.verb, one.route), (Kind::Evm, Verb::Write, 0));
    assert_eq!(one.resource, ResourceName::parse("payouts").unwrap());
    assert_eq!(one.destination, format!("eip155:8453:{PAYEE}"));
    assert_eq!(
        (one.method.as_str(), one.path_template.as_str()),
        ("send", "")
    );
    assert_eq!(one.parameters, [("path.to".to_owned(), PAYEE.to_owned())]);
    // What is sent, all gas at its highest price, and the cap of what the chain takes for data.
    assert_eq!(
        charges(&call),
        [("eth.base".to_owned(), 250 + 21_000 * 5 + 1000)]
    );
    assert_eq!(
        (one.max_lifetime, one.fixed, one.ends_at),
        (Millis::ENDLESS, true, None)
    );
    let nonce = one.nonce.unwrap();
    assert_eq!((nonce.chain, nonce.nonce), (8453, 7));
    let never = Moment {
        expires_at: UnixMs::NEVER,
        ..fixture::moment()
    };
    let replay = call.replay(&never);
    let left = UnixMs::NEVER.secs() - never.now.secs();
    assert_eq!((replay.single_use, replay.window_s), (true, left));
}

#[test]
fn tokens_are_charged_as_their_arguments_say() {
    let usdc = |selector: &str, words: &[&str]| {
        parse(&tx(&base(USDC, "0", &data(selector, words)))).unwrap()
    };
    let gas = ("eth.base".to_owned(), 21_000 * 5 + 1000);
    let transfer = usdc("a9059cbb", &[PAYEE, "5000000"]);
    assert_eq!(
        charges(&transfer),
        [gas.clone(), ("usdc.base".to_owned(), 5_000_000)]
    );
    assert_eq!(effect(&transfer).method, "transfer");
    assert_eq!(
        effect(&transfer).path_template,
        format!("eip155:8453:{USDC}")
    );
    assert_eq!(
        effect(&transfer).destination,
        format!("eip155:8453:{PAYEE}")
    );
    let from = usdc("23b872dd", &[OWN, PAYEE, "9"]);
    assert_eq!(charges(&from)[1], ("usdc.base".to_owned(), 9));
    assert!(
        effect(&from)
            .parameters
            .contains(&("path.from".to_owned(), OWN.to_owned()))
    );
    let most = u128::MAX.to_string();
    let approve = usdc("095ea7b3", &[PAYEE, &most]);
    assert_eq!(charges(&approve)[1], ("usdc.base".to_owned(), u128::MAX));
    assert_eq!(effect(&approve).verb, Verb::Write);
    let revoke = usdc("095ea7b3", &[PAYEE, "0"]);
    assert_eq!(
        (effect(&revoke).verb, charges(&revoke)),
        (Verb::Delete, vec![gas])
    );
    let more = usdc("39509351", &[PAYEE, "3"]);
    assert_eq!(charges(&more)[1], ("usdc.base".to_owned(), 3));
    let none = usdc("a9059cbb", &[PAYEE, "0"]);
    assert_eq!(
        charges(&none)[1],
        ("usdc.base".to_owned(), 0),
        "nothing of a unit is still of it"
    );
}

#[test]
fn tokens_that_are_not_alike_are_charged_by_their_number() {
    let one = parse(&tx(&base(NFT, "0", &data("23b872dd", &[OWN, PAYEE, "7"])))).unwrap();
    assert_eq!(charges(&one)[1], ("nft.base".to_owned(), 1));
    assert!(
        effect(&one)
            .parameters
            .contains(&("path.token_id".to_owned(), "7".to_owned()))
    );
    let any = Word::MAX.to_string();
    parse(&tx(&base(NFT, "0", &data("42842e0e", &[OWN, PAYEE, &any])))).unwrap();
    let some = data("f242432a", &[OWN, PAYEE, "2", "40", "160", "0"]);
    let some = parse(&tx(&base(ITEMS, "0", &some))).unwrap();
    assert_eq!(charges(&some)[1], ("items.base".to_owned(), 40));
}

#[test]
fn other_contracts_are_called_by_their_arguments_rules() {
    let selector = |text: &str| {
        let hash = claviger_shared::crypto::keccak::keccak256(&[text.as_bytes()]);
        hex::encode(&hash[..4])
    };
    let deposit = data(&selector("deposit(uint256,address)"), &["1000000", OWN]);
    let call = parse(&tx(&base(POOL, "0", &deposit))).unwrap();
    assert_eq!(charges(&call)[1], ("usdc.base".to_owned(), 1_000_000));
    assert_eq!(
        effect(&call).parameters,
        [
            ("path.amount".to_owned(), "1000000".to_owned()),
            ("path.for".to_owned(), OWN.to_owned())
        ]
    );
    let wrap = parse(&tx(&base(POOL, "77", &format!("0x{}", selector("wrap()"))))).unwrap();
    assert_eq!(
        charges(&wrap),
        [("eth.base".to_owned(), 77 + 21_000 * 5 + 1000)]
    );
    let minus_five = format!("0x{}fb", "f".repeat(62));
    let bytes = format!("0x01020304{}", "0".repeat(56));
    let set = data(
        &selector("set(int16,bool,bytes4,uint8)"),
        &[&minus_five, "1", &bytes, "9"],
    );
    let call = parse(&tx(&base(POOL, "0", &set))).unwrap();
    assert_eq!(effect(&call).verb, Verb::Delete);
}

#[test]
fn bytes_and_members_are_the_same_call() {
    let members = parse(&tx(&base(USDC, "0", &data("a9059cbb", &[PAYEE, "5"])))).unwrap();
    let raw = EvmInput::RawTx(members.message().into());
    let bytes = parse(&raw).unwrap();
    assert_eq!(bytes.canonical(), members.canonical());
    assert_eq!(bytes.effects, members.effects);
    let other = parse(&tx(&base(USDC, "0", &data("a9059cbb", &[PAYEE, "6"])))).unwrap();
    assert_ne!(other.canonical(), members.canonical());
}

#[test]
fn names_of_members_that_libraries_use_are_read() {
    let mut renamed = base(PAYEE, "0xfa", "0x");
    let members = renamed.as_object_mut().unwrap();
    for (from, to) in [("gas", "gasLimit"), ("data", "input")] {
        let value = members.remove(from).unwrap();
        members.insert(to.to_owned(), value);
    }
    members.remove("type");
    members.insert("accessList".to_owned(), json!([]));
    let call = parse(&tx(&renamed)).unwrap();
    assert_eq!(
        call.canonical(),
        parse(&tx(&base(PAYEE, "250", "0x"))).unwrap().canonical()
    );
}

#[test]
fn whose_it_is_said_to_be_is_whose_key_must_sign() {
    let mut named = base(PAYEE, "1", "0x");
    named["from"] = json!(OWN);
    let call = parse(&tx(&named)).unwrap();
    assert_eq!(effect(&call).signer.unwrap().to_string(), OWN);
}

#[test]
fn what_is_no_signature_makes_no_transaction() {
    let call = parse(&tx(&base(PAYEE, "1", "0x"))).unwrap();
    let signed = call.to_sign(&key(), &fixture::moment()).unwrap();
    let mut good = [1; SIGNATURE_LEN];
    call.assemble(&fixture::moment(), &signed, &good).unwrap();
    good[64] = 2;
    for bad in [&good[..], &[0; 65], &[1; 64], &[1; 66], &[]] {
        let denied = call.assemble(&fixture::moment(), &signed, bad).unwrap_err();
        assert_eq!(denied.code, Code::KeyDenied);
    }
    let http = fixture::key(Kind::Http, Alg::Ed25519);
    assert_eq!(
        call.to_sign(&http, &fixture::moment()).unwrap_err().code,
        Code::KeyDenied
    );
}

#[test]
fn amounts_are_integers_of_budgets_alone() {
    assert_eq!(Amount(5).to_string(), "5");
    let mut dear = base(PAYEE, "1", "0x");
    dear["maxFeePerGas"] = json!(u128::MAX.to_string());
    let denied = parse(&tx(&dear)).unwrap_err();
    assert_eq!(
        (denied.code, denied.param.as_deref()),
        (Code::PerCallExceeded, Some("/tx/gas"))
    );
    dear["gas"] = json!("1");
    dear["value"] = json!("0");
    // The cap of what the chain takes for data is one more than fits.
    assert_eq!(parse(&tx(&dear)).unwrap_err().code, Code::PerCallExceeded);
    dear["maxFeePerGas"] = json!((u128::MAX - 1000).to_string());
    assert_eq!(
        charges(&parse(&tx(&dear)).unwrap()),
        [("eth.base".to_owned(), u128::MAX)]
    );
}
