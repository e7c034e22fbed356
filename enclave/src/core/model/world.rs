//! The world around a core: the store, the exact ledger, and what owners have stopped.

use super::deployment::{self, START, TERMS};
use crate::core::{Core, Reserved};
use claviger_shared::{
    crypto::{AwsLc, sha256},
    effect::Effects,
    id::{Digest, GrantId},
    ledger::{Slot, State, command},
    log::record::{self, Body, Born, Record},
    owner::manifest::chain::Chain,
    time::{Millis, UnixMs},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

/// What became of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Taken; not recorded, and nothing left: until a restart it counts.
    Abandoned,
    /// Taken, signing failed.
    Failed,
    /// Taken; being signed.
    Held,
    /// Not stored when the process died: nothing left, nothing counts.
    Lost,
    /// The credential left.
    Released,
    /// Signed; waiting for storage.
    Waiting,
    /// The credential was destroyed.
    Withdrawn,
}

/// One line of the exact ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) grant: usize,
    pub(super) cents: u128,
    pub(super) at: UnixMs,
    pub(super) expires_at: UnixMs,
    /// How often the grant was stopped before.
    pub(super) stops: u64,
    pub(super) fate: Fate,
    pub(super) stored: bool,
}

/// A reservation whose signature is being made.
pub(super) struct Held {
    pub(super) number: usize,
    pub(super) reserved: Reserved,
    pub(super) effects: Effects,
}

/// What owners and agents have said about grants, as the core applied it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stops {
    pub(super) revoked: [bool; 3],
    pub(super) suspended: [Vec<Digest>; 3],
    pub(super) freezes: Vec<Digest>,
    pub(super) retired: bool,
    pub(super) ends: [UnixMs; 3],
    /// How often anything withdrew calls of a grant.
    pub(super) count: [u64; 3],
}

/// What a stored record means for [`Stops`].
#[derive(Debug, Clone)]
pub(super) enum Mark {
    Freeze(Digest),
    Renew(usize, UnixMs),
    Resume(usize),
    Retire,
    Revoke(usize),
    Suspend(usize, Digest),
    Thaw,
}

impl Stops {
    pub(super) fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Freeze(digest) => {
                self.freezes.push(*digest);
                self.count = self.count.map(|count| count + 1);
            }
            Mark::Renew(grant, end) => self.ends[*grant] = *end,
            Mark::Resume(grant) => self.suspended[*grant].clear(),
            Mark::Retire => {
                self.retired = true;
                self.count[2] += 1;
            }
            Mark::Revoke(grant) => {
                self.revoked[*grant] = true;
                self.count[*grant] += 1;
            }
            Mark::Suspend(grant, digest) => {
                self.suspended[*grant].push(*digest);
                self.count[*grant] += 1;
            }
            Mark::Thaw => self.freezes.clear(),
        }
    }

    /// Whether a grant may be used.
    pub(super) fn is_open(&self, grant: usize, now: UnixMs) -> bool {
        let stopped = self.revoked[grant]
            || !self.suspended[grant].is_empty()
            || !self.freezes.is_empty()
            || (self.retired && grant == 2);
        !stopped && now < self.ends[grant]
    }
}

/// One entry in the store.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) time: UnixMs,
    pub(super) records: Vec<Vec<u8>>,
}

/// How many credentials ended how.
#[derive(Debug, Default)]
pub(super) struct Fates {
    pub(super) released: usize,
    pub(super) withdrawn: usize,
    pub(super) denied: usize,
    pub(super) lost: usize,
}

pub(super) struct World {
    pub(super) chain: Arc<Chain>,
    pub(super) core: Core<usize>,
    pub(super) now: UnixMs,
    pub(super) life: u8,
    pub(super) entries: Vec<Entry>,
    pub(super) storing: Option<Entry>,
    pub(super) held: Vec<Held>,
    pub(super) lines: Vec<Line>,
    pub(super) denied: usize,
    pub(super) stops: Stops,
    pub(super) marks: BTreeMap<Digest, Mark>,
    /// Every stored record applied, as an auditor would.
    pub(super) shadow: State,
    pub(super) fenced: bool,
    /// Made, so that records differ.
    pub(super) salts: u64,
}

/// The log of a deployment that is set up: the same for every history, signed once.
static SETUP: LazyLock<(State, Vec<Entry>)> = LazyLock::new(|| {
    let chain = deployment::chain();
    let mut state = State::new(Arc::clone(&chain));
    let mut entries = Vec::new();
    let mut put = |state: &mut State, body: Body| {
        let record = Record {
            salt: [0; 16],
            body,
        };
        state.apply(&record, START, &AwsLc).unwrap();
        entries.push(Entry {
            time: START,
            records: vec![record.encode().unwrap()],
        });
    };
    put(&mut state, Body::Genesis(Box::new(deployment::genesis())));
    let boot = deployment::boot(&chain, 1, START);
    put(&mut state, Body::Boot(Box::new(boot)));
    for (action, born) in deployment::setup() {
        let signed = deployment::command(&state, START, false, &action, &[]);
        let body = Body::Command(Box::new(record::Command {
            body: signed.body,
            signatures: signed.signatures,
            applied_at: START,
            born,
        }));
        put(&mut state, body);
    }
    (state, entries)
});

impl World {
    pub(super) fn new() -> Self {
        let (shadow, entries) = SETUP.clone();
        let chain = Arc::clone(shadow.chain());
        let mut world = Self {
            core: Core::new(shadow.clone(), 0, Digest([0; 32])),
            chain,
            now: START,
            life: 1,
            entries,
            storing: None,
            held: Vec::new(),
            lines: Vec::new(),
            denied: 0,
            stops: Stops::default(),
            marks: BTreeMap::new(),
            shadow,
            fenced: false,
            salts: 0,
        };
        world.begin_life();
        world
    }

    /// A new process: everything from the stored records, and a Boot entry on top.
    pub(super) fn begin_life(&mut self) {
        self.life += 1;
        let mut state = replay(&self.entries);
        assert_eq!(state, self.shadow, "the log says what its auditor knew");
        let now = self.now.max(state.time());
        let boot = deployment::boot(&self.chain, self.life, now);
        state.boot(&boot).unwrap();
        let (record, _) = self.encode(Body::Boot(Box::new(boot)));
        self.store(Entry {
            time: now,
            records: vec![record],
        });
        self.core = Core::new(state, self.size(), self.root());
        self.fenced = false;
        self.stops = Stops {
            ends: std::array::from_fn(|at| {
                let setup = &SETUP.0;
                let grant = setup.grant(state_slot(setup, at)).unwrap();
                grant.grant.expires_at
            }),
            count: [u64::from(self.life) << 32; 3],
            ..Stops::default()
        };
        for record in self.entries.iter().flat_map(|entry| &entry.records) {
            if let Some(mark) = self.marks.get(&record::hash(record)) {
                self.stops.mark(mark);
            }
        }
    }

    /// An entry reaches the store: the auditor applies it.
    pub(super) fn store(&mut self, entry: Entry) {
        for bytes in &entry.records {
            let record = Record::decode(bytes).unwrap();
            self.shadow
                .apply(&record, entry.time, &AwsLc)
                .expect("an honest record replays");
            if let Body::Call(call) = &record.body {
                self.lines[number_of(&call.nonce)].stored = true;
            }
        }
        self.entries.push(entry);
    }

    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    pub(super) fn root(&self) -> Digest {
        sha256(&[&self.size().to_be_bytes()])
    }

    pub(super) fn slot(&self, grant: usize) -> Slot {
        state_slot(self.core.state(), grant)
    }

    pub(super) fn encode(&mut self, body: Body) -> (Vec<u8>, Digest) {
        self.salts += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salts.to_be_bytes());
        let bytes = Record { salt, body }.encode().unwrap();
        let hash = record::hash(&bytes);
        (bytes, hash)
    }

    /// Signs a command, applies it as `serve` does, and notes what it means; whether it applied.
    pub(super) fn command(
        &mut self,
        narrow: bool,
        action: &str,
        lifts: &[Digest],
        mark: impl FnOnce(Digest) -> Mark,
    ) -> bool {
        let now = self.now.max(self.core.now());
        let signed = deployment::command(self.core.state(), now, narrow, action, lifts);
        let manifest = self.chain.newest();
        let authorized =
            command::authorize(&signed.body, &signed.signatures, manifest, &AwsLc).unwrap();
        let Ok(applied_at) = self.core.command(self.now, &authorized, None::<&Born>) else {
            return false;
        };
        let mark = mark(sha256(&[&signed.body]));
        let body = Body::Command(Box::new(record::Command {
            body: signed.body,
            signatures: signed.signatures,
            applied_at,
            born: None,
        }));
        self.put(body, mark);
        true
    }

    /// Puts a record that was just applied, and what it means.
    pub(super) fn put(&mut self, body: Body, mark: Mark) {
        let (bytes, hash) = self.encode(body);
        self.core.put(bytes, hash, None);
        self.stops.mark(&mark);
        self.marks.insert(hash, mark);
    }

    pub(super) fn fates(&self) -> Fates {
        let count = |fate| self.lines.iter().filter(|line| line.fate == fate).count();
        Fates {
            released: count(Fate::Released),
            withdrawn: count(Fate::Withdrawn),
            denied: self.denied,
            lost: count(Fate::Lost),
        }
    }
}

fn state_slot(state: &State, grant: usize) -> Slot {
    let id = GrantId::parse(TERMS[grant].id).unwrap();
    state.slot(&id).unwrap()
}

/// The state that stored records give. Every log begins with the same records, which were applied once.
fn replay(entries: &[Entry]) -> State {
    let (mut state, setup) = SETUP.clone();
    for entry in entries.iter().skip(setup.len()) {
        for bytes in &entry.records {
            let record = Record::decode(bytes).unwrap();
            state
                .apply(&record, entry.time, &AwsLc)
                .expect("a stored record replays");
        }
    }
    state
}

/// Calls carry their line's number where others have randomness.
pub(super) fn nonce_of(number: usize) -> [u8; 16] {
    u128::try_from(number).unwrap().to_be_bytes()
}

pub(super) fn number_of(nonce: &[u8; 16]) -> usize {
    usize::try_from(u128::from_be_bytes(*nonce)).unwrap()
}

/// How long a credential may wait.
pub(super) const PATIENCE: Millis = crate::core::MAX_WAIT;
