//! What the log says of keys and grants, for those who ask the courier: a convenience, unauthenticated.
//!
//! It folds stored entries through the ledger, behind the log and never in its way. Owners' tools read the same facts
//! from records they prove; nothing here is proof. A log that does not fold is reported and no longer answered from.

use crate::{deployment::Deployment, store::Store, sync::lock};
use claviger_shared::{
    codec::cbor,
    crypto::AwsLc,
    effect::{Env, Kind},
    id::{GrantId, InstanceId},
    jwk,
    ledger::{GrantState, State},
    log::{entry::Leaf, record::Record},
    owner::manifest::chain::Chain,
    time::UnixMs,
    wire::storage::{MAX_LEAF, StoredEntry},
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// Bytes of entries folded in one step.
const STEP: u64 = 512 * 1024;

/// The index.
pub struct Index {
    store: Arc<dyn Store>,
    deployment: Arc<Deployment>,
    fold: Mutex<Fold>,
    ending: AtomicBool,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Fold {
    /// Links of the chain that the state stands on.
    generations: usize,
    state: Option<State>,
    next: u64,
    broken: bool,
}

/// The index has no answer: no deployment yet, or a log that does not fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("index is not available")]
pub struct Unavailable;

impl Index {
    /// An index over a store; it knows what [`Self::catch_up`] has folded.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, deployment: Arc<Deployment>) -> Self {
        Self {
            store,
            deployment,
            fold: Mutex::new(Fold::default()),
            ending: AtomicBool::new(false),
        }
    }

    /// Folds what was stored since, in steps that let others look in between; blocking.
    pub fn catch_up(&self) {
        while !self.ending.load(Ordering::Acquire) {
            let mut fold = lock(&self.fold);
            match self.step(&mut fold) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(index = fold.next, error, "log does not fold");
                    fold.broken = true;
                    return;
                }
            }
        }
    }

    /// Ends a folding under way.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Folds some entries; whether there may be more.
    fn step(&self, fold: &mut Fold) -> Result<bool, &'static str> {
        let Some(chain) = self.deployment.chain() else {
            return Ok(false);
        };
        if fold.generations != chain.links.len() {
            *fold = Fold {
                generations: chain.links.len(),
                ..Fold::default()
            };
            let verified = Chain::verify(&chain.links, &AwsLc)
                .map_err(|_| "manifest chain does not verify")?;
            fold.state = Some(State::new(Arc::new(verified)));
        }
        if fold.broken || fold.next >= self.store.tail().size {
            return Ok(false);
        }
        let read = self.store.read(fold.next, STEP);
        let read = read.map_err(|_| "store cannot be read")?;
        for stored in &read.entries {
            apply(fold.state.as_mut().ok_or("no state")?, stored)?;
            fold.next += 1;
        }
        Ok(!read.end)
    }

    fn with<R>(&self, look: impl FnOnce(&State) -> R) -> Result<R, Unavailable> {
        let fold = lock(&self.fold);
        match &fold.state {
            Some(state) if !fold.broken => Ok(look(state)),
            Some(_) | None => Err(Unavailable),
        }
    }

    /// Public keys of one kind's live signing keys, as a JWK set.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn jwks(&self, kind: Kind) -> Result<Value, Unavailable> {
        self.with(|state| {
            let live = state
                .keys()
                .filter(|(_, key)| key.kind == kind && !key.retired && key.env == Env::Live);
            let keys: Vec<Value> = live
                .filter_map(|(_, key)| jwk::jwk(key.alg, &key.public))
                .collect();
            json!({ "keys": keys })
        })
    }

    /// What OpenID Connect Discovery asks of the catalog's issuer; nothing where no route has one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn discovery(&self) -> Result<Option<Value>, Unavailable> {
        self.with(|state| {
            let issuer = state.catalog().issuer()?;
            Some(json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256", "EdDSA"], "scopes_supported": ["openid"],
                "claims_supported": ["iss", "sub", "aud", "iat", "exp", "jti", "nonce"],
            }))
        })
    }

    /// Every signing key, as far as anyone may know it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn keys(&self) -> Result<Value, Unavailable> {
        self.with(|state| {
            let keys: Vec<Value> = state
                .keys()
                .map(|(id, key)| {
                    json!({
                        "id": id.to_string(), "kind": key.kind, "alg": key.alg, "env": key.env,
                        "agent": key.agent.as_ref().map(ToString::to_string), "retired": key.retired,
                        "jwk": jwk::jwk(key.alg, &key.public), "pem": jwk::pem(key.alg, &key.public),
                    })
                })
                .collect();
            json!({ "keys": keys })
        })
    }

    /// Every grant, in short.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn grants(&self, now: UnixMs) -> Result<Value, Unavailable> {
        self.with(|state| {
            let frozen = state.is_frozen();
            let grants: Vec<Value> = state
                .grants()
                .map(|(id, grant)| short(id, grant, frozen, now))
                .collect();
            json!({ "frozen": frozen, "grants": grants })
        })
    }

    /// One grant, with what is left of it and what it left outside.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn grant(&self, id: &GrantId, now: UnixMs) -> Result<Option<Value>, Unavailable> {
        self.with(|state| {
            let grant = state.slot(id).and_then(|slot| state.grant(slot))?;
            Some(long(id, grant, state.is_frozen(), now))
        })
    }
}

fn apply(state: &mut State, stored: &StoredEntry) -> Result<(), &'static str> {
    let leaf: Leaf = cbor::decode(&stored.leaf, MAX_LEAF).map_err(|_| "leaf is malformed")?;
    for bytes in &stored.records {
        let record = Record::decode(bytes).map_err(|_| "record is malformed")?;
        let applied = state.apply(&record, leaf.time, &AwsLc);
        applied.map_err(|_| "record breaks a promise")?;
    }
    Ok(())
}

fn short(id: &GrantId, state: &GrantState, frozen: bool, now: UnixMs) -> Value {
    let grant = &state.grant;
    json!({
        "id": id.to_string(), "agent": grant.agent.to_string(), "env": grant.env,
        "status": state.word(frozen, now), "not_before": grant.not_before.to_string(),
        "expires_at": grant.expires_at.to_string(), "purpose": grant.purpose,
    })
}

fn long(id: &GrantId, state: &GrantState, frozen: bool, now: UnixMs) -> Value {
    let grant = &state.grant;
    let names = |names: &[claviger_shared::id::KeyId]| -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    };
    let remaining: Vec<Value> = state
        .remaining(now)
        .into_iter()
        .map(|left| {
            json!({
                "unit": left.unit.to_string(), "window": left.window, "amount": left.amount,
                "resets_at": left.resets_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let outstanding: Vec<Value> = state
        .outstanding(now)
        .into_iter()
        .map(|left| {
            json!({"kind": left.kind, "destination": left.destination, "dies_at": left.dies_at.to_string()})
        })
        .collect();
    let mut value = short(id, state, frozen, now);
    if let Value::Object(members) = &mut value {
        members.extend([
            ("agent_key".to_owned(), json!(grant.agent_key)),
            ("keys".to_owned(), json!(names(&grant.keys))),
            ("permissions".to_owned(), json!(grant.permissions)),
            ("remaining".to_owned(), json!(remaining)),
            ("outstanding".to_owned(), json!(outstanding)),
        ]);
    }
    value
}

/// Index of the entry that an instance, the last to write, began with; blocking.
///
/// Its entries are the log's end, so a few reads find the first of them.
#[must_use]
pub fn boot_of(store: &dyn Store, instance: &InstanceId) -> Option<u64> {
    let own = |index: u64| {
        let entries = store.read(index, 0).ok()?.entries;
        let leaf: Leaf = cbor::decode(&entries.first()?.leaf, MAX_LEAF).ok()?;
        Some(leaf.instance == *instance)
    };
    let (mut low, mut high) = (0, store.tail().size.checked_sub(1)?);
    if !own(high)? {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if own(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Entry, local::Local};
    use claviger_shared::id::Digest;

    #[test]
    fn a_boot_is_found_by_its_instance() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Local::open(dir.path(), crate::store::local::Options::default()).unwrap();
        for (index, instance) in [1_u8, 1, 1, 2, 3, 3, 3].into_iter().enumerate() {
            let leaf = Leaf {
                v: 1,
                origin: "o".into(),
                instance: InstanceId([instance; 16]),
                index: index as u64,
                parent: Digest([0; 32]),
                time: UnixMs(0),
                count: 0,
                records_root: Digest([0; 32]),
            };
            let stored = StoredEntry {
                index: index as u64,
                leaf: cbor::encode(&leaf).unwrap(),
                records: Vec::new(),
                checkpoint: String::new(),
            };
            store.append(&Entry::new(stored).unwrap());
        }
        assert_eq!(boot_of(&store, &InstanceId([3; 16])), Some(4));
        assert_eq!(boot_of(&store, &InstanceId([2; 16])), None, "not the last");
        assert_eq!(boot_of(&store, &InstanceId([9; 16])), None);
    }
}
