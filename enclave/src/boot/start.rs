//! The last step of a boot: the log replayed, the keys loaded, the Boot entry stored.
//!
//! Having a [`Started`] means the log holds this instance's Boot entry, on top of everything that was there, and every
//! signing key that the log does not call retired is in the vault. Only then is a channel key attested.

use super::{
    Error, attest,
    measure::Measured,
    replay::{self, Replayed, SNAPSHOT_VERSION, SnapshotBody},
    unseal::Unsealed,
};
use crate::{
    channel::key::ChannelKey,
    core::Core,
    secret::RootKeys,
    serve::{
        entry::{Head, head_entry},
        hub::{BootFacts, Hub, Parts},
        nonces::Nonces,
        receipts::{Receipts, Terms},
        storage::Storage,
        time::Time,
    },
    vault::Vault,
};
use claviger_shared::{
    crypto::{handshake::boot_hash, sha256},
    id::InstanceId,
    ledger::State,
    log::{
        merkle::Frontier,
        record::{self, Body, Record, Snapshot},
    },
    owner::manifest::Durability,
    wire::storage::Appended,
};
use std::{sync::Arc, thread, time::Duration};

/// Records after which a boot stores a new snapshot.
pub const SNAPSHOT_EVERY: u64 = 4096;
/// Tries to store the Boot entry, with a pause between them.
const MAX_TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// An instance that may serve.
#[derive(Debug)]
pub struct Started {
    /// What the serving threads share.
    pub hub: Arc<Hub>,
}

/// Replays the log and begins this instance's part of it.
///
/// # Errors
///
/// An [`Error`]; the instance must then stop.
pub fn start(unsealed: Unsealed, storage: &Arc<Storage>) -> Result<Started, Error> {
    let Unsealed { measured, keys } = unsealed;
    let chain = measured.chain();
    let terms = terms(&measured)?;
    let replayed = replay::replay(storage, chain, keys.log_key(), keys.snapshot(), terms);
    let Replayed {
        mut state,
        frontier,
        snapshot: _,
        since_snapshot,
        receipts: kept,
    } = replayed.map_err(Error::Log)?;
    let vault = load_keys(&keys, &measured, &state, storage)?;
    let now = attest::time(measured.platform.nsm.as_ref())?.max(state.time());
    // Runs from this reading on, so that the rest of the boot does not put it behind.
    let time = Time::new(Arc::clone(&measured.platform.clock), now);
    let receipts = Receipts::default();
    for (once, receipt) in kept {
        receipts.keep(once, receipt, now);
    }
    let snapshot = (since_snapshot >= SNAPSHOT_EVERY)
        .then(|| store_snapshot(&keys, &state, &frontier, storage))
        .flatten();
    let channel_key = ChannelKey::generate(measured.platform.entropy.as_ref());
    let channel_key = channel_key.map_err(|_| Error::Platform("entropy"))?;
    let boot = boot_record(&measured, &channel_key, now)?;
    state
        .boot(&boot)
        .map_err(|_| Error::Log(replay::Error::Manifest))?;
    let instance = boot.instance;
    let records = records(&measured, boot, snapshot)?;
    for _ in records.iter().skip(1) {
        state.count_record();
    }
    let head = Head {
        instance,
        time: now,
    };
    let next = append(&keys, storage, &head, &frontier, &records)?;
    let facts = facts(&measured, &records, instance, &frontier, &channel_key)?;
    let core = Core::new(state, next.size(), next.root());
    let nonces = Nonces::new(measured.platform.entropy.as_ref());
    let nonces = nonces.map_err(|_| Error::Platform("entropy"))?;
    let storage = Arc::clone(storage);
    let parts = Parts {
        core,
        frontier: next,
        vault,
        keys,
        time,
        platform: measured.platform,
        storage,
        boot: facts,
        channel_key,
        receipts,
        nonces,
    };
    Ok(Started {
        hub: Arc::new(Hub::new(parts)),
    })
}

fn terms(measured: &Measured) -> Result<Terms, Error> {
    let running = measured.chain().newest().running.as_ref();
    let running = running.ok_or(Error::Phase("not born yet"))?;
    Ok(Terms {
        durability: running.durability,
        simulation: measured.is_simulation(),
    })
}

fn load_keys(
    keys: &RootKeys,
    measured: &Measured,
    state: &State,
    storage: &Storage,
) -> Result<Vault, Error> {
    let vault = Vault::default();
    let origin = &measured.chain().newest().origin;
    for (id, key) in state.keys().filter(|(_, key)| !key.retired) {
        let blob = storage.get_blob(key.blob).map_err(|_| Error::KeyBlob)?;
        vault
            .load(keys, origin, id, key, &blob)
            .map_err(|_| Error::KeyBlob)?;
    }
    Ok(vault)
}

/// Stores a snapshot where that works; a boot does not depend on it.
fn store_snapshot(
    keys: &RootKeys,
    state: &State,
    frontier: &Frontier,
    storage: &Storage,
) -> Option<Snapshot> {
    let body = SnapshotBody {
        v: SNAPSHOT_VERSION,
        frontier: frontier.clone(),
        time: state.time(),
        data: state.data().clone(),
    };
    let bytes = replay::snapshot_bytes(&body, keys.snapshot())?;
    let digest = sha256(&[&bytes]);
    storage.put_snapshot(frontier.size(), digest, &bytes).ok()?;
    Some(Snapshot {
        size: frontier.size(),
        root: frontier.root(),
        digest,
    })
}

fn boot_record(
    measured: &Measured,
    channel_key: &ChannelKey,
    time: claviger_shared::time::UnixMs,
) -> Result<record::Boot, Error> {
    let newest = measured.chain().newest();
    let running = newest
        .running
        .as_ref()
        .ok_or(Error::Phase("not born yet"))?;
    let entropy = measured.platform.entropy.as_ref();
    let (mut instance, mut nonce) = ([0; 16], [0; 32]);
    entropy
        .fill(&mut instance)
        .map_err(|_| Error::Platform("entropy"))?;
    entropy
        .fill(&mut nonce)
        .map_err(|_| Error::Platform("entropy"))?;
    Ok(record::Boot {
        instance: InstanceId(instance),
        nonce,
        channel_key: channel_key.public().ok_or(Error::Platform("crypto"))?,
        pcrs: measured.pcrs,
        version: measured.platform.version,
        generation: newest.generation,
        manifest: newest.digest,
        time,
        durability: running.durability,
    })
}

/// The records of the Boot entry: the boot first, then the snapshot that was stored.
fn records(
    measured: &Measured,
    boot: record::Boot,
    snapshot: Option<Snapshot>,
) -> Result<Vec<Record>, Error> {
    let bodies = std::iter::once(Body::Boot(Box::new(boot))).chain(snapshot.map(Body::Snapshot));
    let salted = bodies.map(|body| {
        let mut salt = [0; 16];
        measured
            .platform
            .entropy
            .fill(&mut salt)
            .map_err(|_| Error::Platform("entropy"))?;
        Ok(Record { salt, body })
    });
    salted.collect()
}

fn append(
    keys: &RootKeys,
    storage: &Storage,
    head: &Head,
    frontier: &Frontier,
    records: &[Record],
) -> Result<Frontier, Error> {
    let (stored, next) =
        head_entry(keys, head, frontier, records).ok_or(Error::Platform("crypto"))?;
    for _ in 0..MAX_TRIES {
        match storage.append(&stored) {
            Ok(Appended::Stored) => return Ok(next),
            Ok(Appended::Conflict) => {
                return Err(Error::Storage("another instance wrote the next entry"));
            }
            Ok(Appended::Failed(_)) | Err(_) => thread::sleep(PAUSE),
        }
    }
    Err(Error::Storage("the boot entry was not stored"))
}

fn facts(
    measured: &Measured,
    records: &[Record],
    instance: InstanceId,
    frontier: &Frontier,
    channel_key: &ChannelKey,
) -> Result<BootFacts, Error> {
    let newest = measured.chain().newest();
    let running = newest
        .running
        .as_ref()
        .ok_or(Error::Phase("not born yet"))?;
    let boot = records.first().and_then(|record| record.encode().ok());
    Ok(BootFacts {
        instance,
        origin: newest.origin.clone(),
        log_origin: measured.log_origin(),
        boot_hash: boot_hash(&boot.ok_or(Error::Platform("crypto"))?),
        manifest: newest.digest,
        boot_index: frontier.size(),
        channel_public: channel_key.public().ok_or(Error::Platform("crypto"))?,
        durability: running.durability,
        simulation: measured.is_simulation(),
        serves_live: running.rollback_accepted && running.durability == Durability::Durable,
    })
}
