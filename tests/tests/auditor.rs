//! The second auditor, in Python and written from `docs/spec` alone, agrees with `claviger audit verify` on random
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
    amount::Amount,
    call::{Ask, Sign},
    codec::cbor,
    crypto::{noise, sha256},
    effect::{Charge, Verb},
    id::{GrantId, KeyId, Unit, to_hex},
    ledger::{State, Status},
    log::record::{Body, Call, Outcome, Record},
    owner::manifest::chain::Chain,
    time::{Millis, UnixMs},
    wire::{
        control::{CommandReply, Signed},
        storage::StoredEntry,
    },
};
use claviger_tests::{
    agent::{Agent, charge, get, read_order, sign, token},
    courier::Link,
    deployment::{Deployment, Enclave},
    forge::{Forger, Loose, loosen},
    owner::{Granted, catalog},
    python,
    store::Mood,
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc, time::Duration};

/// SplitMix64: a history is its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.roll(u64::try_from(from.len()).unwrap())).unwrap()]
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }
}

/// Steps of a history, and how many of them pass before time moves.
const STEPS: usize = 80;
const SEEDS: u64 = 3;
const STILL: usize = 40;

/// A deployment and what happens to it.
struct World {
    deployment: Deployment,
    enclave: Enclave,
    granted: Vec<Granted>,
    /// The one connection that every agent's frames go on.
    link: Arc<Link>,
    agents: BTreeMap<GrantId, Agent>,
    dice: Dice,
    /// How often each kind of command was done.
    done: BTreeMap<String, usize>,
    /// Whether time was moved.
    late: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let (deployment, enclave) = Deployment::serving();
        let mut world = Self {
            link: Arc::new(enclave.call_link()),
            deployment,
            enclave,
            granted: Vec::new(),
            agents: BTreeMap::new(),
            dice: Dice(seed),
            done: BTreeMap::new(),
            late: false,
        };
        for _ in 0..2 {
            world.create();
        }
        for _ in 0..3 {
            world.keys_and_catalog();
        }
        world
    }

    fn count(&self, is: impl Fn(&Body) -> bool) -> usize {
        let records = self.deployment.store.records();
        records.iter().filter(|body| is(body)).count()
    }

    fn step(&mut self, at: usize) {
        match self.dice.roll(40) {
            0 => self.restart(),
            1 | 2 => self.create(),
            3 | 4 => self.narrow(),
            5..=8 => self.lift(),
            9..=12 => self.amend(),
            13 | 14 => self.reissue(),
            15 => self.keys_and_catalog(),
            16 => self.held(),
            17..=19 if at > STILL => {
                self.late = true;
                let seconds = *self.dice.pick(&[1, 7, 40, 600, 4000]);
                self.deployment.clock.advance_ms(seconds * 1000);
            }
            20 => self.ask(|_| Ask::Renew),
            21 => self.ask(|dice| {
                if dice.once_in(6) {
                    Ask::RevokeSelf { leaked: false }
                } else {
                    Ask::Renew
                }
            }),
            _ => self.calls(),
        }
    }

    /// As long as time has not moved: KMS goes by this machine's.
    fn restart(&mut self) {
        if self.late {
            return;
        }
        self.agents.clear();
        self.enclave.crash();
        self.enclave = self.deployment.boot();
        self.link = Arc::new(self.enclave.call_link());
    }

    /// Some grant, more often a new one than an old one.
    fn some_grant(&mut self) -> Granted {
        let newest = self.granted.len().saturating_sub(4);
        let from = if self.dice.once_in(4) { 0 } else { newest };
        self.dice.pick(&self.granted[from..]).clone()
    }

    fn budgets(&mut self) -> Value {
        let mut budgets = vec![json!({"unit": "call", "max": "60", "window": "grant"})];
        for (unit, most) in [("call", 20), ("usd-cents", 3000)] {
            for window in [
                "call",
                "calendar:P1D",
                "calendar:P1M",
                "rolling:PT1M",
                "rolling:PT1H40M",
                "rolling:P7D",
            ] {
                if self.dice.once_in(4) && (unit, window) != ("call", "call") {
                    let max = self.dice.roll(most) + 5;
                    budgets.push(json!({"unit": unit, "max": max.to_string(), "window": window}));
                }
            }
        }
        if !self.dice.once_in(4) {
            let max = self.dice.roll(4000) + 100;
            budgets.push(json!({"unit": "usd-cents", "max": max.to_string(), "window": "grant"}));
        }
        json!(budgets)
    }

    fn create(&mut self) {
        let id = format!("gr_{}", self.granted.len());
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        let now = self.deployment.clock.now();
        let at = |ms: u64| now.plus(Millis(ms)).to_string();
        let key = to_hex(&noise::public_key(&secret).unwrap());
        let life = *self.dice.pick(&[60_000, 3_600_000, 86_400_000]);
        let mut grant = json!({
            "v": 1, "id": id, "agent": {"id": "bot", "key": format!("x25519:{key}")},
            "not_before": at(1000 * self.dice.roll(2)), "expires_at": at(life),
            "keys": ["k_http", "k_jwt"], "permissions": {"read": ["orders"], "write": ["charges", "tokens"]},
            "allow_minting": ["tokens"], "budgets": self.budgets(),
        });
        if self.dice.once_in(2) {
            grant["renew_until"] = json!(at(life + self.dice.roll(3) * life));
        }
        if self.dice.once_in(3) {
            grant["allow_outliving"] = json!(["orders", "charges"]);
        }
        if self.dice.once_in(3) {
            grant["rate"] = json!([{"max": 9, "per_s": 60}]);
        }
        if self.dice.once_in(6) {
            for (member, value) in [
                ("env", json!("sandbox")),
                ("keys", json!(["k_sand"])),
                ("permissions", json!({"read": ["sand"]})),
                ("allow_minting", json!([])),
                ("allow_outliving", json!([])),
            ] {
                grant[member] = value;
            }
        }
        let id = GrantId::parse(&id).unwrap();
        if self.widen(&json!({"type": "grant.create", "grant": grant}), &[]) {
            self.granted.push(Granted { id, secret });
        }
    }

    fn state(&self) -> State {
        self.deployment.audited()
    }

    fn widen(&mut self, action: &Value, lifts: &[claviger_shared::id::Digest]) -> bool {
        let reply = self
            .enclave
            .command(&self.deployment.widening(action, lifts));
        self.note(action, &reply)
    }

    fn note(&mut self, action: &Value, reply: &CommandReply) -> bool {
        let done = matches!(reply, CommandReply::Done(_));
        if done {
            *self
                .done
                .entry(action["type"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        done
    }

    fn stop_of(&mut self) -> Value {
        let grant = self.some_grant().id;
        match self.dice.roll(8) {
            0 => json!({"type": "freeze"}),
            1 => json!({"type": "grant.revoke", "grant": grant}),
            _ => json!({"type": "grant.suspend", "grant": grant}),
        }
    }

    fn narrow(&mut self) {
        let action = self.stop_of();
        let reply = self.enclave.command(&self.deployment.narrowing(&action));
        self.note(&action, &reply);
    }

    fn lift(&mut self) {
        let state = self.state();
        if state.is_frozen() {
            self.widen(&json!({"type": "thaw"}), state.freezes());
        }
        for (id, grant) in state.grants() {
            if let Status::Suspended(stops) = &grant.status {
                self.widen(&json!({"type": "grant.resume", "grant": id}), stops);
                return;
            }
        }
    }

    fn amend(&mut self) {
        let id = self.some_grant().id;
        let state = self.state();
        let grant = state.grant(state.slot(&id).unwrap()).unwrap();
        let mut terms = grant.grant.to_json();
        terms["budgets"] = self.budgets();
        if self.dice.once_in(3) {
            let life = Millis(60_000 * (1 + self.dice.roll(100)));
            terms["expires_at"] = json!(self.deployment.clock.now().plus(life).to_string());
            terms.as_object_mut().unwrap().remove("renew_until");
        }
        let lifts = match &grant.status {
            Status::Suspended(stops) => stops.clone(),
            Status::Active | Status::Revoked => Vec::new(),
        };
        self.widen(&json!({"type": "grant.amend", "grant": terms}), &lifts);
    }

    fn reissue(&mut self) {
        let old = self.some_grant().id;
        let new = format!("gr_{}", self.granted.len());
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        let key = to_hex(&noise::public_key(&secret).unwrap());
        let state = self.state();
        let grant = state.grant(state.slot(&old).unwrap()).unwrap();
        let now = self.deployment.clock.now();
        let end = if grant.grant.expires_at > now {
            grant.grant.expires_at
        } else {
            now.plus(Millis(30_000))
        };
        let lifts = match &grant.status {
            Status::Suspended(stops) => stops.clone(),
            Status::Active | Status::Revoked => Vec::new(),
        };
        let action = json!({
            "type": "grant.reissue", "old": old, "new": new, "agent_key": format!("x25519:{key}"),
            "expires_at": end.to_string(),
        });
        if self.widen(&action, &lifts) {
            let id = GrantId::parse(&new).unwrap();
            self.granted.push(Granted { id, secret });
        }
    }

    fn keys_and_catalog(&mut self) {
        let number = self.dice.roll(1000);
        match self.dice.roll(3) {
            0 => {
                let id = format!("k_more{number}");
                let key = json!({"id": id, "kind": "http", "alg": "ed25519"});
                if self.widen(&json!({"type": "key.create", "key": key}), &[])
                    && self.dice.once_in(2)
                {
                    self.widen(&json!({"type": "key.retire", "key": id}), &[]);
                }
            }
            _ => {
                let mut next = catalog();
                next["resources"]["orders"][0]["query"] = json!(["expand", format!("f{number}")]);
                let all: Vec<_> = self.granted.iter().map(|granted| &granted.id).collect();
                let set = json!({"type": "catalog.set", "catalog": next, "touches": all});
                self.widen(&set, &[]);
            }
        }
    }

    fn agent(&mut self, granted: &Granted) -> &Agent {
        let (deployment, enclave, link) = (&self.deployment, &self.enclave, &self.link);
        self.agents
            .entry(granted.id.clone())
            .or_insert_with(|| Agent::on(link, deployment, enclave, granted))
    }

    fn ask(&mut self, what: impl Fn(&mut Dice) -> Ask) {
        let granted = self.some_grant();
        let ask = what(&mut self.dice);
        drop(self.agent(&granted).ask(&ask));
    }

    fn some_call(&mut self) -> Ask {
        let number = self.dice.roll(400);
        let input = match self.dice.roll(6) {
            0 => read_order("1"),
            1 => token(None),
            2 => get("https://sand.example.com/v1/things"),
            _ => charge(number),
        };
        match self.dice.roll(6) {
            0 => {
                let Ask::Sign(sign) = sign(input) else {
                    unreachable!()
                };
                Ask::Simulate(sign)
            }
            1 => Ask::Sign(Sign {
                input,
                idempotency_key: Some(format!("k{}", self.dice.roll(4))),
            }),
            _ => sign(input),
        }
    }

    /// Some calls at once: their records need not stand in the order of their decisions.
    fn calls(&mut self) {
        let granted = self.some_grant();
        let asks: Vec<_> = (0..=self.dice.roll(5)).map(|_| self.some_call()).collect();
        let agent = self.agent(&granted);
        let sent: Vec<_> = asks.iter().map(|ask| agent.send(ask)).collect();
        for one in sent {
            drop(agent.wait(one));
        }
    }

    /// A stop comes while calls wait for storage: they are withdrawn and stay charged.
    fn held(&mut self) {
        let granted = self.some_grant();
        let asks: Vec<_> = (0..3).map(|_| self.some_call()).collect();
        let stop = self.stop_of();
        let command = self.deployment.narrowing(&stop);
        drop(self.agent(&granted).whoami());
        self.deployment.store.be(Mood::Hold);
        let agent = &self.agents[&granted.id];
        let sent: Vec<_> = asks.iter().map(|ask| agent.send(ask)).collect();
        std::thread::sleep(Duration::from_millis(20));
        let stopping = self.enclave.send_command(&command);
        std::thread::sleep(Duration::from_millis(20));
        self.deployment.store.be(Mood::Honest);
        let reply = self.enclave.control.wait(stopping).reply();
        let agent = &self.agents[&granted.id];
        for one in sent {
            drop(agent.wait(one));
        }
        self.note(&stop, &reply);
    }
}

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
                "public": to_hex(&key.public), "retired": key.retired,
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

/// Something that a record says is no longer true.
type Lie = fn(&mut Vec<Loose>, &mut Dice);

fn some_call(loose: &mut [Loose], dice: &mut Dice) -> (usize, usize) {
    let mut calls = Vec::new();
    for (at, entry) in loose.iter().enumerate() {
        let is_call = |record: &Record| matches!(record.body, Body::Call(_));
        let of_entry = entry.records.iter().enumerate();
        calls.extend(
            of_entry
                .filter(|(_, record)| is_call(record))
                .map(|(place, _)| (at, place)),
        );
    }
    *dice.pick(&calls)
}

fn change_call(loose: &mut [Loose], dice: &mut Dice, change: impl FnOnce(&mut Call)) {
    let (at, place) = some_call(loose, dice);
    match &mut loose[at].records[place].body {
        Body::Call(call) => change(call),
        other => panic!("{other:?}"),
    }
}

/// Each lie, and whether it must be found wherever it is told.
const LIES: &[(&str, bool, Lie)] = &[
    ("nothing", false, |_, _| {}),
    ("a charge raised with its effect", true, |loose, dice| {
        change_call(loose, dice, |call| {
            let charge = Charge {
                unit: Unit::parse("usd-cents").unwrap(),
                amount: Amount(1_000_000),
            };
            call.effects[0].charges = vec![charge.clone()];
            call.charges.truncate(1);
            call.charges.push(charge);
            call.outcome = Outcome::Issued;
        });
    }),
    ("a charge without its effect", true, |loose, dice| {
        change_call(loose, dice, |call| call.charges[0].amount = Amount(0));
    }),
    ("no effect", true, |loose, dice| {
        change_call(loose, dice, |call| call.effects.clear())
    }),
    ("another grant", false, |loose, dice| {
        let (at, place) = some_call(loose, dice);
        let Body::Call(other) = loose[at].records[place].body.clone() else {
            unreachable!()
        };
        change_call(loose, dice, |call| call.grant = other.grant);
    }),
    ("an unknown grant", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.grant = GrantId::parse("gr_nobody").unwrap()
        });
    }),
    ("a key that is not the grant's", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.outcome = Outcome::Issued;
            call.key = KeyId::parse("k_nobody").unwrap();
        });
    }),
    ("a verb outside the scope", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.outcome = Outcome::Issued;
            call.effects[0].verb = Verb::Delete;
        });
    }),
    ("decided long after its entry", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.decided_at = call.decided_at.plus(Millis(1_000_000_000))
        });
    }),
    ("decided long before", false, |loose, dice| {
        change_call(loose, dice, |call| {
            call.decided_at = UnixMs(call.decided_at.0 - 3_000_000)
        });
    }),
    ("a credential for ever", false, |loose, dice| {
        change_call(loose, dice, |call| {
            call.expires_at = call.expires_at.plus(Millis(1_000_000_000_000))
        });
    }),
    ("what was withdrawn left", false, |loose, _| {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            if let Body::Call(call) = &mut record.body {
                call.outcome = Outcome::Issued;
            }
        }
    }),
    ("a call told many times", true, |loose, dice| {
        let (at, place) = some_call(loose, dice);
        let record = loose[at].records[place].clone();
        loose[at].records.extend(std::iter::repeat_n(record, 70));
    }),
    ("no stop was ever applied", true, |loose, _| {
        let is_stop = |record: &Record| match &record.body {
            Body::Command(command) => {
                String::from_utf8_lossy(&command.body).contains("\"chain\":\"narrow\"")
            }
            _ => false,
        };
        for entry in loose.iter_mut() {
            entry.records.retain(|record| !is_stop(record));
        }
        loose.retain(|entry| !entry.records.is_empty());
    }),
    ("a command left out", true, |loose, _| {
        let is_command = |record: &Record| matches!(record.body, Body::Command(_));
        let at = loose
            .iter()
            .position(|entry| entry.records.iter().any(is_command))
            .unwrap();
        loose.remove(at);
    }),
    ("two entries change places", false, |loose, dice| {
        let at = usize::try_from(dice.roll(u64::try_from(loose.len() - 3).unwrap())).unwrap() + 2;
        let records = std::mem::take(&mut loose[at].records);
        loose[at].records = std::mem::replace(&mut loose[at - 1].records, records);
    }),
    ("time goes back", true, |loose, _| {
        let last = loose.last_mut().unwrap();
        last.leaf.time = UnixMs(last.leaf.time.0 - 1_000_000_000);
    }),
    ("genesis again", true, |loose, _| {
        let genesis = loose[0].records[0].clone();
        loose.last_mut().unwrap().records.push(genesis);
    }),
    ("a key that was never born", true, |loose, _| {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            if let Body::Command(command) = &mut record.body {
                command.born = None;
            }
        }
    }),
];

#[test]
fn both_auditors_find_the_same_lies() {
    if !python::is_there().unwrap() {
        return;
    }
    let mut world = World::new(77);
    for at in 0..50 {
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
