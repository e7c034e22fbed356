//! How many connections each address holds, so that no address holds them all.

use crate::sync::lock;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// Connections per address.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<HashMap<IpAddr, usize>>);

/// One counted connection; counted until dropped.
#[derive(Debug)]
pub(super) struct Held {
    sources: Arc<Sources>,
    address: IpAddr,
}

impl Sources {
    /// Counts one more, or nothing when the address holds `max` already.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Held> {
        let mut counts = lock(&self.0);
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Held {
            sources: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = lock(&self.sources.0);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_more_than_its_share_and_gets_it_back() {
        let sources = Arc::new(Sources::default());
        let (one, two) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let held: Vec<_> = (0..2).map(|_| sources.hold(one, 2).unwrap()).collect();
        assert!(sources.hold(one, 2).is_none());
        assert!(sources.hold(two, 2).is_some());
        drop(held);
        assert!(sources.hold(one, 2).is_some());
        assert!(lock(&sources.0).is_empty());
    }
}
