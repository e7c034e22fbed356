//! A key policy as AWS reads it: statements with their principals, actions, resources and conditions.
//!
//! Reading is lenient where AWS is, and says what it does not understand: a judge must look at any policy that KMS took.

use super::condition::{self, Condition};
use serde_json::{Map, Value};

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One principal that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// Everybody, callers of other accounts included.
    Anyone,
    /// A whole account: its administrators decide by IAM.
    Account(String),
    /// A user, a role or a session.
    Arn(String),
    /// A service, a federated identity or a name that is not understood.
    Other(String),
}

/// What is listed, or everything but what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection<T> {
    pub(super) list: Vec<T>,
    pub(super) inverted: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// Its Sid, else its place.
    pub(super) name: String,
    pub(super) effect: Effect,
    pub(super) principals: Selection<Principal>,
    pub(super) actions: Selection<String>,
    pub(super) resources: Selection<String>,
    pub(super) conditions: Vec<Condition>,
}

/// A policy.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) statements: Vec<Statement>,
}

/// Why a text is no policy: the place and what is wrong there.
pub(super) type Fault = (String, String);

impl Document {
    /// Reads a policy's text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        // Strict about members that come twice: two readers could see two policies.
        claviger_shared::codec::json::parse(text)
            .map_err(|error| (error.pointer, format!("expected {}", error.what)))?;
        let value: Value =
            serde_json::from_slice(text).map_err(|error| (String::new(), error.to_string()))?;
        let list = match value.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            Some(_) | None => return Err(fault("/Statement", "expected a list of statements")),
        };
        let read = |(at, one): (usize, &Value)| statement(one, &format!("/Statement/{at}"));
        Ok(Self {
            statements: list
                .into_iter()
                .enumerate()
                .map(read)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn fault(at: &str, what: &str) -> Fault {
    (at.to_owned(), what.to_owned())
}

fn statement(value: &Value, at: &str) -> Result<Statement, Fault> {
    let object = value
        .as_object()
        .ok_or_else(|| fault(at, "expected an object"))?;
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(fault(&format!("{at}/{name}"), "expected no such member"));
    }
    let effect = match object.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) | None => return Err(fault(&format!("{at}/Effect"), "expected Allow or Deny")),
    };
    let name = object.get("Sid").and_then(Value::as_str).unwrap_or(at);
    let conditions = match object.get("Condition") {
        None => Vec::new(),
        Some(value) => condition::parse(value).map_err(|what| (format!("{at}/Condition"), what))?,
    };
    Ok(Statement {
        name: name.to_owned(),
        effect,
        principals: either(object, at, "Principal", principals)?,
        actions: either(object, at, "Action", texts)?,
        resources: either(object, at, "Resource", texts)?,
        conditions,
    })
}

/// An element or its negation; exactly one of them.
fn either<T>(
    object: &Map<String, Value>,
    at: &str,
    name: &str,
    read: fn(&Value) -> Option<Vec<T>>,
) -> Result<Selection<T>, Fault> {
    let not = format!("Not{name}");
    let (value, inverted) = match (object.get(name), object.get(&not)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) | (None, None) => {
            return Err((at.to_owned(), format!("expected either {name} or {not}")));
        }
    };
    let list = read(value).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| (format!("{at}/{name}"), "expected names".to_owned()))?;
    Ok(Selection { list, inverted })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            list.iter().map(text).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn principals(value: &Value) -> Option<Vec<Principal>> {
    let kinds = match value {
        Value::String(text) if text == "*" => return Some(vec![Principal::Anyone]),
        Value::Object(kinds) => kinds,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return None;
        }
    };
    let mut list = Vec::new();
    for (kind, names) in kinds {
        list.extend(texts(names)?.into_iter().map(|name| one(kind, name)));
    }
    Some(list)
}

fn one(kind: &str, name: String) -> Principal {
    if kind != "AWS" {
        return Principal::Other(format!("{kind} {name}"));
    }
    if name == "*" {
        return Principal::Anyone;
    }
    if name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()) {
        return Principal::Account(name);
    }
    match (account_of(&name), name.ends_with(":root")) {
        (Some(account), true) => Principal::Account(account),
        (Some(_), false) => Principal::Arn(name),
        // AWS shows a deleted principal as its bare unique id: it can be nobody any more.
        (None, _) => Principal::Other(name),
    }
}

/// The account in an ARN.
pub(super) fn account_of(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, _, _, account, _] if !account.is_empty() => Some((*account).to_owned()),
        _ => None,
    }
}
