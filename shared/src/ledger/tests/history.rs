//! A history under way: a deployment with one catalog, two keys and one grant, and records to apply to it.

use crate::{
    amount::Amount,
    crypto::AwsLc,
    effect::{Charge, Effect, Kind, Verb},
    id::{Digest, GrantId, InstanceId, KeyId, ResourceName, Unit, X25519Public},
    ledger::{Slot, State, Violation},
    log::record::{self, Body, Boot, Born, Call, Genesis, Outcome, Record},
    owner::manifest::{Durability, Version},
    sample::{self, ANA, BEN, with},
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};

/// 2026-11-23T10:00:00Z: an hour into the sample grant's life.
pub(super) const NOW: UnixMs = UnixMs(1_795_428_000_000);

#[derive(Clone)]
pub(super) struct History {
    pub(super) state: State,
    /// When commands are applied.
    pub(super) now: UnixMs,
    /// Everything applied.
    pub(super) log: Vec<Body>,
}

pub(super) fn at(seconds: u64) -> UnixMs {
    NOW.plus(Millis::from_secs(seconds))
}

pub(super) fn record(body: Body) -> Record {
    Record {
        salt: [0; 16],
        body,
    }
}

pub(super) fn id() -> GrantId {
    GrantId::parse("gr_1").unwrap()
}

pub(super) fn genesis(state: &State) -> Genesis {
    let running = state.chain().newest().running.as_ref().unwrap();
    Genesis {
        g0: state.chain().fingerprint(),
        bundle: running.bundle,
        vkey: running.log_vkey.clone(),
        nonce: Digest([0; 32]),
    }
}

pub(super) fn boot(state: &State, generation: u64) -> Boot {
    let manifest = state
        .chain()
        .get(generation)
        .map(|manifest| manifest.digest);
    Boot {
        instance: InstanceId([1; 16]),
        nonce: [2; 32],
        channel_key: X25519Public([3; 32]),
        pcrs: [crate::id::Pcr([1; 48]); 3],
        version: Version(0, 1, 0),
        generation,
        manifest: manifest.unwrap_or(Digest([0; 32])),
        time: NOW,
        durability: Durability::Durable,
    }
}

/// A grant with room for everything; tests narrow it.
pub(super) fn grant() -> Value {
    let grant = sample::grant();
    let budgets = json!([
        {"unit": "call", "max": "1000000", "window": "grant"},
        {"unit": "usd-cents", "max": "100", "window": "rolling:PT10S"},
    ]);
    with(with(grant, "/budgets", budgets), "/rate", Value::Null)
}

impl History {
    /// Before the first record.
    pub(super) fn unborn() -> Self {
        Self {
            state: State::new(sample::chain()),
            now: NOW,
            log: Vec::new(),
        }
    }

    /// Genesis and Boot, no command yet.
    pub(super) fn booted() -> Self {
        let mut history = Self::unborn();
        history
            .apply(Body::Genesis(Box::new(genesis(&history.state))))
            .unwrap();
        history
            .apply(Body::Boot(Box::new(boot(&history.state, 1))))
            .unwrap();
        history
    }

    /// A catalog, two keys, and this grant.
    pub(super) fn with_grant(grant: &Value) -> Self {
        let mut history = Self::booted();
        history
            .widen(json!({"type": "catalog.set", "catalog": sample::catalog()}))
            .unwrap();
        for key in ["k_http", "k_other"] {
            history.create_key(key).unwrap();
        }
        history
            .widen(json!({"type": "grant.create", "grant": grant}))
            .unwrap();
        history
    }

    pub(super) fn ready() -> Self {
        Self::with_grant(&grant())
    }

    pub(super) fn apply(&mut self, body: Body) -> Result<(), Violation> {
        self.log.push(body.clone());
        self.state.apply(&record(body), at(86_000), &AwsLc)
    }

    pub(super) fn create_key(&mut self, key: &str) -> Result<(), Violation> {
        let id = KeyId::parse(key).unwrap();
        let born = Born {
            key: id,
            public: vec![1; 32],
            blob: Digest([5; 32]),
        };
        let key = json!({"id": key, "kind": "http", "alg": "ed25519"});
        self.widen_with(json!({"type": "key.create", "key": key}), Some(born))
    }

    /// The next widening command, signed by ana and ben.
    pub(super) fn widen(&mut self, action: Value) -> Result<(), Violation> {
        self.widen_with(action, None)
    }

    fn widen_with(&mut self, action: Value, born: Option<Born>) -> Result<(), Violation> {
        let head = self.state.widen_head();
        let command = sample::command("widen", head.seq + 1, &head.digest, &action);
        self.command(&command, &[ANA, BEN], born)
    }

    /// The next widening command that lifts stops.
    pub(super) fn lift(&mut self, action: &Value, lifts: &[Digest]) -> Result<(), Violation> {
        let head = self.state.widen_head();
        let command = sample::command("widen", head.seq + 1, &head.digest, action);
        let command = with(command, "/lifts", json!(lifts));
        self.command(&command, &[ANA, BEN], None)
    }

    /// The same records on a state of their own.
    pub(super) fn replayed(&self) -> Result<State, Violation> {
        let mut replay = Self::unborn();
        for body in &self.log {
            replay.apply(body.clone())?;
        }
        Ok(replay.state)
    }

    /// The next narrowing command of one signer.
    pub(super) fn narrow(&mut self, action: Value, seed: u8) -> Result<(), Violation> {
        let signer = sample::Signer::new(seed).public().fingerprint();
        let head = self.state.narrow_head(&signer);
        let command = sample::command("narrow", head.seq + 1, &head.digest, &action);
        self.command(&command, &[seed], None)
    }

    pub(super) fn command(
        &mut self,
        command: &Value,
        seeds: &[u8],
        born: Option<Born>,
    ) -> Result<(), Violation> {
        let body = sample::bytes(command);
        let signatures = sample::command_signatures(&body, seeds);
        let applied_at = self.now;
        self.apply(Body::Command(Box::new(record::Command {
            body,
            signatures,
            applied_at,
            born,
        })))
    }

    pub(super) fn call(&mut self, call: Call) -> Result<(), Violation> {
        self.apply(Body::Call(Box::new(call)))
    }

    pub(super) fn slot(&self) -> Slot {
        self.state.slot(&id()).unwrap()
    }
}

/// A call that spends so many cents, decided so many milliseconds from now.
pub(super) fn call(ms: u64, cents: u128) -> Call {
    let decided_at = NOW.plus(Millis(ms));
    let effect = effect(cents);
    Call {
        grant: id(),
        outcome: Outcome::Issued,
        decided_at,
        expires_at: decided_at.plus(Millis(60_000)),
        key: KeyId::parse("k_http").unwrap(),
        charges: super::super::reserve::charges([&effect].into_iter()).unwrap(),
        effects: vec![effect],
        input: Digest([0; 32]),
        idempotency: None,
        nonce: [0; 16],
        source: [0; 16],
        replaces: false,
    }
}

pub(super) fn effect(cents: u128) -> Effect {
    let charges = (cents > 0).then(|| Charge {
        unit: Unit::parse("usd-cents").unwrap(),
        amount: Amount(cents),
    });
    Effect {
        kind: Kind::Http,
        verb: Verb::Write,
        resource: ResourceName::parse("invoices").unwrap(),
        route: 0,
        destination: "api.stripe.com".to_owned(),
        method: "POST".to_owned(),
        path_template: "/v1/payment_intents".to_owned(),
        parameters: Vec::new(),
        mints: false,
        identity_only: false,
        charges: charges.into_iter().collect(),
        max_lifetime: Millis(60_000),
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    }
}
