//! Policy documents: the grammar, checked whole when a policy is put.

use super::condition::{self, Condition};
use super::json::Json;
use super::pattern;
use super::principal::{self, Principal};

/// Largest key policy, in bytes.
// AWS KMS Developer Guide, resource quotas: key policy document size 32 KB.
pub(crate) const MAX_POLICY: usize = 32 * 1024;

/// A policy that every part of was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(super) statements: Vec<Statement>,
}

/// Why a document is not a policy, in words for its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    /// None in an identity policy, which is about the identity it belongs to.
    pub(super) principals: Option<Vec<Principal>>,
    pub(super) actions: Selection,
    pub(super) resources: Selection,
    pub(super) conditions: Vec<Condition>,
}

/// What is listed, or everything but what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    patterns: Vec<String>,
    inverted: bool,
}

impl Selection {
    pub(super) fn covers(&self, text: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern::matches(pattern, text))
            != self.inverted
    }
}

impl Policy {
    /// Reads a key policy.
    pub(crate) fn of_key(text: &str) -> Result<Self, Malformed> {
        Self::parse(text, true)
    }

    /// Reads an identity policy: the same without principals.
    pub(crate) fn of_identity(text: &str) -> Result<Self, Malformed> {
        Self::parse(text, false)
    }

    fn parse(text: &str, with_principals: bool) -> Result<Self, Malformed> {
        if text.len() > MAX_POLICY {
            return Err(Malformed("Policy is larger than 32 KB."));
        }
        let json: Json =
            serde_json::from_str(text).map_err(|_| Malformed("Policy is not valid JSON."))?;
        let Json::Object(members) = json else {
            return Err(Malformed("Policy must be an object."));
        };
        let mut statements = None;
        for (name, value) in &members {
            match (name.as_str(), value) {
                ("Version", Json::Text(version))
                    if version == "2012-10-17" || version == "2008-10-17" => {}
                ("Id", Json::Text(_)) => {}
                ("Statement", Json::List(list)) => {
                    statements = Some(
                        list.iter()
                            .map(|one| statement(one, with_principals))
                            .collect::<Result<Vec<_>, _>>()?,
                    );
                }
                ("Statement", one) => statements = Some(vec![statement(one, with_principals)?]),
                _ => return Err(Malformed("Policy has an unknown or invalid member.")),
            }
        }
        let statements = statements.filter(|statements| !statements.is_empty());
        let statements = statements.ok_or(Malformed("Policy has no statement."))?;
        let sids: Vec<_> = statements
            .iter()
            .filter_map(|statement| statement.sid.as_ref())
            .collect();
        if sids.iter().enumerate().any(|(at, sid)| {
            sids.iter()
                .skip(at.saturating_add(1))
                .any(|other| other == sid)
        }) {
            return Err(Malformed(
                "Statement IDs (SID) in a single policy must be unique.",
            ));
        }
        Ok(Self { statements })
    }
}

fn statement(json: &Json, with_principals: bool) -> Result<Statement, Malformed> {
    let Json::Object(members) = json else {
        return Err(Malformed("A statement must be an object."));
    };
    let (mut sid, mut effect, mut principals, mut conditions) = (None, None, None, Vec::new());
    let (mut actions, mut resources) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Sid", Json::Text(text)) => sid = Some(text.clone()),
            ("Effect", Json::Text(text)) if text == "Allow" => effect = Some(Effect::Allow),
            ("Effect", Json::Text(text)) if text == "Deny" => effect = Some(Effect::Deny),
            ("Principal", value) if with_principals => principals = Some(principal::parse(value)?),
            ("NotPrincipal", _) => {
                return Err(Malformed(
                    "NotPrincipal is not supported by this simulation.",
                ));
            }
            ("Action" | "NotAction", value) => {
                select(&mut actions, actions_of(value)?, name == "NotAction")?
            }
            ("Resource" | "NotResource", value) => {
                select(&mut resources, resources_of(value)?, name == "NotResource")?
            }
            ("Condition", value) => conditions = condition::parse(value)?,
            _ => return Err(Malformed("A statement has an unknown or invalid member.")),
        }
    }
    if with_principals && principals.is_none() {
        return Err(Malformed("A statement has no principal."));
    }
    Ok(Statement {
        sid,
        effect: effect.ok_or(Malformed("A statement has no effect."))?,
        principals,
        actions: actions.ok_or(Malformed("A statement has no action."))?,
        resources: resources.ok_or(Malformed("A statement has no resource."))?,
        conditions,
    })
}

fn select(
    slot: &mut Option<Selection>,
    patterns: Vec<String>,
    inverted: bool,
) -> Result<(), Malformed> {
    match slot.replace(Selection { patterns, inverted }) {
        None => Ok(()),
        Some(_) => Err(Malformed("A statement has an element and its negation.")),
    }
}

/// Actions are compared in lower case.
fn actions_of(json: &Json) -> Result<Vec<String>, Malformed> {
    let one = |action: &str| match action.split_once(':') {
        Some((service, operation)) if !service.is_empty() && !operation.is_empty() => {
            Ok(action.to_ascii_lowercase())
        }
        None if action == "*" => Ok(action.to_owned()),
        Some(_) | None => Err(Malformed("Actions must be prefixed by a service.")),
    };
    texts(json, "an invalid action")?
        .into_iter()
        .map(one)
        .collect()
}

fn resources_of(json: &Json) -> Result<Vec<String>, Malformed> {
    let one = |resource: &str| {
        if resource == "*" || resource.splitn(6, ':').count() == 6 && resource.starts_with("arn:") {
            Ok(resource.to_owned())
        } else {
            Err(Malformed("A resource must be an ARN or `*`."))
        }
    };
    texts(json, "an invalid resource")?
        .into_iter()
        .map(one)
        .collect()
}

/// One text or a list of at least one, none with a policy variable.
pub(super) fn texts<'a>(json: &'a Json, fault: &'static str) -> Result<Vec<&'a str>, Malformed> {
    let one = |json: &'a Json| match json {
        Json::Text(text) if !text.is_empty() && !text.contains("${") => Ok(text.as_str()),
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::Text(_)
        | Json::List(_)
        | Json::Object(_) => Err(Malformed(fault)),
    };
    match json {
        Json::List(items) if items.is_empty() => Err(Malformed(fault)),
        Json::List(items) => items.iter().map(one).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
            one(json).map(|one| vec![one])
        }
    }
}
