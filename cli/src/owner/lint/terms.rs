//! Breadth of a grant's time, pace and keys.

use super::{super::words::measure, finding, scope::has_paced_calls};
use crate::{finding::Finding, owner::words::Around};
use claviger_shared::{
    grant::{Grant, Rate, Window},
    id::KeyId,
    time::Millis,
};

/// The longest life that is not long.
pub(super) const LONG: Millis = Millis(7 * 86_400_000);
/// The longest time of renewals that is not long.
pub(super) const LONG_RENEWAL: Millis = Millis(30 * 86_400_000);
/// What is proposed for a grant without a rate.
pub(super) const RATE: Rate = Rate {
    max: 30,
    per: Millis(60_000),
};
/// Calls in a whole life that are many.
pub(super) const MANY_CALLS: u128 = 100_000;

pub(super) fn check(grant: &Grant, around: &Around<'_>) -> Vec<Finding> {
    let mut found = life(grant);
    if grant.rate.is_empty() {
        found.push(finding(
            "no_rate",
            "/rate",
            "no rate",
            "a hijacked agent can use all its calls in a moment, before anybody looks",
            format!(
                "add [{{\"max\": {}, \"per_s\": {}}}] or what the task needs",
                RATE.max,
                RATE.per.0 / 1000
            ),
        ));
    }
    let calls = grant
        .budgets
        .iter()
        .filter(|budget| budget.unit.is_call() && budget.window == Window::Grant)
        .map(|budget| budget.max.0)
        .max();
    if calls.is_some_and(|calls| calls > MANY_CALLS) && !has_paced_calls(grant) {
        found.push(finding(
            "many_calls",
            "/budgets",
            format!("more than {MANY_CALLS} calls and no window but the whole life"),
            "a budget that is never met bounds nothing",
            "add a rolling budget of calls",
        ));
    }
    found.extend(keys(grant, around));
    if grant.purpose.is_none() {
        found.push(finding(
            "no_purpose",
            "/purpose",
            "no purpose",
            "whoever is on call cannot tell what a stop breaks",
            "add a sentence and a ticket",
        ));
    }
    found
}

fn life(grant: &Grant) -> Vec<Finding> {
    let mut found = Vec::new();
    let life = grant.expires_at.since(grant.not_before);
    if life > LONG {
        found.push(finding(
            "long_life",
            "/expires_at",
            format!("it lives for {}", measure::length(life)),
            "a stolen agent key works as long",
            "make it shorter and let the agent renew it: renew_until",
        ));
    }
    if let Some(until) = grant.renew_until {
        let renewable = until.since(grant.not_before);
        if renewable > LONG_RENEWAL {
            found.push(finding(
                "long_renewal",
                "/renew_until",
                format!("it can be renewed for {}", measure::length(renewable)),
                "nobody has to look at it again before then",
                "have owners amend it once in a while instead",
            ));
        }
    }
    found
}

fn keys(grant: &Grant, around: &Around<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut shared = Vec::new();
    for id in &grant.keys {
        let Some(key) = around.keys.get(id) else {
            found.push(finding(
                "unknown_key",
                "/keys",
                format!("there is no key `{id}`"),
                "the grant is refused",
                "make it with `claviger key create`, or name another",
            ));
            continue;
        };
        if key.retired {
            found.push(finding(
                "retired_key",
                "/keys",
                format!("key `{id}` is retired"),
                "every call that needs it is denied",
                "name another key",
            ));
        }
        shared.extend(shared_with(grant, id, around));
    }
    if !shared.is_empty() {
        found.push(finding(
            "shared_key",
            "/keys",
            shared.join("; "),
            "relying parties cannot tell the grants apart, and retiring the key ends them all",
            "make a key of its own with `claviger key create`",
        ));
    }
    found
}

/// Which other live grants a key signs for, in words.
fn shared_with(grant: &Grant, id: &KeyId, around: &Around<'_>) -> Option<String> {
    let sharing: Vec<&str> = around
        .live
        .iter()
        .filter(|other| other.id != grant.id && other.keys.contains(id))
        .map(|other| other.id.as_str())
        .collect();
    (!sharing.is_empty()).then(|| format!("key `{id}` also signs for {}", sharing.join(", ")))
}
