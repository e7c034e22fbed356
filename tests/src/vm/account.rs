//! What a guest's processor did, by the guest's own kernel: the time of programs, of the kernel, and of nothing to do.

use super::Vm;
use anyhow::Context;
use claviger_host::{config::HybridAddress, link::hybrid};
use claviger_sim::process::guest::ACCOUNT_PORT;
use std::io::Read;

/// Ticks so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// In programs.
    pub user: u64,
    /// In the kernel: for programs, for devices, for packets.
    pub kernel: u64,
    /// Idle.
    pub idle: u64,
}

impl Account {
    /// The guest's account now.
    ///
    /// # Errors
    ///
    /// A guest that is not up, or tells something else.
    pub fn now(vm: &Vm) -> anyhow::Result<Self> {
        let (path, port) = (vm.places().address(), ACCOUNT_PORT);
        let mut line = String::new();
        hybrid::connect(&HybridAddress { path, port })?.read_to_string(&mut line)?;
        Self::parse(&line).with_context(|| format!("no account: {line:?}"))
    }

    /// proc_stat(5): `cpu`, user, nice, system, idle, iowait, irq, softirq, and what a guest of ours does not have.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("cpu") {
            return None;
        }
        let mut next = || words.next()?.parse::<u64>().ok();
        let (user, nice, system) = (next()?, next()?, next()?);
        let (idle, iowait, irq, softirq) = (next()?, next()?, next()?, next()?);
        Some(Self {
            user: user + nice,
            kernel: system + irq + softirq,
            idle: idle + iowait,
        })
    }

    /// The shares of user, kernel and idle since an earlier account.
    #[must_use]
    pub fn shares_since(&self, earlier: &Self) -> [f64; 3] {
        let spent = [
            self.user - earlier.user,
            self.kernel - earlier.kernel,
            self.idle - earlier.idle,
        ];
        let all = spent.iter().sum::<u64>().max(1);
        spent.map(|ticks| ticks as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_and_compared() {
        let before = Account::parse("cpu  10 0 5 100 0 1 2 0 0 0").unwrap();
        let after = Account::parse("cpu  80 0 15 110 0 6 7 0 0 0").unwrap();
        assert_eq!((before.user, before.kernel, before.idle), (10, 8, 100));
        assert_eq!(after.shares_since(&before), [0.7, 0.2, 0.1]);
        assert_eq!(Account::parse("cpu0 1 2 3 4 5 6 7"), None);
        assert_eq!(Account::parse(""), None);
    }
}
