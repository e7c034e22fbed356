//! A whole grant in words, as it is read before it is signed: every permission with what the catalog makes of it.
//!
//! The words follow from the grant, the catalog and the keys of the audited log; nothing is left out that widens.

mod charge;
pub mod evm;
pub mod measure;
pub mod route;
mod token;

use super::Desk;
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    catalog::Catalog,
    effect::{Env, Verb},
    grant::{Budget, CredentialRule, Grant, Rate},
    id::{KeyId, ResourceName},
    ledger::{KeyState, Status},
    time::UnixMs,
};
use std::collections::BTreeMap;

/// What a grant stands among: the names' meaning, the keys, the other grants.
#[derive(Debug)]
pub struct Around<'a> {
    /// The catalog in force.
    pub catalog: &'a Catalog,
    /// Every key.
    pub keys: BTreeMap<&'a KeyId, &'a KeyState>,
    /// Grants that may still be used.
    pub live: Vec<&'a Grant>,
    /// Now.
    pub now: UnixMs,
}

impl Desk {
    /// What a grant stands among, by the audited log.
    #[must_use]
    pub fn around(&self) -> Around<'_> {
        let state = self.view().state();
        let now = UnixMs(wall_clock_ms()).max(state.time());
        let live = state
            .grants()
            .filter(|(_, grant)| grant.status != Status::Revoked && grant.grant.expires_at > now);
        Around {
            catalog: state.catalog(),
            keys: state.keys().collect(),
            live: live.map(|(_, grant)| &*grant.grant).collect(),
            now,
        }
    }
}

/// The word of an environment.
#[must_use]
pub const fn env_word(env: Env) -> &'static str {
    match env {
        Env::Live => "live",
        Env::Sandbox => "sandbox",
    }
}

/// A grant in words; two spaces say that a line belongs to the one above.
#[must_use]
pub fn grant(grant: &Grant, around: &Around<'_>) -> Vec<String> {
    let mut lines = head(grant);
    for (verb, names) in [
        (Verb::Read, &grant.permissions.read),
        (Verb::Write, &grant.permissions.write),
        (Verb::Delete, &grant.permissions.delete),
    ] {
        for name in names {
            lines.extend(permission(grant, verb, name, around.catalog));
        }
    }
    lines.extend(limits(grant, around.catalog));
    lines.extend(keys(grant, around));
    lines.extend(let_out(grant));
    lines
}

fn head(grant: &Grant) -> Vec<String> {
    let Grant {
        id,
        agent,
        agent_key,
        not_before,
        expires_at,
        renew_until,
        purpose,
        ..
    } = grant;
    let mut lines = vec![
        format!("grant {id} for agent {agent} ({})", env_word(grant.env)),
        format!("  agent key {agent_key}"),
        format!(
            "  from {not_before} until {expires_at}, {}",
            measure::length(expires_at.since(*not_before))
        ),
    ];
    lines.push(renew_until.map_or_else(
        || "  it cannot be renewed".to_owned(),
        |until| format!("  the agent may renew it by itself until {until}"),
    ));
    lines.extend(purpose.iter().map(|text| format!("  purpose: {text}")));
    lines
}

fn permission(grant: &Grant, verb: Verb, name: &ResourceName, catalog: &Catalog) -> Vec<String> {
    let mut lines = vec![format!("may {} {name}:", route::verb_word(verb))];
    let Some(resource) = catalog.resources.get(name) else {
        lines.push("  nothing: the catalog has no such name".to_owned());
        return lines;
    };
    for found in &resource.routes {
        let Some(line) = route::line(found, verb) else {
            continue;
        };
        lines.push(format!("  {line}"));
        lines.extend(route::facts(found).iter().map(|fact| format!("    {fact}")));
    }
    if lines.len() == 1 {
        lines.push("  nothing: no way to it counts as this verb".to_owned());
    }
    for (parameter, values) in grant.only.get(name).into_iter().flatten() {
        lines.push(format!(
            "  only where {parameter} is {}",
            values.join(" or ")
        ));
    }
    lines
}

fn limits(grant: &Grant, catalog: &Catalog) -> Vec<String> {
    let mut lines = vec!["spends at most:".to_owned()];
    for Budget { unit, max, window } in &grant.budgets {
        let what = if unit.is_call() {
            "calls".to_owned()
        } else {
            let asset = catalog.assets.get(unit);
            format!(
                "{unit}{}",
                asset.map_or_else(String::new, |asset| measure::whole(*max, asset.decimals))
            )
        };
        lines.push(format!("  {max} {what} {}", measure::window(*window)));
    }
    if grant.rate.is_empty() {
        lines.push("at any rate".to_owned());
    }
    for Rate { max, per } in &grant.rate {
        lines.push(format!(
            "at most {max} calls in any {}",
            measure::length(*per)
        ));
    }
    if grant.reported_sources.is_empty() {
        lines.push("from anywhere".to_owned());
    } else {
        let document = grant.to_json();
        let sources = document.get("reported_sources").cloned();
        let sources = sources.and_then(|list| serde_json::from_value::<Vec<String>>(list).ok());
        lines.push(format!(
            "from {} by the host's word",
            sources.unwrap_or_default().join(", ")
        ));
    }
    lines
}

fn keys(grant: &Grant, around: &Around<'_>) -> Vec<String> {
    let mut lines = vec!["signs with:".to_owned()];
    for id in &grant.keys {
        lines.push(match around.keys.get(id) {
            None => format!("  {id}: no such key"),
            Some(key) => {
                let whose = key.agent.as_ref().map_or_else(
                    || format!("belongs to {} for ever from this grant on", grant.agent),
                    |agent| format!("belongs to {agent}"),
                );
                let imported = if key.imported {
                    ", imported: others may hold it too"
                } else {
                    ""
                };
                let retired = if key.retired { ", retired" } else { "" };
                format!(
                    "  {id} ({}, {}, {whose}{imported}{retired})",
                    key.kind.as_str(),
                    env_word(key.env)
                )
            }
        });
    }
    for (kind, rule) in &grant.credentials {
        let CredentialRule {
            profile,
            ttl,
            signature_agent,
        } = rule;
        let kind = kind.as_str();
        let profile = profile
            .as_ref()
            .map_or_else(String::new, |profile| format!(" of profile {profile}"));
        let ttl = ttl.map_or_else(
            || "as long as the kind allows".to_owned(),
            |ttl| format!("at most {}", measure::length(ttl)),
        );
        let agent = signature_agent
            .as_ref()
            .map_or_else(String::new, |agent| format!(" in the name of {agent}"));
        lines.push(format!("  {kind} credentials{profile}{agent} live {ttl}"));
    }
    lines
}

fn let_out(grant: &Grant) -> Vec<String> {
    let lists = [
        (
            &grant.allow_minting,
            "lets out credentials that the destination makes, which no budget here counts: ",
        ),
        (
            &grant.allow_identity_only,
            "lets out credentials that name no destination and work wherever they are believed: ",
        ),
        (
            &grant.allow_outliving,
            "lets out credentials that live on after the grant has ended: ",
        ),
    ];
    let said = lists.into_iter().filter(|(names, _)| !names.is_empty());
    said.map(|(names, words)| {
        let names: Vec<&str> = names.iter().map(ResourceName::as_str).collect();
        format!("{words}{}", names.join(", "))
    })
    .collect()
}

#[cfg(test)]
pub(in crate::owner) mod tests;
