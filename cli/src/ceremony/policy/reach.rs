//! Who could do what under a key policy, with any attestation they like: AWS's evaluation, worst case first.
//!
//! A Deny counts only where it surely applies; an Allow counts where it may. Callers' own IAM policies and grants are taken to
//! allow everything, so what no Deny stops and any Allow (or a grant) could reach is reachable.

use super::{
    condition::{ATTESTATION, Context, Truth, like},
    document::{Document, Effect, Principal, Selection, Statement, account_of},
};
use claviger_shared::id::{Pcr, to_hex};
use std::collections::BTreeMap;

/// Registers of a request's attestation; one that is not here is absent from the document.
pub type Registers = BTreeMap<u8, Pcr>;

/// The action that unseals.
pub const DERIVE: &str = "kms:DeriveSharedSecret";

/// A key policy that was read.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) document: Document,
    /// The key's ARN, where it is known.
    pub(super) key: Option<String>,
}

/// What is asked, by whom, with which attestation.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The caller: the ARN of a role, a user or an account's root.
    pub caller: &'a str,
    /// Such as `kms:DeriveSharedSecret`.
    pub action: &'a str,
    /// Registers; empty without attestation.
    pub registers: &'a Registers,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// The place and what is wrong there.
    pub fn parse(text: &[u8], key: Option<&str>) -> Result<Self, (String, String)> {
        Ok(Self {
            document: Document::parse(text)?,
            key: key.map(str::to_owned),
        })
    }

    /// Whether a statement surely denies.
    #[must_use]
    pub fn denies(&self, request: &Request<'_>) -> bool {
        self.asked(request.caller, request.action)
            .denies(&context(request.registers))
    }

    /// Whether a request may pass, and by which statement.
    #[must_use]
    pub fn reaches(&self, request: &Request<'_>) -> Option<&str> {
        self.asked(request.caller, request.action)
            .reaches(&context(request.registers))
    }

    /// The statements that are about a caller and an action, whatever the attestation.
    pub(super) fn asked(&self, caller: &str, action: &str) -> Asked<'_> {
        let mut asked = Asked::default();
        for statement in &self.document.statements {
            let Statement {
                name: _,
                effect,
                principals,
                actions,
                resources,
                conditions: _,
            } = statement;
            if !covers_action(actions, action) {
                continue;
            }
            let applies =
                covers_caller(principals, caller, *effect).min(self.covers_key(resources));
            match (effect, applies) {
                (Effect::Allow, Truth::Maybe | Truth::True) => asked.allows.push(statement),
                (Effect::Deny, Truth::True) => asked.denies.push(statement),
                (Effect::Allow | Effect::Deny, _) => {}
            }
        }
        asked
    }

    /// In a key policy `*` means this key.
    fn covers_key(&self, resources: &Selection<String>) -> Truth {
        let Some(key) = &self.key else {
            let all = resources.list.iter().any(|one| one == "*");
            return match (all, resources.inverted) {
                (true, false) => Truth::True,
                (true, true) => Truth::False,
                (false, _) => Truth::Maybe,
            };
        };
        let listed = resources
            .list
            .iter()
            .any(|one| one == "*" || like(one, key));
        if listed == resources.inverted {
            Truth::False
        } else {
            Truth::True
        }
    }
}

/// Statements that may allow and that surely deny, if their conditions do.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    allows: Vec<&'a Statement>,
    denies: Vec<&'a Statement>,
}

impl<'a> Asked<'a> {
    pub(super) fn denies(&self, context: &Context) -> bool {
        let mut denies = self.denies.iter();
        denies.any(|statement| conditions(statement, context) == Truth::True)
    }

    pub(super) fn reaches(&self, context: &Context) -> Option<&'a str> {
        let mut allows = self.allows.iter();
        let allowed = allows.find(|statement| conditions(statement, context) != Truth::False)?;
        (!self.denies(context)).then_some(allowed.name.as_str())
    }
}

fn conditions(statement: &Statement, context: &Context) -> Truth {
    let conditions = statement.conditions.iter();
    let truths = conditions.map(|condition| condition.holds(context));
    truths.min().unwrap_or(Truth::True)
}

/// Whether a list of actions covers one.
pub(super) fn covers_action(actions: &Selection<String>, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let listed = actions
        .list
        .iter()
        .any(|pattern| like(&pattern.to_ascii_lowercase(), &action));
    listed != actions.inverted
}

fn covers_caller(principals: &Selection<Principal>, caller: &str, effect: Effect) -> Truth {
    let account = account_of(caller);
    let one = |principal: &Principal| match principal {
        Principal::Anyone => Truth::True,
        Principal::Account(named) if Some(named) == account.as_ref() => Truth::True,
        Principal::Arn(arn) if arn == caller => Truth::True,
        // One session of the caller's role is the caller sometimes.
        Principal::Arn(arn) if session_of(arn).is_some_and(|role| is_role(caller, role)) => {
            Truth::Maybe
        }
        Principal::Account(_) | Principal::Arn(_) | Principal::Other(_) => Truth::False,
    };
    let named = principals
        .list
        .iter()
        .map(one)
        .max()
        .unwrap_or(Truth::False);
    if !principals.inverted {
        return named;
    }
    // Whom a NotPrincipal exempts is a matter of sessions too: an exemption is believed in a Deny and not in an Allow.
    match (named, effect) {
        (Truth::False, _) => Truth::True,
        (Truth::True, Effect::Allow) => Truth::Maybe,
        (Truth::Maybe, _) => Truth::Maybe,
        (Truth::True, Effect::Deny) => Truth::False,
    }
}

/// The role's name in the ARN of a session.
fn session_of(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once(":assumed-role/")?;
    rest.split('/').next()
}

fn is_role(caller: &str, role: &str) -> bool {
    caller.contains(":role/") && caller.rsplit('/').next() == Some(role)
}

/// The condition keys that a document with these registers sets (AWS KMS developer guide, "Condition keys for attested
/// platforms"): the image digest is PCR0.
pub(super) fn context(registers: &Registers) -> Context {
    let mut context = Context::new();
    for (index, value) in registers {
        context.insert(format!("{ATTESTATION}pcr{index}"), to_hex(&value.0));
    }
    if let Some(image) = registers.get(&0) {
        context.insert(format!("{ATTESTATION}imagesha384"), to_hex(&image.0));
    }
    context
}
