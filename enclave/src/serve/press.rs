//! Who builds the next entry, and what follows when it is stored.
//!
//! One entry is outstanding. It is built and sent by whoever finds that it is time: the thread that finished the last call of it,
//! the one that read that its predecessor is stored, or the journal, which keeps the time. So nobody is woken to begin an entry
//! (decision 0033). It is sent byte for byte until storage says stored or conflict; an index is never skipped and never built
//! twice. What a record says, and whether it may be one, is not known here.

use super::{
    answer,
    entry::Entry,
    hub::{Counters, Hub, Leaving, Waiting},
    link::Output,
    storage::NoAnswer,
};
use crate::core::{
    Batch, COMMIT_WAIT_US, Core, Input as Step, Output as Out, Released, Standing, commit::Pace,
};
use claviger_shared::{
    call::{IssuedWithReceipt, Reply},
    denial::{Code, Denial},
    id::Digest,
    log::merkle::Frontier,
    owner::manifest::Durability,
    wire::storage::Appended,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

/// Pause before an entry that storage failed to store is sent again, at first.
pub const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// A command that was applied: who waits for it, and its receipt.
type Told = (SyncSender<Vec<u8>>, Vec<u8>);

/// The tree's right edge, and the entry that is being stored.
#[derive(Debug)]
pub struct Press {
    edge: Mutex<Edge>,
    /// Whether an entry was begun and is not stored. Set under the core's lock.
    busy: AtomicBool,
    /// Set where the journal must send the entry, after so long a pause. Nothing else is locked while this is.
    again: Mutex<Option<Duration>>,
    /// Since when the next entry waits for calls that are worked on, in monotonic microseconds; zero where it does not. Set
    /// under the core's lock.
    since: AtomicU64,
    /// Signatures under way that take longer than an entry should wait.
    slow: AtomicUsize,
}

#[derive(Debug)]
struct Edge {
    frontier: Frontier,
    entry: Option<Outstanding>,
}

#[derive(Debug)]
struct Outstanding {
    entry: Entry,
    /// Where calls did not wait for storage: the commands that do.
    told: Option<Vec<Told>>,
}

impl Press {
    /// At the right edge of a replayed log.
    #[must_use]
    pub fn new(frontier: Frontier) -> Self {
        Self {
            edge: Mutex::new(Edge {
                frontier,
                entry: None,
            }),
            busy: AtomicBool::new(false),
            again: Mutex::new(None),
            since: AtomicU64::new(0),
            slow: AtomicUsize::new(0),
        }
    }

    fn edge(&self) -> MutexGuard<'_, Edge> {
        self.edge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an entry is outstanding.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// When the next entry should be begun; not while one is outstanding.
    #[must_use]
    pub fn pace(&self, core: &Core<Waiting>, arriving: bool) -> Pace {
        if self.is_busy() {
            Pace::Wait
        } else {
            core.pace(arriving)
        }
    }

    /// Lets the core go, and begins the next entry if it is time.
    ///
    /// Each of the calls which are still worked on comes by here when it ends, and looks whether the entry has waited too long for
    /// the others. A signature takes microseconds; only beside one that takes longer does the journal have to keep the time.
    pub fn go_on(&self, hub: &Hub, mut core: MutexGuard<'_, Core<Waiting>>) {
        let pace = self.pace(&core, hub.is_arriving());
        let due = match pace {
            Pace::Begin => true,
            Pace::Soon => self.is_late(hub.time.monotonic_us()),
            Pace::Wait => false,
        };
        let batch = due.then(|| self.take(&mut core)).flatten();
        let timed = pace == Pace::Soon && self.slow.load(Ordering::Acquire) > 0;
        let ending = core.standing() == Standing::Draining;
        drop(core);
        if timed || ending {
            hub.wake.notify_one();
        }
        if let Some(batch) = batch {
            self.press(hub, batch);
        }
    }

    /// Whether the next entry has waited for calls long enough; the first look begins its time.
    fn is_late(&self, now_us: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        if since == 0 {
            self.since.store(now_us.max(1), Ordering::Relaxed);
        }
        since != 0 && now_us.saturating_sub(since) >= COMMIT_WAIT_US
    }

    /// Takes the next batch from the core, which then has to be pressed.
    pub fn take(&self, core: &mut Core<Waiting>) -> Option<Batch> {
        if self.is_busy() {
            return None;
        }
        let mut out = Vec::with_capacity(1);
        let now = core.now();
        core.step(now, Step::Begin, &mut out);
        match out.pop() {
            Some(Out::Commit(batch)) => {
                self.busy.store(true, Ordering::Release);
                self.since.store(0, Ordering::Relaxed);
                Some(batch)
            }
            Some(_) | None => None,
        }
    }

    /// Builds the entry of a batch and sends it.
    pub fn press(&self, hub: &Hub, batch: Batch) {
        let mut edge = self.edge();
        let Some(entry) = Entry::build(hub, &edge.frontier, batch) else {
            drop(edge);
            return hub.fence("the platform failed");
        };
        let waits = hub.boot.durability == Durability::Durable;
        let told = (!waits).then(|| release(hub, &entry));
        let sent = hub.storage.send(&entry.stored);
        edge.entry = Some(Outstanding { entry, told });
        drop(edge);
        if !sent {
            self.send_later(hub, Duration::ZERO);
        }
    }

    /// What storage says of the outstanding entry.
    pub fn answered(&self, hub: &Hub, answer: Result<Appended, NoAnswer>) {
        match answer {
            Ok(Appended::Stored) => self.stored(hub),
            Ok(Appended::Conflict) => hub.fence("storage holds another writer's entry"),
            Ok(Appended::Failed(_)) | Err(NoAnswer) => {
                stall(hub);
                self.send_later(hub, FIRST_PAUSE);
            }
        }
    }

    fn send_later(&self, hub: &Hub, pause: Duration) {
        // Under the core's lock, under which the journal looks, so that it does not fall asleep meanwhile.
        let core = hub.lock();
        *self.again.lock().unwrap_or_else(PoisonError::into_inner) = Some(pause);
        drop(core);
        hub.wake.notify_one();
    }

    /// Whether the outstanding entry has to be sent again, and after which pause; told once.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.take()
    }

    /// Sends the outstanding entry and waits for what storage says; nothing when none is outstanding.
    #[must_use]
    pub fn append(&self, hub: &Hub) -> Option<Result<Appended, NoAnswer>> {
        let edge = self.edge();
        let outstanding = edge.entry.as_ref()?;
        Some(hub.storage.append(&outstanding.entry.stored))
    }

    /// The outstanding entry is stored: what waited for it goes, and the next one may begin.
    fn stored(&self, hub: &Hub) {
        let outstanding = {
            let mut edge = self.edge();
            let Some(outstanding) = edge.entry.take() else {
                return;
            };
            edge.frontier = outstanding.entry.next.clone();
            outstanding
        };
        let Outstanding { entry, told } = outstanding;
        // What an owner is told of is stored, whatever agents wait for.
        for (done, receipt) in told.unwrap_or_else(|| release(hub, &entry)) {
            // The control thread may be gone with its connection; the command is applied all the same.
            let _ = done.try_send(receipt);
        }
        self.busy.store(false, Ordering::Release);
        self.go_on(hub, hub.lock());
    }

    /// A signature begins that takes longer than an entry should wait for it; the journal keeps the time until it ends.
    pub fn slow<'a>(&'a self, hub: &Hub) -> Slow<'a> {
        let core = hub.lock();
        self.slow.fetch_add(1, Ordering::AcqRel);
        drop(core);
        hub.wake.notify_one();
        Slow(self)
    }
}

/// A slow signature is under way.
#[derive(Debug)]
pub struct Slow<'a>(&'a Press);

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.0.slow.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Storage failed: nothing new is reserved until it stores again.
pub fn stall(hub: &Hub) {
    let now = hub.time.now();
    hub.lock().step(now, Step::StoreFailed, &mut Vec::new());
}

/// Lets calls go; gives back the commands that may be answered once the entry is stored.
fn release(hub: &Hub, entry: &Entry) -> Vec<Told> {
    let mut out = Vec::new();
    let now = hub.time.now();
    let stored = {
        let mut core = hub.lock();
        core.step(now, Step::Stored { root: entry.root }, &mut out);
        core.stored()
    };
    hub.counters.entries.fetch_add(1, Ordering::Relaxed);
    hub.counters.records.fetch_add(
        u64::try_from(entry.stored.records.len()).unwrap_or(0),
        Ordering::Relaxed,
    );
    let mut outputs: Vec<Arc<Output>> = Vec::new();
    let mut told = Vec::new();
    for output in out {
        if let Out::Release(released) = output
            && let Some(written) = send(hub, entry, stored, released, &mut told)
            && !outputs.iter().any(|known| Arc::ptr_eq(known, &written))
        {
            outputs.push(written);
        }
    }
    for output in outputs {
        output.flush();
    }
    told
}

/// Sends what waited; says on which connection. Commands are told later, with their receipts.
fn send(
    hub: &Hub,
    entry: &Entry,
    stored: (u64, Digest),
    released: Released<Waiting>,
    told: &mut Vec<Told>,
) -> Option<Arc<Output>> {
    let Released {
        place,
        record: _,
        waiting,
        withdrawn,
    } = released;
    match waiting {
        Waiting::Command(done) => {
            told.push((done, entry.receipt(hub, place).unwrap_or_default()));
            None
        }
        Waiting::Reply(waiting) => {
            let (to, reply) = *waiting;
            let output = Arc::clone(&to.output);
            to.send(answer::text(stored, reply));
            Some(output)
        }
        Waiting::Credential(leaving) => {
            let output = Arc::clone(&leaving.to.output);
            let receipt = entry.receipt(hub, place);
            leave(hub, *leaving, stored, receipt, withdrawn);
            Some(output)
        }
    }
}

/// Lets a credential go, or destroys it; the receipt of a call that may be repeated is kept either way.
fn leave(
    hub: &Hub,
    leaving: Leaving,
    stored: (u64, Digest),
    receipt: Option<Vec<u8>>,
    withdrawn: bool,
) {
    let Leaving { to, issued, once } = leaving;
    if let (Some(once), Some(receipt)) = (once, &receipt) {
        hub.receipts.keep(once, receipt.clone(), hub.time.now());
    }
    let reply = match receipt.filter(|_| !withdrawn) {
        Some(receipt) => {
            Counters::add(&hub.counters.issued, 1);
            Reply::Issued(Box::new(IssuedWithReceipt { issued, receipt }))
        }
        None => {
            Counters::add(&hub.counters.withdrawn, 1);
            Reply::Denied(Denial {
                sandbox: issued.sandbox,
                ..Denial::new(Code::Withdrawn)
            })
        }
    };
    to.send(answer::text(stored, reply));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_waits_three_hundred_microseconds_for_calls_that_are_worked_on() {
        let press = Press::new(Frontier::default());
        assert!(!press.is_late(0), "the first look begins its time");
        assert!(!press.is_late(300), "which is never zero");
        assert!(press.is_late(301) && press.is_late(900));
    }
}
