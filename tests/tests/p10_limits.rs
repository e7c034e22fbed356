//! P10: limits of DESIGN §11 that no parser's own tests hold on both sides.

use claviger_kinds::any::AnyCall;
use claviger_shared::{
    call::{HttpInput, Input, MAX_BODY, Sign},
    catalog::Catalog,
    codec::{cbor, frame},
    crypto::AwsLc,
    denial::Code,
    grant::Grant,
    id::Digest,
    ledger::{
        Slot, State,
        remember::{MAX_IN_ALL, MAX_PER_AGENT, Remembered},
    },
    log::entry::{Error, Leaf, Reader},
    time::{Millis, UnixMs},
    wire::{
        FrameType, RefusedCode,
        call::Opened,
        control::{MAX_MANIFESTS, MAX_SIGNATURES, Measure, Signed},
        storage::{
            Entries, MAX_CHECKPOINT, MAX_ENTRIES_ITEMS, MAX_LEAF, MAX_RECORD_BYTES, MAX_RECORDS,
            StoredEntry,
        },
    },
};
use claviger_tests::{
    agent::{Agent, greeting},
    courier::Answer,
    deployment::Deployment,
    fuzz::{calls, context::context},
};
use serde_json::json;

/// Remembers keys of a grant, numbered from `from` on.
fn remember(state: &mut State, slot: Slot, from: usize, count: usize, now: UnixMs) {
    for number in from..from + count {
        let mut key = Digest([0; 32]);
        key.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let entry = Remembered {
            input: key,
            decided_at: now,
            expires_at: now.plus(Millis(60_000)),
            charges: Vec::new(),
            signed: None,
            replaces: false,
        };
        state.remember(slot, key, entry);
    }
}

#[test]
fn p9_idempotency_keys_are_limited_per_agent_and_in_all_on_both_sides() {
    let (deployment, enclave) = Deployment::serving();
    let key = json!({"id": "k_other", "kind": "http", "alg": "ed25519", "agent": "other"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let ids: Vec<_> = (0..4)
        .map(|at| {
            let agent = if at < 3 { "bot" } else { "other" };
            deployment
                .grant(&enclave, &format!("gr_{at}"), |grant| {
                    grant["agent"]["id"] = json!(agent);
                    if agent == "other" {
                        grant["keys"] = json!(["k_other"]);
                        grant["permissions"] = json!({"read": ["orders"]});
                        grant["allow_minting"] = json!([]);
                        grant["credentials"] = json!({});
                    }
                })
                .id
        })
        .collect();
    let mut state = deployment.audited();
    let slots: Vec<Slot> = ids.iter().map(|id| state.slot(id).unwrap()).collect();
    let now = deployment.clock.now();
    let full = |state: &mut State, slot: Slot| {
        state
            .check_memory(slot, now)
            .err()
            .map(|denial| denial.code)
    };
    // Two grants of one agent share its limit with the third, and not with another agent's.
    remember(&mut state, slots[0], 0, 1000, now);
    remember(&mut state, slots[1], 0, MAX_PER_AGENT - 1000 - 1, now);
    assert_eq!(full(&mut state, slots[2]), None);
    remember(&mut state, slots[1], MAX_PER_AGENT, 1, now);
    assert_eq!(full(&mut state, slots[2]), Some(Code::IdempotencyFull));
    assert_eq!(full(&mut state, slots[3]), None);
    // All that are remembered, whoever's.
    remember(
        &mut state,
        slots[0],
        10_000,
        MAX_IN_ALL - MAX_PER_AGENT - 1,
        now,
    );
    assert_eq!(full(&mut state, slots[3]), None);
    remember(&mut state, slots[0], 1_000_000, 1, now);
    assert_eq!(full(&mut state, slots[3]), Some(Code::IdempotencyFull));
    // They end with their credentials.
    assert!(
        state
            .check_memory(slots[3], now.plus(Millis(60_000)))
            .is_ok()
    );
}

#[test]
fn p10_an_entry_is_limited_on_both_sides() {
    let honest = &context().entries.entries[0];
    let refused = |stored: &StoredEntry| {
        Reader::new(context().log_key.clone())
            .next(stored, &AwsLc)
            .unwrap_err()
    };
    let with = |records: Vec<Vec<u8>>| StoredEntry {
        records: records.into_iter().map(Into::into).collect(),
        ..honest.clone()
    };
    // Within the limits it is only another entry's content.
    assert_eq!(refused(&with(vec![vec![1]; MAX_RECORDS])), Error::Records);
    assert_eq!(
        refused(&with(vec![vec![1]; MAX_RECORDS + 1])),
        Error::Malformed
    );
    assert_eq!(
        refused(&with(vec![vec![1; MAX_RECORD_BYTES]])),
        Error::Records
    );
    assert_eq!(
        refused(&with(vec![vec![1; MAX_RECORD_BYTES + 1]])),
        Error::Malformed
    );
    assert_eq!(refused(&with(Vec::new())), Error::Malformed);
    let mut leaf: Leaf = cbor::decode(&honest.leaf, MAX_LEAF).unwrap();
    let spare = MAX_LEAF - cbor::encode(&leaf).unwrap().len();
    let name = leaf.origin.clone();
    for (more, wanted) in [(0_i64, Error::NotNext), (1, Error::Malformed)] {
        // The length before a longer text takes a byte or two more.
        let mut pad = spare;
        loop {
            leaf.origin = format!("{name}{}", "x".repeat(pad));
            let len = cbor::encode(&leaf).unwrap().len() as i64;
            let wrong = len - (MAX_LEAF as i64 + more);
            if wrong == 0 {
                break;
            }
            pad = usize::try_from(pad as i64 - wrong).unwrap();
        }
        let stored = StoredEntry {
            leaf: cbor::encode(&leaf).unwrap(),
            ..honest.clone()
        };
        assert_eq!(refused(&stored), wanted, "{more}");
    }
}

/// The limits of items leave room for the largest honest documents.
#[test]
fn p10_the_largest_documents_have_no_more_items_than_may_be() {
    let entry = StoredEntry {
        index: u64::MAX,
        leaf: vec![1; MAX_LEAF],
        records: vec![vec![7; MAX_RECORD_BYTES / MAX_RECORDS].into(); MAX_RECORDS],
        checkpoint: "c".repeat(MAX_CHECKPOINT),
    };
    let fits = |entry: &StoredEntry| {
        cbor::decode::<StoredEntry>(&cbor::encode(entry).unwrap(), frame::MAX_BODY)
    };
    assert_eq!(fits(&entry).unwrap(), entry);
    let signed = Signed {
        body: vec![1; 4096],
        signatures: vec!["s".repeat(300); MAX_SIGNATURES],
    };
    let chain = Measure {
        manifests: vec![signed; MAX_MANIFESTS],
    };
    let bytes = cbor::encode(&chain).unwrap();
    assert_eq!(
        cbor::decode::<Measure>(&bytes, frame::MAX_BODY).unwrap(),
        chain
    );
    // The smallest honest entry: a leaf, a signed checkpoint, one record.
    let (leaf, note) = (vec![1; 256], "c".repeat(128));
    let small = StoredEntry {
        index: 1 << 32,
        leaf,
        records: vec![vec![7; 80].into()],
        checkpoint: note,
    };
    let count = frame::MAX_BODY / cbor::encode(&small).unwrap().len();
    let reply = Entries {
        entries: vec![small; count],
        end: false,
    };
    let bytes = cbor::encode(&reply).unwrap();
    assert_eq!(
        cbor::decode_many(&bytes, frame::MAX_BODY, MAX_ENTRIES_ITEMS),
        Ok(reply)
    );
}

#[test]
fn p10_an_inline_body_is_limited_on_both_sides() {
    let catalog = Catalog::parse(calls::catalog_text().to_string().as_bytes()).unwrap();
    let grant = Grant::parse(calls::grant_text().to_string().as_bytes()).unwrap();
    let put = |len: usize| {
        let input = HttpInput {
            method: "PUT".to_owned(),
            url: "https://files.example.com/v1/files/a".to_owned(),
            headers: vec![(
                "content-type".to_owned(),
                "application/octet-stream".to_owned(),
            )],
            body: Some(vec![7; len].into()),
        };
        AnyCall::parse(
            &Sign {
                input: Input::Http(input),
                idempotency_key: None,
            },
            &catalog,
            &grant,
        )
    };
    assert_eq!(
        put(MAX_BODY).unwrap().effects().first.charges[0].amount.0,
        MAX_BODY as u128
    );
    let denial = put(MAX_BODY + 1).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::InvalidRequest, Some("/body"))
    );
}

/// More handshakes at once than may wait: the rest is told to come again, none is lost, and calls go on meanwhile.
#[test]
fn p9_a_flood_of_handshakes_is_refused_as_busy_and_blocks_no_call() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    // A channel in use: one that nobody has used yet makes room for the next of its key.
    assert_eq!(agent.whoami().state, "active");
    let (_, open, _) = greeting(&deployment, &enclave, &granted.secret);
    let flood = enclave.call_link();
    let body = cbor::encode(&open).unwrap();
    let sent: Vec<u64> = (0..4 * claviger_enclave::serve::handshake::QUEUE)
        .map(|_| flood.send(FrameType::Open, &body))
        .collect();
    assert_eq!(agent.whoami().state, "active");
    let (mut opened, mut busy) = (0, 0);
    for id in sent {
        match flood.wait(id) {
            Answer::Reply(body) => {
                let _: Opened = cbor::decode(&body, 4096).unwrap();
                opened += 1;
            }
            Answer::Refused(refused) => {
                assert_eq!(refused.code, RefusedCode::Busy);
                busy += 1;
            }
            Answer::Closed => panic!("closed"),
        }
    }
    println!("{opened} opened, {busy} busy");
    assert!(opened > 0 && busy > 0);
    // Recorded handshakes, repeated, evicted nobody.
    assert_eq!(agent.whoami().state, "active");
}
