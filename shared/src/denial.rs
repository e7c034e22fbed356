//! Denials: every way an agent's call can be refused, as a published table of stable codes.
//!
//! A denial is safe to show to a language model: it names the failing rule and a place in the caller's own input, never
//! another agent, a secret or an upstream text. Prose is made outside the enclave. docs/spec/denials.md is this table.

use crate::{amount::Amount, credential::Remaining, id::Unit};
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $exit:literal, $next:literal;)*) => {
        /// Why a call is refused; the text form is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status of its problem document.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The exit code of the command line.
            #[must_use]
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// What the caller can do next.
            #[must_use]
            pub const fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

codes! {
    /// The window's budget would be exceeded.
    BudgetExceeded = "budget_exceeded", 403, 4, "wait for resets_at, or ask an owner for a larger budget";
    /// A queue is full; nothing was reserved.
    Busy = "busy", 503, 5, "try again after a short pause";
    /// The echo names a log this enclave does not know.
    EchoMismatch = "echo_mismatch", 409, 5, "check which enclave you are talking to, then open a new channel";
    /// Host, audience or path not listed in the catalog.
    DestinationDenied = "destination_denied", 403, 1, "use a destination that `whoami` lists, or ask an owner to add it to the catalog";
    /// Key, resource and grant are not of one environment.
    EnvMismatch = "env_mismatch", 403, 1, "use a key and a resource of the grant's environment";
    /// Everything is stopped by an operator.
    Frozen = "frozen", 503, 5, "wait until owners thaw the deployment";
    /// The grant is over.
    GrantExpired = "grant_expired", 403, 1, "ask an owner for a new grant";
    /// No grant has this agent key.
    GrantNotFound = "grant_not_found", 403, 1, "check the agent key";
    /// The grant is revoked for ever.
    GrantRevoked = "grant_revoked", 403, 1, "ask an owner for a new grant";
    /// The grant is suspended.
    GrantSuspended = "grant_suspended", 403, 1, "ask an owner to resume the grant";
    /// The idempotency key was used with another input.
    IdempotencyConflict = "idempotency_conflict", 409, 1, "use a new idempotency key for a new input";
    /// No room to remember another idempotency key.
    IdempotencyFull = "idempotency_full", 429, 4, "wait until earlier credentials have expired";
    /// The signed bytes name no destination and the grant does not allow that.
    IdentityOnly = "identity_only", 403, 1, "ask an owner to list the resource in allow_identity_only";
    /// Not parsable, or a member is missing or wrong; `param` names the place.
    InvalidRequest = "invalid_request", 400, 2, "correct the member that `param` names";
    /// The grant has no key of this kind.
    KeyDenied = "key_denied", 403, 1, "ask an owner to add a key of this kind to the grant";
    /// The route does not take this method.
    MethodDenied = "method_denied", 403, 1, "use a method the route lists";
    /// The response would be a credential and the grant does not allow that.
    Minting = "minting", 403, 1, "ask an owner to list the resource in allow_minting";
    /// The path or query is not in normal form; it is never repaired.
    NotNormalForm = "not_normal_form", 400, 2, "send the URL in normal form, without dot segments or needless escapes";
    /// The grant has not begun.
    NotYetValid = "not_yet_valid", 403, 1, "wait until the grant begins";
    /// The credential would outlive its grant.
    Outliving = "outliving", 403, 1, "ask for a shorter credential";
    /// One call asks for more than any single call may.
    PerCallExceeded = "per_call_exceeded", 403, 4, "ask for a smaller amount";
    /// The grant's scope does not hold this resource and verb, or `only` excludes it.
    PermissionDenied = "permission_denied", 403, 1, "stay within the scope that `whoami` shows, or ask an owner";
    /// Too many calls in the window.
    RateLimited = "rate_limited", 429, 4, "wait, then try again";
    /// The address is not in `reported_sources`.
    SourceDenied = "source_denied", 403, 1, "call from an address the grant lists";
    /// A charge has no single-use binding at its destination.
    UnboundCharge = "unbound_charge", 403, 1, "ask an owner to fix the route in the catalog";
    /// A value would be spent without a budget in its unit.
    UnbudgetedUnit = "unbudgeted_unit", 403, 1, "ask an owner for a budget in this unit";
    /// The log cannot be written just now; nothing was signed.
    Unavailable = "unavailable", 503, 5, "try again after a short pause";
    /// A query member, header, body member or claim is not listed by the route; `param` names it.
    UnlistedMember = "unlisted_member", 403, 1, "leave out the member that `param` names";
    /// The body, or the object to sign, cannot be read as the route demands.
    UnparsableContent = "unparsable_content", 400, 2, "send a body of the route's media type, or the whole object that the route takes";
    /// The mechanism is not built.
    Unsupported = "unsupported", 400, 2, "use a kind and profile that `whoami` lists";
    /// The grant changed or the wait was too long while the credential was made; the charge stays.
    Withdrawn = "withdrawn", 409, 1, "look at the grant's state with `whoami`, then call again";
}

/// A refusal, as it travels in the sealed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// Why.
    pub code: Code,
    /// JSON pointer or name in the caller's own input, where one place is at fault.
    pub param: Option<String>,
    /// For budgets: what was asked for.
    pub requested: Option<Requested>,
    /// For budgets and rates: what is left of the budget that refused.
    pub remaining: Option<Remaining>,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Whether the grant is one that can touch only a sandbox; absent where it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
}

/// What a call would have spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    /// The unit.
    pub unit: Unit,
    /// The amount.
    pub amount: Amount,
}

impl Denial {
    /// A denial without further detail.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            param: None,
            requested: None,
            remaining: None,
            retry_after_ms: None,
            sandbox: false,
        }
    }

    /// A denial that names the place in the caller's input.
    #[must_use]
    pub fn at(code: Code, param: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::new(code)
        }
    }
}

/// Where a renewal is refused: the grant has no `renew_until`, or ends there already.
pub const RENEW_UNTIL: &str = "renew_until";

impl Denial {
    /// What the caller can do next: what the code says, unless the place says more.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match (self.code, self.param.as_deref()) {
            (Code::PermissionDenied, Some(RENEW_UNTIL)) => {
                "ask an owner to amend the grant with a later end and `renew_until`, or to reissue it"
            }
            (Code::Outliving, Some(_)) => {
                "ask an owner to list the resource in allow_outliving: nothing ends this credential"
            }
            (code, _) => code.next(),
        }
    }
}

impl From<Code> for Denial {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/spec/denials.md` is this table: another implementation can be checked against it.
    #[test]
    fn the_published_table_is_this_one() {
        let published = include_str!("../../docs/spec/denials.md");
        let rows: Vec<_> = published
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let row = |code: &Code| {
            let (status, exit, next) = (code.status(), code.exit(), code.next());
            format!("| `{}` | {status} | {exit} | {next} |", code.as_str())
        };
        assert_eq!(rows, Code::ALL.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn codes_are_distinct_and_map_to_known_statuses() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()));
            assert!(matches!(code.exit(), 1 | 2 | 4 | 5));
            assert!(!code.next().is_empty());
        }
    }
}
