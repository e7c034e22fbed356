//! The life of one enclave process: which phase it is in, and who is told when that changes.
//!
//! A phase's data exist in that phase alone. What a step consumes is gone if it fails, and the process then ends: a restart
//! is how an enclave tries again. This module decides no call.

use super::{
    attestor::Attestor,
    handshake,
    hub::Hub,
    journal::{End, Journal},
    link::Output,
    storage::Storage,
};
use crate::boot::{
    Error, Platform, attest, genesis,
    measure::Measured,
    start::{self, Started},
    unseal::{Asking, Unsealed},
};
use claviger_shared::{
    codec::cbor,
    id::InstanceId,
    owner::manifest::chain::Chain,
    wire::{
        FrameType, Phase, Welcome,
        control::{Born, PhaseEvent, Signed, Unseal},
    },
};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Pause between two readings of the NSM's time.
const REREAD: Duration = Duration::from_millis(super::time::REREAD_MS);
/// Stack of the serving threads.
pub const STACK: usize = 1024 * 1024;

/// The data of a phase.
enum Stage {
    Booted,
    Measured(Box<Measured>, Asking),
    Unsealed(Box<Unsealed>),
    Replaying,
    Serving(Serving),
    Ended(Phase, String),
}

/// What call connections and the control connection work with.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Shared by the serving threads.
    pub hub: Arc<Hub>,
    /// Where handshakes go.
    pub handshakes: handshake::Queue,
    /// Documents for clients.
    pub attestor: Arc<Attestor>,
}

/// One process.
pub struct Life {
    platform: Platform,
    /// Named before the log knows it; the Boot record has an id of its own.
    process: InstanceId,
    storage: Arc<Storage>,
    stage: Mutex<Stage>,
    changed: Condvar,
    control: Mutex<Option<Arc<Output>>>,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Life")
    }
}

impl Life {
    /// A process that has just begun.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`] without entropy.
    pub fn new(platform: Platform) -> Result<Self, Error> {
        let mut id = [0; 16];
        platform
            .entropy
            .fill(&mut id)
            .map_err(|_| Error::Platform("entropy"))?;
        Ok(Self {
            platform,
            process: InstanceId(id),
            storage: Arc::default(),
            stage: Mutex::new(Stage::Booted),
            changed: Condvar::new(),
            control: Mutex::new(None),
        })
    }

    /// The storage connection's place.
    #[must_use]
    pub const fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a host is told first on a connection.
    #[must_use]
    pub fn welcome(&self, window: u32) -> Welcome {
        let (phase, hub) = match &*self.stage() {
            Stage::Booted => (Phase::Booted, None),
            Stage::Measured(..) => (Phase::Measured, None),
            Stage::Unsealed(_) => (Phase::Unsealed, None),
            Stage::Replaying => (Phase::Replaying, None),
            Stage::Serving(serving) => (Phase::Serving, Some(Arc::clone(&serving.hub))),
            Stage::Ended(phase, _) => (*phase, None),
        };
        let core = hub.as_ref().map(|hub| hub.lock());
        Welcome {
            version: claviger_shared::wire::VERSION,
            phase,
            instance: hub.as_ref().map_or(self.process, |hub| hub.boot.instance),
            window,
            committed: core.as_ref().map_or(0, |core| core.stored().0),
            pending: core.as_ref().and_then(|core| core.pending()),
        }
    }

    /// What serving needs; nothing in any other phase.
    #[must_use]
    pub fn serving(&self) -> Option<Serving> {
        match &*self.stage() {
            Stage::Serving(serving) => Some(serving.clone()),
            Stage::Booted
            | Stage::Measured(..)
            | Stage::Unsealed(_)
            | Stage::Replaying
            | Stage::Ended(..) => None,
        }
    }

    /// A new control connection; the old one is told nothing more.
    pub fn attend(&self, output: Arc<Output>) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
    }

    fn announce(&self, event: &PhaseEvent) {
        let control = self
            .control
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(output) = control {
            output.push(
                FrameType::Phase.code(),
                0,
                &cbor::encode(event).unwrap_or_default(),
            );
            output.flush();
        }
    }

    /// Booted to Measured.
    ///
    /// # Errors
    ///
    /// An [`Error`]; after a register was touched no second try succeeds.
    pub fn measure(&self, links: &[Signed]) -> Result<claviger_shared::id::Pcr, Error> {
        let mut stage = self.stage();
        let Stage::Booted = *stage else {
            return Err(Error::Phase("already measured"));
        };
        let measured = Measured::measure(&self.platform, links)?;
        let pcr16 = measured.pcr16();
        *stage = Stage::Measured(Box::new(measured), Asking::default());
        Ok(pcr16)
    }

    /// A document for KMS.
    ///
    /// # Errors
    ///
    /// An [`Error`].
    pub fn attest_kms(&self) -> Result<Vec<u8>, Error> {
        match &mut *self.stage() {
            Stage::Measured(measured, asking) => asking.document(measured),
            Stage::Booted
            | Stage::Unsealed(_)
            | Stage::Replaying
            | Stage::Serving(_)
            | Stage::Ended(..) => Err(Error::Phase("measured")),
        }
    }

    /// Measured to Unsealed: the log's origin, its verifier key and the newest generation.
    ///
    /// # Errors
    ///
    /// An [`Error`]; the boot stays measured and may ask KMS again.
    pub fn unseal(&self, request: &Unseal) -> Result<(String, String, u64), Error> {
        let mut stage = self.stage();
        let Stage::Measured(measured, asking) = &mut *stage else {
            return Err(Error::Phase("measured"));
        };
        let keys = asking.unseal(measured, request)?;
        let Stage::Measured(measured, _) = std::mem::replace(&mut *stage, Stage::Booted) else {
            return Err(Error::Phase("measured"));
        };
        let generation = newest(measured.chain());
        let unsealed = Unsealed::new(*measured, keys);
        let told = (
            unsealed.measured().log_origin(),
            unsealed.vkey(),
            generation,
        );
        *stage = Stage::Unsealed(Box::new(unsealed));
        Ok(told)
    }

    /// Measured to the end: the root is born.
    ///
    /// # Errors
    ///
    /// An [`Error`]; the process ends all the same, except where genesis is not allowed at all.
    pub fn genesis(&self, nonce: &[u8]) -> Result<Born, Error> {
        let measured = {
            let mut stage = self.stage();
            let allowed = matches!(&*stage, Stage::Measured(measured, _) if measured.chain().newest().running.is_none());
            if !allowed {
                return Err(Error::Phase("genesis needs g0 alone, measured"));
            }
            let Stage::Measured(measured, _) = std::mem::replace(&mut *stage, Stage::Replaying)
            else {
                return Err(Error::Phase("genesis needs g0 alone, measured"));
            };
            measured
        };
        genesis::genesis(*measured, &self.storage, nonce)
    }

    /// Unsealed to Replaying; the rest goes on by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`].
    pub fn resume(self: &Arc<Self>) -> Result<(), Error> {
        let unsealed = {
            let mut stage = self.stage();
            if !matches!(*stage, Stage::Unsealed(_)) {
                return Err(Error::Phase("unsealed"));
            }
            let Stage::Unsealed(unsealed) = std::mem::replace(&mut *stage, Stage::Replaying) else {
                return Err(Error::Phase("unsealed"));
            };
            unsealed
        };
        let life = Arc::clone(self);
        spawn("replay", move || {
            match start::start(*unsealed, &life.storage) {
                Ok(started) => life.serve(started),
                Err(error) => life.end(Phase::Stopped, &error.to_string()),
            }
        })
    }

    fn serve(self: &Arc<Self>, started: Started) {
        let Started { hub } = started;
        let (queue, worker) = handshake::queue();
        let attestor = Arc::new(Attestor::new(Arc::clone(&hub)));
        let (size, _) = hub.lock().stored();
        let boot_index = hub.boot.boot_index;
        let journal = Journal::new(Arc::clone(&hub));
        let serving = Serving {
            hub: Arc::clone(&hub),
            handshakes: queue,
            attestor,
        };
        let mut threads = vec![self.spawn_journal(journal), self.spawn_clock(&hub)];
        threads.push(spawn("handshake", move || worker.run(&hub)));
        if threads.into_iter().any(|spawned| spawned.is_err()) {
            return self.end(Phase::Stopped, "no thread");
        }
        {
            let mut stage = self.stage();
            if matches!(*stage, Stage::Ended(..)) {
                return serving.hub.fence("the process ends");
            }
            *stage = Stage::Serving(serving);
        }
        self.announce(&PhaseEvent {
            phase: Phase::Serving,
            size,
            boot_index: Some(boot_index),
            reason: None,
        });
    }

    fn spawn_journal(self: &Arc<Self>, journal: Journal) -> Result<(), Error> {
        let life = Arc::clone(self);
        spawn("journal", move || match journal.run() {
            End::Drained => life.end(Phase::Stopped, "drained"),
            End::Fenced(reason) => life.end(Phase::Fenced, reason),
        })
    }

    /// Re-reads the NSM's time until the process ends.
    fn spawn_clock(self: &Arc<Self>, hub: &Arc<Hub>) -> Result<(), Error> {
        let (life, hub) = (Arc::clone(self), Arc::clone(hub));
        spawn("clock", move || {
            while !life.ends_within(REREAD) {
                // A failed reading leaves the last one and the monotonic clock.
                if let Ok(now) = attest::time(hub.nsm.as_ref()) {
                    hub.time.reread(now);
                }
            }
        })
    }

    /// The end: nothing is signed again by this process, and its threads go.
    pub fn end(&self, phase: Phase, reason: &str) {
        let hub = self.serving().map(|serving| serving.hub);
        let size = hub.as_ref().map_or(0, |hub| hub.lock().stored().0);
        {
            let mut stage = self.stage();
            if matches!(*stage, Stage::Ended(..)) {
                return;
            }
            *stage = Stage::Ended(phase, reason.to_owned());
        }
        if let Some(hub) = hub {
            hub.fence("the process ends");
        }
        self.announce(&PhaseEvent {
            phase,
            size,
            boot_index: None,
            reason: Some(reason.to_owned()),
        });
        self.changed.notify_all();
    }

    /// Waits for the end, at most so long; whether it came.
    fn ends_within(&self, most: Duration) -> bool {
        let lives = |stage: &mut Stage| !matches!(stage, Stage::Ended(..));
        let waited = self
            .changed
            .wait_timeout_while(self.stage(), most, lives)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    /// Waits for the end and says why it came.
    #[must_use]
    pub fn wait(&self) -> (Phase, String) {
        let mut stage = self.stage();
        loop {
            if let Stage::Ended(phase, reason) = &*stage {
                return (*phase, reason.clone());
            }
            stage = self
                .changed
                .wait(stage)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn newest(chain: &Chain) -> u64 {
    chain.newest().generation
}

/// Starts a named thread.
///
/// # Errors
///
/// [`Error::Platform`].
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let builder = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK);
    builder
        .spawn(run)
        .map(drop)
        .map_err(|_| Error::Platform("threads"))
}
