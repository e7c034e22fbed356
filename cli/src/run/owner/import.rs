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
    let private = PrivateKey::read(&import.file)?.for_kind(kind, asked)?;
    if (kind == Kind::Aws) != (private.alg == Alg::SigV4) {
        let file = import.file.display();
        return Err(Error::Usage(format!(
            "`{file}` holds no key of --kind {}: an access key is of kind aws, and no other key is",
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

/// Without `--json` exactly the file that others take: a JWK set, or PEM.
pub(super) async fn export(
    named: &Named,
    id: Option<&str>,
    pem: bool,
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
    if pem {
        let all: Vec<String> = part("pem")
            .iter()
            .filter_map(|pem| pem.as_str().map(str::to_owned))
            .collect();
        let all = all.concat();
        if json {
            return Ok(told(&desk, json!({ "pem": all })));
        }
        stdout(&all);
        return Ok(Outcome::silent());
    }
    let set = json!({ "keys": part("jwk") });
    if json {
        return Ok(told(&desk, json!({ "jwks": set })));
    }
    stdout(&format!("{set:#}\n"));
    Ok(Outcome::silent())
}
