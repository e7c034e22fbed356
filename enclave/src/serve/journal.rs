//! The journal: builds entries, signs their checkpoints, stores them, and releases what waited.
//!
//! One entry is outstanding. It is sent byte for byte until storage says stored or conflict; an index is never skipped and
//! never built twice. Only this thread knows the right edge of the tree.

use super::{
    answer,
    hub::{Counters, Hub, Leaving, Waiting},
    link::Output,
    receipts,
};
use crate::core::{
    Batch, COMMIT_WAIT_US, Input as Step, Output as Out, Released, Standing, commit::Pace,
};
use crate::secret::RootKeys;
use claviger_shared::{
    call::{IssuedWithReceipt, Reply},
    codec::cbor,
    denial::{Code, Denial},
    id::{Digest, InstanceId},
    log::{
        checkpoint::Checkpoint,
        entry::{Leaf, VERSION},
        merkle::{self, Frontier, Tree},
        record::{self, Body, Record},
    },
    owner::manifest::Durability,
    time::UnixMs,
    wire::storage::{Appended, StoredEntry},
};
use std::{
    sync::{Arc, PoisonError, atomic::Ordering, mpsc::SyncSender},
    time::Duration,
};

/// How long refusals may wait to be recorded when nothing else is.
const TALLY_WAIT: Duration = Duration::from_secs(1);
/// Pause before a failed store is tried again, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// The tree's right edge and the log's signer.
#[derive(Debug)]
pub struct Journal {
    hub: Arc<Hub>,
    frontier: Frontier,
}

/// An entry that is being stored, and what its receipts are made of.
struct Building {
    stored: StoredEntry,
    tree: Tree,
    leaf_proof: Vec<Digest>,
    root: Digest,
    next: Frontier,
}

/// A command that was applied: who waits for it, and its receipt.
type Told = (SyncSender<Vec<u8>>, Vec<u8>);

/// Why the journal ended: nothing is released again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was stored and the instance was asked to close.
    Drained,
    /// Another history was found, or the platform failed: why.
    Fenced(&'static str),
}

impl Journal {
    /// A journal at the right edge of a replayed log.
    #[must_use]
    pub const fn new(hub: Arc<Hub>, frontier: Frontier) -> Self {
        Self { hub, frontier }
    }

    /// Runs until the instance is fenced or drained.
    pub fn run(mut self) -> End {
        loop {
            let batch = match self.wait() {
                Ok(batch) => batch,
                Err(end) => return end,
            };
            let Some(building) = self.build(batch) else {
                return self.fence("the platform failed");
            };
            let waits = self.hub.boot.durability == Durability::Durable;
            let mut told = Vec::new();
            if !waits {
                told = self.release(&building);
            }
            if !self.store(&building.stored) {
                return self.fence("storage holds another writer's entry");
            }
            self.frontier = building.next.clone();
            if waits {
                told = self.release(&building);
            }
            // What an owner is told of is stored, whatever agents wait for.
            for (done, receipt) in told {
                // The control thread may be gone with its connection; the command is applied all the same.
                let _ = done.try_send(receipt);
            }
        }
    }

    /// The next batch, when it is time.
    fn wait(&self) -> Result<Batch, End> {
        let mut core = self.hub.lock();
        loop {
            let wait = match core.pace(self.hub.is_arriving()) {
                Pace::Begin => Duration::ZERO,
                Pace::Soon => Duration::from_micros(COMMIT_WAIT_US),
                Pace::Wait => TALLY_WAIT,
            };
            let mut due = wait.is_zero();
            if !due {
                let (guard, late) = self
                    .hub
                    .wake
                    .wait_timeout(core, wait)
                    .unwrap_or_else(PoisonError::into_inner);
                core = guard;
                due = late.timed_out() && (core.pace(false) != Pace::Wait || core.has_tallies());
            }
            if due {
                let mut out = Vec::with_capacity(1);
                let now = core.now();
                core.step(now, Step::Begin, &mut out);
                if let Some(Out::Commit(batch)) = out.pop() {
                    return Ok(batch);
                }
            }
            if core.standing() == Standing::Fenced {
                return Err(self.fenced());
            }
            if core.standing() == Standing::Draining && core.in_flight() == 0 && !core.has_tallies()
            {
                return Err(End::Drained);
            }
        }
    }

    fn build(&self, batch: Batch) -> Option<Building> {
        let hub = &self.hub;
        let mut records = batch.records;
        let denied = batch.denied.into_iter().map(Body::Denied);
        let simulated = batch.simulated.into_iter().map(Body::Simulated);
        let warned = batch.warned.into_iter().map(Body::Warned);
        for body in denied.chain(simulated).chain(warned) {
            records.push(super::issue::encode(hub, &body)?);
        }
        let time = hub.time.now();
        let instance = hub.boot.instance;
        let hashes: Vec<Digest> = records.iter().map(|(_, hash)| *hash).collect();
        let tree = Tree::new(hashes);
        let count = u64::try_from(records.len()).ok()?;
        let index = self.frontier.size();
        if index != batch.index {
            return None;
        }
        let origin = hub.boot.log_origin.clone();
        let parent = self.frontier.root();
        let leaf = Leaf {
            v: VERSION,
            origin,
            instance,
            index,
            parent,
            time,
            count,
            records_root: tree.root(),
        };
        let records = records.into_iter().map(|(bytes, _)| bytes).collect();
        let (stored, next) = seal_entry(&hub.keys, &self.frontier, &leaf, records)?;
        let leaf_proof = self.frontier.next_leaf_proof();
        Some(Building {
            stored,
            tree,
            leaf_proof,
            root: next.root(),
            next,
        })
    }

    /// Sends the same bytes until storage knows; whether they are stored.
    fn store(&self, entry: &StoredEntry) -> bool {
        let mut pause = BACK_OFF.0;
        loop {
            match self.hub.storage.append(entry) {
                Ok(Appended::Stored) => return true,
                Ok(Appended::Conflict) => return false,
                Ok(Appended::Failed(_)) | Err(_) => {}
            }
            let now = self.hub.time.now();
            self.hub
                .lock()
                .step(now, Step::StoreFailed, &mut Vec::new());
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(BACK_OFF.1);
        }
    }

    /// Lets calls go; gives back the commands that may be answered once the entry is stored.
    fn release(&self, building: &Building) -> Vec<Told> {
        let hub = &self.hub;
        let mut out = Vec::new();
        let now = hub.time.now();
        let stored = {
            let mut core = hub.lock();
            core.step(
                now,
                Step::Stored {
                    root: building.root,
                },
                &mut out,
            );
            core.stored()
        };
        hub.counters.entries.fetch_add(1, Ordering::Relaxed);
        hub.counters.records.fetch_add(
            u64::try_from(building.stored.records.len()).unwrap_or(0),
            Ordering::Relaxed,
        );
        let mut outputs: Vec<Arc<Output>> = Vec::new();
        let mut told = Vec::new();
        for output in out {
            if let Out::Release(released) = output
                && let Some(written) = self.send(building, stored, released, &mut told)
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
        &self,
        building: &Building,
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
                told.push((done, self.receipt(building, place).unwrap_or_default()));
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
                let receipt = self.receipt(building, place);
                self.leave(*leaving, stored, receipt, withdrawn);
                Some(output)
            }
        }
    }

    /// Lets a credential go, or destroys it; the receipt of a call that may be repeated is kept either way.
    fn leave(
        &self,
        leaving: Leaving,
        stored: (u64, Digest),
        receipt: Option<Vec<u8>>,
        withdrawn: bool,
    ) {
        let hub = &self.hub;
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

    fn receipt(&self, building: &Building, place: usize) -> Option<Vec<u8>> {
        let Building {
            stored,
            tree,
            leaf_proof,
            ..
        } = building;
        receipts::make(self.hub.boot.terms(), stored, tree, leaf_proof, place)
    }

    fn fence(&self, reason: &'static str) -> End {
        self.hub.fence(reason);
        self.fenced()
    }

    /// The end of an instance that was stopped: the first reason counts.
    fn fenced(&self) -> End {
        End::Fenced(self.hub.fenced.get().copied().unwrap_or("stopped"))
    }
}

/// Hashes a leaf into the tree and signs the checkpoint that ends with it.
fn seal_entry(
    keys: &RootKeys,
    frontier: &Frontier,
    leaf: &Leaf,
    records: Vec<Vec<u8>>,
) -> Option<(StoredEntry, Frontier)> {
    let bytes = cbor::encode(leaf).ok()?;
    let mut next = frontier.clone();
    next.append(merkle::leaf_hash(&bytes));
    let checkpoint = Checkpoint {
        origin: leaf.origin.clone(),
        size: next.size(),
        root: next.root(),
    };
    let signature = keys.sign_checkpoint(&checkpoint).ok()?;
    let note = checkpoint.note(keys.log_key(), &signature);
    let records = records.into_iter().map(Into::into).collect();
    let stored = StoredEntry {
        index: leaf.index,
        leaf: bytes,
        records,
        checkpoint: note,
    };
    Some((stored, next))
}

/// Who writes an entry outside the serial core, and when.
#[derive(Debug)]
pub struct Head {
    /// The writing instance.
    pub instance: InstanceId,
    /// Its time.
    pub time: UnixMs,
}

/// An entry written before anything is served: Genesis, or a boot's first.
#[must_use]
pub fn head_entry(
    keys: &RootKeys,
    head: &Head,
    frontier: &Frontier,
    records: &[Record],
) -> Option<(StoredEntry, Frontier)> {
    let encoded = records.iter().map(|record| record.encode().ok());
    let encoded = encoded.collect::<Option<Vec<_>>>()?;
    let hashes: Vec<Digest> = encoded.iter().map(|bytes| record::hash(bytes)).collect();
    let leaf = Leaf {
        v: VERSION,
        origin: keys.log_key().name.clone(),
        instance: head.instance,
        index: frontier.size(),
        parent: frontier.root(),
        time: head.time,
        count: u64::try_from(encoded.len()).ok()?,
        records_root: merkle::root(&hashes),
    };
    seal_entry(keys, frontier, &leaf, encoded)
}
