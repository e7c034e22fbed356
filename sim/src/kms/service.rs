//! The service behind the interface: which key is meant, and how keys change.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use axum::http::request::Parts;
use claviger_verify::attestation::Root;
use serde_json::Value;

use super::call::Call;
use super::key::{self, Key, State};
use super::operations;
use super::store::{Alias, Aliases, Opened, Store};
use super::{Error, KmsConfig};
use crate::aws::{Directory, ErrorType, ServiceError, Verifier, is_account};
use crate::clock::WallClock;
use crate::hex;

/// Seconds of a day.
pub(super) const DAY_S: u64 = 24 * 3600;

/// Longest key id.
// botocore kms/2014-11-01: KeyIdType, max 2048.
const MAX_KEY_ID: usize = 2048;

/// A KMS without its socket.
pub(super) struct Service {
    verifier: Verifier,
    pub(super) root: Root,
    pub(super) account: String,
    pub(super) clock: Arc<dyn WallClock>,
    pub(super) chunk: Option<NonZeroUsize>,
    store: Store,
    state: Mutex<Held>,
}

/// Keys by region and id, and aliases.
struct Held {
    keys: BTreeMap<(String, String), Key>,
    aliases: Aliases,
}

impl Service {
    pub(super) fn open(config: KmsConfig) -> Result<Self, Error> {
        let KmsConfig {
            dir,
            root,
            region,
            other_regions,
            account,
            credentials,
            listen: _,
            clock,
            chunk,
        } = config;
        let mut regions = vec![region];
        regions.extend(other_regions);
        if !is_account(&account) || !regions.iter().all(|region| is_region(region)) {
            return Err(Error::Account);
        }
        let verifier = Verifier {
            directory: Directory::new(credentials)?,
            regions,
        };
        let Opened {
            store,
            keys,
            aliases,
        } = Store::open(&dir)?;
        let keys = keys
            .into_iter()
            .map(|key| ((key.region.clone(), key.id.clone()), key))
            .collect();
        let service = Self {
            verifier,
            root,
            account,
            clock,
            chunk,
            store,
            state: Mutex::new(Held { keys, aliases }),
        };
        service
            .sweep()
            .map_err(|error| Error::Io(std::io::Error::other(error.to_string())))?;
        Ok(service)
    }

    /// Answers one request: its signature first, then the operation.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8]) -> Result<Option<Value>, ServiceError> {
        let signed = self.verifier.verify(parts, body, self.clock.now_ms())?;
        self.sweep()?;
        let operation = operations::named(parts)?;
        let call = Call {
            service: self,
            known: signed.known,
            region: signed.region,
            action: operation.action,
        };
        let answer = (operation.run)(&call, body);
        let outcome = answer
            .as_ref()
            .map_or_else(|error| error.kind.name(), |_| "ok");
        tracing::info!(
            operation = operation.action,
            caller = signed.known.caller.arn,
            outcome,
            "kms call"
        );
        answer
    }

    pub(super) fn now_s(&self) -> u64 {
        self.clock.now_ms() / 1000
    }

    /// Whether this KMS answers for a region.
    pub(super) fn serves(&self, region: &str) -> bool {
        self.verifier.regions.iter().any(|served| served == region)
    }

    fn state(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Destroys keys whose waiting period is over; a primary's begins when its last replica is gone.
    fn sweep(&self) -> Result<(), ServiceError> {
        let now_s = self.now_s();
        let mut held = self.state();
        let is_due =
            |key: &Key| matches!(key.state, State::PendingDeletion { at_s } if at_s <= now_s);
        let due: Vec<Key> = held
            .keys
            .values()
            .filter(|key| is_due(key))
            .cloned()
            .collect();
        for key in due {
            self.store.remove(&key)?;
            held.keys.remove(&(key.region.clone(), key.id.clone()));
            if let Some(aliases) = held.aliases.get_mut(&key.region) {
                aliases.retain(|_, alias| alias.key_id != key.id);
            }
            self.store.put_aliases(&held.aliases)?;
        }
        let waiting: Vec<(Key, u64)> = held
            .keys
            .values()
            .filter_map(|key| match key.state {
                State::PendingReplicaDeletion { days }
                    if replicas(&held.keys, &key.id).is_empty() =>
                {
                    Some((key.clone(), days))
                }
                State::Disabled
                | State::Enabled
                | State::PendingDeletion { .. }
                | State::PendingReplicaDeletion { .. } => None,
            })
            .collect();
        for (mut key, days) in waiting {
            let at_s = now_s.saturating_add(days.saturating_mul(DAY_S));
            key.state = State::PendingDeletion { at_s };
            self.insert(&mut held, key)?;
        }
        Ok(())
    }

    /// The key that an id, an ARN or an alias names in a region.
    pub(super) fn find(&self, region: &str, key_id: &str) -> Result<Key, ServiceError> {
        if key_id.is_empty() || key_id.len() > MAX_KEY_ID {
            return Err(ServiceError::validation(
                "KeyId must have a length of 1 to 2048.",
            ));
        }
        let own = format!("arn:aws:kms:{region}:{}:", self.account);
        let local = key_id.strip_prefix(&own);
        let held = self.state();
        let id = match local.unwrap_or(key_id).split_once('/') {
            Some(("key", id)) if local.is_some() => id,
            Some(("alias", name)) => held
                .aliases
                .get(region)
                .and_then(|aliases| aliases.get(&format!("alias/{name}")))
                .map(|alias| alias.key_id.as_str())
                .ok_or_else(|| self.not_found(region, key_id))?,
            _ if key_id.starts_with("arn:") => return Err(self.not_found(region, key_id)),
            _ => key_id,
        };
        held.keys
            .get(&(region.to_owned(), id.to_owned()))
            .cloned()
            .ok_or_else(|| self.not_found(region, key_id))
    }

    fn not_found(&self, region: &str, key_id: &str) -> ServiceError {
        let message = match key_id.split_once(':') {
            Some(_) => format!("Invalid arn or unknown key '{key_id}'"),
            None if key_id.starts_with("alias/") => format!(
                "Alias arn:aws:kms:{region}:{}:{key_id} is not found.",
                self.account
            ),
            None => format!(
                "Key '{}' does not exist",
                key::arn(region, &self.account, key_id)
            ),
        };
        ServiceError::new(ErrorType::NotFound, message)
    }

    /// Every key of a region, by id.
    pub(super) fn keys_of(&self, region: &str) -> Vec<Key> {
        let held = self.state();
        let mine = |key: &&Key| key.region == region;
        held.keys.values().filter(mine).cloned().collect()
    }

    /// The regions of a key's replicas.
    pub(super) fn replicas(&self, key: &Key) -> Vec<String> {
        replicas(&self.state().keys, &key.id)
    }

    /// Makes a new key durable, then visible; nothing is replaced.
    pub(super) fn add(&self, key: Key) -> Result<(), ServiceError> {
        let mut held = self.state();
        if held
            .keys
            .contains_key(&(key.region.clone(), key.id.clone()))
        {
            return Err(ServiceError::new(
                ErrorType::AlreadyExists,
                format!("{} exists.", key.arn(&self.account)),
            ));
        }
        self.insert(&mut held, key)
    }

    fn insert(&self, held: &mut Held, key: Key) -> Result<(), ServiceError> {
        self.store.put(&key)?;
        held.keys.insert((key.region.clone(), key.id.clone()), key);
        Ok(())
    }

    /// Changes a key under the lock, so that no change is lost to another; a refused one leaves it as it was.
    pub(super) fn change<T>(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Key) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut held = self.state();
        let mut changed = held
            .keys
            .get(&(key.region.clone(), key.id.clone()))
            .cloned()
            .ok_or_else(|| self.not_found(&key.region, &key.id))?;
        let made = change(&mut changed)?;
        self.insert(&mut held, changed)?;
        Ok(made)
    }

    /// The aliases of a region, by name.
    pub(super) fn aliases_of(&self, region: &str) -> BTreeMap<String, Alias> {
        self.state()
            .aliases
            .get(region)
            .cloned()
            .unwrap_or_default()
    }

    /// Changes a region's aliases under the lock.
    pub(super) fn change_aliases(
        &self,
        region: &str,
        change: impl FnOnce(&mut BTreeMap<String, Alias>) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let mut held = self.state();
        let mut changed = held.aliases.clone();
        change(changed.entry(region.to_owned()).or_default())?;
        self.store.put_aliases(&changed)?;
        held.aliases = changed;
        Ok(())
    }

    pub(super) fn arn(&self, key: &Key) -> String {
        key.arn(&self.account)
    }

    pub(super) fn metadata(&self, key: &Key) -> Value {
        key.metadata(&self.account, &self.replicas(key))
    }
}

fn replicas(keys: &BTreeMap<(String, String), Key>, id: &str) -> Vec<String> {
    keys.values()
        .filter(|key| key.id == id && key.primary.is_some() && !key.is_primary())
        .map(|key| key.region.clone())
        .collect()
}

// botocore kms/2014-11-01: RegionType, max 32, `^([a-z]+-){2,3}\d+$`.
pub(super) fn is_region(text: &str) -> bool {
    let mut parts: Vec<_> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    text.len() <= 32
        && matches!(parts.len(), 2 | 3)
        && parts.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A random UUID, version 4.
pub(super) fn uuid() -> Result<String, ServiceError> {
    let bytes = random::<16>()?;
    let [a, b, c, d, e, f, g, h, i, j, node @ ..] = bytes;
    let (g, i) = ((g & 0x0f) | 0x40, (i & 0x3f) | 0x80);
    let parts = [&[a, b, c, d][..], &[e, f], &[g, h], &[i, j], &node].map(hex::encode);
    Ok(parts.join("-"))
}

/// Random bytes that are no secret.
pub(super) fn random<const N: usize>() -> Result<[u8; N], ServiceError> {
    let mut bytes = [0; N];
    let failed = |_| ServiceError::new(ErrorType::KmsInternal, "No random bytes.");
    rand::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
