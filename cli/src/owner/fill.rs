//! Completing a grant file: what the file leaves out comes from options, keys and randomness, and nothing it says changes.
//!
//! An option that the file contradicts is refused: nobody has to guess which of two wins.

use super::{grant::usage, terms::parse_length};
use crate::Error;
use claviger_shared::{
    effect::Env,
    id::{AgentId, KeyId, X25519Public},
    time::{Millis, UnixMs},
};
use serde_json::{Map, Value, json};

/// What options say of a grant.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whose it is.
    pub agent: Option<AgentId>,
    /// The agent's own key, where the agent made one.
    pub agent_key: Option<X25519Public>,
    /// How long it is, from now on.
    pub ttl: Option<Millis>,
    /// Calls in its whole life.
    pub max_calls: Option<u64>,
    /// The signing keys.
    pub keys: Vec<KeyId>,
    /// Live or sandbox.
    pub env: Option<Env>,
    /// For people.
    pub purpose: Option<String>,
}

/// Reads a `--ttl`.
///
/// # Errors
///
/// [`Error::Usage`] with the accepted form.
pub fn ttl(text: &str) -> Result<Millis, Error> {
    let form = || Error::Usage(format!("`{text}` is not a length such as 30m, 8h or 7d"));
    parse_length(text).ok_or_else(form)
}

/// Fills in all but `id`, the agent's key and `keys`, which need more than options.
pub(super) fn fill(
    members: &mut Map<String, Value>,
    options: &Options,
    now: UnixMs,
) -> Result<(), Error> {
    let Options {
        agent,
        agent_key,
        ttl,
        max_calls,
        keys,
        env,
        purpose,
    } = options;
    missing(members, options)?;
    members.entry("v").or_insert_with(|| json!(1));
    if let Some(agent) = agent {
        let held = members.entry("agent").or_insert_with(|| json!({}));
        let held = held.as_object_mut();
        let held = held.ok_or_else(|| usage("/agent", "an object with `id`"))?;
        say(held, "id", "/agent/id", "--agent", json!(agent))?;
    }
    if let Some(key) = agent_key {
        let held = members.get_mut("agent").and_then(Value::as_object_mut);
        let held = held.ok_or_else(|| usage("/agent", "an object with `id`, or --agent A"))?;
        say(
            held,
            "key",
            "/agent/key",
            "--agent-key",
            json!(key.to_string()),
        )?;
    }
    if let Some(env) = env {
        say(members, "env", "/env", "--env", json!(env))?;
    }
    if let Some(purpose) = purpose {
        say(members, "purpose", "/purpose", "--purpose", json!(purpose))?;
    }
    if !keys.is_empty() {
        say(members, "keys", "/keys", "--keys", json!(keys))?;
    }
    times(members, *ttl, now)?;
    calls(members, *max_calls)
}

/// Says at once all that neither file nor options say.
fn missing(members: &Map<String, Value>, options: &Options) -> Result<(), Error> {
    let agent = members.get("agent").is_none_or(|agent| {
        agent
            .as_object()
            .is_some_and(|agent| !agent.contains_key("id"))
    });
    let budgets = members.get("budgets");
    let listed = budgets.is_none_or(Value::is_array);
    let counted = budgets
        .and_then(Value::as_array)
        .is_some_and(|budgets| budgets.iter().any(counts_calls));
    let wanted = [
        (agent && options.agent.is_none(), "`/agent/id`: --agent A"),
        (
            !members.contains_key("permissions"),
            "`/permissions`: what it may read, write and delete, in the file",
        ),
        (
            !members.contains_key("expires_at") && options.ttl.is_none(),
            "`/expires_at`: --ttl D such as 8h",
        ),
        (
            listed && !counted && options.max_calls.is_none(),
            "`/budgets`, one of the unit call: --max-calls N",
        ),
    ];
    let absent: Vec<_> = wanted
        .into_iter()
        .filter_map(|(absent, what)| absent.then_some(what))
        .collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(Error::Usage(format!(
            "grant: missing {}",
            absent.join("; ")
        )))
    }
}

/// Whether a budget bounds calls beyond one.
fn counts_calls(budget: &Value) -> bool {
    let is = |name: &str, word: &str| budget.get(name).and_then(Value::as_str) == Some(word);
    is("unit", "call") && !is("window", "call")
}

/// Puts what an option says where the file says nothing, or the same.
fn say(
    members: &mut Map<String, Value>,
    name: &str,
    pointer: &str,
    option: &str,
    value: Value,
) -> Result<(), Error> {
    match members.get(name) {
        Some(held) if *held != value => Err(usage(
            pointer,
            &format!("what {option} says, or no {option}: the file says something else"),
        )),
        Some(_) => Ok(()),
        None => {
            members.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

fn times(members: &mut Map<String, Value>, ttl: Option<Millis>, now: UnixMs) -> Result<(), Error> {
    let start = match members.get("not_before").and_then(Value::as_str) {
        Some(text) => UnixMs::parse_rfc3339(text)
            .map_err(|_| usage("/not_before", "a UTC time such as 2026-11-23T09:00:00Z"))?,
        None => now,
    };
    members
        .entry("not_before")
        .or_insert_with(|| json!(start.to_string()));
    match (ttl, members.contains_key("expires_at")) {
        (Some(_), true) => Err(usage(
            "/expires_at",
            "no --ttl: the file says when the grant ends",
        )),
        (Some(ttl), false) => {
            let end = json!(start.plus(ttl).to_string());
            members.insert("expires_at".to_owned(), end);
            Ok(())
        }
        (None, true) => Ok(()),
        (None, false) => Err(usage("/expires_at", "a time, or --ttl D such as 8h")),
    }
}

fn calls(members: &mut Map<String, Value>, max: Option<u64>) -> Result<(), Error> {
    let budgets = members.entry("budgets").or_insert_with(|| json!([]));
    let budgets = budgets.as_array_mut();
    let budgets = budgets.ok_or_else(|| usage("/budgets", "a list"))?;
    match (max, budgets.iter().any(counts_calls)) {
        (None, true) => Ok(()),
        (None, false) => Err(usage(
            "/budgets",
            "a budget of the unit call, or --max-calls N",
        )),
        (Some(0), _) => Err(Error::Usage(
            "--max-calls: expected a number above zero".to_owned(),
        )),
        (Some(max), _) => {
            let ours = json!({ "unit": "call", "max": max.to_string(), "window": "grant" });
            let whole = |budget: &&Value| {
                let is =
                    |name: &str, word: &str| budget.get(name).and_then(Value::as_str) == Some(word);
                is("unit", "call") && is("window", "grant")
            };
            match budgets.iter().find(whole) {
                Some(held) if *held == ours => Ok(()),
                Some(_) => Err(usage(
                    "/budgets",
                    "no --max-calls: the file says how many calls its whole life has",
                )),
                None => {
                    budgets.insert(0, ours);
                    Ok(())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, options: &Options) -> Result<Value, Error> {
        let mut value: Value = serde_json::from_str(text).unwrap();
        fill(value.as_object_mut().unwrap(), options, UnixMs(1_000_000))?;
        Ok(value)
    }

    fn options() -> Options {
        Options {
            agent: Some(AgentId::parse("bot").unwrap()),
            ttl: Some(Millis(3_600_000)),
            max_calls: Some(500),
            ..Options::default()
        }
    }

    #[test]
    fn permissions_alone_become_a_grant() {
        let value = filled(
            r#"{"permissions":{"read":["a"],"write":[],"delete":[]}}"#,
            &options(),
        );
        let value = value.unwrap();
        assert_eq!(value["agent"]["id"], "bot");
        assert_eq!(value["not_before"], "1970-01-01T00:16:40Z");
        assert_eq!(value["expires_at"], "1970-01-01T01:16:40Z");
        assert_eq!(
            value["budgets"],
            json!([{ "unit": "call", "max": "500", "window": "grant" }])
        );
    }

    #[test]
    fn what_the_file_says_stays_and_what_contradicts_it_is_refused() {
        for file in [
            r#"{"permissions":{},"agent":{"id":"other"}}"#,
            r#"{"permissions":{},"agent":"bot"}"#,
            r#"{"permissions":{},"expires_at":"2030-01-01T00:00:00Z"}"#,
            r#"{"permissions":{},"budgets":[{"unit":"call","max":"7","window":"grant"}]}"#,
            r#"{"permissions":{},"budgets":{}}"#,
            r#"{"permissions":{},"not_before":"soon"}"#,
        ] {
            assert!(
                matches!(filled(file, &options()), Err(Error::Usage(_))),
                "{file}"
            );
        }
        let file =
            r#"{"permissions":{},"budgets":[{"unit":"call","max":"7","window":"rolling:P1D"}]}"#;
        let value = filled(file, &options()).unwrap();
        assert_eq!(value["budgets"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        let said = |text: &str, options: &Options| match filled(text, options) {
            Err(Error::Usage(said)) => said,
            other => panic!("{other:?}"),
        };
        let bare = r#"{"permissions":{"read":["a"]}}"#;
        let all = said(bare, &Options::default());
        for option in ["--agent", "--ttl", "--max-calls"] {
            assert!(all.contains(option), "{all}");
        }
        assert!(all.find("--agent") < all.find("--ttl") && !all.contains("permissions"));
        let empty = said(r#"{"agent":{"key":"x25519:00"}}"#, &Options::default());
        assert!(
            empty.contains("--agent") && empty.contains("/permissions"),
            "{empty}"
        );
        let one = said(
            bare,
            &Options {
                agent: None,
                ..options()
            },
        );
        assert_eq!(one, "grant: missing `/agent/id`: --agent A");
    }

    #[test]
    fn a_grant_without_an_end_or_a_budget_of_calls_is_not_completed() {
        let none = |change: fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            filled(r#"{"permissions":{}}"#, &options)
        };
        none(|options| options.ttl = None).unwrap_err();
        none(|options| options.max_calls = None).unwrap_err();
        none(|options| options.max_calls = Some(0)).unwrap_err();
    }
}
