//! Checking what genesis gave, before g1 is signed.
//!
//! Having a [`Checked`] means: an attestation document with the owner's nonce chains to the root that the owner's g0 names,
//! was made by the owner's build under the owner's g0 and no other manifest, and binds exactly this bundle, log key and
//! first root. The bundle was re-hashed and is sealed to the keys that g0 pins.

use crate::{Error, operator::Born};
use claviger_client::trust::extended_once;
use claviger_shared::{
    attest::genesis_user_data,
    bundle::Bundle,
    crypto::sha256,
    id::{Digest, Pcr, to_hex},
    label,
    log::checkpoint::LogKey,
    owner::manifest::{AttestationRoot, Manifest, Release},
};
use claviger_verify::attestation::{self, Document, Root};

/// Oldest genesis document accepted, in milliseconds.
const MAX_AGE_MS: u64 = 300_000;

/// A birth that checked out.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Digest of the bundle.
    pub bundle: Digest,
    /// The log's verifier key.
    pub vkey: String,
    /// The log's first root.
    pub first_root: Digest,
}

fn distrust(what: &str) -> Error {
    Error::Distrust(format!("genesis: {what}"))
}

/// Checks a birth against the owner's own g0, build and nonce.
///
/// # Errors
///
/// [`Error::Distrust`] with the check that failed.
pub fn check(
    born: &Born,
    g0: &[u8],
    build: &Release,
    nonce: &[u8],
    now_ms: u64,
) -> Result<Checked, Error> {
    let manifest = Manifest::parse(g0)?;
    let root = match manifest.attestation_root.as_ref() {
        Some(AttestationRoot::Aws) => Root::Aws,
        Some(AttestationRoot::Certificate(der)) => Root::Pinned(der.clone()),
        None => return Err(distrust("g0 names no attestation root")),
    };
    let document = attestation::verify(&born.document, &root, now_ms, MAX_AGE_MS);
    let document = document.map_err(|error| distrust(&format!("document: {error}")))?;
    check_measurements(&document, g0, build)?;
    let bundle = Bundle::digest(&born.bundle);
    check_log(born, &manifest)?;
    check_recipients(born, &manifest)?;
    let expected = genesis_user_data(
        nonce,
        &manifest.digest,
        &bundle,
        &born.vkey,
        &born.first_root,
    );
    if document.nonce() != Some(nonce) || document.user_data() != Some(&expected.0[..]) {
        return Err(distrust("document binds another bundle, log or nonce"));
    }
    if document.public_key().is_some() {
        return Err(distrust("document is for another purpose"));
    }
    Ok(Checked {
        bundle,
        vkey: born.vkey.clone(),
        first_root: born.first_root,
    })
}

fn check_measurements(document: &Document, g0: &[u8], build: &Release) -> Result<(), Error> {
    if document.is_debug() {
        return Err(distrust("enclave runs in debug mode"));
    }
    let pcr = |index: u8| document.pcr(index).copied().map(Pcr);
    if (pcr(0), pcr(1), pcr(2)) != (Some(build.pcr0), Some(build.pcr1), Some(build.pcr2)) {
        return Err(distrust("another build"));
    }
    if pcr(16) != Some(extended_once(label::PCR_DEPLOYMENT, g0)) {
        return Err(distrust("PCR16 is of another g0"));
    }
    if pcr(17) != Some(Pcr([0; 48])) {
        return Err(distrust("PCR17 holds a manifest already"));
    }
    Ok(())
}

fn check_log(born: &Born, manifest: &Manifest) -> Result<(), Error> {
    let key = LogKey::parse(&born.vkey).map_err(|_| distrust("log key is malformed"))?;
    let Digest(digest) = manifest.digest;
    let head = digest.get(..8).unwrap_or_default();
    let origin = format!("{}/{}", manifest.origin, to_hex(head));
    if key.name == origin && born.origin == origin {
        Ok(())
    } else {
        Err(distrust("log is of another origin"))
    }
}

fn check_recipients(born: &Born, manifest: &Manifest) -> Result<(), Error> {
    let bundle = Bundle::parse(&born.bundle).map_err(|_| distrust("bundle is malformed"))?;
    let sealed: Vec<_> = bundle
        .head
        .recipients
        .iter()
        .map(|to| (&to.arn, &to.spki))
        .collect();
    let pinned: Vec<_> = manifest
        .recipients
        .iter()
        .map(|to| (&to.arn, &to.public_key))
        .collect();
    if bundle.head.g0 == manifest.digest && sealed == pinned {
        Ok(())
    } else {
        Err(distrust("bundle is sealed to other keys than g0 pins"))
    }
}

/// A nonce that commits to random bytes and says what it is for.
#[must_use]
pub fn nonce(random: &[u8; 32]) -> Vec<u8> {
    sha256(&[b"claviger genesis nonce", random]).0.to_vec()
}
