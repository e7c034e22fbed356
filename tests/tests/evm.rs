//! The `evm` kind in a whole enclave: whose signatures they are, what they cost, what ends them, and what takes whose place.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{Ask, EvmInput, Input, Sign},
    chain::Address,
    credential::{Credential, Issued},
    crypto::{
        keccak::keccak256,
        secp256k1::{public_of, recover},
    },
    denial::{Code, Denial},
    id::Digest,
    log::record::{Body, Record},
    time::{Millis, UnixMs},
};
use claviger_tests::{
    agent::{Agent, issued},
    deployment::Deployment,
    evm::{
        EXTRA_FEE, OTHER, PAYEE, address, approve, basket, catalog, order, serving, sign_in,
        spread, transaction, transfer, tx, typed,
    },
    import::{attested, sealed},
    owner::{done, refused},
};
use serde_json::json;

const GAS: u128 = 100_000 * 2_000_000_000;

fn raw(issued: &Issued) -> String {
    match &issued.credential {
        Some(Credential::Evm { raw_tx, tx_hash }) => {
            let bytes = hex::decode(&raw_tx[2..]).unwrap();
            assert_eq!(*tx_hash, format!("0x{}", hex::encode(keccak256(&[&bytes]))));
            raw_tx.clone()
        }
        other => panic!("{other:?}"),
    }
}

fn signature(issued: &Issued) -> [u8; 65] {
    match &issued.credential {
        Some(Credential::EvmSignature { signature }) => {
            let mut bytes: [u8; 65] = hex::decode(&signature[2..]).unwrap().try_into().unwrap();
            bytes[64] -= 27;
            bytes
        }
        other => panic!("{other:?}"),
    }
}

/// Whose a transaction of EIP-1559 is: its last three members are the signature, of which none here begins with a zero.
fn sender(raw: &str) -> Option<Address> {
    let bytes = hex::decode(&raw[2..]).unwrap();
    let (front, end) = bytes.split_at(bytes.len() - 67);
    let (parity, r, s) = (end[0], &end[1..34], &end[34..67]);
    if r[0] != 0xa0 || s[0] != 0xa0 {
        return None;
    }
    let parity = if parity == 0x80 { 0 } else { 1 };
    // The unsigned list is shorter by the signature, with a head of its own.
    let members = match front[1] {
        0xf8 => &front[3..],
        0xf9 => &front[4..],
        _ => return None,
    };
    let head = match members.len() {
        short @ 0..=55 => vec![0xc0 + u8::try_from(short).unwrap()],
        long @ 56..=255 => vec![0xf8, u8::try_from(long).unwrap()],
        _ => return None,
    };
    let unsigned = [&[2][..], &head, members].concat();
    let signature: [u8; 65] = [&r[1..], &s[1..], &[parity]].concat().try_into().unwrap();
    let public = recover(&keccak256(&[&unsigned]), &signature)?;
    Address::of_public_key(&public)
}

fn charged(issued: &Issued) -> Vec<(String, u128)> {
    let list = issued.charged.iter();
    list.map(|charge| (charge.unit.to_string(), charge.amount.0))
        .collect()
}

#[test]
fn a_transaction_is_the_keys_and_costs_all_that_it_can() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let account = address(&deployment, "k_evm");
    let sent = agent
        .sign(tx(&transaction(0, PAYEE, 77, "0x")))
        .unwrap()
        .issued;
    let paid = agent.sign(tx(&transfer(1, 5_000_000))).unwrap().issued;
    let seen = [&sent, &paid].map(|issued| sender(&raw(issued)));
    assert!(
        seen.iter().flatten().all(|found| *found == account) && seen.iter().any(Option::is_some)
    );
    let fee = GAS + EXTRA_FEE;
    assert_eq!(
        charged(&sent),
        [("call".to_owned(), 1), ("eth".to_owned(), 77 + fee)]
    );
    assert_eq!(
        charged(&paid),
        [
            ("call".to_owned(), 1),
            ("eth".to_owned(), fee),
            ("usd".to_owned(), 5_000_000)
        ]
    );
    for issued in [&sent, &paid] {
        assert_eq!(
            (issued.expires_at, issued.replay.single_use),
            (UnixMs::NEVER, true)
        );
        assert!(!issued.replaces);
    }
    let left = agent.left();
    assert_eq!(
        left,
        [100_000 - 2, u128::MAX - 2 * fee - 77, u128::MAX - 5_000_000]
    );
    let state = deployment.audited();
    let (_, grant) = state
        .grants()
        .find(|(id, _)| id.as_str() == "gr_evm")
        .unwrap();
    let outside = grant.outstanding(deployment.clock.now());
    let ends: Vec<_> = outside.iter().map(|one| one.dies_at.to_string()).collect();
    assert_eq!(ends, ["never"], "one line for one account: {outside:?}");
}

#[test]
fn what_nothing_ends_needs_the_grants_word() {
    let (deployment, enclave, granted) =
        serving(|grant| grant["allow_outliving"] = json!(["pool"]));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let denied: Denial = agent.sign(tx(&transfer(0, 1))).unwrap_err();
    assert_eq!(
        (denied.code, denied.param.as_deref()),
        (Code::Outliving, Some("payouts"))
    );
    assert!(denied.next().contains("allow_outliving"));
    // And none may be shorter: a longest lifetime is one that it has not.
    let (deployment, enclave, granted) =
        serving(|grant| grant["credentials"] = json!({"evm": {"ttl_s": 3600}}));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.denied(tx(&transfer(0, 1))), Code::Outliving);
}

#[test]
fn budgets_hold_in_each_unit() {
    let (deployment, enclave, granted) = serving(|grant| {
        grant["budgets"] = json!([
            {"unit": "call", "max": "10", "window": "grant"}, {"unit": "eth", "max": (3 * (GAS + EXTRA_FEE)).to_string(), "window": "grant"},
            {"unit": "usd", "max": "100", "window": "call"}, {"unit": "usd", "max": "150", "window": "grant"},
        ]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.denied(tx(&transfer(0, 101))), Code::PerCallExceeded);
    agent.sign(tx(&transfer(0, 100))).unwrap();
    assert_eq!(agent.denied(tx(&approve(1, 51))), Code::BudgetExceeded);
    agent.sign(tx(&approve(1, 50))).unwrap();
    // Taken back, an allowance costs gas alone.
    agent.sign(tx(&approve(2, 0))).unwrap();
    assert_eq!(agent.denied(tx(&approve(3, 0))), Code::BudgetExceeded);
    let (deployment, enclave, granted) = serving(|grant| {
        grant["budgets"] = json!([{"unit": "call", "max": "10", "window": "grant"}, {"unit": "usd", "max": "10", "window": "grant"}]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.denied(tx(&transfer(0, 1))), Code::UnbudgetedUnit);
}

#[test]
fn a_replacement_is_charged_again_and_told_across_restarts() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let replaces = |agent: &Agent, nonce: u64, amount: u128| {
        agent
            .sign(tx(&transfer(nonce, amount)))
            .unwrap()
            .issued
            .replaces
    };
    assert!(!replaces(&agent, 4, 1), "the first");
    assert!(!replaces(&agent, 9, 1), "a gap is no replacement");
    assert!(replaces(&agent, 9, 2), "the same number, another amount");
    assert!(replaces(&agent, 9, 2), "and the very same");
    assert!(replaces(&agent, 5, 1), "a number below");
    let simulated = |agent: &Agent, nonce: u64| {
        let sign = Sign {
            input: tx(&transfer(nonce, 1)),
            idempotency_key: None,
        };
        let sent = agent.send(&Ask::Simulate(sign));
        issued(agent.wait(sent)).unwrap().issued.replaces
    };
    assert!(simulated(&agent, 9) && !simulated(&agent, 10));
    assert!(
        !replaces(&agent, 10, 1),
        "what was simulated was not signed"
    );
    let left = agent.left();
    assert_eq!(left[2], u128::MAX - 8);
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert!(replaces(&agent, 10, 1) && !replaces(&agent, 11, 1));
    let mut told = Vec::new();
    for bytes in deployment
        .store
        .entries()
        .iter()
        .flat_map(|entry| &entry.records)
    {
        if let Body::Call(call) = Record::decode(bytes).unwrap().body {
            told.push((call.effects[0].nonce.unwrap().nonce, call.replaces));
        }
    }
    let wanted = [
        (4, false),
        (9, false),
        (9, true),
        (9, true),
        (5, true),
        (10, false),
        (10, true),
        (11, false),
    ];
    assert_eq!(told, wanted);
    let _state = deployment.audited();
}

#[test]
fn one_key_is_one_transaction_and_one_charge() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let ask = |agent: &Agent, amount: u128| {
        let sign = Sign {
            input: tx(&transfer(0, amount)),
            idempotency_key: Some("pay-7".to_owned()),
        };
        let sent = agent.send(&Ask::Sign(sign));
        issued(agent.wait(sent))
    };
    let first = ask(&agent, 5).unwrap().issued;
    let again = ask(&agent, 5).unwrap().issued;
    assert!(!first.replayed && again.replayed && !again.replaces);
    assert_eq!(raw(&first), raw(&again));
    assert_eq!(agent.left()[2], u128::MAX - 5);
    assert_eq!(ask(&agent, 6).unwrap_err().code, Code::IdempotencyConflict);
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert!(ask(&agent, 5).unwrap().issued.replayed);
    // It is remembered for a day; then the same key is a new call, which takes the place of the first.
    let day = Millis(86_400_000);
    let (deployment, enclave, granted) = serving(|grant| {
        let end = grant["expires_at"].as_str().unwrap().to_owned();
        let end = UnixMs::parse_rfc3339(&end).unwrap().plus(day);
        grant["expires_at"] = json!(end.to_string());
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let first = ask(&agent, 5).unwrap().issued;
    deployment.clock.advance_ms(day.0 + 1000);
    let later = ask(&agent, 5).unwrap().issued;
    assert_eq!((later.replayed, later.replaces), (false, true));
    assert_eq!(raw(&first), raw(&later));
}

#[test]
fn lists_are_charged_together_and_each_element_is_within_the_grant() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let parts = [(PAYEE, 400), (OTHER, 600)];
    let made = agent.sign(tx(&spread(0, &parts, "thanks"))).unwrap().issued;
    assert_eq!(charged(&made)[2], ("usd".to_owned(), 1000));
    let over = [(PAYEE, 400), (OTHER, 601)];
    assert_eq!(
        agent.denied(tx(&spread(1, &over, ""))),
        Code::PerCallExceeded
    );
    assert_eq!(agent.denied(tx(&spread(1, &[], ""))), Code::UnlistedMember);
    let until = deployment.clock.now().secs() + 60;
    let made = agent
        .sign(typed(&basket(&["400", "600"], until)))
        .unwrap()
        .issued;
    assert_eq!(charged(&made)[1], ("usd".to_owned(), 1000));
    assert_eq!(
        agent.denied(typed(&basket(&["400", "601"], until))),
        Code::PerCallExceeded
    );
    // `only` holds every element, not the first alone.
    let (deployment, enclave, granted) = serving(|grant| {
        grant["only"] =
            json!({"pool": {"path.whom": [PAYEE]}, "baskets": {"path.notes": ["a", "[]"]}});
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(tx(&spread(0, &parts[..1], ""))).unwrap();
    assert_eq!(
        agent.denied(tx(&spread(1, &parts, ""))),
        Code::PermissionDenied
    );
    let until = deployment.clock.now().secs() + 60;
    let mut told = basket(&["1"], until);
    assert_eq!(agent.denied(typed(&told)), Code::PermissionDenied);
    told["message"]["notes"] = json!([]);
    agent.sign(typed(&told)).unwrap();
    told["message"]["notes"] = json!(["a", "a"]);
    agent.sign(typed(&told)).unwrap();
}

#[test]
fn typed_data_ends_at_its_deadline() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let now = deployment.clock.now().secs();
    let made = agent.sign(typed(&order("500", now + 600))).unwrap().issued;
    assert_eq!(made.expires_at, UnixMs((now + 600) * 1000));
    assert_eq!(charged(&made)[1], ("usd".to_owned(), 500));
    assert!(made.replay.single_use && made.replay.window_s >= 599);
    let signature = signature(&made);
    assert!(signature[64] < 2);
    // After the grant's end, before now, and further ahead than the form allows.
    for until in [now + 3601, now, now.saturating_sub(5), u64::MAX] {
        assert_eq!(
            agent.denied(typed(&order("1", until))),
            Code::Outliving,
            "{until}"
        );
    }
    let (deployment, enclave, granted) =
        serving(|grant| grant["allow_outliving"] = json!(["orders"]));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let now = deployment.clock.now().secs();
    agent.sign(typed(&order("1", now + 7200))).unwrap();
    assert_eq!(
        agent.denied(typed(&order("1", now + 86_400 + 60))),
        Code::Outliving
    );
}

#[test]
fn a_sign_in_is_for_the_keys_own_account_and_mints() {
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let account = address(&deployment, "k_evm");
    let ends = deployment.clock.now().plus(Millis(600_000)).to_string();
    let ask = |text: String| Input::Evm(EvmInput::SignIn(text));
    let text = sign_in(&account, &ends);
    let made = agent.sign(ask(text.clone())).unwrap().issued;
    assert_eq!(made.expires_at.to_string(), ends);
    let message = format!("\x19Ethereum Signed Message:\n{}{text}", text.len());
    let public = recover(&keccak256(&[message.as_bytes()]), &signature(&made)).unwrap();
    assert_eq!(Address::of_public_key(&public), Some(account));
    let other = Address::parse(OTHER).unwrap();
    assert_eq!(agent.denied(ask(sign_in(&other, &ends))), Code::KeyDenied);
    let (deployment, enclave, granted) = serving(|grant| grant["allow_minting"] = json!([]));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let account = address(&deployment, "k_evm");
    assert_eq!(agent.denied(ask(sign_in(&account, &ends))), Code::Minting);
}

#[test]
fn the_account_that_is_named_chooses_the_key() {
    let (deployment, enclave, _) = serving(|_| {});
    let key = json!({"id": "k_evm2", "kind": "evm", "alg": "secp256k1"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_two", |grant| {
        grant["keys"] = json!(["k_evm", "k_evm2"]);
        grant["permissions"] = json!({"read": [], "write": ["payouts"], "delete": []});
        grant["allow_minting"] = json!([]);
        grant["allow_outliving"] = json!(["payouts"]);
        grant["credentials"] = json!({});
        let whole =
            |unit: &str| json!({"unit": unit, "max": u128::MAX.to_string(), "window": "grant"});
        grant["budgets"] = json!([whole("call"), whole("eth"), whole("usd")]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let second = address(&deployment, "k_evm2");
    assert_ne!(second, address(&deployment, "k_evm"));
    let mut seen = 0;
    for nonce in 0..4 {
        let mut value = transfer(nonce, 1);
        value["from"] = json!(second);
        let made = agent.sign(tx(&value)).unwrap().issued;
        assert!(!made.replaces, "each key has its own numbers");
        if let Some(found) = sender(&raw(&made)) {
            assert_eq!(found, second);
            seen += 1;
        }
    }
    assert!(seen > 0);
    let mut value = transfer(9, 1);
    value["from"] = json!(OTHER);
    assert_eq!(agent.denied(tx(&value)), Code::KeyDenied);
}

#[test]
fn a_grant_narrows_to_whom_and_the_path_says_so() {
    let (deployment, enclave, granted) = serving(|grant| {
        grant["only"] = json!({"payouts": {"path.to": [OTHER]}});
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.denied(tx(&transfer(0, 1))), Code::PermissionDenied);
}

#[test]
fn a_cap_that_moves_changes_what_the_grants_of_its_chain_mean() {
    let (deployment, enclave, _granted) = serving(|_| {});
    let mut moved = catalog();
    moved["assets"]["eth"]["extra_fee_max"] = json!("2000");
    let set = |deployment: &Deployment, touches: &[&str]| {
        let action = json!({"type": "catalog.set", "catalog": moved, "touches": touches});
        enclave.submit(&deployment.widening(&action, &[]), &[])
    };
    let refusal = refused(set(&deployment, &[]));
    assert_eq!(refusal.pointer.as_deref(), Some("/action/touches"));
    let _done = done(set(&deployment, &["gr_evm"]));
}

/// EIP-155's example by an imported key, before and after a restart.
#[test]
fn an_imported_key_signs_the_published_example() {
    let (deployment, enclave, _) = serving(|_| {});
    let secret = [0x46; 32];
    let public = public_of(&secret).unwrap();
    let trusted = attested(&deployment, &enclave);
    let facts = |secret: &[u8; 32]| {
        let public = STANDARD.encode(public_of(secret).unwrap());
        let key = json!({"id": "k_46", "kind": "evm", "alg": "secp256k1", "env": "live", "agent": "bot", "public": public});
        json!({
            "type": "key.import", "key": key, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
            "sealed": Digest([0; 32]),
        })
    };
    // Another public half than the private one's is refused.
    let (action, bytes) = sealed(&deployment, facts(&[0x47; 32]), &secret);
    let _refusal = refused(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let (action, bytes) = sealed(&deployment, facts(&secret), &secret);
    let _done = done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let account = Address::of_public_key(&public).unwrap();
    assert_eq!(address(&deployment, "k_46"), account);
    assert_eq!(
        account.to_string(),
        "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
    );
    let mut catalog = catalog();
    let payee = "0x3535353535353535353535353535353535353535";
    catalog["assets"]["ether"] = json!({"chain": 1, "native": true, "decimals": 18});
    catalog["resources"]["example"] = json!([{"kind": "evm", "chain": 1, "to": [payee]}]);
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog}),
    );
    let granted = deployment.grant(&enclave, "gr_46", |grant| {
        grant["keys"] = json!(["k_46"]);
        grant["permissions"] = json!({"read": [], "write": ["example"], "delete": []});
        grant["allow_minting"] = json!([]);
        grant["allow_outliving"] = json!(["example"]);
        grant["credentials"] = json!({});
        let whole =
            |unit: &str| json!({"unit": unit, "max": u128::MAX.to_string(), "window": "grant"});
        grant["budgets"] = json!([whole("call"), whole("ether")]);
    });
    let value = json!({
        "chainId": 1, "nonce": 9, "gasPrice": "20000000000", "gas": 21000, "to": payee, "value": "1000000000000000000", "data": "0x",
        "from": account,
    });
    let published = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(raw(&agent.sign(tx(&value)).unwrap().issued), published);
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let again = agent.sign(tx(&value)).unwrap().issued;
    assert_eq!((raw(&again).as_str(), again.replaces), (published, true));
}
