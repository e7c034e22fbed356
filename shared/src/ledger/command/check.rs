//! Whether an action applies: names, keys, limits, and the stops it must lift.
//!
//! Nothing here changes the state, and no signature is looked at.

use super::{
    super::state::{MAX_GRANTS, Slot, State, Status},
    CommandDenied, MAX_KEYS,
    grants::Reissue,
};
use crate::{
    catalog::Catalog,
    grant::Grant,
    id::{Digest, GrantId, KeyId, ResourceName},
    owner::command::{Action, Command, KeyCreate, KeyImport},
    time::UnixMs,
};

impl State {
    pub(super) fn check_action(&self, command: &Command, now: UnixMs) -> Result<(), CommandDenied> {
        match &command.action {
            Action::CatalogSet { catalog, touches } => self.check_catalog(catalog, touches, now),
            Action::Freeze => Ok(()),
            Action::GrantAmend(grant) => self.check_amended(grant, &command.lifts, now),
            Action::GrantCreate(grant) => self.check_new_grant(grant, now),
            Action::GrantReissue {
                old,
                new,
                agent_key,
                expires_at,
            } => self.check_reissue(
                Reissue {
                    old,
                    new,
                    agent_key: *agent_key,
                    expires_at: *expires_at,
                },
                &command.lifts,
                now,
            ),
            Action::GrantResume(id) => self.check_lifts(id, &command.lifts),
            Action::GrantRevoke(id) | Action::GrantSuspend(id) => self.existing(id).map(drop),
            Action::KeyCreate(key) => self.check_new_key(key),
            Action::KeyImport(import) => self.check_import(import),
            Action::KeyRetire(id) => self.check_key_exists(id),
            Action::Thaw => require_lifts(&self.data.freezes, &command.lifts),
            Action::ManifestSet { .. } => Err(CommandDenied::Unsupported),
        }
    }

    fn existing(&self, id: &GrantId) -> Result<Slot, CommandDenied> {
        self.slot(id).ok_or_else(|| {
            expected(
                "/action/grant",
                format!("a grant that exists; `{id}` does not"),
            )
        })
    }

    fn check_lifts(&self, id: &GrantId, lifts: &[Digest]) -> Result<(), CommandDenied> {
        let slot = self.existing(id)?;
        match self.grant(slot).map(|grant| &grant.status) {
            Some(Status::Suspended(by)) => require_lifts(by, lifts),
            Some(Status::Active) => Err(expected("/action/grant", "a suspended grant")),
            Some(Status::Revoked) | None => Err(expected(
                "/action/grant",
                "a grant that is not revoked: a revoked one never resumes",
            )),
        }
    }

    fn check_new_key(&self, key: &KeyCreate) -> Result<(), CommandDenied> {
        if self.key(&key.id).is_some() {
            return Err(expected(
                "/action/key/id",
                "a name that no key has ever had",
            ));
        }
        if self.data.keys.len() >= MAX_KEYS {
            return Err(expected(
                "/action/key/id",
                format!("at most {MAX_KEYS} keys"),
            ));
        }
        Ok(())
    }

    /// A key made elsewhere is taken once: the same public key never stands under two names, nor comes back retired.
    fn check_import(&self, import: &KeyImport) -> Result<(), CommandDenied> {
        self.check_new_key(&import.key)?;
        if self.data.channel_key != Some(import.channel_key) {
            return Err(expected(
                "/action/channel_key",
                "the channel key of the instance that serves now: seal the key again",
            ));
        }
        let mut keys = self.data.keys.values();
        if keys.any(|known| known.public == import.public) {
            return Err(expected(
                "/action/key/public",
                "a public key that no key has ever had",
            ));
        }
        Ok(())
    }

    fn check_key_exists(&self, id: &KeyId) -> Result<(), CommandDenied> {
        match self.key(id) {
            Some(key) if !key.retired => Ok(()),
            Some(_) | None => Err(expected(
                "/action/key",
                format!("a key that exists and is not retired; `{id}` is none"),
            )),
        }
    }

    fn check_new_grant(&self, grant: &Grant, now: UnixMs) -> Result<(), CommandDenied> {
        if self.slot(&grant.id).is_some() {
            return Err(expected(
                "/action/grant/id",
                "an id that no grant has ever had",
            ));
        }
        if self.slot_of_agent(&grant.agent_key).is_some() {
            return Err(expected(
                "/action/grant/agent/key",
                "a key that no other grant has",
            ));
        }
        if self.data.grants.len() >= MAX_GRANTS {
            return Err(expected(
                "/action/grant",
                format!("at most {MAX_GRANTS} grants"),
            ));
        }
        self.check_terms(grant, now)
    }

    /// What the terms of a new and of an amended grant must fit: the time, the catalog and the keys.
    pub(super) fn check_terms(&self, grant: &Grant, now: UnixMs) -> Result<(), CommandDenied> {
        if grant.expires_at <= now {
            return Err(expected("/action/grant/expires_at", "a time to come"));
        }
        self.check_names(grant)?;
        grant
            .keys
            .iter()
            .try_for_each(|id| self.check_grant_key(grant, id))
    }

    fn check_names(&self, grant: &Grant) -> Result<(), CommandDenied> {
        for name in names(grant) {
            let Some(resource) = self.catalog().resources.get(name) else {
                return Err(expected(
                    "/action/grant/permissions",
                    format!("names of the catalog; `{name}` is none"),
                ));
            };
            if resource.env != grant.env {
                return Err(expected(
                    "/action/grant/env",
                    format!("the environment of `{name}`, which is the other one"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses a grant whose names moved to the other environment. Names and keys that are gone do no harm: nothing is
    /// issued under them.
    pub(super) fn check_environment(&self, grant: &Grant) -> Result<(), CommandDenied> {
        let resources = &self.catalog().resources;
        let other = |name: &&ResourceName| {
            let resource = resources.get(*name);
            resource.is_some_and(|resource| resource.env != grant.env)
        };
        match names(grant).find(other) {
            None => Ok(()),
            Some(name) => Err(expected(
                "/action/old",
                format!("a grant of its names' environment; `{name}` is of the other"),
            )),
        }
    }

    fn check_grant_key(&self, grant: &Grant, id: &KeyId) -> Result<(), CommandDenied> {
        let refuse = |detail: String| Err(expected("/action/grant/keys", detail));
        match self.key(id) {
            None => refuse(format!("keys that exist; `{id}` does not")),
            Some(key) if key.retired => refuse(format!("keys that are not retired; `{id}` is")),
            Some(key) if key.env != grant.env => refuse(format!(
                "keys of the grant's environment; `{id}` is of the other"
            )),
            Some(key)
                if key
                    .agent
                    .as_ref()
                    .is_some_and(|agent| *agent != grant.agent) =>
            {
                refuse(format!("keys of the grant's agent; `{id}` is another's"))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_catalog(
        &self,
        catalog: &Catalog,
        touches: &[GrantId],
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let old = &self.catalog().resources;
        for (name, resource) in &catalog.resources {
            if old
                .get(name)
                .is_some_and(|before| before.env != resource.env)
            {
                return Err(expected(
                    "/action/catalog/resources",
                    format!("`{name}` in the environment that it has for ever"),
                ));
            }
        }
        for (unit, asset) in &self.catalog().assets {
            if !catalog
                .assets
                .get(unit)
                .is_some_and(|now| now.is_same(asset))
            {
                return Err(expected(
                    "/action/catalog/assets",
                    format!("`{unit}` as it is: an asset is never redefined or taken out"),
                ));
            }
        }
        let changed = |name: &ResourceName| !self.catalog().means_the_same(catalog, name);
        for (id, state) in self.grants() {
            let live = state.status != Status::Revoked && state.grant.expires_at > now;
            if live && state.grant.permissions.names().any(changed) && !touches.contains(id) {
                return Err(expected(
                    "/action/touches",
                    format!("a list that holds the grant `{id}`, whose names change"),
                ));
            }
        }
        Ok(())
    }
}

fn require_lifts(in_force: &[Digest], lifts: &[Digest]) -> Result<(), CommandDenied> {
    let all = in_force.iter().all(|digest| lifts.contains(digest));
    if all && lifts.len() == in_force.len() && !in_force.is_empty() {
        Ok(())
    } else {
        Err(CommandDenied::Lifts(in_force.to_vec()))
    }
}

/// Every resource that a grant names anywhere.
fn names(grant: &Grant) -> impl Iterator<Item = &ResourceName> {
    let lists = [
        &grant.allow_identity_only,
        &grant.allow_minting,
        &grant.allow_outliving,
    ];
    let listed = lists.into_iter().flatten();
    grant
        .permissions
        .names()
        .chain(listed)
        .chain(grant.only.keys())
}

/// What lifts a suspension names all of it; where there is none, it names nothing.
pub(super) fn check_stops(status: &Status, lifts: &[Digest]) -> Result<(), CommandDenied> {
    match status {
        Status::Suspended(by) => require_lifts(by, lifts),
        Status::Active | Status::Revoked if lifts.is_empty() => Ok(()),
        Status::Active | Status::Revoked => Err(CommandDenied::Lifts(Vec::new())),
    }
}

/// An action that does not apply: the place in the command, and what would be right.
pub(super) fn expected(pointer: &'static str, detail: impl Into<String>) -> CommandDenied {
    CommandDenied::Action {
        pointer,
        detail: detail.into(),
    }
}
