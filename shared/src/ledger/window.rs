//! Windows: how much of a unit was spent in the time a budget counts over.
//!
//! A window may count too much for a moment, never too little: a rolling window is cut into 64 buckets, and a bucket
//! leaves when its *end* is out. Memory is at most 66 buckets. A window knows no grant and reads no clock.

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

    /// Adds a spending at `now`, saturating: a sum that would not fit counts as everything.
    pub fn add(&mut self, amount: Amount, now: UnixMs) {
        let start = self.bucket_start(now);
        let place = self.buckets.partition_point(|(at, _)| *at < start);
        match self.buckets.get_mut(place) {
            Some((at, sum)) if *at == start => sum.0 = sum.0.saturating_add(amount.0),
            _ => self.buckets.insert(place, (start, amount)),
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
                Some(newest.0.plus(width(length)).plus(length))
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
                while self
                    .buckets
                    .front()
                    .is_some_and(|(at, _)| is_out(*at, length, now))
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

/// Whether the end of a bucket lies a whole window back.
fn is_out(start: UnixMs, length: Millis, now: UnixMs) -> bool {
    start.plus(width(length)).plus(length) <= now
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
                prop_assert!(spent.buckets.len() <= 66);
            }
        }
    }
}
