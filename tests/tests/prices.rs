//! Price tables, end to end: a call to a language model spends exactly the most that it can cost, and is refused at the
//! budget's edge. The catalog is the one of docs/catalog.md.

use claviger_shared::{
    call::{HttpInput, Input},
    denial::{Code, Denial},
    log::record::Body,
};
use claviger_tests::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use serde_json::{Value, json};
use std::{sync::Arc, thread};

const PAGE: &str = include_str!("../../docs/catalog.md");
const UNIT: &str = "usd-nanos";
/// Nanodollars of one part of four bytes, and of one token that comes out, as the page says them.
const LARGE: (u128, u128) = (3000, 15_000);
const SMALL: (u128, u128) = (250, 1250);

/// The page's catalog of a language model.
fn catalog() -> Value {
    let mut blocks = PAGE.split("```json\n").skip(1);
    let block = blocks.find_map(|block| {
        let (text, _) = block.split_once("```")?;
        text.contains("max_tokens").then_some(text)
    });
    serde_json::from_str(block.expect("a catalog with max_tokens")).unwrap()
}

fn start(call: u128, grant: u128) -> (Deployment, Enclave, Granted) {
    let deployment = Deployment::born();
    let enclave = deployment.boot();
    let set = json!({"type": "catalog.set", "catalog": catalog()});
    deployment.widen(&enclave, &set);
    let key =
        json!({"id": "k_http", "kind": "http", "alg": "ed25519", "env": "live", "agent": "bot"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_1", |document| {
        document["keys"] = json!(["k_http"]);
        document["permissions"] = json!({"read": [], "write": ["assistant"]});
        document["allow_minting"] = json!([]);
        document["budgets"] = json!([
            {"unit": "call", "max": "1000", "window": "grant"},
            {"unit": UNIT, "max": call.to_string(), "window": "call"},
            {"unit": UNIT, "max": grant.to_string(), "window": "grant"},
        ]);
    });
    (deployment, enclave, granted)
}

/// A conversation, and the most that it costs: written down from the page's sentence, not from its catalog.
fn ask(model: &str, most: u128, text: &str, (part, token): (u128, u128)) -> (Input, u128) {
    let body = json!({"model": model, "max_tokens": most, "messages": [{"role": "user", "content": text}]});
    let body = body.to_string().into_bytes();
    let parts = body.chunks(4).count() as u128;
    (input(body), parts * part + most * token)
}

fn input(body: Vec<u8>) -> Input {
    Input::Http(HttpInput {
        method: "POST".into(),
        url: "https://llm.example.com/v1/messages".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(body.into()),
    })
}

/// What each call of the stored log was charged in the unit.
fn charged(deployment: &Deployment) -> Vec<u128> {
    let records = deployment.store.records().into_iter();
    let calls = records.filter_map(|body| match body {
        Body::Call(call) => Some(call.charges),
        _ => None,
    });
    calls
        .map(|charges| {
            let of_unit = charges.iter().filter(|charge| charge.unit.as_str() == UNIT);
            of_unit.map(|charge| charge.amount.0).sum()
        })
        .filter(|sum| *sum > 0)
        .collect()
}

#[track_caller]
fn denied(agent: &Agent, input: Input) -> Denial {
    agent.sign(input).unwrap_err()
}

#[test]
fn a_conversation_spends_exactly_its_maximum_and_stops_at_the_edge() {
    let (exact, most) = ask("large", 1000, "How many?", LARGE);
    let (small, little) = ask("small", 1000, "How many?", SMALL);
    // Two of the large model and one of the small fit to the last part; nothing more does.
    let (deployment, enclave, granted) = start(most, 2 * most + little);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let left = |agent: &Agent| *agent.left().last().unwrap();
    agent.sign(exact.clone()).unwrap();
    assert_eq!(left(&agent), most + little);
    // One token more that may come out, or one part more that goes in, is over the limit of one call.
    for (over, text) in [(1001, "How many?"), (1000, "How many now?")] {
        let (input, cost) = ask("large", over, text, LARGE);
        let denial = denied(&agent, input);
        assert_eq!(denial.code, Code::PerCallExceeded);
        let asked = denial.requested.expect("what was asked for");
        assert_eq!((asked.unit.as_str(), asked.amount.0), (UNIT, cost));
    }
    agent.sign(small.clone()).unwrap();
    agent.sign(exact).unwrap();
    assert_eq!(left(&agent), 0);
    let (least, _) = ask("small", 0, "", SMALL);
    for input in [small, least] {
        assert_eq!(denied(&agent, input).code, Code::BudgetExceeded);
    }
    assert_eq!(charged(&deployment), [most, little, most]);
    let _state = deployment.audited();
}

#[test]
fn what_has_no_price_spends_nothing() {
    let (deployment, enclave, granted) = start(1 << 40, 1 << 41);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let before = agent.left();
    for (body, code, at) in [
        (
            json!({"model": "huge", "max_tokens": 1, "messages": []}),
            Code::PermissionDenied,
            "/body/model",
        ),
        (
            json!({"model": 1, "max_tokens": 1, "messages": []}),
            Code::UnparsableContent,
            "/body/model",
        ),
        (
            json!({"max_tokens": 1, "messages": []}),
            Code::UnparsableContent,
            "/body/model",
        ),
        (
            json!({"model": "large", "messages": []}),
            Code::UnparsableContent,
            "/body/max_tokens",
        ),
        (
            json!({"model": "large", "max_tokens": 1, "n": 5}),
            Code::UnlistedMember,
            "/body/n",
        ),
        (
            json!({"model": "large", "max_tokens": u128::MAX.to_string()}),
            Code::PerCallExceeded,
            "/body/max_tokens",
        ),
    ] {
        let denial = denied(&agent, input(body.to_string().into_bytes()));
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(at)),
            "{body}"
        );
    }
    assert_eq!(agent.left(), before);
    assert_eq!(charged(&deployment), []);
}

/// Fifty at once, of which ten fit.
#[test]
fn conversations_at_once_never_spend_more_than_the_budget() {
    let (input, most) = ask("large", 100, "How many?", LARGE);
    let (deployment, enclave, granted) = start(most, 10 * most + most - 1);
    let agent = Arc::new(Agent::connect(&deployment, &enclave, &granted));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (agent, input) = (Arc::clone(&agent), input.clone());
            thread::spawn(move || agent.sign(input).map_err(|denial| denial.code))
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 10);
    let refused = |one: &&Result<_, Code>| matches!(one, Err(Code::BudgetExceeded));
    assert_eq!(outcomes.iter().filter(refused).count(), 40);
    assert_eq!(agent.left().last(), Some(&(most - 1)));
    assert_eq!(charged(&deployment), vec![most; 10]);
}

/// Prices are the catalog's in force: a call after they change pays the new ones, and what was charged stays.
#[test]
fn a_new_table_holds_from_when_it_is_set() {
    let (deployment, enclave, granted) = start(1 << 40, 1 << 41);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let (asked, old) = ask("small", 10, "How many?", SMALL);
    agent.sign(asked).unwrap();
    let mut dearer = catalog();
    for at in 0..2 {
        let prices = &mut dearer["resources"]["assistant"][0]["charge"][at]["prices"];
        prices["version"] = json!("2026-12-01");
        prices["table"]["small"] = json!("2000");
        prices["table"].as_object_mut().unwrap().remove("large");
    }
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": dearer, "touches": ["gr_1"]}),
    );
    let (asked, new) = ask("small", 10, "How many?", (2000, 2000));
    agent.sign(asked).unwrap();
    let (gone, _) = ask("large", 10, "How many?", LARGE);
    assert_eq!(denied(&agent, gone).code, Code::PermissionDenied);
    assert_eq!(charged(&deployment), [old, new]);
    let _state = deployment.audited();
}
