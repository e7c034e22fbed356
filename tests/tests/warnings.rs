//! At 80 % of a budget the log says so, once each time it is reached.

use claviger_shared::{
    amount::Amount,
    log::record::{Body, Warned},
};
use claviger_tests::{
    agent::{Agent, charge, read_order},
    deployment::Deployment,
};
use serde_json::json;

fn warned(deployment: &Deployment) -> Vec<Warned> {
    let records = deployment.store.records().into_iter();
    records
        .filter_map(|body| match body {
            Body::Warned(warned) => Some(warned),
            _ => None,
        })
        .collect()
}

/// Warnings are written behind the calls of their entry, or within a second: another call's entry may bring them.
fn settled(deployment: &Deployment, count: usize) -> Vec<Warned> {
    for _ in 0..300 {
        if warned(deployment).len() >= count {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    warned(deployment)
}

#[test]
fn a_budget_near_its_end_is_told_once() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["budgets"][0]["max"] = "10".into();
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    for _ in 0..7 {
        agent.sign(read_order("1")).unwrap();
    }
    assert_eq!(warned(&deployment), []);
    for _ in 0..3 {
        agent.sign(read_order("1")).unwrap();
    }
    let told = settled(&deployment, 1);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].grant, granted.id);
    assert_eq!(
        (told[0].unit.as_str(), told[0].window.as_str()),
        ("call", "grant")
    );
    assert_eq!((told[0].max, told[0].spent), (Amount(10), Amount(8)));

    drop(agent);
    assert!(deployment.audited().records() > 0);
}

#[test]
fn each_budget_of_a_call_is_told_apart_and_windows_again() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["budgets"] = json!([
            {"unit": "call", "max": "2", "window": "rolling:PT1M"},
            {"unit": "usd-cents", "max": "500", "window": "call"},
            {"unit": "usd-cents", "max": "600", "window": "grant"},
        ]);
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(charge(479)).unwrap();
    assert_eq!(warned(&deployment), [], "479 of a call's 500 is no warning");
    agent.sign(charge(1)).unwrap();
    let told = settled(&deployment, 2);
    let units: Vec<_> = told.iter().map(|told| told.unit.as_str()).collect();
    assert_eq!(units, ["call", "usd-cents"]);
    // The window has passed: its budget is near its end once more, the grant's is still.
    deployment.clock.advance_ms(120_000);
    agent.sign(charge(1)).unwrap();
    agent.sign(charge(1)).unwrap();
    let told = settled(&deployment, 3);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[2].window, "rolling:PT1M");
    assert!(deployment.audited().records() > 0);
}
