//! A grant's state as it is written into snapshots: flat, and all of it, whatever memory leaves out. It decides nothing.

use super::{
    spending::{Counter, Spending},
    state::{GrantState, Slot, Status},
    window::Spent,
};
use crate::{
    effect::Kind,
    grant::Grant,
    time::{Millis, UnixMs},
};
use serde::{Deserialize, Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};

type Outside = BTreeMap<(Kind, String), UnixMs>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owned {
    grant: Arc<Grant>,
    status: Status,
    epoch: u64,
    first_length: Millis,
    amended_at: UnixMs,
    successor: Option<Slot>,
    counters: Vec<Counter>,
    rates: Vec<Spent>,
    outstanding: Outside,
}

/// The same members in the same order.
#[derive(Serialize)]
struct Borrowed<'a> {
    grant: &'a Grant,
    status: &'a Status,
    epoch: u64,
    first_length: Millis,
    amended_at: UnixMs,
    successor: Option<Slot>,
    counters: &'a [Counter],
    rates: &'a [Spent],
    outstanding: &'a Outside,
}

impl From<Owned> for GrantState {
    fn from(read: Owned) -> Self {
        let spending = Spending {
            counters: read.counters,
            rates: read.rates,
            outstanding: read.outstanding,
        };
        let mut state = Self {
            grant: read.grant,
            status: read.status,
            epoch: read.epoch,
            first_length: read.first_length,
            amended_at: read.amended_at,
            successor: read.successor,
            spending: Some(Box::new(spending)),
        };
        state.forget_nothing();
        state
    }
}

impl Serialize for GrantState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spending = self.spending();
        let written = Borrowed {
            grant: &self.grant,
            status: &self.status,
            epoch: self.epoch,
            first_length: self.first_length,
            amended_at: self.amended_at,
            successor: self.successor,
            counters: &spending.counters,
            rates: &spending.rates,
            outstanding: &spending.outstanding,
        };
        written.serialize(serializer)
    }
}
