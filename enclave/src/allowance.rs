//! A token bucket on monotonic milliseconds: what one asker may cost the enclave before anything is decided.
//!
//! It knows neither who asks nor for what; grants' own rates are the ledger's.

/// So many at once, and so many more a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At once.
    pub burst: u64,
    /// A second; at least one.
    pub per_s: u64,
}

/// What is left of a [`Limit`].
#[derive(Debug)]
pub struct Allowance {
    limit: Limit,
    tokens: u64,
    since_ms: u64,
}

impl Allowance {
    /// A full one.
    #[must_use]
    pub const fn new(limit: Limit, now_ms: u64) -> Self {
        Self {
            limit,
            tokens: limit.burst,
            since_ms: now_ms,
        }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now_ms: u64) -> bool {
        let Limit { burst, per_s } = self.limit;
        let elapsed = now_ms.saturating_sub(self.since_ms);
        let gained = elapsed.saturating_mul(per_s) / 1000;
        if gained > 0 {
            // Only the time that gave whole tokens is used up.
            let used = gained.saturating_mul(1000).div_ceil(per_s.max(1));
            self.since_ms = self.since_ms.saturating_add(used);
            self.tokens = self.tokens.saturating_add(gained).min(burst);
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &mut Allowance, now_ms: u64) -> u64 {
        u64::try_from((0..).take_while(|_| allowance.take(now_ms)).count()).unwrap()
    }

    #[test]
    fn a_burst_then_a_rate_and_never_more_than_a_burst() {
        for (burst, per_s) in [(10, 250), (100, 1000), (7, 3), (64, 32_000)] {
            let mut allowance = Allowance::new(Limit { burst, per_s }, 5);
            assert_eq!(taken(&mut allowance, 5), burst);
            assert_eq!(taken(&mut allowance, 5), 0);
            let mut all = 0;
            for ms in (6..=10_005).step_by(1) {
                all += taken(&mut allowance, ms);
            }
            let fair = per_s * 10;
            assert!(all <= fair && all + 1 >= fair, "{all} of {fair}");
            assert_eq!(taken(&mut allowance, 10_000_000), burst);
            assert_eq!(taken(&mut allowance, 0), 0, "time does not go back");
        }
    }
}
