//! Signing keys as owners see them: made inside, shown by their public half.

use super::Desk;
use crate::Error;
use claviger_shared::{
    effect::{Env, Kind},
    id::{AgentId, KeyId, to_hex},
    jwk,
    ledger::KeyState,
    owner::command::Alg,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name; made here if absent.
    pub name: Option<KeyId>,
    /// Its kind.
    pub kind: Kind,
    /// Its algorithm.
    pub alg: Alg,
    /// Live or sandbox.
    pub env: Env,
    /// The one agent that may ever use it, if said already.
    pub agent: Option<AgentId>,
}

/// Random hexadecimal for names.
///
/// # Errors
///
/// [`Error::Unavailable`] without randomness.
pub fn random_name(prefix: &str) -> Result<String, Error> {
    let mut bytes = [0_u8; 10];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
    Ok(format!("{prefix}{}", to_hex(&bytes)))
}

impl NewKey {
    /// The action that makes it, and its name.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] without randomness.
    pub fn action(&self) -> Result<(Value, KeyId), Error> {
        let made =
            || KeyId::parse(&random_name("k_")?).map_err(|_| Error::Usage("bad name".to_owned()));
        let id = self.name.clone().map_or_else(made, Ok)?;
        let mut key = json!({ "id": id, "kind": self.kind, "alg": self.alg, "env": self.env });
        if let (Some(agent), Some(members)) = (&self.agent, key.as_object_mut()) {
            members.insert("agent".to_owned(), json!(agent));
        }
        Ok((json!({ "type": "key.create", "key": key }), id))
    }
}

impl Desk {
    /// Makes a key inside the enclave and shows it as the log names it.
    ///
    /// # Errors
    ///
    /// As [`Desk::widen_now`].
    pub async fn create_key(&mut self, key: &NewKey) -> Result<Value, Error> {
        let (action, id) = key.action()?;
        self.widen_now(&action, &[]).await?;
        self.show_key(&id)
    }

    /// A key as the audited log names it.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where there is none of this name.
    pub fn show_key(&self, id: &KeyId) -> Result<Value, Error> {
        let state = self.view.state().key(id);
        let state = state.ok_or_else(|| {
            Error::Usage(format!(
                "the log names no key `{id}`; `claviger key list` shows all"
            ))
        })?;
        shown(id, state)
    }

    /// The body of the key directory that a key signs, to the byte.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where there is no key of this name, or it signs no directory.
    pub fn directory(&self, id: &KeyId) -> Result<String, Error> {
        self.show_key(id)?;
        let key = self
            .view
            .state()
            .key(id)
            .filter(|key| key.kind == Kind::Http);
        let body = key.and_then(|key| jwk::directory(key.alg, &key.public));
        body.ok_or_else(|| Error::Usage(format!("`{id}` is no key of kind http")))
    }

    /// Every key of the audited log.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for a public key that is none.
    pub fn list_keys(&self) -> Result<Vec<Value>, Error> {
        self.view
            .state()
            .keys()
            .map(|(id, state)| shown(id, state))
            .collect()
    }
}

fn shown(id: &KeyId, state: &KeyState) -> Result<Value, Error> {
    let none = || Error::Distrust(format!("public key of `{id}` is none"));
    let KeyState {
        kind,
        alg,
        env,
        public,
        agent,
        blob: _,
        imported,
        retired,
    } = state;
    if !alg.is_public(public) {
        return Err(none());
    }
    let mut value = json!({
        "key": id, "kind": kind, "alg": alg, "env": env, "agent": agent, "imported": imported, "retired": retired,
    });
    if let Some(members) = value.as_object_mut() {
        members.extend(jwk::shown(id, *kind, *alg, public));
    }
    Ok(value)
}
