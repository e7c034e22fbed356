//! Random lives of one grant, amended and reissued while calls are under way, against an exact list of what was spent.
//!
//! The live side reserves, then records in another order, as the enclave does; the log it leaves is then replayed.

use super::history::{History, NOW, call, grant};
use crate::{
    amount::Amount,
    id::{GrantId, X25519Public},
    ledger::{Slot, reserve},
    log::record::{Body, Call, Outcome},
    sample::with,
    time::{Millis, UnixMs},
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Step {
    Amend(Vec<(Over, u128)>),
    Reissue,
    Settle(prop::sample::Index),
    Spend(u128),
    Wait(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Call,
    Grant,
    Rolling(u64),
}

impl Over {
    fn text(self) -> String {
        match self {
            Self::Call => "call".to_owned(),
            Self::Grant => "grant".to_owned(),
            Self::Rolling(seconds) => format!("rolling:PT{seconds}S"),
        }
    }
}

fn over() -> impl Strategy<Value = Over> {
    prop_oneof![
        Just(Over::Call),
        Just(Over::Grant),
        prop::sample::select(vec![10, 60, 3600]).prop_map(Over::Rolling),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => prop::collection::vec((over(), 1_u128..200), 0..3).prop_map(Step::Amend),
        1 => Just(Step::Reissue),
        3 => any::<prop::sample::Index>().prop_map(Step::Settle),
        6 => (1_u128..60).prop_map(Step::Spend),
        2 => (0_u64..30_000).prop_map(Step::Wait),
    ]
}

struct Life {
    live: History,
    grants: Vec<GrantId>,
    budgets: Vec<(Over, u128)>,
    /// Reserved and not recorded: the grant's place, its epoch then, and the record.
    under_way: Vec<(Slot, u64, Call)>,
    /// Everything the line ever spent.
    spent: Vec<(UnixMs, u128)>,
}

impl Life {
    fn new() -> Self {
        let budgets = vec![(Over::Grant, 100)];
        let live = History::with_grant(&document(&budgets, "gr_1", 9));
        let grants = vec![GrantId::parse("gr_1").unwrap()];
        Self {
            live,
            grants,
            budgets,
            under_way: Vec::new(),
            spent: Vec::new(),
        }
    }

    fn newest(&self) -> (GrantId, Slot) {
        let id = self.grants.last().unwrap().clone();
        let slot = self.live.state.slot(&id).unwrap();
        (id, slot)
    }

    fn key(&self) -> u8 {
        8 + u8::try_from(self.grants.len()).unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Amend(mut budgets) => {
                budgets.dedup_by_key(|(over, _)| *over);
                let document = document(&budgets, self.newest().0.as_str(), self.key());
                let done = self
                    .live
                    .widen(json!({"type": "grant.amend", "grant": document}));
                done.unwrap();
                self.budgets = budgets;
            }
            Step::Reissue => self.reissue(),
            Step::Settle(which) if !self.under_way.is_empty() => {
                let which = which.index(self.under_way.len());
                self.settle(which);
            }
            Step::Settle(_) => {}
            Step::Spend(cents) => self.spend(cents),
            Step::Wait(ms) => self.live.now = self.live.now.plus(Millis(ms)),
        }
    }

    fn reissue(&mut self) {
        let new = format!("gr_{}", self.grants.len() + 1);
        let old = self.newest().0;
        let key = X25519Public([self.key() + 1; 32]).to_string();
        let done = self.live.widen(json!({
            "type": "grant.reissue", "old": old, "new": new, "agent_key": key, "expires_at": "2026-11-23T17:00:00Z",
        }));
        done.unwrap();
        self.grants.push(GrantId::parse(&new).unwrap());
    }

    fn spend(&mut self, cents: u128) {
        let now = self.live.now;
        let (id, slot) = self.newest();
        let mut call = call(now.since(NOW).0, cents);
        call.grant = id;
        let charges = reserve::charges(call.effects.iter()).unwrap();
        let reserved = self.live.state.check_budgets(slot, &charges, now).is_ok();
        let within = |over: Over| self.within(over, now) + cents;
        let exact = self.budgets.iter().all(|(over, max)| within(*over) <= *max);
        let whole = self.budgets.iter().all(|(over, max)| match over {
            Over::Call => cents <= *max,
            Over::Grant | Over::Rolling(_) => within(Over::Grant) <= *max,
        });
        let budgeted = !self.budgets.is_empty();
        assert!(
            !reserved || (budgeted && exact),
            "never more than a budget in force"
        );
        assert!(
            reserved || !(budgeted && whole),
            "never less than the whole life leaves"
        );
        if reserved {
            self.live.state.take_rate(slot, now);
            self.live.state.take(slot, &charges, now);
            let epoch = self.live.state.grant(slot).unwrap().epoch;
            self.under_way.push((slot, epoch, call));
            self.spent.push((now, cents));
        }
    }

    fn within(&self, over: Over, now: UnixMs) -> u128 {
        let counts = |at: UnixMs| match over {
            Over::Call => false,
            Over::Grant => true,
            Over::Rolling(seconds) => at.plus(Millis::from_secs(seconds)) > now,
        };
        let counted = self.spent.iter().filter(|(at, _)| counts(*at));
        counted.map(|(_, cents)| cents).sum()
    }

    /// A call is recorded: given away only if nothing happened to its grant since.
    fn settle(&mut self, which: usize) {
        let (slot, epoch, mut call) = self.under_way.remove(which);
        let same = |grant: &crate::ledger::GrantState| grant.epoch == epoch;
        if !self
            .live
            .state
            .check_active(slot, self.live.now)
            .is_ok_and(same)
        {
            call.outcome = Outcome::Withdrawn;
        }
        self.live.log.push(Body::Call(Box::new(call)));
    }

    fn end(&mut self) {
        while !self.under_way.is_empty() {
            self.settle(0);
        }
        let replayed = self.live.replayed().expect("an honest log");
        assert_eq!(self.live.replayed().unwrap(), replayed);
        let total = self.within(Over::Grant, self.live.now);
        let (_, slot) = self.newest();
        let unit = crate::id::Unit::parse("usd-cents").unwrap();
        for state in [&self.live.state, &replayed] {
            let spending = state.grant(slot).unwrap().spending();
            let counter = spending.counter(&unit).unwrap();
            assert_eq!(counter.life, Amount(total), "nothing is forgotten");
        }
        let left = |state: &crate::ledger::State| {
            let grant = state.grant(self.newest().1).unwrap();
            let remaining = grant.remaining(self.live.now);
            remaining
                .into_iter()
                .map(|left| left.amount)
                .collect::<Vec<_>>()
        };
        for (live, replayed) in left(&self.live.state).into_iter().zip(left(&replayed)) {
            assert!(live <= replayed, "a replay never counts what was not spent");
        }
    }
}

fn document(budgets: &[(Over, u128)], id: &str, key: u8) -> Value {
    let mut all = vec![json!({"unit": "call", "max": "1000000", "window": "grant"})];
    for (over, max) in budgets {
        all.push(json!({"unit": "usd-cents", "max": max.to_string(), "window": over.text()}));
    }
    let grant = with(with(grant(), "/budgets", json!(all)), "/id", json!(id));
    with(
        grant,
        "/agent/key",
        json!(X25519Public([key; 32]).to_string()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_line_never_spends_more_than_the_budgets_in_force_and_its_log_replays(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut life = Life::new();
        for step in steps {
            life.step(step);
        }
        life.end();
    }
}
