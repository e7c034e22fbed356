//! Commands in the log: none is skipped, repeated, unsigned, out of time or without its object.

use super::history::{History, grant};
use crate::{
    id::{Digest, KeyId, to_hex},
    ledger::{CommandDenied, State, Violation},
    log::record::Born,
    sample::{self, ANA, BEN, CEM, DUTY, with},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

fn refused(result: Result<(), Violation>) -> CommandDenied {
    match result {
        Err(Violation::Command(denied)) => denied,
        other => panic!("{other:?}"),
    }
}

/// The next widening command, to be changed.
fn next(state: &State, action: &Value) -> Value {
    let head = state.widen_head();
    sample::command("widen", head.seq + 1, &head.digest, action)
}

fn catalog() -> Value {
    json!({"type": "catalog.set", "catalog": sample::catalog()})
}

#[test]
fn a_command_is_exactly_the_next_of_its_chain() {
    let mut history = History::booted();
    let first = next(&history.state, &catalog());
    let both = [ANA, BEN];
    for (pointer, value) in [
        ("/seq", json!(2)),
        ("/prev", json!(Digest([0; 32]).to_string())),
    ] {
        let command = with(first.clone(), pointer, value);
        let denied = refused(history.clone().command(&command, &both, None));
        let (seq, prev) = (1, history.state.chain().first_command_prev());
        assert_eq!(denied, CommandDenied::NotNext { seq, prev });
    }
    history.command(&first, &both, None).unwrap();
    let denied = refused(history.command(&first, &both, None));
    assert!(
        matches!(denied, CommandDenied::NotNext { seq: 2, .. }),
        "{denied:?}"
    );
}

fn import(history: &mut History, id: &str, public: u8, boot: u8) -> Result<(), Violation> {
    let key = json!({"id": id, "kind": "http", "alg": "ed25519", "public": STANDARD.encode([public; 32])});
    let channel_key = format!("x25519:{}", to_hex(&[boot; 32]));
    let digest = Digest([9; 32]).to_string();
    let action = json!({"type": "key.import", "key": key, "boot": digest, "channel_key": channel_key, "sealed": digest});
    let born = Born {
        key: KeyId::parse(id).unwrap(),
        public: vec![public; 32],
        blob: Digest([5; 32]),
    };
    let command = next(&history.state, &action);
    history.command(&command, &[ANA, BEN], Some(born))
}

fn place(result: Result<(), Violation>) -> &'static str {
    let denied = refused(result);
    let CommandDenied::Action { pointer, .. } = denied else {
        panic!("{denied:?}")
    };
    pointer
}

#[test]
fn a_key_is_imported_once_and_for_the_instance_that_serves() {
    let mut history = History::booted();
    // The boot of these tests has the channel key 03….
    assert_eq!(
        place(import(&mut history.clone(), "k_in", 7, 4)),
        "/action/channel_key"
    );
    import(&mut history, "k_in", 7, 3).unwrap();
    let id = KeyId::parse("k_in").unwrap();
    assert!(history.state.key(&id).unwrap().imported);
    assert_eq!(
        place(import(&mut history.clone(), "k_in", 8, 3)),
        "/action/key/id"
    );
    assert_eq!(
        place(import(&mut history.clone(), "k_again", 7, 3)),
        "/action/key/public"
    );
    history
        .widen(json!({"type": "key.retire", "key": "k_in"}))
        .unwrap();
    assert_eq!(
        place(import(&mut history.clone(), "k_again", 7, 3)),
        "/action/key/public"
    );
    history.create_key("k_born").unwrap();
    let born = KeyId::parse("k_born").unwrap();
    assert!(!history.state.key(&born).unwrap().imported);
}

#[test]
fn everybody_who_stops_has_a_chain_of_their_own() {
    let mut history = History::ready();
    let freeze = || json!({"type": "freeze"});
    history.narrow(freeze(), DUTY).unwrap();
    history.narrow(freeze(), DUTY).unwrap();
    history.narrow(freeze(), ANA).unwrap();
    assert!(history.state.is_frozen());
    let fingerprint = |seed| sample::Signer::new(seed).public().fingerprint();
    assert_eq!(history.state.narrow_head(&fingerprint(DUTY)).seq, 2);
    assert_eq!(history.state.narrow_head(&fingerprint(ANA)).seq, 1);
    assert_eq!(history.state.narrow_head(&fingerprint(BEN)).seq, 0);
}

#[test]
fn a_thaw_names_every_freeze_in_force() {
    let mut history = History::ready();
    let mut heads = Vec::new();
    for (seed, minute) in [(DUTY, 1), (ANA, 2)] {
        let signer = sample::Signer::new(seed).public().fingerprint();
        let head = history.state.narrow_head(&signer);
        let freeze = sample::command("narrow", 1, &head.digest, &json!({"type": "freeze"}));
        let time = json!(format!("2026-11-23T09:0{minute}:00Z"));
        history
            .command(&with(freeze, "/issued_at", time), &[seed], None)
            .unwrap();
        heads.push(history.state.narrow_head(&signer).digest.to_string());
    }
    let thaw = next(&history.state, &json!({"type": "thaw"}));
    let lifting = |lifts: Value| with(thaw.clone(), "/lifts", lifts);
    for few in [json!([]), json!([heads[0]]), json!([heads[1]])] {
        let denied = refused(history.clone().command(&lifting(few), &[ANA, BEN], None));
        assert!(matches!(denied, CommandDenied::Lifts(all) if all.len() == 2));
    }
    history
        .command(&lifting(json!(heads)), &[ANA, BEN], None)
        .unwrap();
    assert!(!history.state.is_frozen());
}

#[test]
fn two_people_who_send_the_same_bytes_are_lifted_by_one_digest() {
    for (stop, lift) in [
        (json!({"type": "freeze"}), json!({"type": "thaw"})),
        (
            json!({"type": "grant.suspend", "grant": "gr_1"}),
            json!({"type": "grant.resume", "grant": "gr_1"}),
        ),
    ] {
        let mut history = History::ready();
        history.narrow(stop.clone(), DUTY).unwrap();
        history.narrow(stop, ANA).unwrap();
        let signer = sample::Signer::new(DUTY).public().fingerprint();
        let lifts = json!([history.state.narrow_head(&signer).digest.to_string()]);
        let lift = with(next(&history.state, &lift), "/lifts", lifts);
        history.command(&lift, &[ANA, BEN], None).unwrap();
        history.call(super::history::call(1, 1)).unwrap();
    }
}

#[test]
fn a_command_is_signed_by_those_who_must() {
    let mut history = History::booted();
    let command = next(&history.state, &catalog());
    for seeds in [&[][..], &[ANA], &[DUTY], &[ANA, DUTY]] {
        let denied = refused(history.clone().command(&command, seeds, None));
        assert!(matches!(denied, CommandDenied::Signatures(_)), "{denied:?}");
    }
    history.command(&command, &[BEN, CEM], None).unwrap();
}

#[test]
fn a_command_is_for_this_deployment_and_this_time() {
    let history = History::booted();
    let command = next(&history.state, &catalog());
    let changed = |pointer: &str, value: Value| {
        let command = with(command.clone(), pointer, value);
        history.clone().command(&command, &[ANA, BEN], None)
    };
    let denied = refused(changed("/origin", json!("acme/other")));
    assert_eq!(denied.code(), "not_applicable");
    // It is applied at 10:00:00; an owner's clock may run a minute ahead.
    changed("/not_after", json!("2026-11-23T10:00:01Z")).unwrap();
    assert_eq!(
        refused(changed("/not_after", json!("2026-11-23T10:00:00Z"))),
        CommandDenied::Time
    );
    changed("/issued_at", json!("2026-11-23T10:01:00Z")).unwrap();
    assert_eq!(
        refused(changed("/issued_at", json!("2026-11-23T10:01:01Z"))),
        CommandDenied::Time
    );
}

#[test]
fn a_key_is_recorded_with_what_was_born() {
    let mut history = History::booted();
    let key = json!({"id": "k_1", "kind": "http", "alg": "ed25519"});
    let denied = refused(
        history
            .clone()
            .widen(json!({"type": "key.create", "key": key})),
    );
    assert_eq!(denied.code(), "not_applicable");
    history.create_key("k_1").unwrap();
    assert_eq!(refused(history.create_key("k_1")).code(), "not_applicable");
}

#[test]
fn a_grant_names_what_exists_and_belongs_to_it() {
    let create = |pointer: &str, value: Value| {
        let grant = with(grant(), "/id", json!("gr_2"));
        let grant = with(
            grant,
            "/agent/key",
            json!(format!("x25519:{}", "0a".repeat(32))),
        );
        json!({"type": "grant.create", "grant": with(grant, pointer, value)})
    };
    let mut history = History::ready();
    history
        .clone()
        .widen(create("/purpose", json!("more")))
        .unwrap();
    let same_key = sample::grant()["agent"]["key"].clone();
    for (pointer, value) in [
        ("/id", json!("gr_1")),
        ("/agent/key", same_key),
        ("/keys", json!(["k_none"])),
        ("/env", json!("sandbox")),
        ("/permissions/delete", json!(["unlisted"])),
        ("/allow_minting", json!(["unlisted"])),
        ("/agent/id", json!("another-bot")),
    ] {
        let denied = refused(history.clone().widen(create(pointer, value)));
        assert_eq!(denied.code(), "not_applicable", "{pointer}");
    }
    let ended = with(
        create("/not_before", json!("2026-11-23T08:00:00Z")),
        "/grant/expires_at",
        json!("2026-11-23T10:00:00Z"),
    );
    assert_eq!(refused(history.widen(ended)).code(), "not_applicable");
}

#[test]
fn a_name_in_use_changes_only_beside_the_grants_that_use_it() {
    let changed = with(
        sample::catalog(),
        "/resources/invoices/0/host",
        json!("other.example"),
    );
    let set =
        |touches: Value| json!({"type": "catalog.set", "catalog": changed, "touches": touches});
    let mut history = History::ready();
    let denied = refused(history.clone().widen(set(json!([]))));
    assert_eq!(denied.code(), "not_applicable");
    history.widen(set(json!(["gr_1"]))).unwrap();
    let routes = sample::catalog()["resources"]["tokens"].clone();
    let moved = json!({"env": "sandbox", "routes": routes});
    let moved = with(changed.clone(), "/resources/tokens", moved);
    let denied = refused(history.widen(json!({"type": "catalog.set", "catalog": moved})));
    assert_eq!(denied.code(), "not_applicable");
}

#[test]
fn a_revoked_grant_never_resumes() {
    let mut history = History::ready();
    for action in ["grant.suspend", "grant.revoke", "grant.suspend"] {
        history
            .narrow(json!({"type": action, "grant": "gr_1"}), DUTY)
            .unwrap();
    }
    let denied = refused(history.widen(json!({"type": "grant.resume", "grant": "gr_1"})));
    assert_eq!(denied.code(), "not_applicable");
}
