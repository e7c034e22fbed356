//! Grants: what a key's own list lets a principal do, besides what policies say.
//!
//! A grant only ever allows; an explicit deny of any policy beats it, which is for the caller of this module to see to.

use serde::{Deserialize, Serialize};

use super::secret::EncryptionContext;
use crate::aws::Caller;

/// Every operation that a grant may hold.
// botocore kms/2014-11-01: GrantOperation, without those this simulation does not have.
const OPERATIONS: &[&str] = &[
    "CreateGrant",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
];

/// The operations of a grant that a constraint does not narrow, as they have no encryption context.
const WITHOUT_CONTEXT: &[&str] = &["CreateGrant", "DescribeKey", "RetireGrant"];

/// One grant of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) created_s: u64,
    pub(super) issuing_account: String,
    pub(super) terms: Terms,
}

/// What was asked for: the same terms under the same name are the same grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Terms {
    pub(super) name: Option<String>,
    pub(super) grantee: String,
    pub(super) retiring: Option<String>,
    pub(super) operations: Vec<String>,
    pub(super) constraint: Option<Constraint>,
}

/// What the encryption context must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Constraint {
    /// Exactly this.
    Equals(EncryptionContext),
    /// This and perhaps more.
    Subset(EncryptionContext),
}

impl Constraint {
    fn admits(&self, context: &EncryptionContext) -> bool {
        match self {
            Self::Equals(wanted) => wanted == context,
            Self::Subset(wanted) => is_subset(wanted, context),
        }
    }

    /// Whether whatever the other admits, this does.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(wanted), Self::Equals(given)) => wanted == given,
            (Self::Equals(_), Self::Subset(_)) => false,
            (Self::Subset(wanted), Self::Equals(given) | Self::Subset(given)) => {
                is_subset(wanted, given)
            }
        }
    }
}

fn is_subset(wanted: &EncryptionContext, given: &EncryptionContext) -> bool {
    wanted
        .iter()
        .all(|(name, value)| given.get(name) == Some(value))
}

/// Whether an operation may stand in a grant of a key, by whether the key is symmetric.
pub(super) fn is_operation(name: &str, symmetric: bool, agreement: bool) -> bool {
    let fits = match name {
        "CreateGrant" | "DescribeKey" | "RetireGrant" => true,
        "DeriveSharedSecret" => agreement,
        "GetPublicKey" => !symmetric,
        "Decrypt" | "Encrypt" | "ReEncryptFrom" | "ReEncryptTo" => !agreement,
        _ => symmetric,
    };
    fits && OPERATIONS.contains(&name)
}

/// Whether a principal that a grant names is the caller.
pub(super) fn is_principal(named: &str, caller: &Caller) -> bool {
    named == caller.arn || named == caller.principal_arn
}

impl Grant {
    /// Whether the grant lets a caller do an operation under an encryption context.
    pub(super) fn permits(
        &self,
        caller: &Caller,
        operation: &str,
        context: &EncryptionContext,
    ) -> bool {
        let constrained = !WITHOUT_CONTEXT.contains(&operation);
        is_principal(&self.terms.grantee, caller)
            && self.terms.operations.iter().any(|held| held == operation)
            && (!constrained
                || self
                    .terms
                    .constraint
                    .as_ref()
                    .is_none_or(|constraint| constraint.admits(context)))
    }

    /// Whether the grantee of this grant may make one of these terms: nothing it may not do itself, no looser constraint.
    pub(super) fn may_make(&self, terms: &Terms) -> bool {
        let operations = terms
            .operations
            .iter()
            .all(|wanted| self.terms.operations.contains(wanted));
        let constraint = match (&self.terms.constraint, &terms.constraint) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(given)) => own.covers(given),
        };
        operations && constraint
    }
}
