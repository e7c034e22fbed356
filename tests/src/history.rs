//! Random histories of a deployment: owners, operators and agents do as dice say, and time and instances pass.

use crate::{
    agent::{Agent, charge, get, read_order, sign, token},
    courier::Link,
    deployment::{Deployment, Enclave},
    import,
    owner::{Granted, catalog},
    store::Mood,
};
use claviger_shared::{
    call::{Ask, Sign},
    crypto::noise,
    id::{Digest, GrantId, to_hex},
    ledger::{State, Status},
    log::record::Body,
    time::Millis,
    wire::control::CommandReply,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// SplitMix64: a history is its seed.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.roll(u64::try_from(from.len()).unwrap())).unwrap()]
    }

    /// Yes, once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }
}

/// Steps that pass before time moves.
const STILL: usize = 30;

/// A deployment and what happens to it.
#[derive(Debug)]
pub struct World {
    /// The deployment.
    pub deployment: Deployment,
    /// The instance that runs.
    pub enclave: Enclave,
    granted: Vec<Granted>,
    /// The one connection that every agent's frames go on.
    pub link: Arc<Link>,
    agents: BTreeMap<GrantId, Agent>,
    dice: Dice,
    /// How often each kind of command was done.
    pub done: BTreeMap<String, usize>,
    /// Whether time was moved.
    late: bool,
}

impl World {
    /// A world at the start of a history.
    #[must_use]
    pub fn new(seed: u64) -> Self {
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

    /// How many records of a kind are stored.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Body) -> bool) -> usize {
        let records = self.deployment.store.records();
        records.iter().filter(|body| is(body)).count()
    }

    /// Something happens.
    pub fn step(&mut self, at: usize) {
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
    pub fn restart(&mut self) {
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

    fn widen(&mut self, action: &Value, lifts: &[Digest]) -> bool {
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
            1 if self.dice.once_in(2) => self.import(number),
            _ => {
                let mut next = catalog();
                next["resources"]["orders"][0]["query"] = json!(["expand", format!("f{number}")]);
                let all: Vec<_> = self.granted.iter().map(|granted| &granted.id).collect();
                let set = json!({"type": "catalog.set", "catalog": next, "touches": all});
                self.widen(&set, &[]);
            }
        }
    }

    fn import(&mut self, number: u64) {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let trusted = import::attested(&self.deployment, &self.enclave);
        let id = format!("k_mine{number}");
        let action = import::action(&trusted, &id, &import::public(&seed));
        let (action, bytes) = import::sealed(&self.deployment, action, &seed);
        let signed = self.deployment.widening(&action, &[]);
        drop(self.enclave.submit(&signed, &bytes));
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
    pub fn calls(&mut self) {
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
