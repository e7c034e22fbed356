//! Commands against the state: signatures, chain, what they lift, and whether their action applies.
//!
//! Having an [`AuthorizedCommand`] means its signatures hold under one manifest: the owners' threshold to widen, one owner
//! or operator to narrow. [`State::check_command`] says whether it is the next of its chain and applies now;
//! [`State::apply_command`] changes the state and cannot be half done.

mod apply;
mod check;
mod grants;
mod manifest;

use super::state::{Head, KeyState, State};
use crate::{
    crypto::Verifier,
    effect::{Env, Kind},
    grant::Grant,
    id::{Digest, KeyId},
    log::record::Born,
    owner::{
        self,
        command::{Action, Chain, Command},
        manifest::{self as manifests, Manifest},
    },
    time::{Millis, UnixMs},
    wire::control::Signed,
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
    /// For a command that sets a manifest: the chain with it, up to it.
    next: Option<Arc<manifests::chain::Chain>>,
}

impl AuthorizedCommand {
    /// What it says.
    #[must_use]
    pub const fn command(&self) -> &Command {
        &self.command
    }

    /// For a command that sets a manifest: the chain with it, up to it.
    #[must_use]
    pub const fn next(&self) -> Option<&Arc<manifests::chain::Chain>> {
        self.next.as_ref()
    }
}

/// Why a command is refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandDenied {
    /// Its action does not apply: the place in the command, and what would be right.
    #[error("does not apply at `{pointer}`: expected {detail}")]
    Action {
        /// JSON pointer into the command.
        pointer: &'static str,
        /// What would be right.
        detail: String,
    },
    /// Not parsable.
    #[error("malformed: {0}")]
    Malformed(owner::Error),
    /// The manifest that it sets cannot follow, or is not signed as it must be.
    #[error("manifest refused: {0}")]
    Manifest(owner::Error),
    /// Not the next of its chain: what the next would be.
    #[error("not the next of its chain: expected seq {seq} and prev {prev}")]
    NotNext {
        /// The next number.
        seq: u64,
        /// The last digest.
        prev: Digest,
    },
    /// Not lifting all that is in force.
    #[error("lifts: expected exactly {}", list(.0))]
    Lifts(Vec<Digest>),
    /// Signatures missing, wrong or too few.
    #[error("signatures refused: {0}")]
    Signatures(owner::Error),
    /// Before its time or after its end.
    #[error("not within its time: expected issued_at at most a minute ahead and not_after to come")]
    Time,
    /// Well-formed, but its mechanism is not built.
    #[error("not supported: expected an action that is built")]
    Unsupported,
}

impl CommandDenied {
    /// JSON pointer to the place in the command at fault, where there is one.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Action { pointer, .. } => Some(pointer),
            Self::Malformed(error) | Self::Manifest(error) | Self::Signatures(error) => {
                Some(error.pointer())
            }
            Self::Lifts(_) => Some("/lifts"),
            Self::NotNext { .. } => Some("/seq"),
            Self::Time | Self::Unsupported => None,
        }
    }

    /// What would be right, as one sentence.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Action { detail, .. } => format!("expected {detail}"),
            Self::Malformed(error) | Self::Manifest(error) | Self::Signatures(error) => {
                format!("expected {}", error.expected())
            }
            Self::Lifts(all) => format!("expected exactly {}", list(all)),
            Self::NotNext { seq, prev } => {
                format!("expected seq {seq} and prev {prev}, the next of its chain")
            }
            Self::Time => {
                let ahead = MAX_AHEAD.0 / 1000;
                format!("expected issued_at at most {ahead} s ahead, and not_after to come")
            }
            Self::Unsupported => "expected an action that is built".to_owned(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Action { .. } | Self::Manifest(_) => "not_applicable",
            Self::Malformed(_) => "malformed",
            Self::NotNext { .. } => "not_next",
            Self::Lifts(_) => "lifts",
            Self::Signatures(_) => "signatures",
            Self::Time => "time",
            Self::Unsupported => "unsupported",
        }
    }
}

fn list(digests: &[Digest]) -> String {
    let digests: Vec<String> = digests.iter().map(Digest::to_string).collect();
    format!("[{}]", digests.join(", "))
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
        next: None,
    })
}

/// Checks a command's signatures under the manifest in force, which is this generation of the chain, and those of the
/// manifest that it sets, where it sets one.
///
/// # Errors
///
/// As [`authorize`]; [`CommandDenied::Manifest`].
pub fn authorize_under(
    chain: &manifests::chain::Chain,
    generation: u64,
    body: &[u8],
    signatures: &[String],
    verifier: &dyn Verifier,
) -> Result<AuthorizedCommand, CommandDenied> {
    let unknown = || check::expected("/origin", "a command for the manifest in force");
    let manifest = chain.get(generation).ok_or_else(unknown)?;
    let mut authorized = authorize(body, signatures, manifest, verifier)?;
    if let Action::ManifestSet { body, signatures } = &authorized.command.action {
        let link = Signed {
            body: body.clone(),
            signatures: signatures.clone(),
        };
        let before = chain.up_to(generation).ok_or_else(unknown)?;
        let next = before
            .extended(&link, verifier)
            .map_err(|error| CommandDenied::Manifest(error.under("/action")))?;
        authorized.next = Some(Arc::new(next));
    }
    Ok(authorized)
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
            next,
        } = authorized;
        let current = self.chain().get(self.generation());
        if current
            .is_none_or(|current| current.digest != *manifest || current.origin != command.origin)
        {
            return Err(check::expected(
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
        match next {
            Some(next) => self.check_next_manifest(next),
            None => self.check_action(command, now),
        }
    }

    fn head_of(&self, chain: Chain, signer: Option<&Digest>) -> Head {
        match (chain, signer) {
            (Chain::Narrow, Some(signer)) => self.narrow_head(signer),
            (Chain::Narrow, None) | (Chain::Widen, _) => self.widen_head(),
        }
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
        match &authorized.next {
            Some(next) => self.set_manifest(next),
            None => self.apply_action(command, born, now)?,
        }
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

    /// The grant's key for one kind: the first listed that is of the kind that signs it, of the grant's environment, not retired,
    /// and one that signs what is asked for.
    #[must_use]
    pub fn key_of<'a>(
        &'a self,
        grant: &'a Grant,
        kind: Kind,
        env: Env,
        signs: impl Fn(&KeyState) -> bool,
    ) -> Option<(&'a KeyId, &'a KeyState)> {
        let mut keys = grant.keys.iter().filter_map(|id| Some((id, self.key(id)?)));
        let kind = kind.of_key();
        keys.find(|(_, key)| key.kind == kind && key.env == env && !key.retired && signs(key))
    }
}
