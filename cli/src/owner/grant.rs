//! Grants as owners see them: completed from what a file leaves out, created, shown, revoked.

use super::{
    Applied, Desk,
    fill::{Options, fill},
    key::random_name,
};
use crate::Error;
use claviger_client::{
    AgentKey, agent_key::AgentSecret, render::remaining, session::wall_clock_ms,
};
use claviger_shared::{
    codec::json as strict,
    effect::{Env, Kind},
    grant::Grant,
    id::{AgentId, GrantId, KeyId, X25519Public},
    ledger::GrantState,
    time::UnixMs,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

/// A grant that is complete, and the agent's secret where it was made here.
#[derive(Debug)]
pub struct Completed {
    /// The grant.
    pub grant: Grant,
    /// Made here because the file names no agent key.
    pub secret: Option<AgentSecret>,
}

pub(super) fn usage(pointer: &str, expected: &str) -> Error {
    Error::Usage(format!("grant: at `{pointer}`: expected {expected}"))
}

impl Desk {
    /// Completes a grant file: `id`, `agent.key`, `keys` and all that options say may be absent.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault.
    pub fn complete_grant(&self, text: &[u8], options: &Options) -> Result<Completed, Error> {
        strict::parse(text).map_err(claviger_shared::owner::Error::from)?;
        let mut value: Value =
            serde_json::from_slice(text).map_err(|error| Error::Usage(error.to_string()))?;
        let members = value
            .as_object_mut()
            .ok_or_else(|| usage("", "an object"))?;
        fill(members, options, UnixMs(wall_clock_ms()))?;
        if !members.contains_key("id") {
            members.insert("id".to_owned(), json!(random_name("gr_")?));
        }
        let mut secret = None;
        let agent = members.get_mut("agent").and_then(Value::as_object_mut);
        let agent = agent.ok_or_else(|| {
            usage(
                "/agent",
                "an object with `id`, and `key` if the agent made one",
            )
        })?;
        if !agent.contains_key("key") {
            let made = new_secret()?;
            agent.insert("key".to_owned(), json!(made.public()?));
            secret = Some(made);
        }
        let id = agent
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| AgentId::parse(id).ok());
        let id = id.ok_or_else(|| usage("/agent/id", "an agent's name"))?;
        if !members.contains_key("keys") {
            let env = match members.get("env").and_then(Value::as_str) {
                Some("sandbox") => Env::Sandbox,
                _ => Env::Live,
            };
            members.insert("keys".to_owned(), json!(self.only_keys(&id, env)?));
        }
        let bytes = serde_json::to_vec(&value).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Completed {
            grant: Grant::parse(&bytes)?,
            secret,
        })
    }

    /// The agent's only key of each kind; keys that belong to nobody yet count.
    fn only_keys(&self, agent: &AgentId, env: Env) -> Result<Vec<KeyId>, Error> {
        let mut chosen = Vec::new();
        for kind in Kind::ALL {
            let fits = self.view.state().keys().filter(|(_, key)| {
                key.kind == kind
                    && key.env == env
                    && !key.retired
                    && key.agent.as_ref().is_none_or(|of| of == agent)
            });
            let fits: Vec<_> = fits.map(|(id, _)| id.clone()).collect();
            match fits.as_slice() {
                [] => {}
                [one] => chosen.push(one.clone()),
                many => {
                    let list = many
                        .iter()
                        .map(KeyId::as_str)
                        .collect::<Vec<_>>()
                        .join(", ");
                    let kind = kind.as_str();
                    return Err(usage(
                        "/keys",
                        &format!("a choice of these {kind} keys: {list}"),
                    ));
                }
            }
        }
        if chosen.is_empty() {
            Err(usage("/keys", "a key; make one with `claviger key create`"))
        } else {
            Ok(chosen)
        }
    }

    /// The action that creates a grant.
    #[must_use]
    pub fn grant_action(grant: &Grant) -> Value {
        json!({ "type": "grant.create", "grant": grant.to_json() })
    }

    /// Writes the agent key of a completed grant, where it is made here, to a file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where file and grant do not fit, [`Error::Io`]. The file is written before any command is sent: a
    /// grant whose key is lost would be of no use.
    pub fn keep_secret<'a>(
        &self,
        completed: Completed,
        agent_key_out: Option<&'a Path>,
    ) -> Result<(Grant, Option<&'a Path>), Error> {
        let Completed { grant, secret } = completed;
        match (secret, agent_key_out) {
            (Some(_), None) => Err(Error::Usage(
                "the agent key is made here: say where with --agent-key-out FILE".to_owned(),
            )),
            (None, Some(_)) => Err(Error::Usage(
                "the grant names the agent's own key: --agent-key-out has nothing to write"
                    .to_owned(),
            )),
            (Some(secret), Some(path)) => {
                self.write_agent_key(&grant.id, secret, path)?;
                Ok((grant, Some(path)))
            }
            (None, None) => Ok((grant, None)),
        }
    }

    /// Creates a grant; the agent key, where it was made here, goes to a file of mode 0600.
    ///
    /// # Errors
    ///
    /// As [`Desk::complete_grant`], [`Desk::keep_secret`] and [`Desk::widen_now`].
    pub async fn create_grant(
        &mut self,
        text: &[u8],
        agent_key_out: Option<&Path>,
    ) -> Result<Value, Error> {
        let completed = self.complete_grant(text, &Options::default())?;
        let (grant, file) = self.keep_secret(completed, agent_key_out)?;
        self.send_grant(&grant, file).await?;
        Ok(json!({ "grant": grant.id, "agent_api_key_file": file }))
    }

    /// Sends a grant whose agent key is kept already; the file is removed again where the grant is refused.
    ///
    /// # Errors
    ///
    /// As [`Desk::widen_now`].
    pub async fn send_grant(&mut self, grant: &Grant, file: Option<&Path>) -> Result<(), Error> {
        let applied = self.widen_now(&Self::grant_action(grant), &[]).await;
        discard(file, &applied);
        applied.map(drop)
    }

    /// Writes the agent key of a grant whose agent made its own secret.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where the log's grant names another key; [`Error::Io`].
    pub fn complete_agent_key(
        &self,
        id: &GrantId,
        secret: AgentSecret,
        path: &Path,
    ) -> Result<(), Error> {
        let state = self.view.state();
        let found = state.slot(id).and_then(|slot| state.grant(slot));
        let found = found.ok_or_else(|| {
            Error::Usage(format!(
                "the log names no grant `{id}`; `claviger grant list` shows all"
            ))
        })?;
        if found.grant.agent_key != secret.public()? {
            return Err(Error::Usage(format!(
                "grant `{id}` names another agent key than this secret's"
            )));
        }
        self.write_agent_key(id, secret, path)
    }

    pub(super) fn write_agent_key(
        &self,
        grant: &GrantId,
        secret: AgentSecret,
        path: &Path,
    ) -> Result<(), Error> {
        let report = self.view.report()?;
        let key = AgentKey {
            api: self.profile.api.clone(),
            fingerprint: self.chain.fingerprint(),
            grant: grant.clone(),
            secret,
            generation: self.chain.newest().generation,
            size: report.size,
            root: report.root,
        };
        write_secret(path, key.expose()?.as_bytes())
    }

    /// A grant as the audited log says it stands now.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where there is none of this id.
    pub fn show_grant(&self, id: &GrantId) -> Result<Value, Error> {
        let state = self.view.state();
        let found = state.slot(id).and_then(|slot| state.grant(slot));
        let found = found.ok_or_else(|| {
            Error::Usage(format!(
                "the log names no grant `{id}`; `claviger grant list` shows all"
            ))
        })?;
        Ok(self.shown(found))
    }

    /// Every grant of the audited log.
    #[must_use]
    pub fn list_grants(&self) -> Vec<Value> {
        self.view
            .state()
            .grants()
            .map(|(_, grant)| self.shown(grant))
            .collect()
    }

    fn shown(&self, found: &GrantState) -> Value {
        let now = UnixMs(wall_clock_ms()).max(self.view.state().time());
        json!({
            "grant": found.grant.id, "state": found.word(self.view.state().is_frozen(), now),
            "document": found.grant.to_json(), "remaining": remaining(&found.remaining(now)), "outstanding": outstanding(found, now),
        })
    }

    /// Revokes a grant and says what is still alive outside, by the audited log.
    ///
    /// # Errors
    ///
    /// As [`Desk::narrow_now`].
    pub async fn revoke_grant(&mut self, id: &GrantId) -> Result<Value, Error> {
        self.narrow_now(&json!({ "type": "grant.revoke", "grant": id }))
            .await?;
        let shown = self.show_grant(id)?;
        Ok(
            json!({ "grant": id, "state": shown.get("state"), "outstanding": shown.get("outstanding") }),
        )
    }
}

fn outstanding(found: &GrantState, now: UnixMs) -> Value {
    let one = |alive: claviger_shared::ledger::state::Outstanding| json!({ "kind": alive.kind, "destination": alive.destination, "dies_at": alive.dies_at.or_never() });
    found.outstanding(now).into_iter().map(one).collect()
}

/// Removes the agent key of a grant that a refused command did not make: it is of no use to anybody, and a failure to
/// remove it changes nothing. After any other failure the command may have been applied, and the file stays.
pub(super) fn discard(file: Option<&Path>, applied: &Result<Applied, Error>) {
    let refused = matches!(
        applied,
        Err(Error::Refused { .. } | Error::Usage(_) | Error::Pending(_) | Error::Io { .. })
    );
    if let (true, Some(path)) = (refused, file) {
        let _ = std::fs::remove_file(path);
    }
}

/// A new agent secret.
///
/// # Errors
///
/// [`Error::Unavailable`] without randomness.
pub fn new_secret() -> Result<AgentSecret, Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    let filled = SystemRandom::new().fill(bytes.as_mut());
    filled.map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
    Ok(AgentSecret::new(*bytes))
}

/// The public half of a secret, as grants name it.
///
/// # Errors
///
/// [`Error::Usage`] for bytes that are no key.
pub fn public(secret: &AgentSecret) -> Result<X25519Public, Error> {
    Ok(secret.public()?)
}

/// Writes a secret's file, which must not be there yet, readable by its owner alone.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = opened.map_err(Error::io("cannot write", path))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all());
    written.map_err(Error::io("cannot write", path))
}

/// Writes a file that must not be there yet.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes));
    written.map_err(Error::io("cannot write", path))
}
