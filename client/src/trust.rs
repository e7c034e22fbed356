//! Trust: from a fingerprint to the attested channel key of one boot.
//!
//! Having a [`Trusted`] means: the manifest chain begins with the g0 of that fingerprint and every link was signed; an
//! attestation document with our nonce chains to the root that g0 names, is fresh, was made by a released build, for this
//! deployment and its newest anchor, and binds this boot's channel key. Nothing was sent to the enclave before.

use crate::{Error, face::Face};
use claviger_shared::{
    attest,
    codec::cbor,
    crypto::{handshake, sha384},
    id::{Digest, Pcr, X25519Public},
    label,
    log::{
        checkpoint::LogKey,
        entry::Leaf,
        record::{Body, Boot, Record},
    },
    owner::manifest::{AttestationRoot, Manifest, Release, chain::Chain},
    wire::storage::{MAX_LEAF, StoredEntry},
};
use claviger_verify::{
    attestation::{self, Document, Root},
    ring_verifier::RingVerifier,
};
use ring::rand::{SecureRandom, SystemRandom};

/// Oldest document accepted, in milliseconds: the host may cache one for a minute.
pub const MAX_AGE_MS: u64 = 300_000;

/// An enclave that checked out.
#[derive(Debug)]
pub struct Trusted {
    /// The manifest chain.
    pub chain: Chain,
    /// The boot's channel key.
    pub channel_key: X25519Public,
    /// What the handshake must agree on.
    pub prologue: Vec<u8>,
    /// The log's key.
    pub log_key: LogKey,
    /// Whether the attestation root is not AWS's.
    pub simulation: bool,
    /// The verified document.
    pub document: Document,
    /// The boot.
    pub boot: Boot,
    /// The hash that names it.
    pub boot_hash: Digest,
}

/// What an agent or owner already knows, and never goes below.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    /// SHA-256 of g0.
    pub fingerprint: Digest,
    /// Newest generation seen.
    pub generation: u64,
}

/// Checks a host's enclave against a floor.
///
/// # Errors
///
/// [`Error::Distrust`] with the check that failed, or [`Error::Host`].
pub async fn establish(face: &Face, floor: &Floor, now_ms: u64) -> Result<Trusted, Error> {
    let file = face.manifests().await?;
    let signed =
        Chain::parse_file(&file).map_err(|_| Error::Distrust("manifest chain is malformed"))?;
    let chain = Chain::verify(&signed, &RingVerifier)
        .map_err(|_| Error::Distrust("manifest chain does not verify"))?;
    if chain.fingerprint() != floor.fingerprint {
        return Err(Error::Distrust("another deployment"));
    }
    if chain.newest().generation < floor.generation {
        return Err(Error::Distrust("an older manifest than one seen before"));
    }
    let mut nonce = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| Error::Host("no randomness".to_owned()))?;
    let document = face.attestation(&nonce).await?;
    let entry = face.boot().await?;
    check(chain, &document, &nonce, &entry, now_ms)
}

/// Checks a document and Boot entry against a verified chain.
///
/// # Errors
///
/// [`Error::Distrust`] with the check that failed.
pub fn check(
    chain: Chain,
    document: &[u8],
    nonce: &[u8],
    entry: &StoredEntry,
    now_ms: u64,
) -> Result<Trusted, Error> {
    let root = root_of(&chain)?;
    let simulation = root != Root::Aws;
    let document = attestation::verify(document, &root, now_ms, MAX_AGE_MS)
        .map_err(|_| Error::Distrust("attestation document does not verify"))?;
    if document.nonce() != Some(nonce) {
        return Err(Error::Distrust("attestation document has another nonce"));
    }
    let newest = chain.newest();
    let running = newest
        .running
        .as_ref()
        .ok_or(Error::Distrust("deployment is not born yet"))?;
    check_measurements(&chain, &document, &running.releases)?;
    let log_key =
        LogKey::parse(&running.log_vkey).map_err(|_| Error::Distrust("log key is malformed"))?;
    let (boot, hash) = boot_of(entry, newest, &log_key)?;
    if document.user_data()
        != Some(&attest::channel_user_data(&newest.origin, &hash, &newest.digest).0[..])
    {
        return Err(Error::Distrust(
            "attestation document is for another boot or manifest",
        ));
    }
    if document.public_key() != Some(&boot.channel_key.0[..]) {
        return Err(Error::Distrust(
            "attestation document carries another channel key",
        ));
    }
    let prologue = handshake::prologue(&newest.origin, &hash, &newest.digest);
    Ok(Trusted {
        channel_key: boot.channel_key,
        prologue,
        log_key,
        simulation,
        document,
        boot,
        boot_hash: hash,
        chain,
    })
}

/// What documents of this deployment must chain to.
///
/// # Errors
///
/// [`Error::Distrust`] for a g0 without a root, which no verified chain has.
pub fn root_of(chain: &Chain) -> Result<Root, Error> {
    match &chain.g0().attestation_root {
        Some(AttestationRoot::Aws) => Ok(Root::Aws),
        Some(AttestationRoot::Certificate(der)) => Ok(Root::Pinned(der.clone())),
        None => Err(Error::Distrust("g0 names no attestation root")),
    }
}

/// The value of a PCR that was extended once, from zero, with the labelled hash of these bytes.
#[must_use]
pub fn extended_once(label: &[u8], bytes: &[u8]) -> Pcr {
    let data = sha384(&[label, bytes]);
    sha384(&[&[0; 48], &data.0])
}

fn check_measurements(
    chain: &Chain,
    document: &Document,
    releases: &[Release],
) -> Result<(), Error> {
    if document.is_debug() {
        return Err(Error::Distrust("enclave runs in debug mode"));
    }
    let pcr = |index: u8| document.pcr(index).copied().map(Pcr);
    let measured = (pcr(0), pcr(1), pcr(2));
    let released = releases
        .iter()
        .any(|release| measured == (Some(release.pcr0), Some(release.pcr1), Some(release.pcr2)));
    if !released {
        return Err(Error::Distrust("build is not among the releases"));
    }
    let g0 = chain.bytes(0).ok_or(Error::Distrust("no g0"))?;
    if pcr(16) != Some(extended_once(label::PCR_DEPLOYMENT, g0)) {
        return Err(Error::Distrust("PCR16 is of another deployment"));
    }
    let anchor = chain
        .newest_anchor()
        .and_then(|anchor| chain.bytes(anchor.generation));
    let anchor = anchor.ok_or(Error::Distrust("no anchor manifest"))?;
    if pcr(17) != Some(extended_once(label::PCR_ANCHOR, anchor)) {
        return Err(Error::Distrust("PCR17 is of another anchor manifest"));
    }
    Ok(())
}

/// The Boot record of an entry and the hash that names it; the document, not the host, says that it is this boot's.
fn boot_of(
    entry: &StoredEntry,
    newest: &Manifest,
    log_key: &LogKey,
) -> Result<(Boot, Digest), Error> {
    let leaf: Leaf = cbor::decode(&entry.leaf, MAX_LEAF)
        .map_err(|_| Error::Distrust("boot entry is malformed"))?;
    if leaf.origin != log_key.name {
        return Err(Error::Distrust("boot entry is of another log"));
    }
    let bytes = entry
        .records
        .first()
        .ok_or(Error::Distrust("boot entry is empty"))?;
    let record = Record::decode(bytes).map_err(|_| Error::Distrust("boot record is malformed"))?;
    let Body::Boot(boot) = record.body else {
        return Err(Error::Distrust("not a boot record"));
    };
    if boot.manifest != newest.digest || boot.generation != newest.generation {
        return Err(Error::Distrust("enclave serves under another manifest"));
    }
    Ok((*boot, handshake::boot_hash(bytes)))
}
