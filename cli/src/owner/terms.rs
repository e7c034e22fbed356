//! Grants under other terms, and grants that others continue: written from what the audited log says, with the difference.
//!
//! What is shown is computed from the same log that the command is written on; the enclave decides whether it applies.

use super::{
    Desk,
    grant::{discard, new_secret, usage},
    key::random_name,
};
use crate::Error;
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    codec::json as strict,
    grant::Grant,
    id::{Digest, GrantId, X25519Public},
    ledger::{GrantState, Status},
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};
use std::path::Path;

/// One member of a grant that changes; absent where it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub member: String,
    /// As it stands.
    pub old: Option<Value>,
    /// As it will be.
    pub new: Option<Value>,
}

impl Change {
    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "member": self.member, "old": self.old, "new": self.new })
    }

    /// As people read it.
    #[must_use]
    pub fn words(&self) -> String {
        let shown = |value: &Option<Value>| {
            let text = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            value.as_ref().map_or_else(|| "(none)".to_owned(), text)
        };
        format!(
            "{}: {} → {}",
            self.member,
            shown(&self.old),
            shown(&self.new)
        )
    }
}

/// Members in which two grants differ, by name.
#[must_use]
pub fn changes(old: &Grant, new: &Grant) -> Vec<Change> {
    let (old, new) = (old.to_json(), new.to_json());
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (old, new) = (members(&old), members(&new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differs = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name));
    differs
        .map(|name| Change {
            member: name.clone(),
            old: old.get(name).cloned(),
            new: new.get(name).cloned(),
        })
        .collect()
}

/// A widening command about a grant, not written yet.
#[derive(Debug)]
pub struct Planned {
    /// The grant as it will be.
    pub grant: Grant,
    /// How it differs from what is in force.
    pub changes: Vec<Change>,
    /// The action.
    pub action: Value,
    /// The stops that it lifts.
    pub lifts: Vec<Digest>,
}

/// A grant's new end.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// At this time.
    At(UnixMs),
    /// So long from now.
    In(Millis),
}

/// The successor's agent key.
#[derive(Debug, Clone, Copy)]
pub enum NewKey<'a> {
    /// The agent made it.
    Of(X25519Public),
    /// Made here, and written to a file of mode 0600.
    Into(&'a Path),
}

/// A reissue, not written yet, and the file that its agent key was written to.
#[derive(Debug)]
pub struct Continued<'a> {
    /// The command.
    pub planned: Planned,
    /// Where the agent key is.
    pub file: Option<&'a Path>,
}

impl Desk {
    fn grant_in_force(&self, id: &GrantId) -> Result<&GrantState, Error> {
        let state = self.view().state();
        let found = state.slot(id).and_then(|slot| state.grant(slot));
        found.ok_or_else(|| {
            Error::Usage(format!(
                "the log names no grant `{id}`; `claviger grant list` shows all"
            ))
        })
    }

    /// An amendment of the grant that a file names. `agent`, its `key`, `env` and `keys` may be absent: they stay.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault, also where nothing would change.
    pub fn plan_amendment(&self, text: &[u8]) -> Result<Planned, Error> {
        strict::parse(text).map_err(claviger_shared::owner::Error::from)?;
        let mut value: Value =
            serde_json::from_slice(text).map_err(|error| Error::Usage(error.to_string()))?;
        let id = value.get("id").and_then(Value::as_str);
        let id = id.and_then(|id| GrantId::parse(id).ok());
        let id = id.ok_or_else(|| usage("/id", "the id of the grant to amend, gr_…"))?;
        let found = self.grant_in_force(&id)?;
        let stands = found.grant.to_json();
        for pointer in ["/agent", "/agent/key", "/env", "/keys"] {
            keep(&mut value, &stands, pointer);
        }
        let bytes = serde_json::to_vec(&value).map_err(|error| Error::Usage(error.to_string()))?;
        let grant = Grant::parse(&bytes)?;
        let changes = changes(&found.grant, &grant);
        let lifts = stops(found);
        if changes.is_empty() && lifts.is_empty() {
            return Err(Error::Usage(format!(
                "grant `{id}` stands like this already"
            )));
        }
        Ok(Planned {
            action: json!({ "type": "grant.amend", "grant": grant.to_json() }),
            grant,
            changes,
            lifts,
        })
    }

    /// A reissue under a new name. A key that is made here is written before any command is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], [`Error::Io`].
    pub fn plan_reissue<'a>(
        &self,
        old: &GrantId,
        end: End,
        key: NewKey<'a>,
    ) -> Result<Continued<'a>, Error> {
        let found = self.grant_in_force(old)?;
        let new = GrantId::parse(&random_name("gr_")?);
        let new = new.map_err(|_| Error::Usage("bad name".to_owned()))?;
        let (agent_key, made) = match key {
            NewKey::Of(key) => (key, None),
            NewKey::Into(path) => {
                let secret = new_secret()?;
                (secret.public()?, Some((secret, path)))
            }
        };
        let mut grant = (*found.grant).clone();
        grant.id = new;
        grant.agent_key = agent_key;
        grant.expires_at = match end {
            End::At(time) => time,
            End::In(length) => UnixMs(wall_clock_ms()).plus(length),
        };
        grant.renew_until = grant.renew_until.filter(|until| *until >= grant.expires_at);
        let planned = Planned {
            changes: changes(&found.grant, &grant),
            action: json!({
                "type": "grant.reissue", "old": old, "new": grant.id, "agent_key": agent_key,
                "expires_at": grant.expires_at.to_string(),
            }),
            lifts: stops(found),
            grant,
        };
        let file = made.as_ref().map(|(_, path)| *path);
        if let Some((secret, path)) = made {
            self.write_agent_key(&planned.grant.id, secret, path)?;
        }
        Ok(Continued { planned, file })
    }

    /// Sends what was planned; an agent key that then belongs to nobody is removed again.
    ///
    /// # Errors
    ///
    /// As [`Desk::widen_now`].
    pub async fn carry_out(&mut self, planned: &Planned, file: Option<&Path>) -> Result<(), Error> {
        let applied = self.widen_now(&planned.action, &planned.lifts).await;
        discard(file, &applied);
        applied.map(drop)
    }
}

/// Puts a member as it stands where a file leaves it out.
fn keep(value: &mut Value, stands: &Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let standing = stands.pointer(pointer).cloned();
    let members = value.pointer_mut(parent).and_then(Value::as_object_mut);
    if let (Some(members), Some(standing)) = (members, standing) {
        members.entry(name).or_insert(standing);
    }
}

fn stops(found: &GrantState) -> Vec<Digest> {
    match &found.status {
        Status::Suspended(by) => by.clone(),
        Status::Active | Status::Revoked => Vec::new(),
    }
}

/// Reads a length: `45s`, `30m`, `8h`, `7d`, or ISO 8601 such as `PT8H`.
#[must_use]
pub fn parse_length(text: &str) -> Option<Millis> {
    if text.starts_with('P') {
        return Millis::parse_iso(text).ok();
    }
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let count = digits
        .parse::<u64>()
        .ok()
        .filter(|count| plain && *count > 0)?;
    count.checked_mul(seconds)?.checked_mul(1000).map(Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit_or_iso_8601() {
        for (text, seconds) in [
            ("45s", 45),
            ("30m", 1800),
            ("8h", 28_800),
            ("7d", 604_800),
            ("PT8H", 28_800),
        ] {
            assert_eq!(parse_length(text), Some(Millis(seconds * 1000)), "{text}");
        }
        for bad in [
            "",
            "8",
            "h",
            "0h",
            "-1h",
            "+1h",
            "8 h",
            "8w",
            "8hé",
            "99999999999999999999d",
        ] {
            assert_eq!(parse_length(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_member_that_a_file_leaves_out_stays_and_one_it_names_is_its_own() {
        let stands = json!({ "agent": { "id": "bot", "key": "k" }, "env": "live", "keys": ["a"] });
        let mut value = json!({ "agent": { "id": "bot" }, "keys": ["b"] });
        for pointer in ["/agent", "/agent/key", "/env", "/keys"] {
            keep(&mut value, &stands, pointer);
        }
        assert_eq!(
            value,
            json!({ "agent": { "id": "bot", "key": "k" }, "env": "live", "keys": ["b"] })
        );
    }

    #[test]
    fn a_change_shows_both_sides() {
        let change = Change {
            member: "expires_at".to_owned(),
            old: None,
            new: Some(json!("2026-11-23T09:00:00Z")),
        };
        assert_eq!(change.words(), "expires_at: (none) → 2026-11-23T09:00:00Z");
    }
}
