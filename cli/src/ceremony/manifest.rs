//! Writing the first two manifests. What is written is read back by the strict parser before anybody signs it.

use crate::{Error, ssh::Signer};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::Digest,
    label,
    owner::manifest::{Manifest, Release, Version},
    wire::control::Signed,
};
use serde_json::{Value, json};

/// Somebody with SSH keys.
#[derive(Debug, Clone)]
pub struct Person {
    /// Unique in the manifest.
    pub name: String,
    /// Public key lines.
    pub keys: Vec<String>,
}

/// Who decides what in a new deployment.
#[derive(Debug, Clone)]
pub struct People {
    /// Who may widen.
    pub owners: Vec<Person>,
    /// How many of them must sign.
    pub threshold: usize,
    /// Who may stop.
    pub operators: Vec<Person>,
}

/// A KMS key to seal to.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Its ARN.
    pub arn: String,
    /// DER SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

/// Where attestation documents must chain to.
#[derive(Debug, Clone)]
pub enum Root {
    /// AWS.
    Aws,
    /// A simulation's root certificate, DER.
    Certificate(Vec<u8>),
}

fn people(list: &[Person]) -> Value {
    list.iter()
        .map(|person| json!({ "name": person.name, "keys": person.keys }))
        .collect()
}

fn recipients(list: &[Recipient]) -> Value {
    let one =
        |to: &Recipient| json!({ "arn": to.arn, "public_key": STANDARD.encode(&to.public_key) });
    list.iter().map(one).collect()
}

/// The bytes of g0.
///
/// # Errors
///
/// [`Error::Usage`] with the rule that does not hold.
pub fn g0(origin: &str, root: &Root, who: &People, to: &[Recipient]) -> Result<Vec<u8>, Error> {
    let root = match root {
        Root::Aws => json!("aws"),
        Root::Certificate(der) => json!({ "certificate": STANDARD.encode(der) }),
    };
    checked(&json!({
        "v": 1, "origin": origin, "generation": 0, "attestation_root": root,
        "owners": people(&who.owners), "threshold": who.threshold, "operators": people(&who.operators),
        "recipients": recipients(to),
    }))
}

/// What g1 adds to g0.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Digest of the sealed bundle.
    pub bundle: Digest,
    /// The log's verifier key.
    pub vkey: String,
    /// The log's first root.
    pub first_root: Digest,
    /// The builds that may run.
    pub releases: Vec<Release>,
    /// `durable` or `volatile`.
    pub durability: &'static str,
}

/// The bytes of g1: an anchor, without witnesses (`rollback: "accepted"`).
///
/// # Errors
///
/// [`Error::Usage`] with the rule that does not hold.
pub fn g1(g0: &[u8], who: &People, to: &[Recipient], birth: &Birth) -> Result<Vec<u8>, Error> {
    let before = Manifest::parse(g0)?;
    let oldest = birth.releases.iter().map(|release| release.version).min();
    let oldest = oldest.ok_or_else(|| Error::Usage("g1 needs a release".to_owned()))?;
    let release = |release: &Release| {
        json!({
            "version": version(release.version), "pcr0": release.pcr0, "pcr1": release.pcr1, "pcr2": release.pcr2,
        })
    };
    checked(&json!({
        "v": 1, "origin": before.origin, "generation": 1, "supersedes": before.digest, "anchor": true,
        "owners": people(&who.owners), "threshold": who.threshold, "operators": people(&who.operators),
        "recipients": recipients(to), "bundle": birth.bundle,
        "log": { "vkey": birth.vkey, "first_root": birth.first_root },
        "releases": birth.releases.iter().map(release).collect::<Vec<_>>(),
        "min_version": version(oldest), "durability": birth.durability, "rollback": "accepted",
    }))
}

fn version(Version(major, minor, patch): Version) -> String {
    format!("{major}.{minor}.{patch}")
}

fn checked(manifest: &Value) -> Result<Vec<u8>, Error> {
    let bytes =
        serde_json::to_vec_pretty(manifest).map_err(|error| Error::Usage(error.to_string()))?;
    Manifest::parse(&bytes)?;
    Ok(bytes)
}

/// A manifest with signatures over its exact bytes.
///
/// # Errors
///
/// As [`Signer::sign`].
pub fn sign(body: Vec<u8>, signers: &[&Signer]) -> Result<Signed, Error> {
    let sign = |signer: &&Signer| signer.sign(label::NAMESPACE_MANIFEST, &body);
    let signatures = signers.iter().map(sign).collect::<Result<_, _>>()?;
    Ok(Signed { body, signatures })
}
