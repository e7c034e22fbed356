//! Manifests: who may do what in a deployment; a chain from g0, each superseding the one before.
//!
//! Having a [`Manifest`] means its bytes were strict JSON with no unknown member and its own rules hold (`2m > n`,
//! distinct keys, P-256 recipients). It does not mean anybody signed it: [`chain`] checks signatures and succession.

pub mod chain;
pub mod parse;

use super::sshsig::PublicKey;
use crate::id::{Digest, Pcr};
use serde::{Deserialize, Serialize};

/// One generation, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// SHA-256 of the exact bytes.
    pub digest: Digest,
    /// The deployment's name, such as `acme-prod/claviger`.
    pub origin: String,
    /// 0 for g0, then one more each.
    pub generation: u64,
    /// Digest of the one before; absent in g0 alone.
    pub supersedes: Option<Digest>,
    /// Whether PCR17 is to hold this one; g1 always.
    pub anchor: bool,
    /// g0 alone: what attestation documents are checked against.
    pub attestation_root: Option<AttestationRoot>,
    /// Who may widen.
    pub owners: Vec<Person>,
    /// How many distinct owners must sign; `2 * threshold > owners`.
    pub threshold: usize,
    /// Who may stop.
    pub operators: Vec<Person>,
    /// The KMS keys the root is sealed to.
    pub recipients: Vec<Recipient>,
    /// From g1 on: everything that genesis made and that may run.
    pub running: Option<Running>,
}

/// What g1 and later add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Digest of the sealed bundle; never changes.
    pub bundle: Digest,
    /// The log's verifier key; never changes.
    pub log_vkey: String,
    /// The log's first root; never changes.
    pub first_root: Digest,
    /// Builds that may run.
    pub releases: Vec<Release>,
    /// Lowest version that may run.
    pub min_version: Version,
    /// Whether answers wait for storage.
    pub durability: Durability,
    /// `accepted`: no witnesses, a malicious rollback is only detected.
    pub rollback_accepted: bool,
}

/// Where attestation documents must chain to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttestationRoot {
    /// The AWS Nitro root, compiled in.
    Aws,
    /// This DER certificate: a simulation.
    Certificate(Vec<u8>),
}

/// A person with one or more keys; counted once whichever key signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Unique in its manifest.
    pub name: String,
    /// At least one; no key belongs to two people.
    pub keys: Vec<PublicKey>,
}

/// A KMS key the root is sealed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The key's ARN.
    pub arn: String,
    /// Its public key: DER SubjectPublicKeyInfo on P-256.
    pub public_key: Vec<u8>,
}

/// A build that may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// Image.
    pub pcr0: Pcr,
    /// Kernel and boot ramdisk.
    pub pcr1: Pcr,
    /// Application.
    pub pcr2: Pcr,
}

/// `major.minor.patch`, compared by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32, pub u32);

/// Whether answers wait for storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// They wait (the default).
    Durable,
    /// They do not: sandbox grants and benchmarks only.
    Volatile,
}
