//! What the serving threads share, once an instance serves.

use super::{
    link::Output,
    nonces::Nonces,
    press::Press,
    receipts::{Once, Receipts, Terms},
    storage::Storage,
    time::Time,
};
use crate::{
    boot::Platform,
    channel::{Channel, agents::Agents, key::ChannelKey, table::Table},
    core::{Core, Input},
    platform::{Entropy, Nsm},
    secret::RootKeys,
    vault::Vault,
};
use claviger_shared::{
    credential::Issued,
    id::{Digest, InstanceId, X25519Public},
    log::merkle::Frontier,
    owner::manifest::Durability,
    wire::FrameType,
    wire::call::Answer as AnswerFrame,
};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Where one sealed answer goes.
#[derive(Debug)]
pub struct Address {
    /// The connection it came on.
    pub output: Arc<Output>,
    /// The frame's id there.
    pub id: u64,
    /// The channel it is sealed for.
    pub channel: Arc<Channel>,
    /// The frame's number in the channel.
    pub seq: u64,
}

impl Address {
    /// Seals an answer and adds it to the connection's output; the caller flushes.
    pub fn send(self, text: Vec<u8>) {
        self.channel.leave();
        let Some(sealed) = self.channel.seal(self.seq, text) else {
            return;
        };
        let frame = AnswerFrame {
            seq: self.seq,
            sealed: &sealed,
        };
        let parts = [&frame.head()[..], frame.sealed];
        self.output
            .push_parts(FrameType::Call.reply(), self.id, parts);
    }
}

/// What waits for its entry to be stored.
#[derive(Debug)]
pub enum Waiting {
    /// A command's result, sent to the control thread.
    Command(std::sync::mpsc::SyncSender<Vec<u8>>),
    /// A credential.
    Credential(Box<Leaving>),
    /// Any other sealed answer.
    Reply(Box<(Address, claviger_shared::call::Reply)>),
}

/// A credential and where it goes.
#[derive(Debug)]
pub struct Leaving {
    /// Where it goes.
    pub to: Address,
    /// The credential and what it cost.
    pub issued: Issued,
    /// Which idempotency key stands for it.
    pub once: Option<Once>,
}

/// Counters of this boot, without names.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls signed.
    pub issued: AtomicU64,
    /// Calls denied.
    pub denied: AtomicU64,
    /// Credentials destroyed before release.
    pub withdrawn: AtomicU64,
    /// Entries stored.
    pub entries: AtomicU64,
    /// Records stored.
    pub records: AtomicU64,
    /// Channels opened.
    pub channels: AtomicU64,
}

impl Counters {
    /// Adds one.
    pub fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// All of them in a fixed order.
    #[must_use]
    pub fn list(&self) -> Vec<(String, u64)> {
        let Self {
            issued,
            denied,
            withdrawn,
            entries,
            records,
            channels,
        } = self;
        let all = [
            ("calls_issued", issued),
            ("calls_denied", denied),
            ("calls_withdrawn", withdrawn),
            ("entries_stored", entries),
            ("records_stored", records),
            ("channels_opened", channels),
        ];
        all.into_iter()
            .map(|(name, value)| (name.to_owned(), value.load(Ordering::Relaxed)))
            .collect()
    }
}

/// Everything the serving threads share.
pub struct Hub {
    /// The core, behind the one lock.
    pub core: Mutex<Core<Waiting>>,
    /// The log's right edge.
    pub press: Press,
    /// Wakes the journal.
    pub wake: Condvar,
    /// Signing keys.
    pub vault: Vault,
    /// Keys that follow from the root.
    pub keys: RootKeys,
    /// Agent channels.
    pub channels: Table,
    /// What each agent may cost.
    pub agents: Agents,
    /// Receipts of calls that may be repeated.
    pub receipts: Receipts,
    /// Trusted time.
    pub time: Time,
    /// Random bytes for keys.
    pub entropy: Arc<dyn Entropy>,
    /// Random bytes for everything else.
    pub nonces: Nonces,
    /// The security module.
    pub nsm: Arc<dyn Nsm>,
    /// The log's store.
    pub storage: Arc<Storage>,
    /// This boot.
    pub boot: BootFacts,
    /// This boot's channel key.
    pub channel_key: ChannelKey,
    /// Call connections on which more frames are here than are worked on.
    pub arriving: AtomicUsize,
    /// Counters.
    pub counters: Counters,
    /// Why the instance was stopped, once it was.
    pub fenced: OnceLock<&'static str>,
}

/// What is fixed for the life of an instance.
#[derive(Debug)]
pub struct BootFacts {
    /// This instance.
    pub instance: InstanceId,
    /// The deployment's name.
    pub origin: String,
    /// The log's name.
    pub log_origin: String,
    /// Hash that names this boot.
    pub boot_hash: Digest,
    /// Digest of the newest manifest.
    pub manifest: Digest,
    /// Index of the Boot entry.
    pub boot_index: u64,
    /// This boot's public channel key.
    pub channel_public: X25519Public,
    /// Whether answers wait for storage.
    pub durability: Durability,
    /// Whether the attestation root is not AWS's.
    pub simulation: bool,
    /// Whether grants of the live environment are served.
    pub serves_live: bool,
}

impl BootFacts {
    /// What receipts say of this instance.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms {
            durability: self.durability,
            simulation: self.simulation,
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

/// What a hub is made of.
#[derive(Debug)]
pub struct Parts {
    /// The core.
    pub core: Core<Waiting>,
    /// The log's right edge.
    pub frontier: Frontier,
    /// Signing keys.
    pub vault: Vault,
    /// Keys that follow from the root.
    pub keys: RootKeys,
    /// Trusted time.
    pub time: Time,
    /// What the enclave runs on.
    pub platform: Platform,
    /// The log's store.
    pub storage: Arc<Storage>,
    /// This boot.
    pub boot: BootFacts,
    /// This boot's channel key.
    pub channel_key: ChannelKey,
    /// Receipts of calls that may be repeated, made again from the log.
    pub receipts: Receipts,
    /// This boot's generator of nonces and salts.
    pub nonces: Nonces,
}

impl Hub {
    /// A hub of an instance that is about to serve.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            core,
            frontier,
            vault,
            keys,
            time,
            platform,
            storage,
            boot,
            channel_key,
            receipts,
            nonces,
        } = parts;
        let Platform {
            nsm,
            clock: _,
            entropy,
            version: _,
        } = platform;
        Self {
            core: Mutex::new(core),
            press: Press::new(frontier),
            wake: Condvar::new(),
            vault,
            keys,
            channels: Table::default(),
            agents: Agents::default(),
            receipts,
            time,
            entropy,
            nonces,
            nsm,
            storage,
            boot,
            channel_key,
            arriving: AtomicUsize::new(0),
            counters: Counters::default(),
            fenced: OnceLock::new(),
        }
    }

    /// The core. A thread that panicked while holding it would have stopped the process (`panic = "abort"`).
    pub fn lock(&self) -> MutexGuard<'_, Core<Waiting>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether frames are here that nobody works on yet.
    #[must_use]
    pub fn is_arriving(&self) -> bool {
        self.arriving.load(Ordering::Acquire) > 0
    }

    /// Lets the core go, and begins the next entry if it is time.
    pub fn go_on(&self, core: MutexGuard<'_, Core<Waiting>>) {
        self.press.go_on(self, core);
    }

    /// Stops the instance: nothing is reserved, recorded or released again, and the journal ends with this reason.
    pub fn fence(&self, reason: &'static str) {
        let _first = self.fenced.set(reason);
        let now = self.time.now();
        self.lock().step(now, Input::Conflict, &mut Vec::new());
        self.wake.notify_one();
    }
}
