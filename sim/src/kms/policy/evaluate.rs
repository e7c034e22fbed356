//! The decision: an explicit Deny anywhere, else an Allow, else no.

use std::collections::BTreeMap;

use super::document::{Effect, Policy, Statement};
use super::principal::{self, Coverage};
use crate::aws::Caller;

/// Condition keys of a request; a key that is not in it is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Sets a key of one value.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets a key of several values, absent where there are none.
    pub(crate) fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.0
                .entry(key.to_ascii_lowercase())
                .or_default()
                .extend(values);
        }
    }

    /// The values of a key given in lower case, none if it is absent.
    pub(super) fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// What is asked, by whom.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Caller,
    /// Such as `kms:DeriveSharedSecret`.
    pub(crate) action: &'a str,
    /// ARN of the key, `*` where there is none yet.
    pub(crate) resource: &'a str,
    /// Account the resource is in.
    pub(crate) account: &'a str,
    pub(crate) context: &'a Context,
}

/// The answer of the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// A statement denies, here by its Sid if it has one.
    ExplicitDeny(Option<String>),
    /// No statement allows.
    ImplicitDeny,
}

/// Decides by the key's policy, if there is a key, and the caller's own.
pub(crate) fn decide(
    request: &Request<'_>,
    key: Option<&Policy>,
    identity: Option<&Policy>,
) -> Decision {
    let policies = || key.into_iter().chain(identity);
    let denial = policies()
        .flat_map(|policy| &policy.statements)
        .find(|statement| {
            statement.effect == Effect::Deny && coverage(statement, request) > Coverage::None
        });
    if let Some(statement) = denial {
        return Decision::ExplicitDeny(statement.sid.clone());
    }
    let best = |policy: &Policy| {
        let allows = policy
            .statements
            .iter()
            .filter(|statement| statement.effect == Effect::Allow);
        allows
            .map(|statement| coverage(statement, request))
            .max()
            .unwrap_or(Coverage::None)
    };
    // An account's root user may do anything that the account may.
    let by_identity =
        request.caller.is_root || identity.map_or(Coverage::None, best) == Coverage::Direct;
    let is_own_account = request.caller.account == request.account;
    let allowed = match key.map(best) {
        // Where there is no key yet, the account decides alone.
        None => is_own_account && by_identity,
        Some(Coverage::Direct) => is_own_account || by_identity,
        Some(Coverage::Account) => by_identity,
        Some(Coverage::None) => false,
    };
    if allowed {
        Decision::Allowed
    } else {
        Decision::ImplicitDeny
    }
}

/// How a statement covers the request; not at all unless action, resource and every condition do.
fn coverage(statement: &Statement, request: &Request<'_>) -> Coverage {
    let Statement {
        sid: _,
        effect: _,
        principals,
        actions,
        resources,
        conditions,
    } = statement;
    let applies = actions.covers(&request.action.to_ascii_lowercase())
        && resources.covers(request.resource)
        && conditions
            .iter()
            .all(|condition| condition.holds(request.context));
    match principals {
        _ if !applies => Coverage::None,
        Some(principals) => principal::coverage(principals, request.caller),
        None => Coverage::Direct,
    }
}
