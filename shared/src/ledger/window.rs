//! Windows: how much of a unit was spent in the time a budget counts over.
//!
//! A window may count too much for a moment, never too little: a rolling window is cut into 64 buckets, and a bucket
//! leaves when its *end* is out. All decisions that fall into one bucket see the same earlier buckets, so whether records
//! fit does not depend on the order they are applied in. Memory is at most 130 buckets. A window knows no grant and reads
//! no clock.

use crate::{
    amount::Amount,
    grant,
    time::{DAY, Millis, UnixMs},
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Buckets a rolling window's length is cut into.
const PARTS: u64 = 64;
/// Calendar periods kept: the current one and the one before, for records that come late.
const PERIODS: usize = 2;

/// How long a rolling window remembers what no longer counts, or its own length where that is shorter: records stand in
/// the order of their signing, and one that comes late by no more than this is checked against all that it met.
const LATE: Millis = Millis(60_000);

/// What was spent in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The time it counts over.
    pub over: grant::Window,
    /// Start of a bucket and what was spent in it, oldest first.
    buckets: VecDeque<(UnixMs, Amount)>,
}

impl Spent {
    /// Nothing spent, or, for a window that begins late, what its unit's whole life had spent by then.
    #[must_use]
    pub fn new(over: grant::Window, carried: Amount, now: UnixMs) -> Self {
        let mut spent = Self {
            over,
            buckets: VecDeque::new(),
        };
        if carried != Amount::ZERO {
            spent.add(carried, now);
        }
        spent
    }

    /// What counts against a spending at `now`.
    #[must_use]
    pub fn sum(&self, now: UnixMs) -> Amount {
        let start = self.bucket_start(now);
        let counted = self.buckets.iter().filter(|(at, _)| match self.over {
            grant::Window::Call => false,
            grant::Window::Grant => true,
            grant::Window::CalendarDay | grant::Window::CalendarMonth => *at == start,
            grant::Window::Rolling(length) => !is_out(*at, length, now),
        });
        counted.fold(Amount::ZERO, |sum, (_, amount)| {
            Amount(sum.0.saturating_add(amount.0))
        })
    }

    /// The most that counts in any window which a spending at `at` falls into, later ones included: what a record is
    /// checked against, since records of later decisions may have been applied before it.
    #[must_use]
    pub fn peak(&self, at: UnixMs) -> Amount {
        let grant::Window::Rolling(length) = self.over else {
            return self.sum(at);
        };
        let own = self.bucket_start(at);
        let later = self.buckets.iter().map(|(start, _)| *start);
        let later = later.filter(|start| *start > own && !is_out(own, length, *start));
        let ends = std::iter::once(own).chain(later);
        let sums = ends.map(|end| self.sum_until(end, length));
        sums.max().unwrap_or_default()
    }

    /// What counts in a rolling window that ends with the bucket of this start.
    fn sum_until(&self, end: UnixMs, length: Millis) -> Amount {
        let counted = self
            .buckets
            .iter()
            .filter(|(at, _)| *at <= end && !is_out(*at, length, end));
        counted.fold(Amount::ZERO, |sum, (_, amount)| {
            Amount(sum.0.saturating_add(amount.0))
        })
    }

    /// Adds a spending at `now`, saturating: a sum that would not fit counts as everything.
    pub fn add(&mut self, amount: Amount, now: UnixMs) {
        let start = self.bucket_start(now);
        let place = self.buckets.partition_point(|(at, _)| *at < start);
        match self.buckets.get_mut(place) {
            Some((at, sum)) if *at == start => sum.0 = sum.0.saturating_add(amount.0),
            _ => {
                if self.buckets.is_empty() {
                    // Most windows never have more than one.
                    self.buckets.reserve_exact(1);
                }
                self.buckets.insert(place, (start, amount));
            }
        }
        self.forget(now);
    }

    /// When all of it is back; nothing where it never is, or where nothing counts.
    #[must_use]
    pub fn resets_at(&self, now: UnixMs) -> Option<UnixMs> {
        match self.over {
            grant::Window::Call | grant::Window::Grant => None,
            grant::Window::CalendarDay => Some(now.day_start().plus(DAY)),
            grant::Window::CalendarMonth => Some(now.next_month_start()),
            grant::Window::Rolling(length) => {
                let newest = self
                    .buckets
                    .iter()
                    .rev()
                    .find(|(at, _)| !is_out(*at, length, now))?;
                Some(newest.0.plus(span(length)))
            }
        }
    }

    fn bucket_start(&self, now: UnixMs) -> UnixMs {
        match self.over {
            grant::Window::Call | grant::Window::Grant => UnixMs(0),
            grant::Window::CalendarDay => now.day_start(),
            grant::Window::CalendarMonth => now.month_start(),
            grant::Window::Rolling(length) => {
                let width = width(length).0;
                UnixMs(now.0.saturating_sub(now.0.checked_rem(width).unwrap_or(0)))
            }
        }
    }

    fn forget(&mut self, now: UnixMs) {
        match self.over {
            grant::Window::Call => self.buckets.clear(),
            grant::Window::Grant => {}
            grant::Window::CalendarDay | grant::Window::CalendarMonth => {
                while self.buckets.len() > PERIODS {
                    self.buckets.pop_front();
                }
            }
            grant::Window::Rolling(length) => {
                let newest = self.buckets.back().map_or(now, |(at, _)| now.max(*at));
                let kept = span(length).0.saturating_add(length.min(LATE).0);
                while self
                    .buckets
                    .front()
                    .is_some_and(|(at, _)| at.plus(Millis(kept)) <= newest)
                {
                    self.buckets.pop_front();
                }
            }
        }
    }
}

/// Length of a rolling window's bucket, at least one millisecond.
fn width(length: Millis) -> Millis {
    Millis(length.0.div_ceil(PARTS).max(1))
}

/// How long a bucket counts from its start: its own width, and the window's length in whole buckets, rounded up. A
/// multiple of the width, so that no bucket leaves in the middle of another.
fn span(length: Millis) -> Millis {
    let width = width(length).0;
    let over = length.0.checked_rem(width).unwrap_or(0);
    let fill = if over == 0 {
        0
    } else {
        width.saturating_sub(over)
    };
    Millis(length.0.saturating_add(fill).saturating_add(width))
}

/// Whether the end of a bucket lies a whole window back.
fn is_out(start: UnixMs, length: Millis, now: UnixMs) -> bool {
    start.plus(span(length)) <= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rolling(ms: u64) -> Spent {
        Spent::new(grant::Window::Rolling(Millis(ms)), Amount::ZERO, UnixMs(0))
    }

    #[test]
    fn a_bucket_leaves_when_its_end_is_out() {
        let mut spent = rolling(6400);
        spent.add(Amount(5), UnixMs(1_000_050));
        assert_eq!(spent.sum(UnixMs(1_000_100 + 6399)), Amount(5));
        assert_eq!(spent.sum(UnixMs(1_000_100 + 6400)), Amount(0));
        assert_eq!(
            spent.resets_at(UnixMs(1_000_060)),
            Some(UnixMs(1_000_100 + 6400))
        );
    }

    #[test]
    fn a_calendar_day_ends_at_midnight_utc() {
        let mut spent = Spent::new(grant::Window::CalendarDay, Amount::ZERO, UnixMs(0));
        spent.add(Amount(3), UnixMs(DAY.0 - 1));
        assert_eq!(spent.sum(UnixMs(DAY.0 - 1)), Amount(3));
        assert_eq!(spent.sum(UnixMs(DAY.0)), Amount(0));
        spent.add(Amount(1), UnixMs(DAY.0));
        spent.add(Amount(1), UnixMs(DAY.0 - 1));
        assert_eq!(
            spent.sum(UnixMs(DAY.0)),
            Amount(1),
            "a late record counts in its own period"
        );
        assert_eq!(spent.sum(UnixMs(DAY.0 - 1)), Amount(4));
        spent.add(Amount(1), UnixMs(2 * DAY.0));
        assert_eq!(
            spent.sum(UnixMs(DAY.0 - 1)),
            Amount(0),
            "two periods are kept"
        );
        assert_eq!(spent.sum(UnixMs(DAY.0)), Amount(1));
    }

    #[test]
    fn a_late_spending_is_checked_against_what_came_after_it() {
        let mut spent = rolling(6400);
        spent.add(Amount(5), UnixMs(1_006_000));
        // Nothing before it counts at its own time, but one window holds both.
        assert_eq!(spent.peak(UnixMs(1_000_000)), Amount(5));
        assert_eq!(
            spent.peak(UnixMs(999_599)),
            Amount(0),
            "no window holds both"
        );
        assert_eq!(spent.peak(UnixMs(999_600)), Amount(5));
        spent.add(Amount(2), UnixMs(1_000_000));
        assert_eq!(spent.peak(UnixMs(1_006_000)), Amount(7));
    }

    #[test]
    fn a_late_spending_finds_what_was_spent_before_it() {
        let mut spent = rolling(6400);
        spent.add(Amount(5), UnixMs(1_000_000));
        spent.add(Amount(1), UnixMs(1_012_800));
        assert_eq!(spent.sum(UnixMs(1_012_800)), Amount(1));
        assert_eq!(
            spent.peak(UnixMs(1_006_400)),
            Amount(5),
            "late by a whole window"
        );
    }

    #[test]
    fn a_sum_never_wraps() {
        let mut spent = Spent::new(grant::Window::Grant, Amount(u128::MAX), UnixMs(0));
        spent.add(Amount(1), UnixMs(1));
        assert_eq!(spent.sum(UnixMs(1)), Amount(u128::MAX));
    }

    proptest! {
        /// Against the exact list of spendings: never less than truth, and at most one bucket's width longer.
        #[test]
        fn a_rolling_window_never_counts_too_little(
            length in 1_u64..100_000,
            steps in proptest::collection::vec((0_u64..20_000, 1_u128..100), 1..200),
        ) {
            let mut spent = rolling(length);
            let mut exact: Vec<(u64, u128)> = Vec::new();
            let mut now = 1_000_000_u64;
            for (advance, amount) in steps {
                now += advance;
                spent.add(Amount(amount), UnixMs(now));
                exact.push((now, amount));
                let over = |span: u64| exact.iter().filter(|(at, _)| at + span > now).map(|(_, n)| n).sum::<u128>();
                let counted = spent.sum(UnixMs(now)).0;
                prop_assert!(counted >= over(length));
                prop_assert!(counted <= over(length + 2 * width(Millis(length)).0));
                prop_assert!(spent.buckets.len() <= 130);
            }
        }
    }
}
