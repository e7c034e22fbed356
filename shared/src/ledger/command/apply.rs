//! What an action changes, once it was checked.
//!
//! Whatever could withdraw a call under way changes its grant's epoch.

use super::{
    super::state::{GrantState, KeyState, State, Status},
    CommandDenied,
    check::expected,
    grants::Reissue,
};
use crate::{
    grant::Grant,
    id::{Digest, GrantId, KeyId},
    log::record::Born,
    owner::command::{Action, Command, KeyCreate},
    time::UnixMs,
};
use std::sync::Arc;

impl State {
    pub(super) fn apply_action(
        &mut self,
        command: &Command,
        born: Option<&Born>,
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        match &command.action {
            Action::CatalogSet {
                catalog,
                touches: _,
            } => self.data.catalog = Arc::new((**catalog).clone()),
            Action::Freeze => {
                stop(&mut self.data.freezes, command.digest);
                self.withdraw_all();
            }
            Action::GrantAmend(grant) => self.amend(grant, now),
            Action::GrantCreate(grant) => self.insert_grant(grant, now)?,
            Action::GrantReissue {
                old,
                new,
                agent_key,
                expires_at,
            } => self.reissue(
                Reissue {
                    old,
                    new,
                    agent_key: *agent_key,
                    expires_at: *expires_at,
                },
                now,
            )?,
            Action::GrantResume(id) => self.set_status(id, Status::Active),
            Action::GrantRevoke(id) => self.set_status(id, Status::Revoked),
            Action::GrantSuspend(id) => self.suspend(id, command.digest),
            Action::KeyCreate(key) => self.insert_key(key, born, false)?,
            Action::KeyImport(import) => {
                let fits = born.filter(|born| born.public == import.public);
                self.insert_key(&import.key, fits, true)?;
            }
            Action::KeyRetire(id) => self.retire(id),
            Action::Thaw => self.data.freezes.clear(),
            Action::ManifestSet { .. } => return Err(CommandDenied::Unsupported),
        }
        Ok(())
    }

    fn withdraw_all(&mut self) {
        for grant in self.data.grants.iter_mut() {
            grant.epoch = grant.epoch.saturating_add(1);
        }
    }

    fn set_status(&mut self, id: &GrantId, status: Status) {
        if let Some(state) = self.slot(id).and_then(|slot| self.grant_mut(slot)) {
            if state.status != Status::Revoked {
                state.status = status;
            }
            state.epoch = state.epoch.saturating_add(1);
        }
    }

    fn suspend(&mut self, id: &GrantId, digest: Digest) {
        let Some(state) = self.slot(id).and_then(|slot| self.grant_mut(slot)) else {
            return;
        };
        match &mut state.status {
            Status::Suspended(by) => stop(by, digest),
            Status::Active => state.status = Status::Suspended(vec![digest]),
            Status::Revoked => {}
        }
        state.epoch = state.epoch.saturating_add(1);
    }

    fn insert_grant(&mut self, grant: &Grant, now: UnixMs) -> Result<(), CommandDenied> {
        let place = self.next_slot()?;
        let grant = self.claim_keys(grant);
        self.insert_state(place, GrantState::new(Arc::new(grant), now));
        Ok(())
    }

    fn insert_key(
        &mut self,
        key: &KeyCreate,
        born: Option<&Born>,
        imported: bool,
    ) -> Result<(), CommandDenied> {
        let born = born.filter(|born| born.key == key.id);
        let born = born.ok_or_else(|| expected("/action/key", "a key that was taken in"))?;
        let state = KeyState {
            kind: key.kind,
            alg: key.alg,
            env: key.env,
            public: born.public.clone(),
            agent: key.agent.clone(),
            blob: born.blob,
            imported,
            retired: false,
        };
        self.data.keys.insert(key.id.clone(), state);
        Ok(())
    }

    fn retire(&mut self, id: &KeyId) {
        if let Some(key) = self.data.keys.get_mut(id) {
            key.retired = true;
        }
        for grant in self
            .data
            .grants
            .iter_mut()
            .filter(|grant| grant.grant.keys.contains(id))
        {
            grant.epoch = grant.epoch.saturating_add(1);
        }
    }
}

/// Adds a stop. Two people may send the same bytes, each in their own chain: their digest stands for both.
fn stop(in_force: &mut Vec<Digest>, digest: Digest) {
    if !in_force.contains(&digest) {
        in_force.push(digest);
    }
}
