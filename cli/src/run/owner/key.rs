//! Signing keys' verbs.

use super::{import, open, told, widen};
use crate::{
    args::owner::{AlgArg, EnvArg, KeyVerb, KindArg},
    output::Outcome,
    run::{Named, name},
};
use claviger_cli::{Error, owner::key::NewKey};
use claviger_shared::{
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use serde_json::json;

pub(crate) async fn key(named: &Named, verb: KeyVerb, json: bool) -> Result<Outcome, Error> {
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
            let kind: Kind = kind.into();
            let alg = match (alg, kind) {
                (Some(alg), _) => alg.into(),
                (None, Kind::Evm) => Alg::Secp256k1,
                (None, _) => return Err(Error::Usage("--alg is missing".to_owned())),
            };
            let key = NewKey {
                name: id.transpose()?,
                kind,
                alg,
                env: env.into(),
                agent: agent.transpose()?,
            };
            let (action, id) = key.action()?;
            let mut desk = open(named).await?;
            let out = widen(&mut desk, &out, &action, &[]).await?;
            out.map_or_else(|| Ok(told(&desk, desk.show_key(&id)?)), Ok)
        }
        KeyVerb::Import(key) => import::import(named, key).await,
        KeyVerb::Export {
            id,
            pem,
            ssh,
            directory,
        } => {
            let form = match (pem, ssh, directory) {
                (true, _, _) => import::Form::Pem,
                (false, true, _) => import::Form::Ssh,
                (false, false, true) => import::Form::Directory,
                (false, false, false) => import::Form::Jwks,
            };
            import::export(named, id.as_deref(), form, json).await
        }
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

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Http => Self::Http,
            KindArg::Jwt => Self::Jwt,
            KindArg::Aws => Self::Aws,
            KindArg::Evm => Self::Evm,
            KindArg::Ssh => Self::Ssh,
            KindArg::Template => Self::Template,
            KindArg::Solana => Self::Solana,
        }
    }
}

impl From<AlgArg> for Alg {
    fn from(alg: AlgArg) -> Self {
        match alg {
            AlgArg::Ed25519 => Self::Ed25519,
            AlgArg::P256 => Self::P256,
            AlgArg::Rs256 => Self::Rs256,
            AlgArg::Secp256k1 => Self::Secp256k1,
            AlgArg::Ps512 => Self::Ps512,
            AlgArg::Hs256 => Self::Hs256,
            AlgArg::Hs512 => Self::Hs512,
            AlgArg::P521 => Self::P521,
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
