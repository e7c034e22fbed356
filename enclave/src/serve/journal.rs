//! The journal's thread: keeps the time of entries, and sends again what storage did not store.
//!
//! Most entries are begun by other threads ([`super::press`]). This one begins those that only time calls for, watches that
//! storage answers, and ends when the instance does. What an entry holds it does not look at.

use super::{hub::Hub, link::STALL, press};
use crate::core::{Batch, COMMIT_WAIT_US, Core, Standing, commit::Pace};
use crate::serve::hub::Waiting;
use claviger_shared::wire::storage::Appended;
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

/// How long refusals may wait to be recorded when nothing else is.
const TALLY_WAIT: Duration = Duration::from_secs(1);
/// Longest pause before a failed store is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The thread that keeps the time.
#[derive(Debug)]
pub struct Journal {
    hub: Arc<Hub>,
    watch: Watch,
}

/// How long the entry that storage owes an answer to has been owed.
#[derive(Debug, Default)]
struct Watch {
    /// The entry that was seen last, and when it was seen first, in monotonic milliseconds.
    seen: Option<(u64, u64)>,
}

/// Why the journal ended: nothing is released again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was stored and the instance was asked to close.
    Drained,
    /// Another history was found, or the platform failed: why.
    Fenced(&'static str),
}

/// What there is to do.
enum Next {
    Begin(Batch),
    SendAgain(Duration),
    End(End),
}

impl Journal {
    /// The journal of an instance that is about to serve: it takes what storage says of entries.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let weak = Arc::downgrade(&hub);
        hub.storage.keep(Box::new(move |answer| {
            if let Some(hub) = weak.upgrade() {
                hub.press.answered(&hub, answer);
            }
        }));
        Self {
            hub,
            watch: Watch::default(),
        }
    }

    /// Runs until the instance is fenced or drained.
    pub fn run(mut self) -> End {
        loop {
            match self.wait() {
                Next::Begin(batch) => self.hub.press.press(&self.hub, batch),
                Next::SendAgain(pause) => self.send_again(pause),
                Next::End(end) => return end,
            }
        }
    }

    /// What there is to do, when there is something.
    fn wait(&mut self) -> Next {
        let hub = Arc::clone(&self.hub);
        let mut core = hub.lock();
        let mut late = false;
        loop {
            if let Some(next) = self.next(&mut core, late) {
                return next;
            }
            let wait = match hub.press.pace(&core, hub.is_arriving()) {
                Pace::Begin => continue,
                Pace::Soon => Duration::from_micros(COMMIT_WAIT_US),
                Pace::Wait => TALLY_WAIT,
            };
            let waited = hub.wake.wait_timeout(core, wait);
            let (guard, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            (core, late) = (guard, timed_out.timed_out());
            self.watch();
        }
    }

    /// What is to be done now; `late` says that this thread has waited as long as it would.
    fn next(&self, core: &mut Core<Waiting>, late: bool) -> Option<Next> {
        let press = &self.hub.press;
        if core.standing() == Standing::Fenced {
            let reason = self.hub.fenced.get().copied().unwrap_or("stopped");
            return Some(Next::End(End::Fenced(reason)));
        }
        if let Some(pause) = press.again() {
            return Some(Next::SendAgain(pause));
        }
        let due = match press.pace(core, self.hub.is_arriving()) {
            Pace::Begin => true,
            Pace::Soon => late,
            Pace::Wait => late && core.has_tallies(),
        };
        if let Some(batch) = due.then(|| press.take(core)).flatten() {
            return Some(Next::Begin(batch));
        }
        let drained = core.standing() == Standing::Draining
            && core.in_flight() == 0
            && !core.has_tallies()
            && !press.is_busy();
        drained.then_some(Next::End(End::Drained))
    }

    /// Ends a connection that owes the answer to an entry for too long.
    fn watch(&mut self) {
        let now = self.hub.time.monotonic_ms();
        if let Some(late) = self.watch.late(self.hub.storage.unanswered(), now) {
            self.hub.storage.give_up(late);
        }
    }

    /// Sends the same bytes until storage knows them, or the instance is fenced.
    fn send_again(&self, pause: Duration) {
        let hub = &self.hub;
        let mut pause = pause;
        while hub.lock().standing() != Standing::Fenced {
            std::thread::sleep(pause);
            match hub.press.append(hub) {
                Some(Ok(answer @ (Appended::Stored | Appended::Conflict))) => {
                    return hub.press.answered(hub, Ok(answer));
                }
                Some(Ok(Appended::Failed(_)) | Err(_)) => press::stall(hub),
                None => return,
            }
            let longer = pause.saturating_mul(2).min(LONGEST_PAUSE);
            pause = longer.max(press::FIRST_PAUSE);
        }
    }
}

impl Watch {
    /// The entry that is owed now, where it has been for [`STALL`].
    fn late(&mut self, owed: Option<u64>, now_ms: u64) -> Option<u64> {
        let stall = u64::try_from(STALL.as_millis()).unwrap_or(u64::MAX);
        self.seen = owed.map(|id| match self.seen {
            Some((seen, since)) if seen == id => (id, since),
            Some(_) | None => (id, now_ms),
        });
        let (id, since) = self.seen?;
        (now_ms.saturating_sub(since) >= stall).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_given_up_after_ten_seconds_without_an_answer() {
        let mut watch = Watch::default();
        assert_eq!(watch.late(None, 0), None, "nothing is owed");
        assert_eq!(watch.late(Some(7), 5_000), None, "it was just sent");
        assert_eq!(watch.late(Some(7), 14_999), None);
        assert_eq!(watch.late(Some(7), 15_000), Some(7));
    }

    #[test]
    fn an_answer_in_between_begins_the_time_again() {
        let mut watch = Watch::default();
        assert_eq!(watch.late(Some(7), 0), None);
        assert_eq!(watch.late(Some(8), 9_000), None, "another entry");
        assert_eq!(watch.late(None, 11_000), None);
        assert_eq!(watch.late(Some(9), 18_000), None, "seen first just now");
        assert_eq!(watch.late(Some(9), 28_000), Some(9));
    }
}
