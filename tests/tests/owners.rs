//! Owners' commands from end to end: a grant amended or reissued never gets back what was spent, a manifest that is set is
//! in force at once, and a restart keeps it so.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::{
    ceremony::manifest,
    ssh::{self, Signer},
};
use claviger_shared::{
    crypto::{noise, sha256},
    denial::Code,
    id::{Digest, GrantId, to_hex},
    ledger::{Status, Violation},
    wire::control::{CommandReply, Signed},
};
use claviger_tests::{
    agent::{Agent, charge, issued, read_order, sign},
    deployment::{Deployment, Enclave},
    owner::{Granted, done, refused},
    store::Mood,
};
use claviger_verify::audit::{self, Auditor};
use serde_json::{Value, json};

/// The grant's document as it stands, to be changed.
fn document(deployment: &Deployment, id: &str) -> Value {
    let state = deployment.audited();
    let slot = state.slot(&GrantId::parse(id).unwrap()).unwrap();
    state.grant(slot).unwrap().grant.to_json()
}

fn amend(deployment: &Deployment, id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut grant = document(deployment, id);
    change(&mut grant);
    json!({"type": "grant.amend", "grant": grant})
}

/// A budget of cents for the grant's whole life.
fn cents(max: &str) -> impl FnOnce(&mut Value) {
    let budgets = json!([
        {"unit": "call", "max": "1000", "window": "grant"},
        {"unit": "usd-cents", "max": max, "window": "grant"},
    ]);
    move |grant| grant["budgets"] = budgets
}

/// A reissue of `gr_1` or a later one, and the successor as its agent has it.
fn reissue(deployment: &Deployment, old: &str, new: &str) -> (Value, Granted) {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).unwrap();
    let key = noise::public_key(&secret).unwrap();
    let end = document(deployment, old)["expires_at"].clone();
    let action = json!({
        "type": "grant.reissue", "old": old, "new": new, "agent_key": format!("x25519:{}", to_hex(&key)),
        "expires_at": end,
    });
    let id = GrantId::parse(new).unwrap();
    (action, Granted { id, secret })
}

#[track_caller]
fn restarted(deployment: &Deployment, enclave: &Enclave) -> Enclave {
    enclave.crash();
    deployment.boot()
}

#[track_caller]
fn denied(deployment: &Deployment, enclave: &Enclave, granted: &Granted, amount: u64) -> Code {
    let agent = Agent::connect(deployment, enclave, granted);
    let code = agent.denied(charge(amount));
    agent.link.close();
    code
}

#[test]
fn a_budget_amended_below_what_is_spent_denies_the_next_call_and_after_a_restart() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", cents("1000"));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(charge(300)).unwrap();
    deployment.widen(&enclave, &amend(&deployment, "gr_1", cents("200")));
    assert_eq!(agent.left()[1], 0);
    assert_eq!(agent.denied(charge(1)), Code::BudgetExceeded);
    agent.sign(read_order("1")).unwrap();
    agent.link.close();
    let enclave = restarted(&deployment, &enclave);
    assert_eq!(
        denied(&deployment, &enclave, &granted, 1),
        Code::BudgetExceeded
    );
    deployment.widen(&enclave, &amend(&deployment, "gr_1", cents("310")));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.denied(charge(11)), Code::BudgetExceeded);
    agent.sign(charge(10)).unwrap();
}

#[test]
fn a_call_that_waits_while_its_grant_is_amended_is_withdrawn_and_charged() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", cents("1000"));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let command = deployment.widening(&amend(&deployment, "gr_1", cents("500")), &[]);
    deployment.store.be(Mood::Hold);
    let sent = agent.send(&sign(charge(400)));
    deployment.store.wait_until_held();
    let amending = enclave.send_command(&command);
    // It acts while its own record still waits.
    let mut left = std::iter::repeat_with(|| agent.left()[1]).take(10_000);
    assert!(left.any(|left| left == 100));
    deployment.store.be(Mood::Honest);
    assert_eq!(issued(agent.wait(sent)).unwrap_err().code, Code::Withdrawn);
    let reply: CommandReply = enclave.control.wait(amending).reply();
    drop(done(reply));
    assert_eq!(agent.left()[1], 100);
    agent.link.close();
    let enclave = restarted(&deployment, &enclave);
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.left()[1], 100);
}

#[test]
fn a_reissue_refills_nothing_and_the_old_agent_key_is_dead() {
    let (deployment, enclave) = Deployment::serving();
    let old = deployment.grant(&enclave, "gr_1", cents("1000"));
    let agent = Agent::connect(&deployment, &enclave, &old);
    agent.sign(charge(700)).unwrap();
    let (action, new) = reissue(&deployment, "gr_1", "gr_2");
    let told: Value = serde_json::from_str(&deployment.widen(&enclave, &action).result).unwrap();
    assert_eq!(
        (&told["grant"], &told["state"]),
        (&json!("gr_2"), &json!("active"))
    );
    assert_eq!(told["outstanding"].as_array().unwrap().len(), 1);
    assert_eq!(agent.denied(read_order("1")), Code::GrantRevoked);
    agent.link.close();
    assert_eq!(
        denied(&deployment, &enclave, &new, 301),
        Code::BudgetExceeded
    );
    let enclave = restarted(&deployment, &enclave);
    assert_eq!(denied(&deployment, &enclave, &old, 1), Code::GrantRevoked);
    let agent = Agent::connect(&deployment, &enclave, &new);
    assert_eq!(agent.left()[1], 300);
    assert_eq!(agent.denied(charge(301)), Code::BudgetExceeded);
    agent.sign(charge(300)).unwrap();
    assert_eq!(agent.denied(charge(1)), Code::BudgetExceeded);
}

#[test]
fn a_chain_of_reissues_carries_on_and_has_one_end() {
    let (deployment, enclave) = Deployment::serving();
    let first = deployment.grant(&enclave, "gr_1", cents("100"));
    let agent = Agent::connect(&deployment, &enclave, &first);
    agent.sign(charge(60)).unwrap();
    agent.link.close();
    let (action, second) = reissue(&deployment, "gr_1", "gr_2");
    deployment.widen(&enclave, &action);
    let agent = Agent::connect(&deployment, &enclave, &second);
    agent.sign(charge(30)).unwrap();
    agent.link.close();
    let (action, third) = reissue(&deployment, "gr_2", "gr_3");
    deployment.widen(&enclave, &action);
    assert_eq!(
        denied(&deployment, &enclave, &third, 11),
        Code::BudgetExceeded
    );
    let (again, _) = reissue(&deployment, "gr_1", "gr_4");
    let no = refused(enclave.command(&deployment.widening(&again, &[])));
    assert_eq!(no.code, "not_applicable");
    assert_eq!(no.pointer.as_deref(), Some("/action/old"));
    assert_eq!(no.detail, "expected the newest grant of its line, `gr_3`");
    let agent = Agent::connect(&deployment, &enclave, &third);
    agent.sign(charge(10)).unwrap();
}

#[test]
fn amending_and_reissuing_a_suspended_grant_name_the_stops_they_lift() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", cents("1000"));
    let suspend = json!({"type": "grant.suspend", "grant": "gr_1"});
    deployment.narrow(&enclave, &suspend);
    let stops = |deployment: &Deployment| -> Vec<Digest> {
        let state = deployment.audited();
        let grant = state.grant(state.slot(&granted.id).unwrap()).unwrap();
        match &grant.status {
            Status::Suspended(by) => by.clone(),
            other => panic!("{other:?}"),
        }
    };
    let change = amend(&deployment, "gr_1", cents("900"));
    let (action, new) = reissue(&deployment, "gr_1", "gr_2");
    for action in [&change, &action] {
        let no = refused(enclave.command(&deployment.widening(action, &[])));
        assert_eq!(
            (no.code.as_str(), no.pointer.as_deref()),
            ("lifts", Some("/lifts"))
        );
    }
    let lifts = stops(&deployment);
    done(enclave.command(&deployment.widening(&change, &lifts)));
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(charge(100)).unwrap();
    agent.link.close();
    deployment.narrow(&enclave, &suspend);
    let lifts = stops(&deployment);
    done(enclave.command(&deployment.widening(&action, &lifts)));
    let agent = Agent::connect(&deployment, &enclave, &new);
    assert_eq!(agent.left()[1], 800);
}

fn person() -> Signer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, ssh::generate("night").unwrap().0.as_bytes()).unwrap();
    Signer::read(&path).unwrap()
}

/// g2: one more operator, signed by the owner.
fn with_operator(deployment: &Deployment, operator: &Signer) -> Signed {
    let g1 = &deployment.links[1].body;
    let mut next: Value = serde_json::from_slice(g1).unwrap();
    next["generation"] = json!(2);
    next["supersedes"] = json!(sha256(&[g1]));
    next["anchor"] = json!(false);
    let night = json!({"name": "night", "keys": [ssh::line(operator.public())]});
    next["operators"].as_array_mut().unwrap().push(night);
    manifest::sign(next.to_string().into_bytes(), &[&deployment.owner]).unwrap()
}

fn set(link: &Signed) -> Value {
    json!({"type": "manifest.set", "body": STANDARD.encode(&link.body), "signatures": link.signatures})
}

#[test]
fn a_manifest_that_is_set_is_in_force_at_once_and_no_boot_goes_back_behind_it() {
    let (mut deployment, enclave) = Deployment::serving();
    deployment.operator = person();
    let freeze = json!({"type": "freeze"});
    let early = enclave.command(&deployment.narrowing(&freeze));
    assert_eq!(refused(early).code, "signatures");
    let g2 = with_operator(&deployment, &deployment.operator);
    // Who reads a log brings the chain as far as the log goes.
    let before = deployment.links.clone();
    deployment.links.push(g2.clone());
    let told = deployment.widen(&enclave, &set(&g2)).result;
    assert_eq!(told, r#"{"generation":2}"#);
    deployment.narrow(&enclave, &freeze);
    let again = refused(enclave.command(&deployment.widening(&set(&g2), &[])));
    assert_eq!(again.code, "not_applicable");
    assert_eq!(again.pointer.as_deref(), Some("/action/body/generation"));
    enclave.crash();
    let whole = std::mem::replace(&mut deployment.links, before);
    let reason = deployment.refuses_to_boot();
    assert!(
        reason.contains("manifest chain is older than the log"),
        "{reason}"
    );
    deployment.links = whole;
    let enclave = deployment.boot();
    assert!(deployment.audited().is_frozen());
    assert_eq!(deployment.audited().generation(), 2);
    deployment.narrow(&enclave, &freeze);
}

#[test]
fn an_audit_needs_a_chain_that_goes_as_far_as_the_log() {
    let (mut deployment, enclave) = Deployment::serving();
    let short = deployment.chain();
    let g2 = with_operator(&deployment, &person());
    deployment.links.push(g2.clone());
    deployment.widen(&enclave, &set(&g2));
    let mut auditor = Auditor::new(short).unwrap();
    let entries = deployment.store.entries();
    let failed = entries.iter().find_map(|entry| auditor.entry(entry).err());
    let Some(audit::Error::Violation { source, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(source, Violation::Manifest(2));
    assert_eq!(deployment.audited().generation(), 2);
}

#[test]
fn a_retirement_that_was_not_stored_leaves_a_key_to_boot_with() {
    let (deployment, enclave) = Deployment::serving();
    let blobs = deployment.store.blobs();
    let retire = |deployment: &Deployment| {
        deployment.widening(&json!({ "type": "key.retire", "key": "k_jwt" }), &[])
    };
    deployment.store.be(Mood::Hold);
    let _id = enclave.send_command(&retire(&deployment));
    deployment.store.wait_until_held();
    enclave.crash();
    assert_eq!(deployment.store.blobs(), blobs);
    deployment.store.be(Mood::Honest);
    let enclave = deployment.boot();
    let _done = done(enclave.command(&retire(&deployment)));
    assert_eq!(deployment.store.blobs().len(), blobs.len() - 1);
    enclave.crash();
    let _again = deployment.boot();
}
