//! The KMS key policy of a deployment (DESIGN §4): who may derive, and what nobody may.
//!
//! Denies stand one per register, so that a document in which a register is absent is denied too: `StringNotEqualsIgnoreCase`
//! is true for an absent key (AWS IAM user guide, "IAM JSON policy elements: Condition operators").

mod condition;
mod document;
pub mod judge;
pub mod key;
pub mod reach;
mod shape;
pub mod template;
mod vectors;

use crate::Error;
use claviger_client::trust::extended_once;
use claviger_shared::{
    id::{Pcr, to_hex},
    label,
    owner::manifest::{Manifest, Release, Version, chain::Chain},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Whom the policy names, each by ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parties {
    /// The role of the parent instance, which may derive.
    pub host: String,
    /// Who may read the key, tag it and disable it.
    pub administrator: String,
    /// The only one who may change the policy or schedule the key's deletion.
    pub break_glass: String,
}

/// What the registers must hold.
#[derive(Debug, Clone)]
pub struct Pins {
    /// The builds that may run: PCR 0, 1 and 2.
    pub releases: Vec<Release>,
    /// PCR16: the deployment.
    pub deployment: Pcr,
    /// PCR17: its newest anchor manifest.
    pub anchor: Pcr,
}

impl Pins {
    /// What the registers must hold under a chain's newest manifest.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a deployment that is not born yet.
    pub fn of(chain: &Chain) -> Result<Self, Error> {
        let unborn = || Error::Usage("the chain ends at g0: nothing runs yet".to_owned());
        let running = chain.newest().running.as_ref().ok_or_else(unborn)?;
        let anchor = chain.newest_anchor().map(|anchor| anchor.generation);
        let anchor = anchor.and_then(|generation| chain.bytes(generation));
        let g0 = chain.bytes(0).ok_or_else(unborn)?;
        let runs = |release: &&Release| release.version >= running.min_version;
        Ok(Self {
            releases: running.releases.iter().filter(runs).cloned().collect(),
            deployment: extended_once(label::PCR_DEPLOYMENT, g0),
            anchor: extended_once(label::PCR_ANCHOR, anchor.ok_or_else(unborn)?),
        })
    }

    /// What the registers must hold when a manifest that nobody signed yet is the newest.
    ///
    /// # Errors
    ///
    /// As [`Pins::of`].
    pub fn under(chain: &Chain, next: &[u8]) -> Result<Self, Error> {
        let manifest = Manifest::parse(next)?;
        let mut pins = match Self::of(chain) {
            Ok(pins) => pins,
            Err(_) if manifest.generation == 1 => Self {
                releases: Vec::new(),
                deployment: extended_once(
                    label::PCR_DEPLOYMENT,
                    chain.bytes(0).unwrap_or_default(),
                ),
                anchor: Pcr([0; 48]),
            },
            Err(error) => return Err(error),
        };
        let running = manifest.running.as_ref();
        let running = running.ok_or_else(|| Error::Usage("not a manifest after g0".to_owned()))?;
        let runs = |release: &&Release| release.version >= running.min_version;
        pins.releases = running.releases.iter().filter(runs).cloned().collect();
        if manifest.anchor {
            pins.anchor = extended_once(label::PCR_ANCHOR, next);
        }
        Ok(pins)
    }
}

/// The policy of a key before its deployment is born: nobody may derive.
#[must_use]
pub fn unborn(parties: &Parties) -> Value {
    json!({ "Version": "2012-10-17", "Statement": management(parties) })
}

/// The policy of a deployment's key.
#[must_use]
pub fn render(parties: &Parties, pins: &Pins) -> Value {
    let mut statements = management(parties);
    for release in &pins.releases {
        statements.push(allow(parties, release));
    }
    let each = |pick: fn(&Release) -> Pcr| pins.releases.iter().map(pick).collect::<Vec<_>>();
    let registers = [
        (0, each(|release| release.pcr0)),
        (1, each(|release| release.pcr1)),
        (2, each(|release| release.pcr2)),
        (16, vec![pins.deployment]),
        (17, vec![pins.anchor]),
    ];
    statements.extend(
        registers
            .iter()
            .map(|(register, values)| deny(*register, values)),
    );
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn management(parties: &Parties) -> Vec<Value> {
    vec![
        json!({
            "Sid": "Administer", "Effect": "Allow", "Principal": { "AWS": parties.administrator }, "Resource": "*",
            "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListKeyPolicies",
                "kms:ListResourceTags", "kms:TagResource", "kms:UntagResource", "kms:EnableKey", "kms:DisableKey",
                "kms:RetireGrant", "kms:RevokeGrant"],
        }),
        json!({
            "Sid": "BreakGlass", "Effect": "Allow", "Principal": { "AWS": parties.break_glass }, "Resource": "*",
            "Action": ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:DescribeKey", "kms:GetPublicKey",
                "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags"],
        }),
        json!({
            "Sid": "ReadByHost", "Effect": "Allow", "Principal": { "AWS": parties.host }, "Resource": "*",
            "Action": ["kms:DescribeKey", "kms:GetPublicKey"],
        }),
        json!({
            "Sid": "NoOtherWayOut", "Effect": "Deny", "Principal": "*", "Resource": "*",
            "Action": ["kms:CreateGrant", "kms:ReplicateKey"],
        }),
    ]
}

fn allow(parties: &Parties, release: &Release) -> Value {
    // A Sid takes letters and digits alone, and each only once.
    let Version(major, minor, patch) = release.version;
    let name = format!("{major}x{minor}x{patch}");
    json!({
        "Sid": format!("Release{name}"), "Effect": "Allow", "Principal": { "AWS": parties.host }, "Resource": "*",
        "Action": "kms:DeriveSharedSecret",
        "Condition": { "StringEqualsIgnoreCase": {
            "kms:RecipientAttestation:PCR0": to_hex(&release.pcr0.0),
            "kms:RecipientAttestation:PCR1": to_hex(&release.pcr1.0),
            "kms:RecipientAttestation:PCR2": to_hex(&release.pcr2.0),
        } },
    })
}

fn deny(register: u8, values: &[Pcr]) -> Value {
    let values: Vec<String> = values.iter().map(|value| to_hex(&value.0)).collect();
    let key = format!("kms:RecipientAttestation:PCR{register}");
    json!({
        "Sid": format!("OnlyPcr{register}"), "Effect": "Deny", "Principal": "*", "Resource": "*",
        "Action": "kms:DeriveSharedSecret", "Condition": { "StringNotEqualsIgnoreCase": { key: values } },
    })
}

#[cfg(test)]
mod tests;
