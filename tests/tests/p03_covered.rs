//! P3: every credential is covered by one active grant; each rule refuses by itself, and a refusal takes nothing.

use claviger_client::render;
use claviger_shared::{
    call::{Ask, HttpInput, Input, Reply},
    denial::{Code, Denial},
};
use claviger_tests::{
    agent::{Agent, charge, charge_body, get, read_order, token},
    deployment::Deployment,
};
use serde_json::{Value, json};

/// What is changed about a grant.
type Change = Box<dyn Fn(&mut Value)>;

/// Whether a call is denied with a code under a changed grant, nothing is issued and nothing is taken.
#[track_caller]
fn refuses(cases: Vec<(&str, Change, Input, Code)>) {
    let (deployment, enclave) = Deployment::serving();
    for (at, (what, change, input, code)) in cases.into_iter().enumerate() {
        let granted = deployment.grant(&enclave, &format!("gr_{at}"), change);
        let agent = Agent::connect(&deployment, &enclave, &granted);
        let before = agent.left();
        assert_eq!(agent.denied(input), code, "{what}");
        assert_eq!(agent.left(), before, "{what}: something was taken");
        agent.link.close();
    }
}

fn as_is() -> Change {
    Box::new(|_| {})
}

fn set(pointer: &'static str, value: Value) -> Change {
    Box::new(move |grant| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        grant.pointer_mut(parent).unwrap()[name] = value.clone();
    })
}

fn request(method: &str, url: &str) -> Input {
    Input::Http(HttpInput {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
    })
}

#[test]
fn p3_scope_and_destination() {
    refuses(vec![
        (
            "a verb outside the scope",
            set(
                "/permissions",
                json!({"read": ["orders", "charges"], "write": ["tokens"]}),
            ),
            charge(5),
            Code::PermissionDenied,
        ),
        (
            "a name outside the scope",
            set("/permissions", json!({"write": ["charges", "tokens"]})),
            read_order("1"),
            Code::DestinationDenied,
        ),
        (
            "a value outside `only`",
            set("/only", json!({"orders": {"path.id": ["ord_1"]}})),
            read_order("ord_2"),
            Code::PermissionDenied,
        ),
        (
            "a host that is not listed",
            as_is(),
            get("https://evil.example.com/v1/orders/1"),
            Code::DestinationDenied,
        ),
        (
            "a path that is not listed",
            as_is(),
            get("https://api.example.com/v1/admin"),
            Code::DestinationDenied,
        ),
        (
            "a method that is not listed",
            as_is(),
            request("DELETE", "https://pay.example.com/v1/charges"),
            Code::MethodDenied,
        ),
        (
            "a path that is not in normal form",
            as_is(),
            get("https://api.example.com/v1/orders/../orders/1"),
            Code::NotNormalForm,
        ),
        (
            "a query member that is not listed",
            as_is(),
            get("https://api.example.com/v1/orders/1?admin=1"),
            Code::UnlistedMember,
        ),
        (
            "a body member that is not listed",
            as_is(),
            charge_body(r#"{"amount":5,"currency":"usd","to":"me"}"#),
            Code::UnlistedMember,
        ),
    ]);
}

#[test]
fn p3_allowances_environment_and_keys() {
    refuses(vec![
        (
            "minting that is not allowed",
            set("/allow_minting", json!([])),
            token(None),
            Code::Minting,
        ),
        (
            "no key of the kind",
            set("/keys", json!(["k_http"])),
            token(None),
            Code::KeyDenied,
        ),
        (
            "a source outside the list",
            set("/reported_sources", json!(["10.20.0.0/16"])),
            read_order("1"),
            Code::SourceDenied,
        ),
        (
            "no budget in the unit",
            set(
                "/budgets",
                json!([{"unit": "call", "max": "10", "window": "grant"}]),
            ),
            charge(5),
            Code::UnbudgetedUnit,
        ),
        (
            "more than one call may spend",
            as_is(),
            charge(501),
            Code::PerCallExceeded,
        ),
        (
            "an amount that is no unsigned integer",
            as_is(),
            charge_body(r#"{"amount":-5,"currency":"usd"}"#),
            Code::UnparsableContent,
        ),
        (
            "another currency than the route requires",
            as_is(),
            charge_body(r#"{"amount":5,"currency":"eur"}"#),
            Code::PermissionDenied,
        ),
    ]);
}

#[test]
fn p3_a_sandbox_grant_reaches_the_sandbox_alone() {
    let (deployment, enclave) = Deployment::serving();
    let sandbox = |grant: &mut Value| {
        grant["env"] = json!("sandbox");
        grant["keys"] = json!(["k_sand"]);
        grant["permissions"] = json!({"read": ["sand"]});
        grant["allow_minting"] = json!([]);
    };
    let granted = deployment.grant(&enclave, "gr_sand", sandbox);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let issued = agent
        .sign(get("https://sand.example.com/v1/things"))
        .unwrap();
    assert!(issued.issued.sandbox);
    // So does every denial: before the core, in it, and without a grant's help.
    let says = |denial: Denial, code: Code| {
        assert_eq!((denial.code, denial.sandbox), (code, true));
        assert_eq!(render::problem(&denial, false)["sandbox"], json!(true));
    };
    says(
        agent.sign(read_order("1")).unwrap_err(),
        Code::DestinationDenied,
    );
    says(
        agent
            .sign(get("https://sand.example.com/v1//x"))
            .unwrap_err(),
        Code::NotNormalForm,
    );
    match agent.ask(&Ask::Renew) {
        Reply::Denied(denial) => says(denial, Code::PermissionDenied),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        render::whoami(&agent.whoami(), false)["sandbox"],
        json!(true)
    );
    deployment.narrow(
        &enclave,
        &json!({"type": "grant.revoke", "grant": "gr_sand"}),
    );
    says(
        agent
            .sign(get("https://sand.example.com/v1/things"))
            .unwrap_err(),
        Code::GrantRevoked,
    );
    let live = deployment.grant(&enclave, "gr_live", |_| {});
    let denial = Agent::connect(&deployment, &enclave, &live)
        .sign(get("https://sand.example.com/v1/things"))
        .unwrap_err();
    assert!(!denial.sandbox && render::problem(&denial, false).get("sandbox").is_none());
    // A grant that names both environments is not even written.
    let mixed = json!({"type": "grant.create", "grant": {
        "v": 1, "id": "gr_mixed", "agent": {"id": "bot", "key": format!("x25519:{}", "11".repeat(32))},
        "env": "sandbox", "not_before": deployment.clock.now().to_string(),
        "expires_at": deployment.clock.now().plus(claviger_shared::time::Millis(60_000)).to_string(),
        "keys": ["k_sand"], "permissions": {"read": ["orders"]},
        "budgets": [{"unit": "call", "max": "1", "window": "grant"}],
    }});
    let refused =
        claviger_tests::owner::refused(enclave.command(&deployment.widening(&mixed, &[])));
    assert_eq!(refused.pointer.as_deref(), Some("/action/grant/env"));
}

#[test]
fn p3_time_on_both_sides() {
    let (deployment, enclave) = Deployment::serving();
    let later = deployment
        .clock
        .now()
        .plus(claviger_shared::time::Millis(10_000));
    let granted = deployment.grant(
        &enclave,
        "gr_later",
        set("/not_before", json!(later.to_string())),
    );
    let agent = Agent::connect(&deployment, &enclave, &granted);
    deployment.clock.advance_ms(9_999);
    assert_eq!(agent.denied(read_order("1")), Code::NotYetValid);
    deployment.clock.advance_ms(1);
    agent.sign(read_order("1")).unwrap();
}

#[test]
fn p3_rate_on_both_sides() {
    let (deployment, enclave) = Deployment::serving();
    let rate = set("/rate", json!([{"max": 3, "per_s": 60}]));
    let granted = deployment.grant(&enclave, "gr_rate", rate);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    for _ in 0..3 {
        agent.sign(read_order("1")).unwrap();
    }
    let before = agent.left();
    let denial = agent.sign(read_order("1")).unwrap_err();
    assert_eq!(denial.code, Code::RateLimited);
    assert_eq!(agent.left(), before);
    deployment.clock.advance_ms(denial.retry_after_ms.unwrap());
    agent.sign(read_order("1")).unwrap();
}

#[test]
fn p3_budgets_on_both_sides() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", as_is());
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(charge(500)).unwrap();
    agent.sign(charge(499)).unwrap();
    assert_eq!(agent.denied(charge(2)), Code::BudgetExceeded);
    assert_eq!(agent.left(), [998, 500, 1]);
    agent.sign(charge(1)).unwrap();
    assert_eq!(agent.denied(charge(1)), Code::BudgetExceeded);
    assert_eq!(agent.left(), [997, 500, 0]);
}

#[test]
fn p3_a_simulation_spends_nothing_and_signs_nothing() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", as_is());
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let before = agent.left();
    let claviger_shared::call::Ask::Sign(sign) = claviger_tests::agent::sign(charge(5)) else {
        unreachable!()
    };
    let reply = agent.ask(&claviger_shared::call::Ask::Simulate(sign));
    let told = claviger_tests::agent::issued(reply).unwrap();
    assert_eq!(told.issued.credential, None);
    assert!(told.receipt.is_empty());
    assert_eq!(told.issued.charged.len(), 2);
    assert_eq!(agent.left(), before);
}
