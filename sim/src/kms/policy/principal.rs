//! Whom a statement is about.

use super::document::Malformed;
use super::json::Json;
use crate::aws::Caller;

/// One principal named by a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// Everybody.
    Anyone,
    /// An account: in a Deny all of its principals, in an Allow those whom its own policies allow as well.
    Account(String),
    /// A user, a role or a session of a role.
    Arn(String),
    /// A service or a federated identity; callers of this simulation are neither.
    Nobody,
}

/// How a statement's principals cover a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coverage {
    /// Not at all.
    None,
    /// By way of the caller's account.
    Account,
    /// By name, or because everybody is meant.
    Direct,
}

/// Reads the Principal element.
pub(super) fn parse(json: &Json) -> Result<Vec<Principal>, Malformed> {
    match json {
        Json::Text(text) if text == "*" => Ok(vec![Principal::Anyone]),
        Json::Object(kinds) if !kinds.is_empty() => {
            let mut principals = Vec::new();
            for (kind, names) in kinds {
                for name in super::document::texts(names, "an invalid principal")? {
                    principals.push(one(kind, name)?);
                }
            }
            Ok(principals)
        }
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::Text(_)
        | Json::List(_)
        | Json::Object(_) => Err(INVALID),
    }
}

const INVALID: Malformed =
    Malformed("Policy contains a statement with one or more invalid principals.");

fn one(kind: &str, name: &str) -> Result<Principal, Malformed> {
    match kind {
        "AWS" if name == "*" => Ok(Principal::Anyone),
        "AWS" if crate::aws::is_account(name) => Ok(Principal::Account(name.to_owned())),
        "AWS" => {
            let caller = Caller::parse(name).ok_or(INVALID)?;
            Ok(if caller.is_root {
                Principal::Account(caller.account)
            } else {
                Principal::Arn(caller.arn)
            })
        }
        "Service" | "Federated" if !name.is_empty() => Ok(Principal::Nobody),
        _ => Err(INVALID),
    }
}

/// The best coverage any of the principals gives.
pub(super) fn coverage(principals: &[Principal], caller: &Caller) -> Coverage {
    let of = |principal: &Principal| match principal {
        Principal::Anyone => Coverage::Direct,
        Principal::Account(account) if *account == caller.account => {
            if caller.is_root {
                Coverage::Direct
            } else {
                Coverage::Account
            }
        }
        Principal::Arn(arn) if *arn == caller.arn || *arn == caller.principal_arn => {
            Coverage::Direct
        }
        Principal::Account(_) | Principal::Arn(_) | Principal::Nobody => Coverage::None,
    };
    principals.iter().map(of).max().unwrap_or(Coverage::None)
}
