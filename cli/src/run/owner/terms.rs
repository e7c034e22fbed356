//! `grant amend` and `grant reissue`: the difference shown, then sent or written out.

use super::{Desk, grant::grant_id, open, read, told, written};
use crate::{
    args::owner::{Out, Reissue},
    output::{Outcome, say},
    run::{Named, name},
};
use claviger_cli::{
    Error,
    owner::terms::{Change, Continued, End, NewKey, Planned, parse_length},
};
use claviger_shared::{id::X25519Public, time::UnixMs};
use serde_json::{Value, json};
use std::path::Path;

pub(super) async fn amend(
    named: &Named,
    file: &Path,
    out: &Out,
    json: bool,
) -> Result<Outcome, Error> {
    let text = read("cannot read the grant", file)?;
    let mut desk = open(named).await?;
    let planned = desk.plan_amendment(&text)?;
    let members = json!({ "grant": planned.grant.id });
    carry_out(&mut desk, &planned, None, out, json, members).await
}

pub(super) async fn reissue(named: &Named, reissue: Reissue, json: bool) -> Result<Outcome, Error> {
    let Reissue {
        old,
        expires_at,
        ttl,
        agent_key_out,
        agent_key,
        out,
    } = reissue;
    let old = grant_id(&old)?;
    let end = end(expires_at.as_deref(), ttl.as_deref())?;
    let key = match (&agent_key, &agent_key_out) {
        (Some(key), _) => NewKey::Of(name(
            key,
            "an agent's public key, x25519:…",
            X25519Public::parse,
        )?),
        (None, Some(path)) => NewKey::Into(path),
        (None, None) => return Err(Error::Usage("no agent key".to_owned())),
    };
    let mut desk = open(named).await?;
    let Continued { planned, file } = desk.plan_reissue(&old, end, key)?;
    let members = json!({
        "grant": planned.grant.id, "continues": old, "expires_at": planned.grant.expires_at.to_string(),
        "agent_api_key_file": file,
    });
    carry_out(&mut desk, &planned, file, &out, json, members).await
}

fn end(expires_at: Option<&str>, ttl: Option<&str>) -> Result<End, Error> {
    let time = "a UTC time such as 2026-11-23T17:00:00Z";
    let length = "a length such as 30m, 8h or 7d";
    match (expires_at, ttl) {
        (Some(text), _) => name(text, time, UnixMs::parse_rfc3339).map(End::At),
        (None, Some(text)) => name(text, length, |text| parse_length(text).ok_or(())).map(End::In),
        (None, None) => Err(Error::Usage("no end".to_owned())),
    }
}

/// Shows the difference, sends the command or writes it out, and says how the grant then stands.
async fn carry_out(
    desk: &mut Desk,
    planned: &Planned,
    file: Option<&Path>,
    out: &Out,
    json: bool,
    members: Value,
) -> Result<Outcome, Error> {
    if !json {
        planned
            .changes
            .iter()
            .for_each(|change| say(&change.words()));
    }
    let mut outcome = match &out.out {
        Some(to) => {
            let body = desk.widen(&planned.action, &planned.lifts)?;
            written(desk, to, &body)?
        }
        None => {
            desk.carry_out(planned, file).await?;
            let shown = desk.show_grant(&planned.grant.id)?;
            let part = |name: &str| shown.get(name).cloned();
            told(
                desk,
                json!({
                    "state": part("state"), "remaining": part("remaining"), "outstanding": part("outstanding"),
                }),
            )
        }
    };
    let said = json.then(
        || json!({ "changes": planned.changes.iter().map(Change::to_json).collect::<Vec<_>>() }),
    );
    for more in std::iter::once(members).chain(said) {
        if let (Some(into), Value::Object(more)) = (outcome.value.as_object_mut(), more) {
            into.extend(more);
        }
    }
    Ok(outcome)
}
