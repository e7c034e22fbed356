//! All channels of this boot, by name and by agent key.
//!
//! At most four per key: the newest evicts that key's oldest once its first frame has opened, so that somebody who only
//! records and replays handshakes evicts nobody. At most [`MAX_CHANNELS`] in all; inactive grants share a small pool.

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
        // One more than allowed may wait unconfirmed; an older unconfirmed one goes first.
        if of_key.len() > PER_KEY.saturating_add(1)
            && let Some(place) = of_key.iter().rposition(|id| *id != channel.id)
            && let Some(dropped) = of_key.remove(place)
        {
            by_id.remove(&dropped);
        }
        by_id.insert(channel.id, channel);
        Ok(())
    }

    /// The first frame of a channel has opened: the key's oldest beyond four goes.
    pub fn confirmed(&self, channel: &Channel) {
        let mut order = self.order();
        let Some(of_key) = order.by_key.get_mut(&channel.agent) else {
            return;
        };
        if of_key.len() > PER_KEY
            && let Some(oldest) = of_key.pop_front()
        {
            self.by_id
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&oldest);
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
