//! When an entry is begun and what goes into it: one entry outstanding, paced.
//!
//! Beginning whenever storage is idle would shrink entries to a few records each. An entry begins when nobody is still
//! working on a call, when enough records wait, or when the oldest has waited long enough; the last is the caller's timer.

use super::{Batch, COMMIT_RECORDS, Core, Output, Standing};
use claviger_shared::{
    log::record::Simulated,
    wire::storage::{MAX_RECORD_BYTES, MAX_RECORDS},
};

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
    /// Whether an entry should be begun.
    #[must_use]
    pub fn pace(&self) -> Pace {
        if self.storing.is_some() || self.building.is_empty() || self.standing == Standing::Fenced {
            Pace::Wait
        } else if self.working == 0 || self.building.len() >= COMMIT_RECORDS {
            Pace::Begin
        } else {
            Pace::Soon
        }
    }

    /// Whether refusals or simulations wait to be recorded.
    #[must_use]
    pub fn has_tallies(&self) -> bool {
        !self.denials.is_empty() || !self.simulated.is_empty()
    }

    pub(super) fn begin(&mut self, out: &mut Vec<Output<W>>) {
        let idle = self.storing.is_none() && self.standing != Standing::Fenced;
        if !idle || (self.building.is_empty() && !self.has_tallies()) {
            return;
        }
        let denied: Vec<_> = std::mem::take(&mut self.denials).into_values().collect();
        let simulated = self.take_simulated();
        let tallies = denied.len().saturating_add(simulated.len());
        let notes = self.take_notes(MAX_RECORDS.saturating_sub(tallies));
        for _ in 0..tallies {
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
        }));
    }

    fn take_notes(&mut self, max: usize) -> Vec<super::Note<W>> {
        // Tallies of one entry are small: 256 KiB are theirs.
        let room = MAX_RECORD_BYTES.saturating_sub(256 * 1024);
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

    fn take_simulated(&mut self) -> Vec<Simulated> {
        let taken = std::mem::take(&mut self.simulated);
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
