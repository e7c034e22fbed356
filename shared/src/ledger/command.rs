//! Commands against the state: signatures, chain, what they lift, and whether their action applies.
//!
//! Having an [`AuthorizedCommand`] means its signatures hold under one manifest: the owners' threshold to widen, one owner
//! or operator to narrow. [`State::check_command`] says whether it is the next of its chain and applies now;
//! [`State::apply_command`] changes the state and cannot be half done.

use super::state::{GrantState, Head, KeyState, MAX_GRANTS, Slot, State, Status};
use crate::{
    catalog::Catalog,
    crypto::Verifier,
    effect::{Env, Kind},
    grant::Grant,
    id::{Digest, GrantId, KeyId, ResourceName},
    log::record::Born,
    owner::{
        self,
        command::{Action, Chain, Command, KeyCreate},
        manifest::Manifest,
    },
    time::{Millis, UnixMs},
};
use std::sync::Arc;

/// How far an owner's clock may run ahead of the enclave's.
pub const MAX_AHEAD: Millis = Millis(60_000);
/// Signing keys a deployment may have.
pub const MAX_KEYS: usize = 10_000;

/// A command whose signatures hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedCommand {
    command: Command,
    /// For a narrow command: the fingerprint of the signing key, which names its chain.
    signer: Option<Digest>,
    /// Digest of the manifest it was checked under.
    manifest: Digest,
}

impl AuthorizedCommand {
    /// What it says.
    #[must_use]
    pub const fn command(&self) -> &Command {
        &self.command
    }
}

/// Why a command is refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandDenied {
    /// Its action does not apply: the place in the command, and what would be right.
    #[error("does not apply at `{pointer}`: {detail}")]
    Action {
        /// JSON pointer into the command.
        pointer: &'static str,
        /// What would be right.
        detail: String,
    },
    /// Not parsable.
    #[error("malformed: {0}")]
    Malformed(owner::Error),
    /// Not the next of its chain: what the next would be.
    #[error("not the next of its chain: seq {seq}, prev {prev}")]
    NotNext {
        /// The next number.
        seq: u64,
        /// The last digest.
        prev: Digest,
    },
    /// Not lifting all that is in force.
    #[error("`lifts` must name exactly {0:?}")]
    Lifts(Vec<Digest>),
    /// Signatures missing, wrong or too few.
    #[error("signatures refused: {0}")]
    Signatures(owner::Error),
    /// Before its time or after its end.
    #[error("not within its time")]
    Time,
    /// Well-formed, but its mechanism is not built.
    #[error("not supported")]
    Unsupported,
}

impl CommandDenied {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Action { .. } => "not_applicable",
            Self::Malformed(_) => "malformed",
            Self::NotNext { .. } => "not_next",
            Self::Lifts(_) => "lifts",
            Self::Signatures(_) => "signatures",
            Self::Time => "time",
            Self::Unsupported => "unsupported",
        }
    }

    fn action(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self::Action {
            pointer,
            detail: detail.into(),
        }
    }
}

/// Checks a command's signatures under a manifest and parses it.
///
/// # Errors
///
/// [`CommandDenied::Signatures`] or [`CommandDenied::Malformed`].
pub fn authorize(
    body: &[u8],
    signatures: &[String],
    manifest: &Manifest,
    verifier: &dyn Verifier,
) -> Result<AuthorizedCommand, CommandDenied> {
    let command = Command::parse(body).map_err(CommandDenied::Malformed)?;
    let signer =
        owner::command::parse::verify_signers(command.chain, body, signatures, manifest, verifier);
    let signer = signer.map_err(CommandDenied::Signatures)?;
    Ok(AuthorizedCommand {
        command,
        signer,
        manifest: manifest.digest,
    })
}

impl State {
    /// Whether a command is the next of its chain and applies at `now`.
    ///
    /// # Errors
    ///
    /// A [`CommandDenied`] that says what would be right.
    pub fn check_command(
        &self,
        authorized: &AuthorizedCommand,
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let AuthorizedCommand {
            command,
            signer,
            manifest,
        } = authorized;
        let current = self.chain().get(self.generation());
        if current
            .is_none_or(|current| current.digest != *manifest || current.origin != command.origin)
        {
            return Err(CommandDenied::action(
                "/origin",
                "the deployment's origin, under its newest manifest",
            ));
        }
        if command.issued_at > now.plus(MAX_AHEAD) || now >= command.not_after {
            return Err(CommandDenied::Time);
        }
        let head = self.head_of(command.chain, signer.as_ref());
        if command.seq != head.seq.saturating_add(1) || command.prev != head.digest {
            return Err(CommandDenied::NotNext {
                seq: head.seq.saturating_add(1),
                prev: head.digest,
            });
        }
        self.check_action(command, now)
    }

    fn head_of(&self, chain: Chain, signer: Option<&Digest>) -> Head {
        match (chain, signer) {
            (Chain::Narrow, Some(signer)) => self.narrow_head(signer),
            (Chain::Narrow, None) | (Chain::Widen, _) => self.widen_head(),
        }
    }

    fn check_action(&self, command: &Command, now: UnixMs) -> Result<(), CommandDenied> {
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

    /// Changes the state by a command that was checked at the same `now`.
    ///
    /// # Errors
    ///
    /// [`CommandDenied::Action`] where a key was to be born and was not; nothing is changed then.
    pub fn apply_command(
        &mut self,
        authorized: &AuthorizedCommand,
        born: Option<&Born>,
        now: UnixMs,
    ) -> Result<(), CommandDenied> {
        let command = &authorized.command;
        self.apply_action(command, born, now)?;
        let head = Head {
            seq: command.seq,
            digest: command.digest,
        };
        match (command.chain, authorized.signer) {
            (Chain::Narrow, Some(signer)) => drop(self.data.narrow.insert(signer, head)),
            (Chain::Narrow, None) | (Chain::Widen, _) => self.data.widen = head,
        }
        Ok(())
    }

    fn apply_action(
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
            Action::GrantCreate(grant) => self.insert_grant(grant, now)?,
            Action::GrantResume(id) => self.set_status(id, Status::Active),
            Action::GrantRevoke(id) => self.set_status(id, Status::Revoked),
            Action::GrantSuspend(id) => self.suspend(id, command.digest),
            Action::KeyCreate(key) => self.insert_key(key, born)?,
            Action::KeyRetire(id) => self.retire(id),
            Action::Thaw => self.data.freezes.clear(),
            Action::GrantAmend(_) | Action::GrantReissue { .. } | Action::ManifestSet { .. } => {
                return Err(CommandDenied::Unsupported);
            }
        }
        Ok(())
    }

    fn withdraw_all(&mut self) {
        for grant in &mut self.data.grants {
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
        let slot = u32::try_from(self.data.grants.len())
            .map_err(|_| CommandDenied::action("/action/grant", "fewer grants"))?;
        for id in &grant.keys {
            if let Some(key) = self.data.keys.get_mut(id) {
                key.agent.get_or_insert_with(|| grant.agent.clone());
            }
        }
        self.data.by_id.insert(grant.id.clone(), Slot(slot));
        self.data.by_agent_key.insert(grant.agent_key, Slot(slot));
        self.data
            .grants
            .push(GrantState::new(Arc::new(grant.clone()), now));
        Ok(())
    }

    fn insert_key(&mut self, key: &KeyCreate, born: Option<&Born>) -> Result<(), CommandDenied> {
        let born = born.filter(|born| born.key == key.id);
        let born =
            born.ok_or_else(|| CommandDenied::action("/action/key", "a key that was born"))?;
        let state = KeyState {
            kind: key.kind,
            alg: key.alg,
            env: key.env,
            public: born.public.clone(),
            agent: key.agent.clone(),
            blob: born.blob,
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

    /// The grant's key of one kind: the first listed that is of the kind, of the grant's environment and not retired.
    #[must_use]
    pub fn key_of<'a>(
        &'a self,
        grant: &'a Grant,
        kind: Kind,
        env: Env,
    ) -> Option<(&'a KeyId, &'a KeyState)> {
        let mut keys = grant.keys.iter().filter_map(|id| Some((id, self.key(id)?)));
        keys.find(|(_, key)| key.kind == kind && key.env == env && !key.retired)
    }
}

/// Adds a stop. Two people may send the same bytes, each in their own chain: their digest stands for both.
fn stop(in_force: &mut Vec<Digest>, digest: Digest) {
    if !in_force.contains(&digest) {
        in_force.push(digest);
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
