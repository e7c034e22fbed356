//! One key: its material, its policy, its grants and what may be said of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::grant::Grant;
use super::material::Material;
use super::policy::Policy;
use crate::aws::{ErrorType, ServiceError};

/// A key as it is at one moment; changes make a new one.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) region: String,
    /// Region of the primary, for a multi-Region key.
    pub(super) primary: Option<String>,
    pub(super) material: Material,
    pub(super) created_s: u64,
    pub(super) description: String,
    pub(super) state: State,
    /// The policy exactly as it was put.
    pub(super) policy_text: String,
    pub(super) policy: Policy,
    pub(super) grants: Vec<Grant>,
    pub(super) tags: BTreeMap<String, String>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum State {
    Disabled,
    Enabled,
    PendingDeletion {
        at_s: u64,
    },
    /// A primary that waits for its replicas to go; its own window begins then.
    PendingReplicaDeletion {
        days: u64,
    },
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
            Self::PendingReplicaDeletion { .. } => "PendingReplicaDeletion",
        }
    }
}

impl Key {
    pub(super) fn arn(&self, account: &str) -> String {
        arn(&self.region, account, &self.id)
    }

    pub(super) fn is_primary(&self) -> bool {
        self.primary.as_ref() == Some(&self.region)
    }

    /// `KeyMetadata`; the regions of the key's replicas are for the service to know.
    pub(super) fn metadata(&self, account: &str, replicas: &[String]) -> Value {
        let spec = self.material.spec();
        let mut metadata = json!({
            "AWSAccountId": account,
            "Arn": self.arn(account),
            "CreationDate": self.created_s,
            "CustomerMasterKeySpec": spec.name(),
            "Description": self.description,
            "Enabled": self.state == State::Enabled,
            "KeyId": self.id,
            "KeyManager": "CUSTOMER",
            "KeySpec": spec.name(),
            "KeyState": self.state.name(),
            "KeyUsage": spec.usage(),
            "MultiRegion": self.primary.is_some(),
            "Origin": "AWS_KMS",
        });
        let Value::Object(members) = &mut metadata else {
            return metadata;
        };
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match self.material.encryption_algorithms() {
            [] => set("KeyAgreementAlgorithms", json!(["ECDH"])),
            algorithms => set("EncryptionAlgorithms", json!(algorithms)),
        };
        if let Some(id) = self.material.material_id() {
            set("CurrentKeyMaterialId", json!(id));
        }
        match self.state {
            State::PendingDeletion { at_s } => set("DeletionDate", json!(at_s)),
            State::PendingReplicaDeletion { days } => {
                set("PendingDeletionWindowInDays", json!(days))
            }
            State::Disabled | State::Enabled => None,
        };
        if let Some(primary) = &self.primary {
            let one = |region: &String| json!({ "Arn": arn(region, account, &self.id), "Region": region });
            let kind = if self.is_primary() {
                "PRIMARY"
            } else {
                "REPLICA"
            };
            let replicas: Vec<_> = replicas.iter().map(one).collect();
            set(
                "MultiRegionConfiguration",
                json!({ "MultiRegionKeyType": kind, "PrimaryKey": one(primary), "ReplicaKeys": replicas }),
            );
        }
        metadata
    }

    /// Refuses a key that may not be used now.
    pub(super) fn check_usable(&self, arn: &str) -> Result<(), ServiceError> {
        if self.state == State::Disabled {
            return Err(ServiceError::new(
                ErrorType::Disabled,
                format!("{arn} is disabled."),
            ));
        }
        self.check_kept(arn)
    }

    /// Refuses a key that is on its way out.
    pub(super) fn check_kept(&self, arn: &str) -> Result<(), ServiceError> {
        match self.state {
            State::Disabled | State::Enabled => Ok(()),
            State::PendingDeletion { .. } | State::PendingReplicaDeletion { .. } => {
                Err(ServiceError::new(
                    ErrorType::KmsInvalidState,
                    format!("{arn} is pending deletion."),
                ))
            }
        }
    }
}

pub(super) fn arn(region: &str, account: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{account}:key/{id}")
}
