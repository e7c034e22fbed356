//! Grants' verbs: created, shown in words, linted, stopped.

use super::{ask, narrow, open, terms, told, widen, written};
use crate::{
    args::owner::{GrantCreate, GrantOptions, GrantVerb, NarrowOut, Out},
    output::{Outcome, say},
    run::{Named, name, read},
};
use claviger_cli::{
    Error, finding,
    owner::{
        Desk,
        fill::{self, Options},
        lint, words,
    },
};
use claviger_shared::{
    grant::Grant,
    id::{AgentId, GrantId, KeyId, X25519Public},
    ledger::Status,
};
use serde_json::json;
use std::path::Path;

pub(crate) async fn grant(named: &Named, verb: GrantVerb, json: bool) -> Result<Outcome, Error> {
    match verb {
        GrantVerb::Create(create) => self::create(named, *create, json).await,
        GrantVerb::Amend { file, out } => terms::amend(named, &file, &out, json).await,
        GrantVerb::Reissue(reissue) => terms::reissue(named, reissue, json).await,
        GrantVerb::Show { id, words } => show(named, &id, words, json).await,
        GrantVerb::Lint { target, options } => lint_one(named, &target, &options, json).await,
        GrantVerb::List => {
            let desk = open(named).await?;
            Ok(told(&desk, json!({ "grants": desk.list_grants() })))
        }
        GrantVerb::Suspend { id, out } => stop_grant(named, "grant.suspend", &id, &out).await,
        GrantVerb::Resume { id, out } => resume_grant(named, &id, &out).await,
        GrantVerb::Revoke { id, out } => stop_grant(named, "grant.revoke", &id, &out).await,
    }
}

pub(super) fn grant_id(text: &str) -> Result<GrantId, Error> {
    name(text, "a grant's name, gr_…", GrantId::parse)
}

fn options(given: &GrantOptions) -> Result<Options, Error> {
    let GrantOptions {
        agent,
        agent_key,
        ttl,
        max_calls,
        keys,
        env,
        purpose,
    } = given;
    let agent = agent.as_deref();
    let agent = agent.map(|text| name(text, "an agent's name", AgentId::parse));
    let key = agent_key.as_deref();
    let key = key.map(|text| name(text, "an agent's public key, x25519:…", X25519Public::parse));
    let keys = keys
        .iter()
        .map(|id| name(id, "a key's name, k_…", KeyId::parse));
    Ok(Options {
        agent: agent.transpose()?,
        agent_key: key.transpose()?,
        ttl: ttl.as_deref().map(fill::ttl).transpose()?,
        max_calls: *max_calls,
        keys: keys.collect::<Result<_, _>>()?,
        env: env.map(Into::into),
        purpose: purpose.clone(),
    })
}

async fn create(named: &Named, create: GrantCreate, json: bool) -> Result<Outcome, Error> {
    let GrantCreate {
        file,
        options: given,
        agent_key_out,
        out: Out { out },
    } = create;
    let text = read("cannot read the grant", &file)?;
    let options = options(&given)?;
    let mut desk = open(named).await?;
    let completed = desk.complete_grant(&text, &options)?;
    let around = desk.around();
    let found = lint::grant(&completed.grant, &around);
    let lines = words::grant(&completed.grant, &around);
    if !json {
        lines.iter().for_each(|line| say(line));
    }
    ask::warn(&found, json);
    if out.is_none() {
        ask::agreed("create this grant?", json)?;
    }
    let (grant, key_file) = desk.keep_secret(completed, agent_key_out.as_deref())?;
    let mut outcome = match &out {
        Some(out) => {
            let body = desk.widen(&Desk::grant_action(&grant), &[])?;
            written(&desk, out, &body)?
        }
        None => {
            desk.send_grant(&grant, key_file).await?;
            told(&desk, json!({}))
        }
    };
    ask::also(
        &mut outcome,
        json!({ "grant": grant.id, "agent_api_key_file": key_file }),
    );
    if json {
        ask::also(
            &mut outcome,
            json!({ "words": lines, "warnings": finding::list(&found) }),
        );
    }
    Ok(outcome)
}

fn standing<'a>(desk: &'a Desk, id: &GrantId) -> Result<&'a Grant, Error> {
    let state = desk.view().state();
    let found = state.slot(id).and_then(|slot| state.grant(slot));
    let none = || {
        Error::Usage(format!(
            "the log names no grant `{id}`; `claviger grant list` shows all"
        ))
    };
    found.map(|found| &*found.grant).ok_or_else(none)
}

async fn show(named: &Named, id: &str, in_words: bool, json: bool) -> Result<Outcome, Error> {
    let id = grant_id(id)?;
    let desk = open(named).await?;
    let mut outcome = told(&desk, desk.show_grant(&id)?);
    if in_words {
        let lines = words::grant(standing(&desk, &id)?, &desk.around());
        if json {
            ask::also(&mut outcome, json!({ "words": lines }));
        } else {
            lines.iter().for_each(|line| say(line));
            if let Some(members) = outcome.value.as_object_mut() {
                members.remove("document");
            }
        }
    }
    Ok(outcome)
}

async fn lint_one(
    named: &Named,
    target: &str,
    given: &GrantOptions,
    json: bool,
) -> Result<Outcome, Error> {
    let desk = open(named).await?;
    let file = Path::new(target);
    let grant = match GrantId::parse(target) {
        Ok(id) if !file.exists() => standing(&desk, &id)?.clone(),
        Ok(_) | Err(_) => {
            let text = read("cannot read the grant", file)?;
            desk.complete_grant(&text, &options(given)?)?.grant
        }
    };
    let around = desk.around();
    let found = lint::grant(&grant, &around);
    let narrower = lint::narrower::grant(&grant, &around).map(|grant| grant.to_json());
    let mut outcome = ask::linted(&found, json!({ "grant": grant.id }), json);
    match narrower {
        Some(narrower) if json => ask::also(&mut outcome, json!({ "narrower": narrower })),
        Some(narrower) => {
            say("the narrower grant:");
            say_json(&narrower);
        }
        None => {}
    }
    Ok(outcome)
}

fn say_json(value: &serde_json::Value) {
    format!("{value:#}").lines().for_each(say);
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
            return Err(Error::Usage(format!(
                "grant `{id}` is revoked for ever; `claviger grant reissue {id}` continues it under another id"
            )));
        }
        Some(Status::Active) | None => {
            return Err(Error::Usage(format!(
                "grant `{id}` is not suspended; `claviger grant show {id}` says its state"
            )));
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
