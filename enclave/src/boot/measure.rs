//! Measuring: which deployment this boot is for, put into PCR16 and PCR17 and locked before KMS is asked.
//!
//! Having a [`Measured`] means: the manifest chain verified, this build is released by its newest manifest and not in debug
//! mode, PCR16 holds g0 and PCR17 the newest anchor, both untouched before, and PCRs up to 31 are locked until the enclave
//! ends. It holds no secret.

use super::{Error, Platform};
use crate::platform::Nsm;
use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_shared::{
    crypto::{AwsLc, sha384},
    id::{Digest, Pcr, to_hex},
    label,
    owner::manifest::{AttestationRoot, chain::Chain},
    wire::control::{MAX_MANIFEST, MAX_MANIFESTS, Signed},
};
use std::sync::Arc;

/// Register of the deployment.
pub const DEPLOYMENT: u16 = 16;
/// Register of the newest anchor manifest.
pub const ANCHOR: u16 = 17;
/// Locking below this index locks all registers (NSM `LockPCRs`).
const ALL: u16 = 32;
const ZERO: Pcr = Pcr([0; 48]);

/// A boot that knows its deployment.
#[derive(Debug)]
pub struct Measured {
    pub(super) platform: Platform,
    pub(super) chain: Arc<Chain>,
    pub(super) pcrs: [Pcr; 3],
    pcr16: Pcr,
}

impl Measured {
    /// Checks the chain and extends and locks the registers.
    ///
    /// # Errors
    ///
    /// An [`Error`]. Once a register was touched, no second try of this boot succeeds.
    pub fn measure(platform: &Platform, links: &[Signed]) -> Result<Self, Error> {
        if links.len() > MAX_MANIFESTS || links.iter().any(|link| link.body.len() > MAX_MANIFEST) {
            return Err(Error::Phase("chain is too large"));
        }
        let chain = Chain::verify(links, &AwsLc).map_err(Error::Chain)?;
        let nsm = platform.nsm.as_ref();
        let pcrs = [read(nsm, 0)?.0, read(nsm, 1)?.0, read(nsm, 2)?.0];
        if pcrs.contains(&ZERO) {
            return Err(Error::Debug);
        }
        check_release(&chain, &pcrs, platform)?;
        for index in [DEPLOYMENT, ANCHOR] {
            if read(nsm, index)? != (ZERO, false) {
                return Err(Error::Registers);
            }
        }
        let pcr16 = extend(nsm, DEPLOYMENT, label::PCR_DEPLOYMENT, chain.bytes(0))?;
        if let Some(anchor) = chain.newest_anchor() {
            extend(
                nsm,
                ANCHOR,
                label::PCR_ANCHOR,
                chain.bytes(anchor.generation),
            )?;
        }
        lock(nsm, pcr16)?;
        Ok(Self {
            platform: platform.clone(),
            chain: Arc::new(chain),
            pcrs,
            pcr16,
        })
    }

    /// PCR16: the deployment.
    #[must_use]
    pub const fn pcr16(&self) -> Pcr {
        self.pcr16
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Whether documents do not chain to AWS's root.
    #[must_use]
    pub fn is_simulation(&self) -> bool {
        self.chain.g0().attestation_root != Some(AttestationRoot::Aws)
    }

    /// The log's name: the origin and the first 16 hexadecimal digits of g0's digest.
    #[must_use]
    pub fn log_origin(&self) -> String {
        let Digest(digest) = self.chain.fingerprint();
        let head = digest.get(..8).unwrap_or_default();
        format!("{}/{}", self.chain.g0().origin, to_hex(head))
    }
}

/// From g1 on the build must be one of the newest manifest's releases; under g0 there is none yet.
fn check_release(chain: &Chain, pcrs: &[Pcr; 3], platform: &Platform) -> Result<(), Error> {
    let Some(running) = &chain.newest().running else {
        return Ok(());
    };
    let mut releases = running.releases.iter();
    let own = releases.find(|release| {
        [release.pcr0, release.pcr1, release.pcr2] == *pcrs && release.version == platform.version
    });
    if own.is_some() && platform.version >= running.min_version {
        Ok(())
    } else {
        Err(Error::Unreleased)
    }
}

/// A register's value and whether it is locked.
fn read(nsm: &dyn Nsm, index: u16) -> Result<(Pcr, bool), Error> {
    if let Response::DescribePCR { lock, data } = nsm.process(Request::DescribePCR { index })
        && let Ok(value) = data.try_into()
    {
        return Ok((Pcr(value), lock));
    }
    Err(Error::Platform("pcr"))
}

/// Extends an untouched register with a labelled manifest; the value it then has.
fn extend(nsm: &dyn Nsm, index: u16, label: &[u8], manifest: Option<&[u8]>) -> Result<Pcr, Error> {
    let manifest = manifest.ok_or(Error::Registers)?;
    let data = sha384(&[label, manifest]);
    // AWS NSM: an extended register is SHA-384(old value ‖ data).
    let expected = sha384(&[&ZERO.0, &data.0]);
    let extended = nsm.process(Request::ExtendPCR {
        index,
        data: data.0.to_vec(),
    });
    if let Response::ExtendPCR { data } = extended
        && data == expected.0
    {
        return Ok(expected);
    }
    Err(Error::Registers)
}

fn lock(nsm: &dyn Nsm, pcr16: Pcr) -> Result<(), Error> {
    let Response::LockPCRs = nsm.process(Request::LockPCRs { range: ALL }) else {
        return Err(Error::Registers);
    };
    if read(nsm, DEPLOYMENT)? == (pcr16, true) && read(nsm, ANCHOR)?.1 {
        Ok(())
    } else {
        Err(Error::Registers)
    }
}
