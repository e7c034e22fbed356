//! Manifests set by command: who may sign changes with the next command, and a log is read under a chain that goes as far.

use super::history::{History, boot, genesis};
use crate::{
    crypto::AwsLc,
    ledger::{State, Violation, command::authorize_under},
    log::record::{self, Body},
    owner::manifest::chain::Chain,
    sample::{self, ANA, BEN, CEM, with},
    wire::control::Signed,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::Arc;

/// g2: cem goes, ana and ben stay.
fn g2() -> Value {
    let links = sample::links();
    let owners = json!([sample::person("ana", &[ANA]), sample::person("ben", &[BEN])]);
    let next = sample::next(&links[0].body, &links[1].body, 2);
    with(with(next, "/owners", owners), "/anchor", json!(true))
}

fn set(link: &Signed) -> Value {
    json!({"type": "manifest.set", "body": STANDARD.encode(&link.body), "signatures": link.signatures})
}

fn links() -> Vec<Signed> {
    let mut links = sample::links();
    links.push(sample::manifest(&g2(), &[ANA, BEN]));
    links
}

/// A booted history under g1, whose chain holds g2 already where it is `known`.
fn history(known: bool) -> History {
    let links = if known { links() } else { sample::links() };
    let mut history = History::unborn();
    history.state = State::new(Arc::new(Chain::verify(&links, &AwsLc).unwrap()));
    for body in [
        Body::Genesis(Box::new(genesis(&history.state))),
        Body::Boot(Box::new(boot(&history.state, 1))),
    ] {
        history.apply(body).unwrap();
    }
    history
}

fn catalog() -> Value {
    json!({"type": "catalog.set", "catalog": sample::catalog()})
}

/// The next widening command and its signatures.
fn next(state: &State, action: &Value, seeds: &[u8]) -> (Vec<u8>, Vec<String>) {
    let head = state.widen_head();
    let body = sample::bytes(&sample::command(
        "widen",
        head.seq + 1,
        &head.digest,
        action,
    ));
    let signatures = sample::command_signatures(&body, seeds);
    (body, signatures)
}

/// As a running instance does it.
fn live(state: &mut State, action: &Value, seeds: &[u8]) -> Result<(), String> {
    let (body, signatures) = next(state, action, seeds);
    let chain = Arc::clone(state.chain());
    let authorized = authorize_under(&chain, state.generation(), &body, &signatures, &AwsLc);
    let authorized = authorized.map_err(|denied| denied.code().to_owned())?;
    let now = super::history::NOW;
    let checked = state.check_command(&authorized, now);
    checked
        .map_err(|denied| format!("{} {}", denied.code(), denied.pointer().unwrap_or_default()))?;
    state.apply_command(&authorized, None, now).unwrap();
    Ok(())
}

#[test]
fn whoever_the_set_manifest_names_signs_from_the_next_command_on() {
    let mut state = history(false).state;
    live(&mut state.clone(), &catalog(), &[BEN, CEM]).unwrap();
    live(&mut state, &set(&links()[2]), &[BEN, CEM]).unwrap();
    assert_eq!(
        (state.generation(), state.chain().newest().generation),
        (2, 2)
    );
    assert_eq!(
        live(&mut state.clone(), &catalog(), &[BEN, CEM]),
        Err("signatures".to_owned())
    );
    live(&mut state, &catalog(), &[ANA, BEN]).unwrap();
}

#[test]
fn the_next_manifest_follows_the_rules_of_the_chain() {
    let state = history(false).state;
    let refused = |link: &Signed| {
        let (body, signatures) = next(&state, &set(link), &[ANA, BEN]);
        let chain = Arc::clone(state.chain());
        let denied = authorize_under(&chain, 1, &body, &signatures, &AwsLc).unwrap_err();
        (
            denied.code(),
            denied.pointer().unwrap_or_default().to_owned(),
        )
    };
    for (pointer, value, place) in [
        ("/generation", json!(3), "/action/body/generation"),
        ("/anchor", json!(false), "/action/body/anchor"),
        ("/min_version", json!(1), "/action/body/min_version"),
    ] {
        let link = sample::manifest(&with(g2(), pointer, value), &[ANA, BEN]);
        assert_eq!(refused(&link), ("not_applicable", place.to_owned()));
    }
    let few = sample::manifest(&g2(), &[ANA]);
    assert_eq!(refused(&few).1, "/action/signatures");
    assert_eq!(refused(&sample::links()[1]).1, "/action/body/generation");
}

#[test]
fn a_set_manifest_is_read_under_a_chain_that_holds_it() {
    for known in [true, false] {
        let mut history = history(known);
        let (body, signatures) = next(&history.state, &set(&links()[2]), &[ANA, BEN]);
        let applied = history.apply(Body::Command(Box::new(record::Command {
            body,
            signatures,
            applied_at: history.now,
            born: None,
        })));
        let expected = if known {
            Ok(())
        } else {
            Err(Violation::Manifest(2))
        };
        assert_eq!(applied, expected);
        assert_eq!(history.state.generation(), if known { 2 } else { 1 });
    }
}

#[test]
fn a_log_that_sets_another_manifest_than_the_chain_holds_is_dishonest() {
    let mut history = history(true);
    let other = with(g2(), "/min_version", json!("0.1.1"));
    let other = sample::manifest(&other, &[ANA, BEN]);
    let denied = live(&mut history.state, &set(&other), &[ANA, BEN]);
    assert_eq!(denied, Err("not_applicable /action/body".to_owned()));
}

#[test]
fn after_a_set_manifest_no_older_one_boots() {
    let mut history = history(true);
    live(&mut history.state, &set(&links()[2]), &[ANA, BEN]).unwrap();
    let older = boot(&history.state, 1);
    assert_eq!(
        history.clone().apply(Body::Boot(Box::new(older))),
        Err(Violation::Boot)
    );
    let same = boot(&history.state, 2);
    history.apply(Body::Boot(Box::new(same))).unwrap();
}

#[test]
fn a_snapshot_boots_only_under_the_chain_of_its_log() {
    let mut state = history(false).state;
    live(&mut state, &set(&links()[2]), &[ANA, BEN]).unwrap();
    let mut beside = sample::links();
    let other = with(g2(), "/durability", json!("volatile"));
    beside.push(sample::manifest(&other, &[ANA, BEN]));
    for (links, booted) in [
        (links(), Ok(())),
        (beside, Err(Violation::Boot)),
        (sample::links(), Err(Violation::Boot)),
    ] {
        let chain = Arc::new(Chain::verify(&links, &AwsLc).unwrap());
        let mut restored = State::restore(chain, state.data().clone());
        let newest = restored.chain().newest().generation;
        let boot = boot(&restored, newest);
        assert_eq!(restored.boot(&boot), booted);
    }
}
