//! A mock KMS over HTTP: keys on disk, signatures checked, policies evaluated, attestation verified.
//!
//! It speaks AWS JSON 1.1 as the real service does, so the real SDK drives it, and it releases a secret to an attested recipient only under
//! the key inside an attestation document that verifies and that the key's policy admits. It listens on loopback alone.
//! It does not know what the secrets are for.

mod call;
mod cms;
mod grant;
mod key;
mod material;
mod operations;
pub(crate) mod policy;
mod recipient;
mod secret;
mod server;
mod service;
mod store;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use claviger_verify::attestation::Root;

pub use self::server::{Running, serve};

use crate::aws::{Credential, CredentialError};
use crate::clock::{SystemClock, WallClock};

/// Oldest attestation document accepted, in milliseconds.
pub const MAX_DOCUMENT_AGE_MS: u64 = 5 * 60_000;

/// What a mock KMS is started with.
pub struct KmsConfig {
    /// Where keys and policies are kept; made if it is not there, used by one KMS at a time.
    pub dir: PathBuf,
    /// The root that attestation documents must chain to.
    pub root: Root,
    /// The region in ARNs and signatures.
    pub region: String,
    /// Other regions that it answers for, as replicas of multi-Region keys need.
    pub other_regions: Vec<String>,
    /// The account that owns the keys: twelve digits.
    pub account: String,
    /// Who may call.
    pub credentials: Vec<Credential>,
    /// Where to listen: a loopback address, port 0 for any.
    pub listen: SocketAddr,
    /// The time of day by which signatures, documents and certificates are judged.
    pub clock: Arc<dyn WallClock>,
    /// Size of the octet strings that a `CiphertextForRecipient` is cut into; one string if none.
    pub chunk: Option<NonZeroUsize>,
}

impl KmsConfig {
    /// Account `000000000000` in `us-east-1` alone, any loopback port, this machine's clock, one octet string.
    pub fn new(dir: PathBuf, root: Root, credentials: Vec<Credential>) -> Self {
        Self {
            dir,
            root,
            region: "us-east-1".to_owned(),
            other_regions: Vec::new(),
            account: "000000000000".to_owned(),
            credentials,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Arc::new(SystemClock),
            chunk: None,
        }
    }
}

impl std::fmt::Debug for KmsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KmsConfig")
            .field("dir", &self.dir)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Why a mock KMS did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account is not twelve digits or the region not a name.
    #[error("the account or the region is not one")]
    Account,
    /// A credential cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The directory is in use by another KMS.
    #[error("the directory is in use by another KMS")]
    InUse,
    /// A file or the socket failed.
    #[error("input or output failed")]
    Io(#[from] io::Error),
    /// The address is not a loopback one.
    #[error("the simulation listens on loopback addresses only")]
    NotLoopback,
    /// A stored key cannot be read.
    #[error("stored key `{0}` is damaged")]
    Stored(String),
}

#[cfg(test)]
mod tests;
