//! The simulation's certificate authority: a root of its own, and below it what AWS has.
//!
//! The root key is made once and kept in a directory, readable by its owner alone. Everything below lives in memory and
//! is issued anew when due. Names have AWS's form and say that they are a simulation's.

use std::io;
use std::path::Path;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P384_SHA384};

use super::x509::{self, Level};
use crate::{files, hex};

const ROOT_CERTIFICATE_FILE: &str = "root.pem";
const ROOT_KEY_FILE: &str = "root.key";

/// A module id longer than this makes a common name longer than X.520 allows (64).
const MAX_MODULE_ID: usize = 48;

/// A signer is replaced this long before its leaf ends, so that a document can still be verified for a while.
const RENEW_BEFORE_MS: u64 = 10 * 60_000;

/// Why the authority could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The directory could not be read or written.
    #[error("the directory of the simulated authority cannot be used")]
    Io(#[from] io::Error),
    /// The module id does not fit a certificate.
    #[error("the module id is empty or too long")]
    ModuleId,
    /// The machine gave no random bytes.
    #[error("no random bytes")]
    Randomness,
    /// The directory has a certificate or key that was not made here, or half of the two.
    #[error("the stored root is damaged")]
    Stored,
    /// The time is one that no certificate can state.
    #[error("the time cannot be stated in a certificate")]
    Time,
}

/// A root of trust for mock security modules.
///
/// Whoever holds one can make documents that verify under [`Pki::root_der`], hence it is worth nothing to anybody who
/// trusts AWS's root.
#[derive(Debug)]
pub struct Pki {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    region: String,
}

/// A key that signs documents, with its chain.
pub(super) struct Signer {
    pub(super) key: EcdsaKeyPair,
    pub(super) leaf: Vec<u8>,
    /// Root first, instance last.
    pub(super) cabundle: Vec<Vec<u8>>,
    not_before_ms: u64,
    renew_at_ms: u64,
}

impl Signer {
    pub(super) const fn is_current(&self, now_ms: u64) -> bool {
        self.not_before_ms <= now_ms && now_ms < self.renew_at_ms
    }
}

impl Pki {
    /// Makes a new root, valid for 30 years from 2019 as AWS's is.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] if the key cannot be made.
    pub fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let params = x509::root()?;
        let der = params.self_signed(&key)?.der().to_vec();
        Ok(Self {
            issuer: Issuer::new(params, key),
            der,
            region: "us-east-1".to_owned(),
        })
    }

    /// The root kept in `dir`; made there if the directory has none.
    ///
    /// # Errors
    ///
    /// [`Error::Stored`] if only half of it is there or the halves do not fit each other: a lost root is not replaced
    /// silently, since clients have pinned it.
    pub fn load_or_generate(dir: &Path) -> Result<Self, Error> {
        files::make_private_dir(dir)?;
        let (certificate, key) = (dir.join(ROOT_CERTIFICATE_FILE), dir.join(ROOT_KEY_FILE));
        match (certificate.try_exists()?, key.try_exists()?) {
            (true, true) => Self::load(&certificate, &key),
            // The certificate is written last: a key alone was never used.
            (false, _) => {
                let pki = Self::generate()?;
                files::write_atomically(&key, pki.issuer.key().serialize_pem().as_bytes())?;
                files::write_atomically(&certificate, x509::to_pem(&pki.der).as_bytes())?;
                Ok(pki)
            }
            (true, false) => Err(Error::Stored),
        }
    }

    fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let der = x509::from_pem(&std::fs::read_to_string(certificate)?).ok_or(Error::Stored)?;
        let key = KeyPair::from_pem(&std::fs::read_to_string(key)?).map_err(|_| Error::Stored)?;
        if !key.is_compatible(&PKCS_ECDSA_P384_SHA384)
            || !x509::is_root_of(&der, key.public_key_raw())
        {
            return Err(Error::Stored);
        }
        Ok(Self {
            issuer: Issuer::new(x509::root()?, key),
            der,
            region: "us-east-1".to_owned(),
        })
    }

    /// The root certificate, DER: what a verifier pins.
    pub fn root_der(&self) -> &[u8] {
        &self.der
    }

    /// The root certificate, PEM.
    pub fn root_pem(&self) -> String {
        x509::to_pem(&self.der)
    }

    /// A chain of five for one module: root, regional (20 days), zonal (6 days), instance (24 h), leaf (3 h).
    pub(super) fn issue(&self, module_id: &str, now_ms: u64) -> Result<Signer, Error> {
        if module_id.is_empty() || module_id.len() > MAX_MODULE_ID {
            return Err(Error::ModuleId);
        }
        let mut cabundle = vec![self.der.clone()];
        let mut issuer: Option<Issuer<'static, KeyPair>> = None;
        for level in [Level::Regional, Level::Zonal, Level::Instance, Level::Leaf] {
            let mut serial = [0; 16];
            rand::fill(&mut serial).map_err(|_| Error::Randomness)?;
            let name = self.common_name(level, module_id)?;
            let params = x509::below_root(level, name, serial, now_ms / 1000)?;
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
            let der = params
                .signed_by(&key, issuer.as_ref().unwrap_or(&self.issuer))?
                .der()
                .to_vec();
            if matches!(level, Level::Leaf) {
                return Self::signer(&key, der, cabundle, now_ms);
            }
            cabundle.push(der);
            issuer = Some(Issuer::new(params, key));
        }
        Err(Error::Stored)
    }

    fn signer(
        key: &KeyPair,
        leaf: Vec<u8>,
        cabundle: Vec<Vec<u8>>,
        now_ms: u64,
    ) -> Result<Signer, Error> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.serialized_der())
            .map_err(|_| Error::Stored)?;
        let lifetime_ms = Level::Leaf.lifetime_s().saturating_mul(1000);
        let renew_at_ms = now_ms
            .saturating_add(lifetime_ms)
            .saturating_sub(RENEW_BEFORE_MS);
        Ok(Signer {
            key,
            leaf,
            cabundle,
            not_before_ms: now_ms,
            renew_at_ms,
        })
    }

    /// Names of the form AWS gives its levels.
    fn common_name(&self, level: Level, module_id: &str) -> Result<String, Error> {
        let region = &self.region;
        let instance = module_id
            .split_once("-enc")
            .map_or(module_id, |(instance, _)| instance);
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| Error::Randomness)?;
        let random = hex::encode(&random);
        Ok(match level {
            Level::Regional => format!("{random}.{region}.sim.nitro-enclaves"),
            Level::Zonal => format!("{random}.zonal.{region}.sim.nitro-enclaves"),
            Level::Instance => format!("{instance}.{region}.sim.nitro-enclaves"),
            Level::Leaf => format!("{module_id}.{region}.sim"),
        })
    }
}
