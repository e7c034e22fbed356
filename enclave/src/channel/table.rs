//! All channels of this boot, by name and by agent key.
//!
//! At most four per key: the newest evicts that key's oldest once its first frame has opened. Channels that nobody has used
//! go before those in use, so that somebody who only records and replays handshakes evicts nobody. At most [`MAX_CHANNELS`] in all; inactive grants share a small pool.

use super::Channel;
use claviger_shared::id::{ChannelId, X25519Public};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// Channels of one agent key (DESIGN §6.1).
pub const PER_KEY: usize = 4;
/// Channels in all (DESIGN §11).
pub const MAX_CHANNELS: usize = 65_536;
/// Channels of inactive grants.
pub const MAX_INACTIVE: usize = 256;

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    by_id: RwLock<HashMap<ChannelId, Arc<Channel>>>,
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    by_key: HashMap<X25519Public, VecDeque<ChannelId>>,
    inactive: VecDeque<ChannelId>,
}

/// No room for another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Table {
    /// A channel by name.
    #[must_use]
    pub fn get(&self, id: &ChannelId) -> Option<Arc<Channel>> {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Adds a channel; unconfirmed ones of the same key beyond four replace each other.
    ///
    /// # Errors
    ///
    /// [`Full`] at [`MAX_CHANNELS`].
    pub fn insert(&self, channel: Arc<Channel>, active: bool) -> Result<(), Full> {
        let mut order = self.order();
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id.len() >= MAX_CHANNELS {
            return Err(Full);
        }
        if !active {
            order.inactive.push_back(channel.id);
            if order.inactive.len() > MAX_INACTIVE
                && let Some(oldest) = order.inactive.pop_front()
            {
                by_id.remove(&oldest);
            }
        }
        let of_key = order.by_key.entry(channel.agent).or_default();
        of_key.push_back(channel.id);
        // One more than allowed may wait unconfirmed; the oldest of those goes first.
        if of_key.len() > PER_KEY.saturating_add(1)
            && let Some(place) = unconfirmed(of_key, &by_id, &channel.id)
            && let Some(dropped) = of_key.remove(place)
        {
            by_id.remove(&dropped);
        }
        by_id.insert(channel.id, channel);
        Ok(())
    }

    /// The first frame of a channel has opened: beyond four, the key's oldest that nobody has used goes, else its oldest.
    pub fn confirmed(&self, channel: &Channel) {
        let mut order = self.order();
        let Some(of_key) = order.by_key.get_mut(&channel.agent) else {
            return;
        };
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if of_key.len() > PER_KEY {
            let place = unconfirmed(of_key, &by_id, &channel.id).unwrap_or(0);
            if let Some(dropped) = of_key.remove(place) {
                by_id.remove(&dropped);
            }
        }
    }

    /// Channels open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest of a key's other channels in which no frame has opened, those that are gone included.
fn unconfirmed(
    of_key: &VecDeque<ChannelId>,
    by_id: &HashMap<ChannelId, Arc<Channel>>,
    own: &ChannelId,
) -> Option<usize> {
    let used = |id: &ChannelId| by_id.get(id).is_some_and(|channel| channel.is_confirmed());
    of_key.iter().position(|id| id != own && !used(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::agents::Agents,
        secret::{RootKeys, Secret},
    };
    use claviger_shared::{
        crypto::handshake::{FrameKey, Session},
        id::{AgentId, Digest, GrantId},
        ledger::Slot,
    };

    fn keys() -> RootKeys {
        RootKeys::derive(&Secret::take(&mut [1; 32]), &Digest([1; 32]), "o/1").unwrap()
    }

    /// Channels of an agent key of their own, numbered.
    fn made(keys: &RootKeys, agents: &Agents) -> impl Fn(u32) -> Arc<Channel> {
        let grant = GrantId::parse("gr_1").unwrap();
        let share = agents.share(&AgentId::parse("bot").unwrap(), 0);
        move |number| {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&number.to_be_bytes());
            let session = Session {
                peer: X25519Public(name),
                opening: FrameKey::new([1; 32]).unwrap(),
                sealing: FrameKey::new([2; 32]).unwrap(),
            };
            let id = ChannelId(name[..16].try_into().unwrap());
            let digests = keys.digests_of(&grant);
            Arc::new(Channel::new(
                id,
                (Slot(0), digests),
                session,
                Arc::clone(&share),
            ))
        }
    }

    #[test]
    fn channels_in_all_are_limited_on_both_sides() {
        let (keys, agents, table) = (keys(), Agents::default(), Table::default());
        let channel = made(&keys, &agents);
        let most = u32::try_from(MAX_CHANNELS).unwrap();
        for number in 0..most {
            assert_eq!(table.insert(channel(number), true), Ok(()), "{number}");
        }
        assert_eq!(table.len(), MAX_CHANNELS);
        assert_eq!(table.insert(channel(most), true), Err(Full));
        assert!(table.get(&channel(most).id).is_none());
        assert!(table.get(&channel(0).id).is_some(), "nobody made room");
    }

    #[test]
    fn channels_of_inactive_grants_share_a_small_pool() {
        let (keys, agents, table) = (keys(), Agents::default(), Table::default());
        let channel = made(&keys, &agents);
        let most = u32::try_from(MAX_INACTIVE).unwrap();
        table.insert(channel(1_000_000), true).unwrap();
        for number in 0..most {
            table.insert(channel(number), false).unwrap();
        }
        assert!(table.get(&channel(0).id).is_some());
        table.insert(channel(most), false).unwrap();
        assert!(table.get(&channel(0).id).is_none(), "the oldest goes");
        assert!(table.get(&channel(1).id).is_some());
        assert!(
            table.get(&channel(1_000_000).id).is_some(),
            "not one in use"
        );
        assert_eq!(table.len(), MAX_INACTIVE + 1);
    }
}
