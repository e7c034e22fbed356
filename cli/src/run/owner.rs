//! Owners' and operators' verbs: a desk opened over the audited log, one action written, signed and sent, or written out.

mod import;
mod manifest;
mod terms;

pub(super) use manifest::manifest;

use super::{Named, name, read, read_text};
use crate::{
    args::owner::{AlgArg, CatalogVerb, EnvArg, GrantVerb, KeyVerb, KindArg, NarrowOut, Out},
    output::Outcome,
};
use claviger_cli::{
    Error,
    owner::{Desk, grant::write_new, key::NewKey},
};
use claviger_client::render;
use claviger_shared::{
    crypto::sha256,
    effect::{Env, Kind},
    id::{AgentId, Digest, GrantId, KeyId},
    ledger::Status,
    owner::{
        self,
        command::{Alg, Command, parse::verify_signers},
        sshsig::PublicKey,
    },
    wire::control::Signed,
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

async fn open(named: &Named) -> Result<Desk, Error> {
    Desk::open(named.required()?).await
}

/// The outcome of a verb over an open desk.
fn told(desk: &Desk, mut value: Value) -> Outcome {
    render::mark(&mut value, desk.is_simulation());
    value.into()
}

/// Writes bytes to be signed elsewhere and says how.
fn written(desk: &Desk, out: &Path, body: &[u8]) -> Result<Outcome, Error> {
    write_new(out, body)?;
    let shown = out.display();
    Ok(told(
        desk,
        json!({
            "out": out, "digest": sha256(&[body]),
            "sign": format!("ssh-keygen -Y sign -n command@claviger -f KEY {shown}"),
            "then": format!("claviger submit {shown} {shown}.sig"),
        }),
    ))
}

/// Sends a widening action, or writes it out; nothing comes back where it was sent.
async fn widen(
    desk: &mut Desk,
    out: &Out,
    action: &Value,
    lifts: &[Digest],
) -> Result<Option<Outcome>, Error> {
    match &out.out {
        Some(file) => {
            let body = desk.widen(action, lifts)?;
            written(desk, file, &body).map(Some)
        }
        None => desk.widen_now(action, lifts).await.map(|_| None),
    }
}

/// Sends a narrowing action, or writes it out; nothing comes back where it was sent.
async fn narrow(
    desk: &mut Desk,
    out: &NarrowOut,
    action: &Value,
) -> Result<Option<Outcome>, Error> {
    let Some(file) = &out.out.out else {
        return desk.narrow_now(action).await.map(|_| None);
    };
    let signer = match &out.signer {
        Some(path) => public_key(path)?,
        None => desk.stopping_key()?.public().clone(),
    };
    let body = desk.narrow(&signer, action)?;
    written(desk, file, &body).map(Some)
}

fn public_key(path: &Path) -> Result<PublicKey, Error> {
    let text = read_text("cannot read the public key", path)?;
    PublicKey::parse_line(text.trim()).map_err(|_| {
        let path = path.display();
        Error::Usage(format!("`{path}` is not an accepted SSH public key"))
    })
}

pub(super) async fn key(named: &Named, verb: KeyVerb, json: bool) -> Result<Outcome, Error> {
    match verb {
        KeyVerb::Create {
            kind,
            alg,
            env,
            name: id,
            agent,
            out,
        } => {
            let id = id.map(|id| name(&id, "a key's name, k_…", KeyId::parse));
            let agent = agent.map(|agent| name(&agent, "an agent's name", AgentId::parse));
            let key = NewKey {
                name: id.transpose()?,
                kind: kind.into(),
                alg: alg.into(),
                env: env.into(),
                agent: agent.transpose()?,
            };
            let (action, id) = key.action()?;
            let mut desk = open(named).await?;
            let out = widen(&mut desk, &out, &action, &[]).await?;
            out.map_or_else(|| Ok(told(&desk, desk.show_key(&id)?)), Ok)
        }
        KeyVerb::Import(import) => import::import(named, import).await,
        KeyVerb::Export { id, pem } => import::export(named, id.as_deref(), pem, json).await,
        KeyVerb::Show { id } => {
            let id = name(&id, "a key's name, k_…", KeyId::parse)?;
            let desk = open(named).await?;
            Ok(told(&desk, desk.show_key(&id)?))
        }
        KeyVerb::List => {
            let desk = open(named).await?;
            Ok(told(&desk, json!({ "keys": desk.list_keys()? })))
        }
        KeyVerb::Retire { id, out } => {
            let id = name(&id, "a key's name, k_…", KeyId::parse)?;
            let mut desk = open(named).await?;
            desk.show_key(&id)?;
            let action = json!({ "type": "key.retire", "key": id });
            let out = widen(&mut desk, &out, &action, &[]).await?;
            out.map_or_else(|| Ok(told(&desk, desk.show_key(&id)?)), Ok)
        }
    }
}

pub(super) async fn catalog(named: &Named, verb: CatalogVerb) -> Result<Outcome, Error> {
    let (file, touches, out) = match verb {
        CatalogVerb::Set { file, touches, out } => (file, touches, out),
        CatalogVerb::Show => {
            let desk = open(named).await?;
            let none =
                || Error::Usage("no catalog is set; use `claviger catalog set FILE`".to_owned());
            let catalog = desk.view().catalog().cloned().ok_or_else(none)?;
            return Ok(told(&desk, json!({ "catalog": catalog })));
        }
    };
    let text = read("cannot read the catalog", &file)?;
    let touches = touches
        .iter()
        .map(|id| name(id, "a grant's name, gr_…", GrantId::parse))
        .collect::<Result<Vec<_>, _>>()?;
    let mut desk = open(named).await?;
    match &out.out {
        Some(out) => {
            let action = desk.checked_catalog_action(&text, &touches)?;
            let body = desk.widen(&action, &[])?;
            written(&desk, out, &body)
        }
        None => {
            let value = desk.set_catalog(&text, &touches).await?;
            Ok(told(&desk, value))
        }
    }
}

pub(super) async fn grant(named: &Named, verb: GrantVerb, json: bool) -> Result<Outcome, Error> {
    match verb {
        GrantVerb::Create {
            file,
            agent_key_out,
            out,
        } => create_grant(named, &file, agent_key_out.as_deref(), &out).await,
        GrantVerb::Amend { file, out } => terms::amend(named, &file, &out, json).await,
        GrantVerb::Reissue(reissue) => terms::reissue(named, reissue, json).await,
        GrantVerb::Show { id } => {
            let id = grant_id(&id)?;
            let desk = open(named).await?;
            Ok(told(&desk, desk.show_grant(&id)?))
        }
        GrantVerb::List => {
            let desk = open(named).await?;
            Ok(told(&desk, json!({ "grants": desk.list_grants() })))
        }
        GrantVerb::Suspend { id, out } => stop_grant(named, "grant.suspend", &id, &out).await,
        GrantVerb::Resume { id, out } => resume_grant(named, &id, &out).await,
        GrantVerb::Revoke { id, out } => stop_grant(named, "grant.revoke", &id, &out).await,
    }
}

fn grant_id(text: &str) -> Result<GrantId, Error> {
    name(text, "a grant's name, gr_…", GrantId::parse)
}

async fn create_grant(
    named: &Named,
    file: &Path,
    agent_key_out: Option<&Path>,
    out: &Out,
) -> Result<Outcome, Error> {
    let text = read("cannot read the grant", file)?;
    let mut desk = open(named).await?;
    let Some(out) = &out.out else {
        let value = desk.create_grant(&text, agent_key_out).await?;
        return Ok(told(&desk, value));
    };
    let (grant, key_file) = desk.prepare_grant(&text, agent_key_out)?;
    let body = desk.widen(&Desk::grant_action(&grant), &[])?;
    let mut outcome = written(&desk, out, &body)?;
    if let Some(members) = outcome.value.as_object_mut() {
        members.insert("grant".to_owned(), json!(grant.id));
        members.insert("agent_api_key_file".to_owned(), json!(key_file));
    }
    Ok(outcome)
}

async fn stop_grant(
    named: &Named,
    word: &str,
    id: &str,
    out: &NarrowOut,
) -> Result<Outcome, Error> {
    let id = grant_id(id)?;
    let mut desk = open(named).await?;
    desk.show_grant(&id)?;
    let action = json!({ "type": word, "grant": id });
    let out = narrow(&mut desk, out, &action).await?;
    out.map_or_else(|| grant_state(&desk, &id), Ok)
}

async fn resume_grant(named: &Named, id: &str, out: &Out) -> Result<Outcome, Error> {
    let id = grant_id(id)?;
    let mut desk = open(named).await?;
    desk.show_grant(&id)?;
    let state = desk.view().state();
    let status = state.slot(&id).and_then(|slot| state.grant(slot));
    let lifts = match status.map(|grant| &grant.status) {
        Some(Status::Suspended(by)) => by.clone(),
        Some(Status::Revoked) => {
            return Err(Error::Usage(format!("grant `{id}` is revoked for ever")));
        }
        Some(Status::Active) | None => {
            return Err(Error::Usage(format!("grant `{id}` is not suspended")));
        }
    };
    let action = json!({ "type": "grant.resume", "grant": id });
    let out = widen(&mut desk, out, &action, &lifts).await?;
    out.map_or_else(|| grant_state(&desk, &id), Ok)
}

fn grant_state(desk: &Desk, id: &GrantId) -> Result<Outcome, Error> {
    let shown = desk.show_grant(id)?;
    Ok(told(
        desk,
        json!({ "grant": id, "state": shown.get("state"), "outstanding": shown.get("outstanding") }),
    ))
}

pub(super) async fn freeze(named: &Named, out: &NarrowOut) -> Result<Outcome, Error> {
    let mut desk = open(named).await?;
    let out = narrow(&mut desk, out, &json!({ "type": "freeze" })).await?;
    Ok(out.unwrap_or_else(|| frozen(&desk)))
}

pub(super) async fn thaw(named: &Named, out: &Out) -> Result<Outcome, Error> {
    let mut desk = open(named).await?;
    let lifts = desk.view().state().freezes().to_vec();
    if lifts.is_empty() {
        return Err(Error::Usage("nothing is frozen".to_owned()));
    }
    let out = widen(&mut desk, out, &json!({ "type": "thaw" }), &lifts).await?;
    Ok(out.unwrap_or_else(|| frozen(&desk)))
}

fn frozen(desk: &Desk) -> Outcome {
    let state = desk.view().state();
    told(
        desk,
        json!({ "frozen": state.is_frozen(), "freezes": state.freezes() }),
    )
}

pub(super) async fn submit(
    named: &Named,
    file: &Path,
    signatures: &[PathBuf],
) -> Result<Outcome, Error> {
    let body = read("cannot read the command", file)?;
    let signatures = signatures
        .iter()
        .map(|path| read_text("cannot read the signature", path))
        .collect::<Result<Vec<_>, _>>()?;
    let command = Command::parse(&body)?;
    let (mut desk, next) = manifest::open_for(named, &command).await?;
    let in_force = desk.in_force()?;
    verify_signers(command.chain, &body, &signatures, in_force, &RingVerifier)
        .map_err(|error| refused_signers(&error))?;
    let sealed = import::beside(&command, file)?;
    let signed = Signed { body, signatures };
    let applied = desk.send_beside(signed, sealed.as_deref()).await?;
    if let Some(next) = &next {
        desk.hand_over(next).await?;
    }
    Ok(told(
        &desk,
        json!({
            "applied": command.digest, "chain": command.chain, "seq": command.seq, "result": applied.result,
            "receipt": applied.receipt, "next": next.map(|next| next.advice()),
        }),
    ))
}

/// Too few owners is pending; a wrong signature is refused here, as the enclave would.
fn refused_signers(error: &owner::Error) -> Error {
    let detail = format!("expected {}", error.expected());
    if error.code() == owner::Error::THRESHOLD {
        return Error::Pending(detail);
    }
    Error::Refused {
        code: "signatures".to_owned(),
        pointer: Some(error.pointer().to_owned()),
        detail,
    }
}

pub(super) async fn status(named: &Named) -> Result<Outcome, Error> {
    let desk = open(named).await?;
    let host = desk.operator().status().await?;
    let report = desk.view().report()?;
    let state = desk.view().state();
    Ok(told(
        &desk,
        json!({
            "phase": host.get("phase"), "origin": report.origin, "generation": state.generation(), "size": report.size,
            "root": report.root, "records": report.records, "frozen": state.is_frozen(),
            "keys": state.keys().count(), "grants": state.grants().count(), "host": host,
        }),
    ))
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Http => Self::Http,
            KindArg::Jwt => Self::Jwt,
        }
    }
}

impl From<AlgArg> for Alg {
    fn from(alg: AlgArg) -> Self {
        match alg {
            AlgArg::Ed25519 => Self::Ed25519,
            AlgArg::P256 => Self::P256,
        }
    }
}

impl From<EnvArg> for Env {
    fn from(env: EnvArg) -> Self {
        match env {
            EnvArg::Live => Self::Live,
            EnvArg::Sandbox => Self::Sandbox,
        }
    }
}
