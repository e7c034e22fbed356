//! Elements of a policy that are traps whatever they come to today.

use super::{
    condition::Condition,
    document::{Effect, Principal, Statement},
    judge::{RENDER, finding},
    reach::Policy,
    vectors::matching,
};
use crate::finding::Finding;
use claviger_shared::id::Pcr;

pub(super) fn check(policy: &Policy) -> Vec<Finding> {
    let statements = &policy.document.statements;
    statements.iter().flat_map(of_statement).collect()
}

fn of_statement(statement: &Statement) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |code, what: String, why: &str| {
        found.push(finding(code, &statement.name, what, why, RENDER));
    };
    if statement.principals.inverted {
        add(
            "not_principal",
            "it says NotPrincipal".to_owned(),
            "whom it covers depends on sessions and accounts that the policy does not name",
        );
    }
    for condition in &statement.conditions {
        if condition.is_attestation() && !condition.is_understood() {
            add(
                "operator_not_understood",
                format!("{} on {}", condition.operator, condition.key),
                "registers are texts: such an operator does not compare them",
            );
        }
    }
    if statement.effect == Effect::Deny {
        return found;
    }
    if statement.actions.inverted {
        add(
            "not_action",
            "it allows by NotAction".to_owned(),
            "it also allows every action that AWS will ever add",
        );
    }
    let wild = |action: &&String| action.contains(['*', '?']);
    for action in statement.actions.list.iter().filter(wild) {
        add(
            "wildcard_action",
            format!("it allows {action}"),
            "it allows more than what was meant, and what AWS will add",
        );
    }
    for principal in &statement.principals.list {
        principal_of(principal, &mut add);
    }
    for condition in statement
        .conditions
        .iter()
        .filter(|one| one.lets_absent_pass())
    {
        add(
            "absent_passes",
            format!(
                "{} on {} is true of a request without it",
                condition.operator, condition.key
            ),
            "a request without attestation meets the condition",
        );
    }
    found
}

fn principal_of(principal: &Principal, add: &mut impl FnMut(&'static str, String, &str)) {
    match principal {
        Principal::Anyone => add(
            "anybody",
            "it allows everybody".to_owned(),
            "callers of any account are meant",
        ),
        Principal::Account(account) => add(
            "iam_delegation",
            format!("it allows the account {account}"),
            "whoever administers IAM there decides who else is allowed",
        ),
        Principal::Other(name) => add(
            "other_principal",
            format!("it allows {name}"),
            "it is not the ARN of a role or a user of ours",
        ),
        Principal::Arn(_) => {}
    }
}

impl Policy {
    /// Every ARN that the policy names as a principal.
    pub(super) fn named(&self) -> impl Iterator<Item = String> {
        let principals = self
            .document
            .statements
            .iter()
            .flat_map(|statement| &statement.principals.list);
        principals.filter_map(|principal| match principal {
            Principal::Arn(arn) => Some(arn.clone()),
            Principal::Anyone | Principal::Account(_) | Principal::Other(_) => None,
        })
    }

    /// Registers that conditions are about, with values that they would match.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = (u8, Option<Pcr>)> {
        let conditions = self
            .document
            .statements
            .iter()
            .flat_map(|statement| &statement.conditions);
        conditions.flat_map(|condition: &Condition| {
            let key = condition.key.strip_prefix(super::condition::ATTESTATION);
            let index = key.and_then(|key| match key.strip_prefix("pcr") {
                Some(number) => number.parse().ok(),
                None => (key == "imagesha384").then_some(0_u8),
            });
            let values = condition.values.iter().map(|value| matching(value));
            values.filter_map(move |value| Some((index?, value)))
        })
    }
}
