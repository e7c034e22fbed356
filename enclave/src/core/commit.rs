//! When an entry is begun and what goes into it: one entry outstanding, paced.
//!
//! Beginning whenever storage is idle would shrink entries to a few records each. An entry begins when nobody is still
//! working on a call, when enough records wait, or when the oldest has waited long enough; the last is the caller's timer.

use super::{Batch, COMMIT_RECORDS, Core, Output, Standing};
use claviger_shared::{
    log::record::Simulated,
    wire::storage::{MAX_RECORD_BYTES, MAX_RECORDS},
};
use std::collections::BTreeMap;

/// Refusals, simulations and warnings told in one entry at most; the rest wait for the next.
const MAX_TALLIES: usize = 768;
/// Room that each of them is given, in bytes: two names, a code or a window, and three numbers.
const TALLY_BYTES: usize = 384;

/// Whether an entry should be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Now.
    Begin,
    /// When the oldest record has waited [`super::COMMIT_WAIT_US`].
    Soon,
    /// When the last entry is stored, or when there is something to store.
    Wait,
}

impl<W> Core<W> {
    /// Whether an entry should be begun; `arriving` says that frames are here which nobody works on yet.
    #[must_use]
    pub fn pace(&self, arriving: bool) -> Pace {
        let idle = self.working == 0 && !arriving;
        if self.storing.is_some() || self.building.is_empty() || self.standing == Standing::Fenced {
            Pace::Wait
        } else if idle || self.building.len() >= COMMIT_RECORDS {
            Pace::Begin
        } else {
            Pace::Soon
        }
    }

    /// Whether refusals, simulations or warnings wait to be recorded.
    #[must_use]
    pub fn has_tallies(&self) -> bool {
        !self.denials.is_empty() || !self.simulated.is_empty() || !self.warned.is_empty()
    }

    pub(super) fn begin(&mut self, out: &mut Vec<Output<W>>) {
        let idle = self.storing.is_none() && self.standing != Standing::Fenced;
        if !idle || (self.building.is_empty() && !self.has_tallies()) {
            return;
        }
        let waiting = [self.denials.len(), self.simulated.len(), self.warned.len()];
        let waiting = waiting.into_iter().fold(0, usize::saturating_add);
        let notes = self.take_notes(MAX_RECORDS.saturating_sub(waiting.min(MAX_TALLIES)));
        let room = tally_room(&notes);
        let denied = take_first(&mut self.denials, room);
        let denied: Vec<_> = denied.into_values().collect();
        let room = room.saturating_sub(denied.len());
        let simulated = self.take_simulated(room);
        let room = room.saturating_sub(simulated.len());
        let warned: Vec<_> = take_first(&mut self.warned, room).into_values().collect();
        for _ in denied
            .iter()
            .map(drop)
            .chain(simulated.iter().map(drop))
            .chain(warned.iter().map(drop))
        {
            self.state.count_record();
        }
        let records = notes
            .iter()
            .map(|note| (note.record.clone(), note.hash))
            .collect();
        self.storing = Some(notes);
        out.push(Output::Commit(Batch {
            index: self.size,
            records,
            denied,
            simulated,
            warned,
        }));
    }

    fn take_notes(&mut self, max: usize) -> Vec<super::Note<W>> {
        let room = MAX_RECORD_BYTES.saturating_sub(MAX_TALLIES.saturating_mul(TALLY_BYTES));
        let mut bytes = 0_usize;
        let fits = self.building.iter().take(max).take_while(|note| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(note.record.len());
            first || bytes <= room
        });
        let count = fits.count();
        let rest = self.building.split_off(count.min(self.building.len()));
        std::mem::replace(&mut self.building, rest)
    }

    fn take_simulated(&mut self, max: usize) -> Vec<Simulated> {
        let taken = take_first(&mut self.simulated, max);
        let named = taken
            .into_iter()
            .filter_map(|(slot, (count, first, last))| {
                let grant = self.state.grant(slot)?.grant.id.clone();
                Some(Simulated {
                    grant,
                    count,
                    first,
                    last,
                })
            });
        named.collect()
    }
}

/// How many tallies fit behind these notes, so that a reader takes the entry.
fn tally_room<W>(notes: &[super::Note<W>]) -> usize {
    let bytes = notes
        .iter()
        .fold(0_usize, |sum, note| sum.saturating_add(note.record.len()));
    let by_bytes = MAX_RECORD_BYTES
        .saturating_sub(bytes)
        .checked_div(TALLY_BYTES)
        .unwrap_or(0);
    let by_count = MAX_RECORDS.saturating_sub(notes.len());
    by_bytes.min(by_count).min(MAX_TALLIES)
}

/// Takes the first entries of a map, at most so many.
fn take_first<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, max: usize) -> BTreeMap<K, V> {
    match map.keys().nth(max).copied() {
        Some(next) => {
            let rest = map.split_off(&next);
            std::mem::replace(map, rest)
        }
        None => std::mem::take(map),
    }
}
