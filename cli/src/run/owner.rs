//! Owners' and operators' verbs: a desk opened over the audited log, one action written, signed and sent, or written out.

mod ask;
mod attest;
mod catalog;
mod federate;
mod grant;
mod import;
mod init;
mod key;
mod manifest;
mod policy;
mod release;
mod terms;

pub(super) use attest::{attest, doctor};
pub(super) use catalog::catalog;
pub(super) use federate::federate;
pub(super) use grant::grant;
pub(super) use init::init;
pub(super) use key::key;
pub(super) use manifest::manifest;
pub(super) use policy::policy;
pub(super) use release::release;

use super::{Named, read, read_text};
use crate::{
    args::owner::{NarrowOut, Out},
    output::Outcome,
};
use claviger_cli::{
    Error,
    owner::{Desk, grant::write_new, signers::Collected, widens},
};
use claviger_client::{render, session::wall_clock_ms};
use claviger_shared::{
    crypto::sha256,
    id::Digest,
    label,
    owner::{
        command::{Command, parse::verify_signers},
        sshsig::PublicKey,
    },
    time::UnixMs,
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
    let collected = Collected {
        namespace: label::NAMESPACE_COMMAND,
        body: &body,
        signatures: &signatures,
    };
    verify_signers(command.chain, &body, &signatures, in_force, &RingVerifier).map_err(
        |error| {
            if widens(&command) {
                collected.refusal(&error, &in_force.owners, in_force.threshold)
            } else {
                collected.refusal(&error, &[], 0)
            }
        },
    )?;
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

pub(super) async fn status(named: &Named) -> Result<Outcome, Error> {
    let desk = open(named).await?;
    let host = desk.operator().status().await?;
    let report = desk.view().report()?;
    let state = desk.view().state();
    let now = UnixMs(wall_clock_ms()).max(state.time());
    let words: Vec<_> = state
        .grants()
        .map(|(_, grant)| grant.word(state.is_frozen(), now))
        .collect();
    let count = |word: &str| words.iter().filter(|found| **found == word).count();
    let phase = host.get("phase").cloned();
    let serves = phase.as_ref().and_then(Value::as_str) == Some("serving");
    let next = if state.is_frozen() {
        Some("frozen: nothing is issued until owners `claviger thaw`")
    } else if serves {
        None
    } else {
        Some("`claviger doctor` says why it does not serve and what mends it")
    };
    let retired = state.keys().filter(|(_, key)| key.retired).count();
    Ok(told(
        &desk,
        json!({
            "phase": phase, "origin": report.origin, "generation": state.generation(), "size": report.size,
            "root": report.root, "records": report.records, "frozen": state.is_frozen(),
            "keys": state.keys().count(), "keys_retired": retired, "grants": words.len(), "grants_active": count("active"),
            "grants_frozen": count("frozen"), "grants_suspended": count("suspended"), "grants_revoked": count("revoked"), "grants_expired": count("expired"),
            "log_time": state.time().to_string(), "next": next, "host": host,
        }),
    ))
}
