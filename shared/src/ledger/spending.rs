//! What a grant spent and left outside. A grant that nothing was spent under has none of it in memory: what it would hold
//! follows from the grant.

use super::{state::GrantState, window::Spent};
use crate::{
    amount::Amount,
    effect::Kind,
    grant::{Grant, Window},
    id::Unit,
    time::UnixMs,
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Counters, rates, and credentials that may still be used outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spending {
    pub(super) counters: Vec<Counter>,
    pub(super) rates: Vec<Spent>,
    pub(super) outstanding: BTreeMap<(Kind, String), UnixMs>,
}

/// What a grant spent of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counter {
    pub(super) unit: Unit,
    /// In its whole life, removed budgets included.
    pub(super) life: Amount,
    pub(super) windows: Vec<Spent>,
}

impl Spending {
    /// Of a grant that nothing was spent under.
    pub(super) fn none(grant: &Grant) -> Self {
        let nothing = |over| Spent::new(over, Amount::ZERO, UnixMs(0));
        let rates = grant.rate.iter();
        let mut spending = Self {
            counters: Vec::new(),
            rates: rates
                .map(|rate| nothing(Window::Rolling(rate.per)))
                .collect(),
            outstanding: BTreeMap::new(),
        };
        spending.align(grant, UnixMs(0));
        spending
    }

    /// One counter per unit ever budgeted, one window per budget; a new window starts with the unit's whole-life sum.
    pub(super) fn align(&mut self, grant: &Grant, now: UnixMs) {
        let budgets = &grant.budgets;
        for budget in budgets {
            if self.counter(&budget.unit).is_none() {
                self.counters.push(Counter {
                    unit: budget.unit.clone(),
                    life: Amount::ZERO,
                    windows: Vec::new(),
                });
            }
        }
        for counter in &mut self.counters {
            let wanted = budgets
                .iter()
                .filter(|budget| budget.unit == counter.unit)
                .map(|budget| budget.window);
            let old = std::mem::take(&mut counter.windows);
            let keep = |over: Window| old.iter().find(|spent| spent.over == over).cloned();
            counter.windows = wanted
                .map(|over| keep(over).unwrap_or_else(|| Spent::new(over, counter.life, now)))
                .collect();
            counter.windows.shrink_to_fit();
        }
        // A hundred thousand of these may be held: no room for what seldom comes.
        self.counters.shrink_to_fit();
    }

    pub(super) fn counter(&self, unit: &Unit) -> Option<&Counter> {
        self.counters.iter().find(|counter| counter.unit == *unit)
    }
}

impl GrantState {
    /// What was spent, whether it is held or follows from the grant.
    pub(super) fn spending(&self) -> Cow<'_, Spending> {
        match &self.spending {
            Some(spending) => Cow::Borrowed(spending),
            None => Cow::Owned(Spending::none(&self.grant)),
        }
    }

    /// The same, to change.
    pub(super) fn spending_mut(&mut self) -> &mut Spending {
        let grant = &self.grant;
        self.spending
            .get_or_insert_with(|| Box::new(Spending::none(grant)))
    }

    /// Holds nothing where nothing was spent.
    pub(super) fn forget_nothing(&mut self) {
        let nothing = Spending::none(&self.grant);
        self.spending = self.spending.take().filter(|spent| **spent != nothing);
    }

    pub(super) fn spent(&self, unit: &Unit, window: Window) -> Option<Cow<'_, Spent>> {
        if let Some(spending) = &self.spending {
            let mut windows = spending.counter(unit)?.windows.iter();
            return windows
                .find(|spent| spent.over == window)
                .map(Cow::Borrowed);
        }
        let mut budgets = self.grant.budgets.iter();
        let budget = budgets.find(|budget| budget.unit == *unit && budget.window == window)?;
        let nothing = Spent::new(budget.window, Amount::ZERO, UnixMs(0));
        Some(Cow::Owned(nothing))
    }
}
