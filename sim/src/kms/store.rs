//! Keys and policies on disk: one file a key, mode 0600, replaced whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::Error;
use super::key::{Key, Material, State};
use super::policy::Policy;
use crate::aws::{ErrorType, ServiceError};
use crate::files;

const KEYS: &str = "keys";
const LOCK: &str = "lock";

/// Base64 of a private key, zeroed on drop.
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
    // INVARIANT: held locked while the store lives.
    _lock: File,
}

/// One key as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key_id: String,
    created_s: u64,
    description: String,
    state: State,
    /// Base64 of PKCS #8; none for a symmetric key.
    private_key: Option<SecretText>,
    policy: String,
}

impl Store {
    /// Opens a directory and reads every key in it.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<Key>), Error> {
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
        Ok((Self { keys, _lock: lock }, found))
    }

    /// Makes a key durable, replacing what was known of it.
    pub(super) fn put(&self, key: &Key) -> Result<(), ServiceError> {
        let failed = || ServiceError::new(ErrorType::KmsInternal, "The key could not be stored.");
        let Key {
            id,
            material,
            created_s,
            description,
            state,
            policy_text,
            policy: _,
        } = key;
        let stored = Stored {
            key_id: id.clone(),
            created_s: *created_s,
            description: description.clone(),
            state: *state,
            private_key: material
                .to_pkcs8()?
                .map(|der| SecretText(STANDARD.encode(&der[..]))),
            policy: policy_text.clone(),
        };
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(&stored).map_err(|_| failed())?);
        files::write_atomically(&self.keys.join(format!("{id}.json")), &bytes).map_err(|_| failed())
    }
}

/// None if the file is not a key of this name.
fn read(path: &Path, name: &str) -> Result<Option<Key>, Error> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let Ok(Stored {
        key_id,
        created_s,
        description,
        state,
        private_key,
        policy: policy_text,
    }) = serde_json::from_slice(&bytes)
    else {
        return Ok(None);
    };
    let material = match private_key {
        None => Some(Material::Symmetric),
        Some(encoded) => STANDARD
            .decode(encoded.0.as_bytes())
            .ok()
            .map(Zeroizing::new)
            .and_then(|der| Material::from_pkcs8(&der)),
    };
    let policy = Policy::of_key(&policy_text);
    match (material, policy) {
        (Some(material), Ok(policy)) if key_id == name => Ok(Some(Key {
            id: key_id,
            material,
            created_s,
            description,
            state,
            policy_text,
            policy,
        })),
        _ => Ok(None),
    }
}
