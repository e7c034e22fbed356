//! An attestation document asked for with an own nonce, verified, and told in words.
//!
//! Everything that is shown follows from the document and from manifests that owners signed.

use crate::{
    Error,
    owner::follow::{Followed, Standing},
    profile::Profile,
};
use claviger_client::{
    face::Face,
    session::wall_clock_ms,
    trust::{self, Trusted},
};
use claviger_shared::{
    crypto::sha256,
    id::{Pcr, to_hex},
    owner::manifest::{AttestationRoot, Durability, Release},
    time::{Millis, UnixMs},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

/// A document that checked out, with its bytes.
#[derive(Debug)]
pub struct Attested {
    /// The document's bytes.
    pub bytes: Vec<u8>,
    /// The nonce that was asked with.
    pub nonce: [u8; 32],
    /// What was checked.
    pub trusted: Trusted,
    /// Place of the Boot entry in the log.
    pub boot_index: u64,
}

/// Asks a profile's host for a fresh document and checks it, under the longer of the profile's and the host's chain.
///
/// # Errors
///
/// [`Error::Distrust`] with the check that failed; [`Error::Unavailable`].
pub async fn ask(profile: &Profile) -> Result<Attested, Error> {
    let followed = Followed::read(profile).await?;
    let chain = match followed.standing() {
        Standing::Same | Standing::Ahead => (*followed.served).clone(),
        Standing::Behind => (*followed.known).clone(),
        Standing::Other => return Err(Error::Distrust("another deployment".to_owned())),
        Standing::Forked => return Err(Error::Distrust("manifest chain is forked".to_owned())),
    };
    let mut nonce = [0_u8; 32];
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
    let face = Face::new(&profile.api)?;
    let bytes = face.attestation(&nonce).await?;
    let entry = face.boot().await?;
    let trusted = trust::check(chain, &bytes, &nonce, &entry, wall_clock_ms())?;
    Ok(Attested {
        boot_index: entry.index,
        bytes,
        nonce,
        trusted,
    })
}

impl Attested {
    /// The release that runs.
    #[must_use]
    pub fn release(&self) -> Option<&Release> {
        let pcr = |index| self.trusted.document.pcr(index).copied().map(Pcr);
        let measured = (pcr(0), pcr(1), pcr(2));
        let running = self.trusted.chain.newest().running.as_ref()?;
        running.releases.iter().find(|release| {
            measured == (Some(release.pcr0), Some(release.pcr1), Some(release.pcr2))
        })
    }

    /// As people and machines read it.
    #[must_use]
    pub fn told(&self) -> Value {
        let Self {
            bytes: _,
            nonce,
            trusted,
            boot_index,
        } = self;
        let Trusted {
            chain,
            channel_key,
            log_key,
            document,
            boot,
            ..
        } = trusted;
        let pcr = |index| document.pcr(index).map(|value| to_hex(value));
        let anchor = chain.newest_anchor().map(|anchor| anchor.generation);
        let recipients: Vec<&str> = chain
            .newest()
            .recipients
            .iter()
            .map(|to| to.arn.as_str())
            .collect();
        let release = self.release().map(|release| release.version.to_string());
        let made = UnixMs(document.timestamp_ms());
        let age = UnixMs(wall_clock_ms()).since(made);
        json!({
            "root_of_trust": root_words(chain.g0().attestation_root.as_ref()),
            "module": document.module_id(), "made_at": made.to_string(), "age_s": age.0 / 1000, "nonce": to_hex(nonce),
            "release": release.map(|version| format!("{version}, by PCR0, PCR1 and PCR2")),
            "pcr0": pcr(0), "pcr1": pcr(1), "pcr2": pcr(2),
            "pcr16": pcr(16), "deployment": format!("{}, by PCR16", chain.fingerprint()),
            "pcr17": pcr(17), "anchor": anchor.map(|generation| format!("generation {generation}, by PCR17")),
            "generation": boot.generation, "boot_entry": boot_index, "instance": to_hex(&boot.instance.0),
            "version": boot.version.to_string(), "channel_key": channel_key, "log": log_key.name,
            "durability": match boot.durability {
                Durability::Durable => "durable",
                Durability::Volatile => "volatile",
            },
            "recipients": recipients,
        })
    }
}

/// How far this machine's clock may lie from the enclave's before it is said.
pub const SKEW: Millis = Millis(30_000);

fn root_words(root: Option<&AttestationRoot>) -> String {
    match root {
        Some(AttestationRoot::Aws) => "AWS Nitro Enclaves, root G1".to_owned(),
        Some(AttestationRoot::Certificate(der)) => {
            format!("the certificate {} of a simulation", sha256(&[der]))
        }
        None => "none".to_owned(),
    }
}
