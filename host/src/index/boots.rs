//! Whether answers waited for storage when an entry was written: what its instance's Boot record says.

use claviger_shared::{
    log::{receipt::Status, record::Body},
    owner::manifest::Durability,
};
use std::collections::BTreeMap;

/// The durability of every instance, by the index of its Boot entry.
#[derive(Debug, Default)]
pub(super) struct Boots(BTreeMap<u64, Durability>);

impl Boots {
    /// Notes a Boot record of an entry.
    pub(super) fn note(&mut self, index: u64, body: &Body) {
        if let Body::Boot(boot) = body {
            self.0.insert(index, boot.durability);
        }
    }

    /// What a receipt says of a record in this entry; nothing before the first boot, where genesis alone stands, is volatile.
    pub(super) fn status(&self, index: u64) -> Status {
        match self.0.range(..=index).next_back() {
            Some((_, Durability::Volatile)) => Status::Volatile,
            Some((_, Durability::Durable)) | None => Status::Logged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_durable_as_its_instance_said() {
        let boots = Boots([(1, Durability::Volatile), (5, Durability::Durable)].into());
        let said = [0, 1, 4, 5, 9].map(|index| boots.status(index));
        let (logged, volatile) = (Status::Logged, Status::Volatile);
        assert_eq!(said, [logged, volatile, volatile, logged, logged]);
    }
}
