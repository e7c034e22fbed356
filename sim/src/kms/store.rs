//! Keys, policies, grants and aliases on disk: one file a key, mode 0600, replaced whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::Error;
use super::grant::Grant;
use super::key::{Key, State};
use super::material::{Material, Spec};
use super::policy::Policy;
use crate::aws::{ErrorType, ServiceError};
use crate::files;

const KEYS: &str = "keys";
const ALIASES: &str = "aliases.json";
const LOCK: &str = "lock";

/// Base64 of secret bytes, zeroed on drop.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The directory of one KMS, held against any other.
#[derive(Debug)]
pub(super) struct Store {
    keys: PathBuf,
    aliases: PathBuf,
    // INVARIANT: held locked while the store lives.
    _lock: File,
}

/// Aliases by region and name.
pub(super) type Aliases = BTreeMap<String, BTreeMap<String, Alias>>;

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alias {
    pub(super) key_id: String,
    pub(super) created_s: u64,
    pub(super) updated_s: u64,
}

/// One key as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key_id: String,
    region: String,
    primary: Option<String>,
    spec: String,
    created_s: u64,
    description: String,
    state: State,
    /// Base64 of PKCS #8, or of a bare symmetric key.
    secret: SecretText,
    policy: String,
    grants: Vec<Grant>,
    tags: BTreeMap<String, String>,
}

/// What a directory held when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) keys: Vec<Key>,
    pub(super) aliases: Aliases,
}

impl Store {
    /// Opens a directory and reads every key in it.
    pub(super) fn open(dir: &Path) -> Result<Opened, Error> {
        let keys = dir.join(KEYS);
        files::make_private_dir(&keys)?;
        let lock = File::create(dir.join(LOCK))?;
        lock.try_lock().map_err(|_| Error::InUse)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&keys)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let name = path
                    .file_stem()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default();
                found.push(read(&path, &name)?.ok_or(Error::Stored(name))?);
            }
        }
        let path = dir.join(ALIASES);
        let aliases = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| Error::Stored(ALIASES.to_owned()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Aliases::new(),
            Err(error) => return Err(error.into()),
        };
        let store = Self {
            keys,
            aliases: path,
            _lock: lock,
        };
        Ok(Opened {
            store,
            keys: found,
            aliases,
        })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.keys
            .join(format!("{}.json", name(&key.region, &key.id)))
    }

    /// Makes a key durable, replacing what was known of it.
    pub(super) fn put(&self, key: &Key) -> Result<(), ServiceError> {
        let Key {
            id,
            region,
            primary,
            material,
            created_s,
            description,
            state,
            policy_text,
            policy: _,
            grants,
            tags,
        } = key;
        let stored = Stored {
            key_id: id.clone(),
            region: region.clone(),
            primary: primary.clone(),
            spec: material.spec().name().to_owned(),
            created_s: *created_s,
            description: description.clone(),
            state: *state,
            secret: SecretText(STANDARD.encode(&material.to_bytes()?[..])),
            policy: policy_text.clone(),
            grants: grants.clone(),
            tags: tags.clone(),
        };
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(&stored).map_err(|_| failed())?);
        files::write_atomically(&self.path(key), &bytes).map_err(|_| failed())
    }

    /// Destroys a key.
    pub(super) fn remove(&self, key: &Key) -> Result<(), ServiceError> {
        fs::remove_file(self.path(key)).map_err(|_| failed())
    }

    pub(super) fn put_aliases(&self, aliases: &Aliases) -> Result<(), ServiceError> {
        let bytes = serde_json::to_vec_pretty(aliases).map_err(|_| failed())?;
        files::write_atomically(&self.aliases, &bytes).map_err(|_| failed())
    }
}

fn failed() -> ServiceError {
    ServiceError::new(ErrorType::KmsInternal, "The change could not be stored.")
}

fn name(region: &str, id: &str) -> String {
    format!("{id}@{region}")
}

/// None if the file is not a key of this name.
fn read(path: &Path, file: &str) -> Result<Option<Key>, Error> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else {
        return Ok(None);
    };
    let material = STANDARD
        .decode(stored.secret.0.as_bytes())
        .ok()
        .map(Zeroizing::new)
        .and_then(|bytes| Material::from_bytes(Spec::parse(&stored.spec)?, &bytes));
    let policy = Policy::of_key(&stored.policy);
    match (material, policy) {
        (Some(material), Ok(policy)) if name(&stored.region, &stored.key_id) == file => {
            Ok(Some(Key {
                id: stored.key_id,
                region: stored.region,
                primary: stored.primary,
                material,
                created_s: stored.created_s,
                description: stored.description,
                state: stored.state,
                policy_text: stored.policy,
                policy,
                grants: stored.grants,
                tags: stored.tags,
            }))
        }
        _ => Ok(None),
    }
}
