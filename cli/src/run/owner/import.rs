//! `key import` and `key export`: private halves in, public halves out.
//!
//! With `--out` the sealed key goes into a file beside the command's, and `submit` sends both.

use super::{open, told, written};
use crate::{
    args::owner::Import,
    output::{Outcome, stdout},
    run::{Named, name},
};
use claviger_cli::{
    Error,
    owner::{
        grant::write_new,
        import::{Sealed, file::PrivateKey},
        key::NewKey,
    },
};
use claviger_shared::{
    effect::Kind,
    id::{AgentId, KeyId},
    owner::command::{Action, Alg, Command},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) async fn import(named: &Named, import: Import) -> Result<Outcome, Error> {
    let kind: Kind = import.kind.into();
    let asked: Option<Alg> = import.alg.map(Into::into);
    let private = if kind == Kind::Solana {
        PrivateKey::read_solana(&import.file)?
    } else {
        PrivateKey::read(&import.file, asked)?
    };
    let private = private.for_kind(kind, asked)?;
    let its = match private.alg {
        Alg::SigV4 => kind == Kind::Aws,
        Alg::Secp256k1 => kind == Kind::Evm,
        Alg::Ed25519
        | Alg::P256
        | Alg::P521
        | Alg::Rs256
        | Alg::Ps512
        | Alg::Hs256
        | Alg::Hs512 => !matches!(kind, Kind::Aws | Kind::Evm),
    };
    if !its {
        let file = import.file.display();
        return Err(Error::Usage(format!(
            "`{file}` holds no key of --kind {}: an access key is of kind aws, a key of secp256k1 of kind evm, and no other key is",
            kind.as_str()
        )));
    }
    let id = import
        .name
        .map(|id| name(&id, "a key's name, k_…", KeyId::parse));
    let agent = import
        .agent
        .map(|agent| name(&agent, "an agent's name", AgentId::parse));
    let key = NewKey {
        name: id.transpose()?,
        kind,
        alg: private.alg,
        env: import.env.into(),
        agent: agent.transpose()?,
    };
    let mut desk = open(named).await?;
    let sealed = desk.seal_key(&key, &private).await?;
    match &import.out.out {
        None => {
            desk.import_now(&sealed).await?;
            Ok(told(&desk, desk.show_key(&sealed.id)?))
        }
        Some(out) => {
            let Sealed { id, action, sealed } = sealed;
            let body = desk.widen(&action, &[])?;
            let beside = path_beside(out);
            write_new(&beside, &sealed)?;
            let mut outcome = written(&desk, out, &body)?;
            if let Some(members) = outcome.value.as_object_mut() {
                members.insert("key".to_owned(), json!(id));
                members.insert("sealed".to_owned(), json!(beside));
            }
            Ok(outcome)
        }
    }
}

/// Where a command's sealed key is kept.
fn path_beside(command: &Path) -> PathBuf {
    let mut path = command.as_os_str().to_owned();
    path.push(".sealed");
    path.into()
}

/// The sealed key that must be sent beside a command, where it is an import.
pub(super) fn beside(command: &Command, file: &Path) -> Result<Option<Vec<u8>>, Error> {
    if !matches!(command.action, Action::KeyImport(_)) {
        return Ok(None);
    }
    super::read("cannot read the sealed key", &path_beside(file)).map(Some)
}

/// What public halves are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Jwks,
    Pem,
    Ssh,
    Directory,
}

/// Without `--json` exactly the file that others take: a JWK set, PEM, lines of OpenSSH, or a directory's body.
pub(super) async fn export(
    named: &Named,
    id: Option<&str>,
    form: Form,
    json: bool,
) -> Result<Outcome, Error> {
    let id = id.map(|id| name(id, "a key's name, k_…", KeyId::parse));
    let id = id.transpose()?;
    let desk = open(named).await?;
    let keys = match &id {
        Some(id) => vec![desk.show_key(id)?],
        None => desk.list_keys()?,
    };
    let wanted = |key: &&Value| id.is_some() || key.get("retired") == Some(&Value::Bool(false));
    let part = |member: &str| -> Vec<Value> {
        let parts = keys.iter().filter(wanted);
        parts.filter_map(|key| key.get(member).cloned()).collect()
    };
    let texts = |member: &str, end: &str| -> String {
        let texts = part(member).into_iter();
        let texts = texts.filter_map(|text| Some(format!("{}{end}", text.as_str()?)));
        texts.collect()
    };
    let (value, text) = match form {
        Form::Jwks => {
            let set = json!({ "keys": part("jwk") });
            (json!({ "jwks": set }), format!("{set:#}\n"))
        }
        Form::Pem => (json!({ "pem": texts("pem", "") }), texts("pem", "")),
        Form::Ssh => (json!({ "ssh": texts("ssh", "\n") }), texts("ssh", "\n")),
        Form::Directory => {
            // What is signed has no end of line, and neither has this.
            let body = id.as_ref().map(|id| desk.directory(id)).transpose()?;
            let body = body.unwrap_or_default();
            (json!({ "directory": body }), body)
        }
    };
    if json {
        return Ok(told(&desk, value));
    }
    stdout(&text);
    Ok(Outcome::silent())
}
