//! Whether an action applies: names, keys, limits, and the stops it must lift.
//!
//! Nothing here changes the state, and no signature is looked at.

use super::{
    super::state::{MAX_GRANTS, Slot, State, Status},
    CommandDenied, MAX_KEYS,
};
use crate::{
    catalog::Catalog,
    grant::Grant,
    id::{Digest, GrantId, KeyId, ResourceName},
    owner::command::{Action, Command, KeyCreate},
    time::UnixMs,
};

impl State {
    pub(super) fn check_action(&self, command: &Command, now: UnixMs) -> Result<(), CommandDenied> {
        match &command.action {
            Action::CatalogSet { catalog, touches } => self.check_catalog(catalog, touches, now),
            Action::Freeze => Ok(()),
            Action::GrantCreate(grant) => self.check_new_grant(grant, now),
            Action::GrantResume(id) => self.check_lifts(id, &command.lifts),
            Action::GrantRevoke(id) | Action::GrantSuspend(id) => self.existing(id).map(drop),
            Action::KeyCreate(key) => self.check_new_key(key),
            Action::KeyRetire(id) => self.check_key_exists(id),
            Action::Thaw => require_lifts(&self.data.freezes, &command.lifts),
            Action::GrantAmend(_) | Action::GrantReissue { .. } | Action::ManifestSet { .. } => {
                Err(CommandDenied::Unsupported)
            }
        }
    }

    fn existing(&self, id: &GrantId) -> Result<Slot, CommandDenied> {
        self.slot(id).ok_or_else(|| {
            CommandDenied::action("/action/grant", format!("grant `{id}` does not exist"))
        })
    }

    fn check_lifts(&self, id: &GrantId, lifts: &[Digest]) -> Result<(), CommandDenied> {
        let slot = self.existing(id)?;
        match self.grant(slot).map(|grant| &grant.status) {
            Some(Status::Suspended(by)) => require_lifts(by, lifts),
            Some(Status::Active) => {
                Err(CommandDenied::action("/action/grant", "a suspended grant"))
            }
            Some(Status::Revoked) | None => Err(CommandDenied::action(
                "/action/grant",
                "a revoked grant never resumes",
            )),
        }
    }

    fn check_new_key(&self, key: &KeyCreate) -> Result<(), CommandDenied> {
        if self.key(&key.id).is_some() {
            return Err(CommandDenied::action(
                "/action/key/id",
                "a name that no key has ever had",
            ));
        }
        if self.data.keys.len() >= MAX_KEYS {
            return Err(CommandDenied::action(
                "/action/key/id",
                format!("at most {MAX_KEYS} keys"),
            ));
        }
        Ok(())
    }

    fn check_key_exists(&self, id: &KeyId) -> Result<(), CommandDenied> {
        match self.key(id) {
            Some(key) if !key.retired => Ok(()),
            Some(_) | None => Err(CommandDenied::action(
                "/action/key",
                format!("key `{id}` does not exist or is retired"),
            )),
        }
    }

    fn check_new_grant(&self, grant: &Grant, now: UnixMs) -> Result<(), CommandDenied> {
        if self.slot(&grant.id).is_some() {
            return Err(CommandDenied::action(
                "/action/grant/id",
                "an id that no grant has ever had",
            ));
        }
        if self.slot_of_agent(&grant.agent_key).is_some() {
            return Err(CommandDenied::action(
                "/action/grant/agent/key",
                "a key that no other grant has",
            ));
        }
        if self.data.grants.len() >= MAX_GRANTS {
            return Err(CommandDenied::action(
                "/action/grant",
                format!("at most {MAX_GRANTS} grants"),
            ));
        }
        if grant.expires_at <= now {
            return Err(CommandDenied::action(
                "/action/grant/expires_at",
                "a time to come",
            ));
        }
        self.check_names(grant)?;
        grant
            .keys
            .iter()
            .try_for_each(|id| self.check_grant_key(grant, id))
    }

    fn check_names(&self, grant: &Grant) -> Result<(), CommandDenied> {
        let lists = [
            &grant.allow_identity_only,
            &grant.allow_minting,
            &grant.allow_outliving,
        ];
        let named = grant
            .permissions
            .names()
            .chain(lists.into_iter().flatten())
            .chain(grant.only.keys());
        for name in named {
            let Some(resource) = self.catalog().resources.get(name) else {
                return Err(CommandDenied::action(
                    "/action/grant/permissions",
                    format!("`{name}` is not in the catalog"),
                ));
            };
            if resource.env != grant.env {
                return Err(CommandDenied::action(
                    "/action/grant/env",
                    format!("`{name}` is of the other environment"),
                ));
            }
        }
        Ok(())
    }

    fn check_grant_key(&self, grant: &Grant, id: &KeyId) -> Result<(), CommandDenied> {
        let refuse = |detail: String| Err(CommandDenied::action("/action/grant/keys", detail));
        match self.key(id) {
            None => refuse(format!("key `{id}` does not exist")),
            Some(key) if key.retired => refuse(format!("key `{id}` is retired")),
            Some(key) if key.env != grant.env => {
                refuse(format!("key `{id}` is of the other environment"))
            }
            Some(key)
                if key
                    .agent
                    .as_ref()
                    .is_some_and(|agent| *agent != grant.agent) =>
            {
                refuse(format!("key `{id}` belongs to another agent"))
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
                return Err(CommandDenied::action(
                    "/action/catalog/resources",
                    format!("`{name}` keeps its environment for ever"),
                ));
            }
        }
        let changed = |name: &ResourceName| old.get(name) != catalog.resources.get(name);
        for (id, state) in self.grants() {
            let live = state.status != Status::Revoked && state.grant.expires_at > now;
            if live && state.grant.permissions.names().any(changed) && !touches.contains(id) {
                return Err(CommandDenied::action(
                    "/action/touches",
                    format!("the grant `{id}`, whose names change"),
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
