//! Stops: what lifts them names exactly those in force, and whatever stops a call changes its grant's epoch.

use super::history::{History, at, grant};
use crate::{
    id::{Digest, X25519Public},
    ledger::{CommandDenied, Violation},
    log::record::{Body, RevokedSelf},
    sample::{DUTY, Signer, with},
};
use serde_json::{Value, json};

fn epoch(history: &History) -> u64 {
    history.state.grant(history.slot()).unwrap().epoch
}

fn last(history: &History) -> Digest {
    let signer = Signer::new(DUTY).public().fingerprint();
    history.state.narrow_head(&signer).digest
}

fn of_grant(action: &str) -> Value {
    json!({"type": action, "grant": "gr_1"})
}

#[test]
fn lifting_names_all_that_is_in_force_and_nothing_else() {
    for (stop, lift) in [
        (json!({"type": "freeze"}), json!({"type": "thaw"})),
        (of_grant("grant.suspend"), of_grant("grant.resume")),
    ] {
        let mut history = History::ready();
        history.narrow(stop, DUTY).unwrap();
        let (own, other) = (last(&history), Digest([1; 32]));
        for wrong in [vec![], vec![other], vec![own, other]] {
            let denied = history.clone().lift(&lift, &wrong);
            let expected = CommandDenied::Lifts(vec![own]);
            assert_eq!(denied, Err(Violation::Command(expected)), "{wrong:?}");
        }
        history.lift(&lift, &[own]).unwrap();
    }
}

#[test]
fn where_nothing_is_stopped_nothing_is_lifted() {
    let mut history = History::ready();
    let thaw = history.clone().widen(json!({"type": "thaw"}));
    let nothing = CommandDenied::Lifts(Vec::new());
    assert_eq!(thaw, Err(Violation::Command(nothing)));
    let resume = history.widen(of_grant("grant.resume"));
    assert!(
        matches!(resume, Err(Violation::Command(CommandDenied::Action { pointer, .. })) if pointer == "/action/grant")
    );
}

#[test]
fn a_grant_that_does_not_exist_is_neither_stopped_nor_resumed() {
    let mut history = History::ready();
    let unknown = |action: &str| json!({"type": action, "grant": "gr_9"});
    let results = [
        history.clone().narrow(unknown("grant.suspend"), DUTY),
        history.clone().narrow(unknown("grant.revoke"), DUTY),
        history.widen(unknown("grant.resume")),
    ];
    for result in results {
        let Err(Violation::Command(denied)) = result else {
            panic!("{result:?}")
        };
        assert_eq!(denied.pointer(), Some("/action/grant"));
    }
}

#[test]
fn the_freezes_in_force_are_listed() {
    let mut history = History::ready();
    assert_eq!(history.state.freezes(), []);
    history.narrow(json!({"type": "freeze"}), DUTY).unwrap();
    assert_eq!(history.state.freezes(), [last(&history)]);
}

/// A call under way is given away only if its grant's epoch is still what it was.
#[test]
fn whatever_could_withdraw_a_call_changes_the_epoch() {
    let mut history = History::ready();
    let mut known = epoch(&history);
    let mut changed = |history: &History, what: &str| {
        assert!(epoch(history) > known, "{what}");
        known = epoch(history);
    };
    history.narrow(json!({"type": "freeze"}), DUTY).unwrap();
    changed(&history, "freeze");
    history.narrow(of_grant("grant.suspend"), DUTY).unwrap();
    changed(&history, "suspend");
    let stop = last(&history);
    history.lift(&of_grant("grant.resume"), &[stop]).unwrap();
    changed(&history, "resume");
    let amended = json!({"type": "grant.amend", "grant": grant()});
    history.widen(amended).unwrap();
    changed(&history, "amend");
    history
        .widen(json!({"type": "key.retire", "key": "k_http"}))
        .unwrap();
    changed(&history, "key retired");
    history
        .widen(json!({"type": "key.retire", "key": "k_other"}))
        .unwrap();
    assert_eq!(epoch(&history), known, "not its key");
    let key = X25519Public([10; 32]).to_string();
    let reissue = json!({"type": "grant.reissue", "old": "gr_1", "new": "gr_2", "agent_key": key,
        "expires_at": "2026-11-23T17:00:00Z"});
    let mut reissued = history.clone();
    reissued.widen(reissue).unwrap();
    assert!(epoch(&reissued) > known, "reissue");
    let own = RevokedSelf {
        grant: super::history::id(),
        agent: crate::id::AgentId::parse("billing-bot").unwrap(),
        leaked: false,
        at: at(0),
    };
    let mut left = history.clone();
    left.apply(Body::RevokedSelf(own)).unwrap();
    assert!(epoch(&left) > known, "revoked by its agent");
    history.narrow(of_grant("grant.revoke"), DUTY).unwrap();
    assert!(epoch(&history) > known, "revoke");
}

#[test]
fn a_freeze_stops_agents_and_not_owners() {
    // A frozen deployment takes commands all the same.
    let mut history = History::ready();
    history.narrow(json!({"type": "freeze"}), DUTY).unwrap();
    history.create_key("k_new").unwrap();
    let other = with(grant(), "/id", json!("gr_2"));
    let other = with(
        other,
        "/agent/key",
        json!(X25519Public([11; 32]).to_string()),
    );
    history
        .widen(json!({"type": "grant.create", "grant": other}))
        .unwrap();
    assert!(history.state.is_frozen());
}
