//! What happens, done to a core as `serve` does it.

use super::{
    Action,
    deployment::TERMS,
    world::{Entry, Fate, Held, Line, Mark, World, nonce_of},
};
use crate::core::{Batch, Input, Intent, Note, Output, Reserved, Signed, Spent, Verdict};
use claviger_shared::{
    amount::Amount,
    effect::{Charge, Effect, Effects, Kind, Verb},
    id::{AgentId, Digest, GrantId, ResourceName, Unit},
    log::record::{self, Body, Call, Outcome, Renewed, RevokedSelf},
    time::Millis,
};
use std::sync::Arc;

impl World {
    pub(super) fn act(&mut self, action: &Action) {
        match action {
            Action::Abandon(which) => self.abandon(*which),
            Action::Ask { grant, cents } => self.ask(*grant, *cents),
            Action::Begin => self.step(Input::Begin),
            Action::Clock(ms) => self.now = self.now.plus(Millis(*ms)),
            Action::Conflict => self.conflict(),
            Action::Crash { landed } => self.crash(*landed),
            Action::Drain => self.step(Input::Drain),
            Action::Fail(which) => self.fail(*which),
            Action::Freeze => {
                self.command(true, r#"{"type":"freeze"}"#, &[], Mark::Freeze);
            }
            Action::Renew(grant) => self.renew(*grant),
            Action::Resume(grant) => self.resume(*grant),
            Action::RetireKey => {
                let action = r#"{"type":"key.retire","key":"k_2"}"#;
                self.command(false, action, &[], |_| Mark::Retire);
            }
            Action::Revoke(grant) => {
                let action = named("grant.revoke", *grant);
                self.command(true, &action, &[], |_| Mark::Revoke(*grant));
            }
            Action::RevokeSelf(grant) => self.revoke_self(*grant),
            Action::Sign(which) => self.sign(*which),
            Action::Simulate { grant, cents } => self.simulate(*grant, *cents),
            Action::StoreFailed => {
                if self.storing.is_some() {
                    self.step(Input::StoreFailed);
                }
            }
            Action::Stored => self.stored(),
            Action::Suspend(grant) => {
                let action = named("grant.suspend", *grant);
                self.command(true, &action, &[], |digest| Mark::Suspend(*grant, digest));
            }
            Action::Thaw => {
                let lifts = self.stops.freezes.clone();
                self.command(false, r#"{"type":"thaw"}"#, &lifts, |_| Mark::Thaw);
            }
        }
    }

    fn intent(&self, grant: usize, cents: u128, simulate: bool) -> Intent {
        let slot = self.slot(grant);
        let state = self.core.state();
        Intent {
            slot,
            grant: Arc::clone(&state.grant(slot).unwrap().grant),
            catalog: Arc::clone(state.catalog()),
            effects: Arc::new(Effects::one(effect(cents))),
            source: [0; 16],
            simulate,
            idempotency: None,
        }
    }

    fn decide(&mut self, intent: Intent) -> Verdict {
        let mut out = Vec::new();
        self.core.step(self.now, Input::Intent(intent), &mut out);
        match out.pop() {
            Some(Output::Decided(verdict)) if out.is_empty() => verdict,
            other => panic!("an intent is decided, not {other:?}"),
        }
    }

    pub(super) fn ask(&mut self, grant: usize, cents: u128) {
        let intent = self.intent(grant, cents, false);
        match self.decide(intent) {
            Verdict::Denied(_) => self.denied += 1,
            Verdict::Reserved(reserved) => self.hold(grant, cents, reserved),
            other => panic!("nothing changed since parsing: {other:?}"),
        }
    }

    fn hold(&mut self, grant: usize, cents: u128, reserved: Reserved) {
        assert!(!self.fenced, "a fenced core reserves nothing");
        assert!(
            self.stops.is_open(grant, self.core.now()),
            "reserved under a stopped grant"
        );
        let number = self.lines.len();
        self.lines.push(Line {
            grant,
            cents,
            at: reserved.decided_at(),
            expires_at: reserved.expires_at(),
            stops: self.stops.count[grant],
            fate: Fate::Held,
            stored: false,
        });
        let effects = Effects::one(effect(cents));
        self.held.push(Held {
            number,
            reserved,
            effects,
        });
    }

    fn simulate(&mut self, grant: usize, cents: u128) {
        let intent = self.intent(grant, cents, true);
        match self.decide(intent) {
            Verdict::Denied(_) | Verdict::Simulated { .. } => {}
            other => panic!("simulated: {other:?}"),
        }
    }

    fn take_held(&mut self, which: usize) -> Option<Held> {
        (!self.held.is_empty()).then(|| self.held.remove(which % self.held.len()))
    }

    fn call_record(&mut self, number: usize, spent: &Spent, outcome: Outcome) -> (Vec<u8>, Digest) {
        let line = self.lines[number];
        let reserved = spent.reserved();
        self.encode(Body::Call(Box::new(Call {
            grant: GrantId::parse(TERMS[line.grant].id).unwrap(),
            outcome,
            decided_at: reserved.decided_at(),
            expires_at: reserved.expires_at(),
            key: reserved.key().clone(),
            effects: vec![effect(line.cents)],
            charges: reserved.charges().to_vec(),
            input: Digest([0; 32]),
            idempotency: None,
            nonce: nonce_of(number),
            source: [0; 16],
            replaces: false,
        })))
    }

    fn sign(&mut self, which: usize) {
        let Some(held) = self.take_held(which) else {
            return;
        };
        let Held {
            number,
            reserved,
            effects,
        } = held;
        let spent = reserved.spend();
        let (record, hash) = self.call_record(number, &spent, Outcome::Issued);
        self.lines[number].fate = Fate::Waiting;
        self.step(Input::Signed(Signed {
            spent,
            nonce: [0; 16],
            record,
            hash,
            effects: Arc::new(effects),
            waiting: number,
        }));
    }

    fn fail(&mut self, which: usize) {
        if let Some(held) = self.take_held(which) {
            let spent = held.reserved.spend();
            self.settle(held.number, &spent, Outcome::Failed);
            self.lines[held.number].fate = Fate::Failed;
        }
    }

    fn abandon(&mut self, which: usize) {
        if let Some(held) = self.take_held(which) {
            self.core.abandon(held.reserved.spend());
            self.lines[held.number].fate = Fate::Abandoned;
        }
    }

    fn settle(&mut self, number: usize, spent: &Spent, outcome: Outcome) {
        let (record, hash) = self.call_record(number, spent, outcome);
        self.step(Input::Note(Note {
            record,
            hash,
            waiting: Some(number),
            release: None,
            settles: true,
        }));
    }

    fn renew(&mut self, grant: usize) {
        let slot = self.slot(grant);
        if let Ok((at, expires_at)) = self.core.renew(self.now, slot) {
            assert!(self.stops.is_open(grant, at), "renewed a stopped grant");
            let renewed = Renewed {
                grant: GrantId::parse(TERMS[grant].id).unwrap(),
                expires_at,
                at,
            };
            self.put(Body::Renewed(renewed), Mark::Renew(grant, expires_at));
        }
    }

    fn revoke_self(&mut self, grant: usize) {
        let slot = self.slot(grant);
        let at = self.core.revoke_self(self.now, slot);
        let revoked = RevokedSelf {
            grant: GrantId::parse(TERMS[grant].id).unwrap(),
            agent: AgentId::parse("bot").unwrap(),
            leaked: true,
            at,
        };
        self.put(Body::RevokedSelf(revoked), Mark::Revoke(grant));
    }

    fn resume(&mut self, grant: usize) {
        let lifts = self.stops.suspended[grant].clone();
        let action = named("grant.resume", grant);
        let resumed = self.command(false, &action, &lifts, |_| Mark::Resume(grant));
        assert!(
            !resumed || !self.stops.revoked[grant],
            "a revoked grant resumed"
        );
    }

    fn stored(&mut self) {
        let Some(entry) = self.storing.take() else {
            return;
        };
        self.store(entry);
        let root = self.root();
        self.step(Input::Stored { root });
    }

    fn conflict(&mut self) {
        self.storing = None;
        self.step(Input::Conflict);
        assert!(self.fenced, "a conflict fences");
    }

    fn crash(&mut self, landed: bool) {
        if let Some(entry) = self.storing.take()
            && landed
        {
            self.store(entry);
        }
        self.held.clear();
        for line in &mut self.lines {
            if line.stored {
                if line.fate != Fate::Released {
                    line.fate = Fate::Withdrawn;
                }
            } else {
                assert!(line.fate != Fate::Released, "left before it was stored");
                line.fate = Fate::Lost;
            }
        }
        self.begin_life();
    }

    /// Steps and does what follows.
    pub(super) fn step(&mut self, input: Input<usize>) {
        let mut out = Vec::new();
        self.core.step(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Commit(batch) => self.commit(batch),
                Output::Decided(verdict) => panic!("nobody asked: {verdict:?}"),
                Output::Fenced => self.fenced = true,
                Output::Release(released) => {
                    self.release(released.waiting, &released.record, released.withdrawn);
                }
                Output::Withdrawn(withdrawn) => {
                    let number = withdrawn.waiting;
                    self.settle(number, &withdrawn.spent, Outcome::Withdrawn);
                    self.lines[number].fate = Fate::Withdrawn;
                }
            }
        }
    }

    fn commit(&mut self, batch: Batch) {
        assert!(self.storing.is_none(), "one entry outstanding");
        assert_eq!(batch.index, self.size(), "no index is skipped");
        let mut records: Vec<Vec<u8>> = batch.records.into_iter().map(|(bytes, _)| bytes).collect();
        let denied = batch.denied.into_iter().map(Body::Denied);
        let simulated = batch.simulated.into_iter().map(Body::Simulated);
        let warned = batch.warned.into_iter().map(Body::Warned);
        for body in denied.chain(simulated).chain(warned) {
            records.push(self.encode(body).0);
        }
        let time = self.core.now();
        self.storing = Some(Entry { time, records });
    }

    fn release(&mut self, number: usize, record: &[u8], withdrawn: bool) {
        self.invariant_released_is_stored(number, record);
        if self.lines[number].fate == Fate::Waiting {
            if withdrawn {
                self.lines[number].fate = Fate::Withdrawn;
            } else {
                self.invariant_released_is_permitted(number);
                self.lines[number].fate = Fate::Released;
            }
        }
    }
}

fn named(action: &str, grant: usize) -> String {
    format!(r#"{{"type":"{action}","grant":"{}"}}"#, TERMS[grant].id)
}

/// A payment of so many cents.
pub(super) fn effect(cents: u128) -> Effect {
    let charge = Charge {
        unit: Unit::parse("usd-cents").unwrap(),
        amount: Amount(cents),
    };
    Effect {
        kind: Kind::Http,
        verb: Verb::Write,
        resource: ResourceName::parse("pay").unwrap(),
        route: 0,
        destination: "pay.example.com".to_owned(),
        method: "POST".to_owned(),
        path_template: "/pay".to_owned(),
        parameters: Vec::new(),
        mints: false,
        identity_only: false,
        charges: vec![charge],
        max_lifetime: Millis(60_000),
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    }
}

/// The hash of a record, as the core is told it.
pub(super) fn hash(record: &[u8]) -> Digest {
    record::hash(record)
}
