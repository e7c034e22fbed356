//! Commands: checked outside the lock, applied inside it, answered when durable.
//!
//! A stop acts the moment it is applied; its answer, like every other, waits for storage. A key is born and its wrapped
//! blob stored before the command that names it is applied; a command that is then refused leaves a blob nobody can use.

use super::hub::{Hub, Waiting};
use crate::{secret::on_wiped_stack, vault::Born as BornKey};
use claviger_shared::{
    codec::cbor,
    crypto::{AwsLc, import, sha256},
    ledger::{AuthorizedCommand, CommandDenied, command},
    log::record::{self, Body, Born, Record},
    owner::command::{Action, KeyCreate, KeyImport},
    time::UnixMs,
    wire::{
        control::{
            CommandDone, CommandRefused, CommandReply, MAX_COMMAND, MAX_SEALED_KEY, MAX_SIGNATURES,
            Signed, Submitted,
        },
        storage::MAX_RECORD_BYTES,
    },
};
use std::{sync::mpsc::sync_channel, time::Duration};

/// Room for what a command's record says besides its bytes and signatures.
const RECORD_HEAD: usize = 4096;
/// How long a command's answer waits for storage before the host is told to ask again.
const WAIT: Duration = Duration::from_secs(20);

/// Applies a command; the reply when it is durable.
#[must_use]
pub fn run(hub: &Hub, body: &[u8]) -> CommandReply {
    let submitted = cbor::decode::<Submitted>(body, claviger_shared::codec::frame::MAX_BODY);
    let Ok(Submitted { signed, sealed }) = submitted else {
        return refused(
            "malformed",
            None,
            "expected body, signatures and sealed key in canonical CBOR",
        );
    };
    let signatures = signed.signatures.iter().map(String::len);
    let whole = signatures.fold(signed.body.len(), usize::saturating_add);
    // With its signatures it is one record, and an entry holds no larger one.
    let fits = whole <= MAX_RECORD_BYTES.saturating_sub(RECORD_HEAD);
    let few = signed.signatures.len() <= MAX_SIGNATURES && sealed.len() <= MAX_SEALED_KEY;
    if signed.body.len() > MAX_COMMAND || !few || !fits {
        return refused("too_large", None, "expected a smaller command");
    }
    match apply(hub, &signed, &sealed) {
        Ok(done) => CommandReply::Done(done),
        Err(reply) => reply,
    }
}

fn refused(code: &str, pointer: Option<&str>, detail: &str) -> CommandReply {
    CommandReply::Refused(CommandRefused {
        code: code.to_owned(),
        pointer: pointer.map(str::to_owned),
        detail: detail.to_owned(),
    })
}

fn denied(denied: &CommandDenied) -> CommandReply {
    refused(denied.code(), denied.pointer(), &denied.expected())
}

fn unavailable() -> CommandReply {
    refused(
        "unavailable",
        None,
        "try again: the log or the platform did not answer",
    )
}

fn apply(hub: &Hub, signed: &Signed, sealed: &[u8]) -> Result<CommandDone, CommandReply> {
    let authorized = authorize(hub, signed)?;
    let command = authorized.command();
    let import = matches!(command.action, Action::KeyImport(_));
    if !import && !sealed.is_empty() {
        return Err(refused(
            "malformed",
            None,
            "expected no sealed key: this action takes none",
        ));
    }
    let born = match &command.action {
        Action::KeyCreate(key) => Some(give_birth(hub, &command.origin, key)?),
        Action::KeyImport(import) => Some(take_in(hub, &command.origin, import, sealed)?),
        Action::CatalogSet { .. }
        | Action::Freeze
        | Action::GrantAmend(_)
        | Action::GrantCreate(_)
        | Action::GrantReissue { .. }
        | Action::GrantResume(_)
        | Action::GrantRevoke(_)
        | Action::GrantSuspend(_)
        | Action::KeyRetire(_)
        | Action::ManifestSet { .. }
        | Action::Thaw => None,
    };
    let recorded = born.as_ref().map(|key| Born {
        key: key.id.clone(),
        public: key.public.clone(),
        blob: key.digest,
    });
    let (done, receipt) = sync_channel(1);
    let result = put(hub, &authorized, signed, recorded.as_ref(), done)?;
    // Before its entry is begun here: who is told that a key is there, or gone, finds it so.
    if let Some(born) = born {
        hub.vault.insert(born);
    }
    if let Action::KeyRetire(id) = &authorized.command().action {
        hub.vault.forget(id);
    }
    hub.go_on(hub.lock());
    let receipt = receipt.recv_timeout(WAIT).map_err(|_| unavailable())?;
    // Only now: a log that does not hold the retirement still needs the blob to boot.
    if let Action::KeyRetire(id) = &authorized.command().action {
        forget_blob(hub, id);
    }
    Ok(CommandDone {
        seq: authorized.command().seq,
        result,
        receipt,
    })
}

fn authorize(hub: &Hub, signed: &Signed) -> Result<AuthorizedCommand, CommandReply> {
    let (chain, generation) = {
        let core = hub.lock();
        (core.state().chain().clone(), core.state().generation())
    };
    let authorized =
        command::authorize_under(&chain, generation, &signed.body, &signed.signatures, &AwsLc)
            .map_err(|error| denied(&error))?;
    // Refused early, before a key is made; checked again when it is applied.
    let now = hub.time.now();
    hub.lock()
        .state()
        .check_command(&authorized, now)
        .map_err(|error| denied(&error))?;
    Ok(authorized)
}

fn give_birth(hub: &Hub, origin: &str, key: &KeyCreate) -> Result<BornKey, CommandReply> {
    let born = hub
        .vault
        .create(hub.entropy.as_ref(), &hub.keys, origin, key);
    store_blob(hub, born.map_err(|_| unavailable())?)
}

/// Opens a key that was sealed for this boot and takes it in; what its command says of it must be true.
fn take_in(
    hub: &Hub,
    origin: &str,
    import: &KeyImport,
    sealed: &[u8],
) -> Result<BornKey, CommandReply> {
    let wrong = |pointer: &str, detail: &str| refused("not_applicable", Some(pointer), detail);
    if import.boot != hub.boot.boot_hash {
        let detail = "expected the boot that serves now: seal the key again";
        return Err(wrong("/action/boot", detail));
    }
    if sha256(&[sealed]) != import.sealed {
        let detail = "expected the digest of the sealed key that was sent beside the command";
        return Err(wrong("/action/sealed", detail));
    }
    let secret = on_wiped_stack(|| {
        import::prologue(origin, import)
            .and_then(|prologue| import::open(hub.channel_key.expose(), &prologue, sealed))
    });
    let secret = secret.map_err(|_| {
        let detail = "expected a key sealed to this boot's channel key for these very facts";
        wrong("/action/sealed", detail)
    })?;
    let entropy = hub.entropy.as_ref();
    let born = hub
        .vault
        .import(entropy, &hub.keys, origin, import, &secret);
    let born = born.map_err(|_| {
        let detail = "expected the public key of the private key that was sealed";
        wrong("/action/key/public", detail)
    })?;
    store_blob(hub, born)
}

fn store_blob(hub: &Hub, born: BornKey) -> Result<BornKey, CommandReply> {
    let put = hub.storage.put_blob(born.digest, &born.blob);
    put.map(|()| born).map_err(|_| unavailable())
}

fn forget_blob(hub: &Hub, id: &claviger_shared::id::KeyId) {
    let blob = hub.lock().state().key(id).map(|key| key.blob);
    if let Some(blob) = blob {
        // The courier's best effort; the key is refused for ever whatever it does.
        let _ = hub.storage.delete_blob(blob);
    }
}

fn put(
    hub: &Hub,
    authorized: &AuthorizedCommand,
    signed: &Signed,
    born: Option<&Born>,
    done: std::sync::mpsc::SyncSender<Vec<u8>>,
) -> Result<String, CommandReply> {
    let salt = hub.nonces.draw().map_err(|_| unavailable())?;
    let now = hub.time.now();
    let mut core = hub.lock();
    let applied_at = core
        .command(now, authorized, born)
        .map_err(|error| denied(&error))?;
    let body = Body::Command(Box::new(record::Command {
        body: signed.body.clone(),
        signatures: signed.signatures.clone(),
        applied_at,
        born: born.cloned(),
    }));
    let bytes = (Record { salt, body })
        .encode()
        .map_err(|_| unavailable())?;
    let hash = record::hash(&bytes);
    core.put(bytes, hash, Some(Waiting::Command(done)));
    let result = result(core.state(), authorized, applied_at);
    drop(core);
    Ok(result)
}

/// What a command's owner is told, as JSON: the object's name and its new state; for a revocation what is still alive.
fn result(
    state: &claviger_shared::ledger::State,
    authorized: &AuthorizedCommand,
    now: UnixMs,
) -> String {
    let grant = |id: &claviger_shared::id::GrantId| {
        let found = state.slot(id).and_then(|slot| state.grant(slot));
        let word = found.map_or("unknown", |grant| grant.word(state.is_frozen(), now));
        let alive = found
            .map(|grant| grant.outstanding(now))
            .unwrap_or_default();
        let alive: Vec<String> = alive.iter().map(outstanding_json).collect();
        format!(
            "{{\"grant\":\"{id}\",\"state\":\"{word}\",\"outstanding\":[{}]}}",
            alive.join(",")
        )
    };
    match &authorized.command().action {
        Action::GrantCreate(new) | Action::GrantAmend(new) => grant(&new.id),
        Action::GrantReissue { old: _, new, .. } => grant(new),
        Action::GrantResume(id) | Action::GrantRevoke(id) | Action::GrantSuspend(id) => grant(id),
        Action::KeyCreate(key) => format!("{{\"key\":\"{}\"}}", key.id),
        Action::KeyImport(import) => {
            format!("{{\"key\":\"{}\",\"imported\":true}}", import.key.id)
        }
        Action::KeyRetire(id) => format!("{{\"key\":\"{id}\",\"state\":\"retired\"}}"),
        Action::CatalogSet { catalog, .. } => {
            format!("{{\"resources\":{}}}", catalog.resources.len())
        }
        Action::Freeze => "{\"state\":\"frozen\"}".to_owned(),
        Action::Thaw => "{\"state\":\"thawed\"}".to_owned(),
        Action::ManifestSet { .. } => format!("{{\"generation\":{}}}", state.generation()),
    }
}

fn outstanding_json(alive: &claviger_shared::ledger::state::Outstanding) -> String {
    // Destinations are hosts and audiences of the catalog; escaped all the same.
    let destination: String = alive
        .destination
        .chars()
        .flat_map(char::escape_default)
        .collect();
    format!(
        "{{\"kind\":\"{}\",\"destination\":\"{destination}\",\"dies_at\":\"{}\"}}",
        alive.kind.as_str(),
        alive.dies_at
    )
}
