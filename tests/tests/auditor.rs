//! The second auditor, in Python and after `docs/spec`, with no code of the first, agrees with `claviger audit verify` on random
//! histories: verdict, size, root, records, keys, every grant's state and what is left of each of its budgets.
//!
//! Tampered logs are refused by both. Without Python the test says so and passes, except in continuous integration.

use claviger_cli::audit::Audit;
use claviger_enclave::boot::start::SNAPSHOT_EVERY;
use claviger_host::store::{
    Entry, Store as _,
    local::{Local, Options},
};
use claviger_shared::{
    codec::cbor,
    crypto::sha256,
    id::to_hex,
    ledger::State,
    log::record::Body,
    owner::manifest::chain::Chain,
    wire::{control::Signed, storage::StoredEntry},
};
use claviger_tests::{
    agent::{Agent, read_order, sign},
    forge::{Forger, Signs, loosen},
    history::{Dice, World},
    python,
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
use lies::LIES;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

#[path = "auditor/lies.rs"]
mod lies;

/// Steps of a history, and histories.
const STEPS: usize = 60;
const SEEDS: u64 = 3;

/// Writes a log as the host's store does, and its manifests beside it.
fn write(dir: &Path, entries: &[StoredEntry], chain: &str) {
    let _ = std::fs::remove_dir_all(dir);
    let store = Local::open(dir, Options::default()).unwrap();
    for entry in entries {
        store.append(&Entry::new(entry.clone()).unwrap());
    }
    std::fs::write(dir.join("manifests.json"), chain).unwrap();
}

/// What the second auditor says of a directory.
fn second(dir: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("auditor/audit.py");
    let ran = Command::new(python::python())
        .arg(script)
        .arg(dir)
        .arg(dir.join("manifests.json"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(ran.status.success(), said["ok"] == true);
    said
}

/// What `claviger audit verify` says of it.
fn first(dir: &Path, chain: Arc<Chain>) -> Value {
    let audited = Audit::of_store(dir, chain).and_then(|audit| {
        let report = audit.report()?;
        Ok(json!({
            "ok": true, "origin": report.origin, "size": report.size, "root": report.root,
            "records": report.records, "torn_bytes": audit.torn_bytes(),
        }))
    });
    audited.unwrap_or_else(|refuted| refuted.to_json())
}

/// What the first auditor's state amounts to, in the second's words.
fn amounts_to(state: &State) -> Value {
    let now = state.time();
    let keys: serde_json::Map<_, _> = state
        .keys()
        .map(|(id, key)| {
            let shown = json!({
                "kind": key.kind, "alg": key.alg, "env": key.env, "agent": key.agent,
                "public": to_hex(&key.public), "imported": key.imported, "retired": key.retired,
            });
            (id.to_string(), shown)
        })
        .collect();
    let grants: serde_json::Map<_, _> = state
        .grants()
        .map(|(id, grant)| {
            let left: Vec<_> = grant
                .remaining(now)
                .into_iter()
                .map(|left| json!([left.unit, left.window, left.amount]))
                .collect();
            let shown = json!({
                "state": grant.word(state.is_frozen(), now),
                "expires_at": grant.grant.expires_at, "left": left,
            });
            (id.to_string(), shown)
        })
        .collect();
    json!({
        "generation": state.generation(), "frozen": state.is_frozen(), "widen_seq": state.widen_head().seq,
        "keys": keys, "grants": grants,
    })
}

fn folded(chain: Arc<Chain>, entries: &[StoredEntry]) -> State {
    let mut auditor = Auditor::new(chain).unwrap();
    for entry in entries {
        auditor.entry(entry).unwrap();
    }
    auditor.state().clone()
}

/// Both read the same history in the same way.
#[track_caller]
fn agree(world: &World, dir: &Path, seed: u64) {
    let entries = world.deployment.store.entries();
    write(dir, &entries, &Chain::to_file(&world.deployment.links));
    let (one, mut two) = (first(dir, world.deployment.chain()), second(dir));
    let state = two.as_object_mut().unwrap().remove("state");
    assert_eq!(one, two, "seed {seed}");
    assert_eq!(one["ok"], true, "seed {seed}");
    let known = amounts_to(&folded(world.deployment.chain(), &entries));
    let told = state.unwrap();
    for (id, grant) in known["grants"].as_object().unwrap() {
        assert_eq!(*grant, told["grants"][id], "seed {seed}, {id}");
    }
    assert_eq!(known, told, "seed {seed}");
}

#[test]
fn both_auditors_read_random_histories_alike() {
    if !python::is_there().unwrap() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    let mut boots = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for at in 0..STEPS {
            world.step(at);
        }
        agree(&world, &dir.path().join("log"), seed);
        boots += world.count(|body| matches!(body, Body::Boot(_)));
        for (action, count) in &world.done {
            *done.entry(action.clone()).or_default() += count;
        }
    }
    assert!(boots > 3, "a restart in some history");
    for action in [
        "catalog.set",
        "freeze",
        "grant.amend",
        "grant.create",
        "grant.reissue",
        "grant.resume",
        "grant.revoke",
        "grant.suspend",
        "key.create",
        "thaw",
    ] {
        assert!(
            done.contains_key(action),
            "no {action} in any history: {done:?}"
        );
    }
}

#[test]
fn both_auditors_read_across_a_snapshot() {
    if !python::is_there().unwrap() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(11);
    for at in 0..8 {
        world.step(at);
    }
    let (deployment, enclave) = (&world.deployment, &world.enclave);
    let granted = deployment.grant(enclave, "gr_long", |grant| {
        grant["budgets"][0]["max"] = json!("1000000");
    });
    let agent = Agent::on(&world.link, deployment, enclave, &granted);
    for _ in 0..=SNAPSHOT_EVERY / 64 {
        let sent: Vec<_> = (0..64)
            .map(|_| agent.send(&sign(read_order("1"))))
            .collect();
        for one in sent {
            drop(agent.wait(one));
        }
    }
    world.restart();
    world.calls();
    assert_eq!(world.count(|body| matches!(body, Body::Snapshot(_))), 1);
    agree(&world, &dir.path().join("log"), 11);
}

/// Writes a log as docs/spec/store.md says, without a store.
fn write_plain(dir: &Path, entries: &[StoredEntry], links: &[Signed]) {
    let segments = dir.join("segments");
    std::fs::create_dir_all(&segments).unwrap();
    let mut file = b"clvseg01\0\0\0\0\0\0\0\0".to_vec();
    for (index, entry) in (0_u64..).zip(entries) {
        let bytes = cbor::encode(entry).unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let index = index.to_be_bytes();
        let check = sha256(&[&length, &index, &bytes]);
        file.extend([&b"clvf"[..], &length, &index, &check.0[..16], &bytes].concat());
    }
    std::fs::write(segments.join(format!("{:020}.seg", 0)), file).unwrap();
    std::fs::write(dir.join("manifests.json"), Chain::to_file(links)).unwrap();
}

/// Both say the same of a log: the verdict, and how far it holds.
#[track_caller]
fn both(dir: &Path, links: &[Signed], what: &str) -> bool {
    let chain = Arc::new(Chain::verify(links, &RingVerifier).unwrap());
    let (one, two) = (first(dir, chain), second(dir));
    for member in ["ok", "entry", "size", "root", "records", "torn_bytes"] {
        if member != "entry" || one.get(member).is_some() {
            assert_eq!(one.get(member), two.get(member), "{what}: {one} / {two}");
        }
    }
    one["ok"] == true
}

#[test]
fn both_auditors_find_the_same_lies() {
    if !python::is_there().unwrap() {
        return;
    }
    let mut world = World::new(77);
    for at in 0..40 {
        world.step(at);
    }
    let loose = loosen(&world.deployment.store.entries());
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(7);
    let mut refused = 0;
    for (number, (what, found, lie)) in LIES.iter().enumerate() {
        let mut told = loose.clone();
        lie(&mut told, &mut dice);
        let (entries, links) = Forger::new(&world.deployment).forge(told);
        let dir = dir.path().join(number.to_string());
        write_plain(&dir, &entries, &links);
        let ok = both(&dir, &links, what);
        assert!(!(ok && *found), "{what}: believed");
        assert!(
            ok || number > 0,
            "an honest log, signed again, is not believed"
        );
        refused += usize::from(!ok);
    }
    assert!(refused > LIES.len() / 2, "{refused}");
    for signs in [Signs::AsOperator, Signs::OtherBytes] {
        let forger = Forger::new(&world.deployment).signing(signs);
        let (entries, links) = forger.forge(loose.clone());
        let dir = dir.path().join(format!("{signs:?}"));
        write_plain(&dir, &entries, &links);
        assert!(!both(&dir, &links, "signatures"), "{signs:?}: believed");
    }
}

#[test]
fn both_auditors_refuse_changed_files() {
    if !python::is_there().unwrap() {
        return;
    }
    let mut world = World::new(5);
    for at in 0..12 {
        world.step(at);
    }
    let dir = tempfile::tempdir().unwrap();
    let (entries, links) = (world.deployment.store.entries(), &world.deployment.links);
    let says = |number: &str, entries: &[StoredEntry], change: &dyn Fn(&mut Vec<u8>)| {
        let dir = dir.path().join(number);
        write_plain(&dir, entries, links);
        let file = dir.join("segments").join(format!("{:020}.seg", 0));
        let mut bytes = std::fs::read(&file).unwrap();
        change(&mut bytes);
        std::fs::write(file, bytes).unwrap();
        both(&dir, links, number)
    };
    assert!(says("untouched", &entries, &|_| {}));
    assert!(says("torn", &entries, &|bytes| bytes.truncate(bytes.len() - 5)));
    assert!(says("zeros", &entries, &|bytes| bytes.extend([0; 4096])));
    let middle = entries.len() / 2;
    for at in [3, 15, 20, 5000] {
        assert!(!says(&format!("byte {at}"), &entries, &|bytes| bytes
            [at] ^=
            1));
    }
    let mut changed = entries.clone();
    changed[middle].records[0][40] ^= 1;
    assert!(!says("a record", &changed, &|_| {}));
    changed[middle] = entries[middle].clone();
    changed[middle].checkpoint = entries[middle - 1].checkpoint.clone();
    assert!(!says("a checkpoint", &changed, &|_| {}));
    changed.remove(middle);
    assert!(!says("an entry", &changed, &|_| {}));
    assert!(!says("no entry", &[], &|_| {}));
}
