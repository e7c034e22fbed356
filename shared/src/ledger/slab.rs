//! Where grants stand: in blocks, so that a hundred thousand of them neither move nor leave half of what holds them empty.
//!
//! A grant's place is its number from the first on. It is written as one list. What a grant says is not looked at.

use super::state::{GrantState, Slot};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Grants of one block.
const BLOCK: usize = 64;

/// Every grant, by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Slab(Vec<Vec<GrantState>>);

impl Slab {
    pub(super) fn len(&self) -> usize {
        let full = self.0.len().saturating_sub(1).saturating_mul(BLOCK);
        full.saturating_add(self.0.last().map_or(0, Vec::len))
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&GrantState> {
        let (block, place) = split(slot)?;
        self.0.get(block)?.get(place)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut GrantState> {
        let (block, place) = split(slot)?;
        self.0.get_mut(block)?.get_mut(place)
    }

    pub(super) fn push(&mut self, grant: GrantState) {
        match self.0.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(grant),
            Some(_) | None => {
                let mut block = Vec::new();
                block.reserve_exact(BLOCK);
                block.push(grant);
                self.0.push(block);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &GrantState> {
        self.0.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut GrantState> {
        self.0.iter_mut().flatten()
    }
}

fn split(slot: Slot) -> Option<(usize, usize)> {
    let place = usize::try_from(slot.0).ok()?;
    Some((place / BLOCK, place % BLOCK))
}

impl Serialize for Slab {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for grant in self.iter() {
            list.serialize_element(grant)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Slab {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> serde::de::Visitor<'de> for List {
            type Value = Slab;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of grants")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Slab, A::Error> {
                let mut slab = Slab::default();
                while let Some(grant) = list.next_element()? {
                    slab.push(grant);
                }
                Ok(slab)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::cbor, grant::Grant, sample, time::UnixMs};
    use std::sync::Arc;

    #[test]
    fn a_place_is_its_number_on_both_sides_of_a_block_and_written_as_one_list() {
        let grant = Arc::new(Grant::parse(&sample::bytes(&sample::grant())).unwrap());
        let mut slab = Slab::default();
        let mut list = Vec::new();
        for epoch in 0..=(2 * BLOCK as u64) {
            assert_eq!(slab.len(), list.len());
            assert!(slab.get(Slot(u32::try_from(epoch).unwrap())).is_none());
            let mut state = GrantState::new(Arc::clone(&grant), UnixMs(0));
            state.epoch = epoch;
            slab.push(state.clone());
            list.push(state);
        }
        for (place, state) in list.iter().enumerate() {
            let slot = Slot(u32::try_from(place).unwrap());
            assert_eq!(slab.get(slot), Some(state));
            assert_eq!(
                slab.get_mut(slot).map(|state| state.epoch),
                Some(state.epoch)
            );
        }
        assert!(slab.iter().eq(&list));
        let bytes = cbor::encode(&slab).unwrap();
        assert_eq!(bytes, cbor::encode(&list).unwrap());
        let read: Slab = cbor::decode_many(&bytes, bytes.len(), u64::MAX).unwrap();
        assert_eq!(read, slab);
        for state in slab.iter_mut() {
            state.epoch += 1;
        }
        let epochs = slab.iter().map(|state| state.epoch);
        assert!(epochs.eq(1..=2 * BLOCK as u64 + 1));
    }

    #[test]
    fn what_is_no_list_is_said_to_be_none() {
        let refused = serde_json::from_str::<Slab>("7").unwrap_err().to_string();
        assert!(refused.contains("expected a list of grants"), "{refused}");
    }
}
