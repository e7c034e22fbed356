//! P4, P5, P7, P9: random schedules of a courier that reorders, repeats, drops, truncates, delays, mixes up and replays frames
//! over connections, channels, agents and boots, calls and control frames alike, and of a store that fails, mumbles, lies and
//! forgets.
//!
//! After every schedule: each frame was answered at most once and to its own agent alone; every credential's receipt verifies;
//! what was acknowledged is recorded and within its budget, by an honest audit of what is stored; nothing was issued to a grant
//! once its end was acknowledged; no command was applied that nobody signed, and none twice. `HOSTILE_SEEDS=from..to` runs others than the few of every run.

mod control;

use claviger_client::receipt;
use claviger_shared::{
    call::{Reply, Request},
    codec::cbor,
    denial::Code,
    id::GrantId,
    log::record::{Body, Outcome, Record},
    wire::{FrameType, Role, storage::StoredEntry},
};
use claviger_tests::{
    agent::{Agent, charge, read_order, sign},
    courier::{Answer, Link},
    deployment::{Deployment, Enclave},
    history::Dice,
    owner::Granted,
    store::Mood,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const AGENTS: usize = 3;
const BUDGET: u128 = 400;
const STEPS: usize = 150;
/// How long an answer may take that may never come.
const MOMENT: Duration = Duration::from_millis(250);
/// How long the courier looks for an answer before it goes on.
const GLANCE: Duration = Duration::from_millis(4);

fn seeds(few: u64) -> std::ops::Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of this test")]
    let set = std::env::var("HOSTILE_SEEDS");
    let Ok(text) = set else {
        return 0..few;
    };
    let (from, to) = text.split_once("..").expect("HOSTILE_SEEDS=from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

/// A sealed frame that the courier holds.
#[derive(Clone)]
struct Held {
    boot: usize,
    agent: usize,
    seq: u64,
    body: Vec<u8>,
}

/// A frame that was delivered.
struct Delivered {
    link: Arc<Link>,
    id: u64,
    held: Held,
    /// Whether the grant's end was acknowledged before.
    revoked: bool,
}

struct Schedule {
    deployment: Deployment,
    enclave: Enclave,
    granted: Vec<Granted>,
    /// Every agent's channel, by boot.
    agents: Vec<Vec<Agent>>,
    links: Vec<Arc<Link>>,
    held: Vec<Held>,
    delivered: Vec<Delivered>,
    revoked: BTreeSet<usize>,
    /// Answers opened, by boot, agent and frame number.
    answered: BTreeMap<(usize, usize, u64), usize>,
    /// Receipts of what was acknowledged.
    receipts: Vec<(GrantId, u128, Vec<u8>)>,
    denied: BTreeMap<Code, usize>,
    control: control::Control,
    dice: Dice,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let (deployment, enclave) = Deployment::serving();
        let granted = (0..AGENTS)
            .map(|at| {
                deployment.grant(&enclave, &format!("gr_{at}"), |grant| {
                    grant["budgets"][2]["max"] = json!(BUDGET.to_string());
                })
            })
            .collect();
        let mut schedule = Self {
            links: Vec::new(),
            deployment,
            enclave,
            granted,
            agents: Vec::new(),
            held: Vec::new(),
            delivered: Vec::new(),
            revoked: BTreeSet::new(),
            answered: BTreeMap::new(),
            receipts: Vec::new(),
            denied: BTreeMap::new(),
            control: control::Control::default(),
            dice: Dice(seed),
        };
        schedule.connect();
        schedule
    }

    fn connect(&mut self) {
        self.links = (0..2).map(|_| Arc::new(self.enclave.call_link())).collect();
        let agents = self.granted.iter().enumerate();
        let agents = agents.map(|(at, granted)| {
            Agent::on(
                &self.links[at % 2],
                &self.deployment,
                &self.enclave,
                granted,
            )
        });
        let agents = agents.collect();
        self.agents.push(agents);
    }

    fn restart(&mut self) {
        self.collect(GLANCE);
        // What was not answered by now is dropped with the connections.
        self.delivered.clear();
        self.enclave.crash();
        for link in &self.links {
            link.close();
        }
        self.deployment.store.be(Mood::Honest);
        self.restart_control();
        if self.dice.once_in(2) {
            self.hostile_boot();
        }
        self.enclave = self.deployment.boots().expect("an honest log boots");
        self.connect();
    }

    fn seal(&mut self) {
        let boot = self.agents.len() - 1;
        let agent = self.dice.roll(AGENTS as u64) as usize;
        let ask = if self.dice.once_in(4) {
            sign(read_order("1"))
        } else {
            sign(charge(20 + self.dice.roll(60)))
        };
        let (seq, body) = self.agents[boot][agent].seal(&ask);
        self.held.push(Held {
            boot,
            agent,
            seq,
            body,
        });
    }

    /// Delivers some frame, not for the first time perhaps, on some connection, whole or not.
    fn deliver(&mut self) {
        if self.held.is_empty() {
            return;
        }
        // More often a new one than an old one.
        let newest = self.held.len().saturating_sub(6);
        let from = if self.dice.once_in(3) { 0 } else { newest };
        let mut held = self.dice.pick(&self.held[from..]).clone();
        match self.dice.roll(12) {
            0 => held
                .body
                .truncate(self.dice.roll(held.body.len() as u64) as usize),
            1 => {
                let at = self.dice.roll(held.body.len() as u64) as usize;
                held.body[at] ^= 1 << self.dice.roll(8);
            }
            2 => {
                let other = self.dice.pick(&self.held).clone();
                held.body[..16].copy_from_slice(&other.body[..16]);
            }
            3 => {
                let other = self.dice.pick(&self.held).clone();
                held.body[..24].copy_from_slice(&other.body[..24]);
            }
            _ => {}
        }
        let link = Arc::clone(self.dice.pick(&self.links));
        let id = link.send(FrameType::Call, &held.body);
        let revoked = self.revoked.contains(&held.agent);
        self.delivered.push(Delivered {
            link,
            id,
            held,
            revoked,
        });
        self.collect(GLANCE);
    }

    /// Looks for answers, and holds every one to the rules; what is not answered yet is looked for again.
    fn collect(&mut self, patience: Duration) {
        for one in std::mem::take(&mut self.delivered) {
            match one.link.wait_for(one.id, patience) {
                Some(Answer::Reply(body)) => self.opened(&one, &body),
                // A typed refusal without a seal, or a closed connection: nothing was told to anyone.
                Some(Answer::Refused(refused)) => {
                    assert!(!refused.reason.is_empty(), "{refused:?}")
                }
                Some(Answer::Closed) => {}
                None => self.delivered.push(one),
            }
        }
    }

    fn opened(&mut self, one: &Delivered, body: &[u8]) {
        let Held {
            boot,
            agent: own,
            seq,
            ..
        } = one.held;
        let mut opens = Vec::new();
        for (number, agents) in self.agents.iter().enumerate() {
            for (at, agent) in agents.iter().enumerate() {
                for held in self
                    .held
                    .iter()
                    .filter(|held| (held.boot, held.agent) == (number, at))
                {
                    if let Some(answer) = agent.open(held.seq, body) {
                        opens.push((number, at, held.seq, answer));
                    }
                }
            }
        }
        assert_eq!(opens.len(), 1, "an answer opens {} times", opens.len());
        let (number, at, of, answer) = opens.remove(0);
        assert_eq!(
            (number, at, of),
            (boot, own, seq),
            "an answer to another frame"
        );
        let times = self.answered.entry((boot, own, seq)).or_default();
        *times += 1;
        assert_eq!(*times, 1, "a frame was answered twice");
        match answer.reply {
            Reply::Issued(issued) => {
                assert!(!one.revoked, "issued to a grant that was revoked before");
                let id = &self.granted[own].id;
                let proved = receipt::check(&issued, id, &self.agents[boot][own].log_key)
                    .expect("its receipt verifies");
                let Body::Call(call) = proved.record.body else {
                    panic!("no call")
                };
                assert_eq!(call.outcome, Outcome::Issued);
                let cents = call
                    .charges
                    .iter()
                    .filter(|charge| charge.unit.as_str() == "usd-cents");
                let cents = cents.map(|charge| charge.amount.0).sum();
                self.receipts.push((id.clone(), cents, issued.receipt));
            }
            Reply::Denied(denial) => *self.denied.entry(denial.code).or_default() += 1,
            other => panic!("{other:?}"),
        }
    }

    /// Lets the store go on until everything that waits is stored.
    fn settle(&mut self) {
        self.enclave.reconnect_storage(&self.deployment.store);
        self.collect(GLANCE);
        self.collect_control(GLANCE);
    }

    fn step(&mut self) {
        match self.dice.roll(48) {
            0 => self.restart(),
            1..=8 => self.control_step(),
            9 => {
                let moods = [Mood::Fail, Mood::Ambiguous, Mood::Hold];
                let mood = *self.dice.pick(&moods);
                self.deployment.store.be(mood);
            }
            10 => {
                self.deployment.store.be(Mood::Garbage);
                self.deliver();
                self.deployment.store.be(Mood::Honest);
                self.settle();
            }
            11..=15 => {
                self.deployment.store.be(Mood::Honest);
                self.collect(MOMENT / 10);
            }
            16..=28 => self.seal(),
            _ => self.deliver(),
        }
    }

    /// What the honest auditor says, against what agents were told.
    fn judge(mut self, seed: u64) -> Told {
        self.deployment.store.be(Mood::Honest);
        self.settle();
        self.collect(MOMENT);
        self.collect_control(MOMENT);
        self.judge_control(&self.granted, seed);
        let state = self.deployment.audited();
        let stored = self.deployment.store.entries();
        let recorded = charged(&stored);
        let mut acknowledged: BTreeMap<&GrantId, u128> = BTreeMap::new();
        let mut places = BTreeSet::new();
        for (id, cents, bytes) in &self.receipts {
            let receipt = claviger_shared::log::receipt::Receipt::decode(bytes).unwrap();
            let entry = stored
                .iter()
                .find(|entry| entry.leaf == receipt.leaf)
                .expect("acknowledged and stored");
            assert_eq!(
                entry.records[receipt.place as usize], receipt.record,
                "seed {seed}"
            );
            assert!(
                places.insert((entry.index, receipt.place)),
                "one record acknowledged twice"
            );
            *acknowledged.entry(id).or_default() += cents;
        }
        for granted in &self.granted {
            let of = recorded.get(&granted.id).copied().unwrap_or_default();
            let told = acknowledged.get(&granted.id).copied().unwrap_or_default();
            assert!(
                told <= of && of <= BUDGET,
                "seed {seed}: {told} acknowledged, {of} recorded"
            );
            let grant = state.grant(state.slot(&granted.id).unwrap()).unwrap();
            let left = grant.remaining(self.deployment.clock.now())[2].amount.0;
            assert_eq!(
                left,
                BUDGET - of,
                "seed {seed}: the fold and the records differ"
            );
        }
        Told {
            issued: self.receipts.len(),
            denied: self.denied.values().sum(),
            applied: self.control.applied(),
            refused: self.control.refused,
            documents: self.control.documents,
        }
    }
}

/// What a schedule came to.
#[derive(Debug, Default)]
struct Told {
    issued: usize,
    denied: usize,
    /// Commands applied, control requests refused, documents given.
    applied: usize,
    refused: usize,
    documents: usize,
}

/// Cents by grant that entries say were charged.
fn charged(entries: &[StoredEntry]) -> BTreeMap<GrantId, u128> {
    let mut all = BTreeMap::new();
    for bytes in entries.iter().flat_map(|entry| &entry.records) {
        if let Body::Call(call) = Record::decode(bytes).unwrap().body {
            let cents = call
                .charges
                .iter()
                .filter(|charge| charge.unit.as_str() == "usd-cents");
            *all.entry(call.grant.clone()).or_default() +=
                cents.map(|charge| charge.amount.0).sum::<u128>();
        }
    }
    all
}

#[test]
fn p7_no_schedule_of_a_hostile_courier_breaks_an_invariant() {
    let mut all = Told::default();
    for seed in seeds(4) {
        println!("seed {seed}");
        let mut schedule = Schedule::new(seed);
        for _ in 0..STEPS {
            schedule.step();
        }
        let told = schedule.judge(seed);
        all.issued += told.issued;
        all.denied += told.denied;
        all.applied += told.applied;
        all.refused += told.refused;
        all.documents += told.documents;
    }
    println!("{all:?}");
    assert!(
        all.issued > 20
            && all.denied > 0
            && all.applied > 4
            && all.refused > 10
            && all.documents > 0,
        "{all:?}: the schedules do too little"
    );
}

/// A store that says it stored and did not, and then forgets: whoever has seen more is told, and the instance that finds its log
/// ended short is fenced or goes on only where the log says so.
#[test]
fn p7_a_store_that_lies_is_found_out_by_whoever_saw_more() {
    for seed in seeds(3) {
        let mut dice = Dice(1000 + seed);
        let (deployment, enclave) = Deployment::serving();
        let granted = deployment.grant(&enclave, "gr_1", |_| {});
        let agent = Agent::connect(&deployment, &enclave, &granted);
        agent.sign(charge(30)).unwrap();
        let honest = deployment.store.entries();
        deployment.store.be(Mood::Lie);
        // The receipt says `logged` by the store's word: it verifies, and will speak against the store.
        for _ in 0..=dice.roll(3) {
            let issued = agent.sign(charge(30)).unwrap();
            receipt::check(&issued, &granted.id, &agent.log_key).unwrap();
        }
        assert_eq!(deployment.store.entries(), honest);
        let seen = *agent.echo.lock().unwrap();
        deployment.store.be(Mood::Honest);
        if dice.once_in(2) {
            // The next entry leaves a gap: never stored, never acknowledged.
            let sent = agent.send(&sign(charge(30)));
            assert!(
                agent.wait_for(sent, MOMENT).is_none(),
                "acknowledged over a gap"
            );
            assert_eq!(deployment.store.entries(), honest);
        }
        enclave.crash();
        agent.link.close();
        let enclave = deployment.boots().unwrap();
        let agent = Agent::connect(&deployment, &enclave, &granted);
        *agent.echo.lock().unwrap() = seen;
        assert_eq!(agent.denied(charge(30)), Code::EchoMismatch, "seed {seed}");
        let recorded = charged(&deployment.store.entries());
        assert!(recorded.values().all(|cents| *cents <= 1000));
        let _ = deployment.audited();
    }
}

/// Logs that are not what was written: cut, reordered, mixed up, changed, those of another deployment. A boot takes a true
/// beginning or stops with a reason, and writes nothing then.
#[test]
fn p7_a_boot_on_a_forged_log_stops_and_writes_nothing() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    for _ in 0..3 {
        agent.sign(charge(10)).unwrap();
    }
    enclave.crash();
    agent.link.close();
    let other = Deployment::serving().0.store.entries();
    let honest = deployment.store.entries();
    let blobs = deployment.store.blobs();
    let mut refused = 0;
    for seed in seeds(8) {
        let mut dice = Dice(2000 + seed);
        let mut entries = honest.clone();
        let at = 1 + dice.roll(entries.len() as u64 - 2) as usize;
        match dice.roll(7) {
            0 => entries.swap(at, at - 1),
            1 => drop(entries.remove(at)),
            2 => entries[at] = other[at % other.len()].clone(),
            3 => entries[at].records = entries[at - 1].records.clone(),
            4 => entries[at].checkpoint = entries[at - 1].checkpoint.clone(),
            5 => {
                let place = dice.roll(entries[at].leaf.len() as u64) as usize;
                entries[at].leaf[place] ^= 1;
            }
            _ => {
                let record = &mut entries[at].records[0];
                let place = dice.roll(record.len() as u64) as usize;
                record[place] ^= 1;
            }
        }
        deployment.store.replace(entries.clone());
        match deployment.boots() {
            Err(reason) => {
                refused += 1;
                assert!(!reason.is_empty());
                assert_eq!(
                    deployment.store.entries(),
                    entries,
                    "written to a forged log"
                );
            }
            Ok(_) => panic!("seed {seed}: it serves on a forged log"),
        }
    }
    assert!(refused > 0);
    // Key blobs changed about: no call is signed with another key, and the honest ones serve again.
    deployment.store.replace(honest.clone());
    let (names, bytes): (Vec<_>, Vec<_>) = blobs.clone().into_iter().unzip();
    let rotated = names
        .into_iter()
        .zip(bytes.iter().cycle().skip(1).cloned())
        .collect();
    deployment.store.replace_blobs(rotated);
    if let Ok(enclave) = deployment.boots() {
        let agent = Agent::connect(&deployment, &enclave, &granted);
        agent.sign(charge(10)).unwrap_err();
        enclave.crash();
        agent.link.close();
    }
    deployment.store.replace_blobs(blobs);
    let enclave = deployment.boots().expect("the honest log and blobs");
    let agent = Agent::connect(&deployment, &enclave, &granted);
    agent.sign(charge(10)).unwrap();
    let _ = deployment.audited();
}

/// Control frames of one boot in another, and in another order: refused in their phase, and the honest boot goes on.
#[test]
fn p7_control_frames_out_of_their_phase_are_refused() {
    let (deployment, enclave) = Deployment::serving();
    let bodies = claviger_tests::fuzz::seeds("wire_control");
    let before = deployment.store.entries();
    let control = enclave.link(Some(Role::Control));
    for kind in [
        FrameType::Measure,
        FrameType::AttestKms,
        FrameType::Unseal,
        FrameType::Genesis,
        FrameType::Resume,
    ] {
        for body in &bodies {
            let answer = control.wait(control.send(kind, body));
            assert!(matches!(answer, Answer::Refused(_)), "{kind:?}: {answer:?}");
        }
    }
    assert_eq!(deployment.store.entries(), before);
    let again = control.ask(
        FrameType::Measure,
        &claviger_shared::wire::control::Measure {
            manifests: deployment.links.clone(),
        },
    );
    assert!(matches!(again, Answer::Refused(_)), "{again:?}");
    // A whole request in clear is no sealed one.
    let call = enclave.call_link();
    let clear = cbor::encode(&Request {
        echo: None,
        ask: sign(read_order("1")),
    })
    .unwrap();
    assert!(matches!(
        call.wait(call.send(FrameType::Call, &clear)),
        Answer::Refused(_)
    ));
}
