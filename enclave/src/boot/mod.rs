//! Boot: from nothing measured to serving, one type per phase, each consumed by the next.
//!
//! ```text
//! Platform --measure--> Measured --unseal--> Unsealed --replay--> Serving (serve::hub::Hub)
//!                          └─genesis (under g0 alone, once)──> the enclave stops
//! ```
//! A phase that fails is gone: the enclave stays where it was only when the failed step changed nothing.

pub mod attest;
pub mod ber;
pub mod bundle;
pub mod cms;
pub mod genesis;
pub mod measure;
pub mod replay;
pub mod start;
pub mod unseal;

use crate::platform::{Clock, Entropy, Nsm};
use claviger_shared::owner::manifest::Version;
use std::sync::Arc;

/// What the enclave runs on.
#[derive(Clone)]
pub struct Platform {
    /// The security module.
    pub nsm: Arc<dyn Nsm>,
    /// Elapsed time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// This build's version.
    pub version: Version,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why a step of the boot is refused. The texts are stable words for operators; no secret and no upstream text is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bundle is not the manifest's, or does not open with what KMS answered.
    #[error("bundle does not open")]
    Bundle,
    /// The manifest chain does not verify.
    #[error("manifest chain refused: {0}")]
    Chain(claviger_shared::owner::Error),
    /// This build is in debug mode: PCR0 to 2 are zero.
    #[error("debug mode: PCR0, PCR1 and PCR2 are zero")]
    Debug,
    /// A key's wrapped blob is missing or is not that key's.
    #[error("a signing key's blob is missing or damaged")]
    KeyBlob,
    /// The log refuses.
    #[error("log refused: {0}")]
    Log(replay::Error),
    /// The NSM, the entropy source or the crypto provider failed.
    #[error("platform failed: {0}")]
    Platform(&'static str),
    /// PCR16 or PCR17 was touched before, or does not hold what it was extended with.
    #[error("PCR16 or PCR17 is not this boot's to extend")]
    Registers,
    /// KMS's reply does not open.
    #[error("reply of KMS does not open")]
    Reply,
    /// This build is not among the newest manifest's releases, or older than its `min_version`.
    #[error("build is not released by the newest manifest")]
    Unreleased,
    /// The step is not allowed here.
    #[error("not in this phase: {0}")]
    Phase(&'static str),
    /// The storage holds something else where the entry belongs, or did not answer.
    #[error("storage: {0}")]
    Storage(&'static str),
}
