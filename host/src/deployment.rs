//! The deployment's files beside the log: the manifest chain and the sealed bundle.
//!
//! A file is replaced whole or not at all, and durable before anybody is told. The chain only ever grows: a stored link
//! never changes by a byte. Signatures are checked by the enclave and the clients, not here.

use crate::{
    error::Error,
    sync::{read, write},
};
use claviger_shared::{
    owner::manifest,
    wire::control::{MAX_BUNDLE, Signed},
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

/// Largest chain file accepted.
pub const MAX_CHAIN_FILE: usize = manifest::chain::MAX_FILE;
const MANIFESTS: &str = "manifests.json";
const BUNDLE: &str = "bundle";

/// A chain as it travels: its links and the file's exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// g0 first.
    pub links: Vec<Signed>,
    /// The file.
    pub file: Vec<u8>,
}

/// Why a new chain is not stored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It changes or drops a link.
    #[error("the chain does not begin with the stored one, byte for byte")]
    NotAnExtension,
    /// Not the chain file's form, or over a limit.
    #[error("not a manifest chain")]
    Malformed,
    /// A bundle exists: this deployment is born.
    #[error("a bundle exists already")]
    Exists,
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Chain {
    /// Reads a chain file.
    ///
    /// # Errors
    ///
    /// [`Refused::Malformed`].
    pub fn parse(file: &[u8]) -> Result<Self, Refused> {
        let links = manifest::chain::Chain::parse_file(file).map_err(|_| Refused::Malformed)?;
        Ok(Self {
            links,
            file: file.to_vec(),
        })
    }
}

#[derive(Debug, Default)]
struct Held {
    chain: Option<Arc<Chain>>,
    bundle: Option<Arc<Vec<u8>>>,
}

/// The files, as read and written.
#[derive(Debug)]
pub struct Deployment {
    dir: PathBuf,
    held: RwLock<Held>,
}

impl Deployment {
    /// Reads what the directory holds.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Manifests`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let file = |name: &str, source| Error::File {
            path: dir.join(name),
            source,
        };
        fs::create_dir_all(dir).map_err(|source| file("", source))?;
        let chain = optional(&dir.join(MANIFESTS), MAX_CHAIN_FILE)
            .map_err(|source| file(MANIFESTS, source))?
            .map(|bytes| Chain::parse(&bytes).map_err(|_| Error::Manifests))
            .transpose()?;
        let bundle = optional(&dir.join(BUNDLE), MAX_BUNDLE).map_err(|e| file(BUNDLE, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            held: RwLock::new(Held {
                chain: chain.map(Arc::new),
                bundle: bundle.map(Arc::new),
            }),
        })
    }

    /// The manifest chain, once there is one.
    #[must_use]
    pub fn chain(&self) -> Option<Arc<Chain>> {
        read(&self.held).chain.clone()
    }

    /// The sealed bundle, once there is one.
    #[must_use]
    pub fn bundle(&self) -> Option<Arc<Vec<u8>>> {
        read(&self.held).bundle.clone()
    }

    /// Stores a chain that extends the stored one.
    ///
    /// # Errors
    ///
    /// A [`Refused`]; the stored chain is unchanged then.
    pub fn put_chain(&self, file: &[u8]) -> Result<Arc<Chain>, Refused> {
        let chain = Chain::parse(file)?;
        let mut held = write(&self.held);
        if let Some(stored) = &held.chain
            && !chain.links.starts_with(&stored.links)
        {
            return Err(Refused::NotAnExtension);
        }
        replace(&self.dir, MANIFESTS, file)?;
        let chain = Arc::new(chain);
        held.chain = Some(Arc::clone(&chain));
        Ok(chain)
    }

    /// Stores the bundle that genesis made, once.
    ///
    /// # Errors
    ///
    /// A [`Refused`]; [`Refused::Exists`] when there is one.
    pub fn put_bundle(&self, bundle: &[u8]) -> Result<(), Refused> {
        let mut held = write(&self.held);
        if held.bundle.is_some() {
            return Err(Refused::Exists);
        }
        replace(&self.dir, BUNDLE, bundle)?;
        held.bundle = Some(Arc::new(bundle.to_vec()));
        Ok(())
    }
}

fn optional(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) if bytes.len() > max => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside, makes durable, moves into place, makes the move durable.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = dir.join(format!("{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use claviger_shared::wire::control::MAX_MANIFESTS;
    use tempfile::TempDir;

    fn file(bodies: &[&str]) -> Vec<u8> {
        let link = |body: &&str| {
            let body = STANDARD.encode(body);
            serde_json::json!({"body": body, "signatures": ["s"]})
        };
        let links: Vec<_> = bodies.iter().map(link).collect();
        serde_json::json!({"manifests": links}).to_string().into()
    }

    #[test]
    fn a_chain_only_grows_and_survives_a_restart() {
        let dir = TempDir::new().unwrap();
        let deployment = Deployment::open(dir.path()).unwrap();
        assert!(deployment.chain().is_none());
        deployment.put_chain(&file(&["g0"])).unwrap();
        deployment.put_chain(&file(&["g0", "g1"])).unwrap();
        for worse in [&["g0"][..], &["g0", "gX"], &["gX", "g1", "g2"]] {
            let refused = deployment.put_chain(&file(worse));
            assert!(matches!(refused, Err(Refused::NotAnExtension)), "{worse:?}");
        }
        let again = Deployment::open(dir.path()).unwrap();
        assert_eq!(again.chain().unwrap().file, file(&["g0", "g1"]));
    }

    #[test]
    fn a_stored_signature_does_not_change() {
        let dir = TempDir::new().unwrap();
        let deployment = Deployment::open(dir.path()).unwrap();
        deployment.put_chain(&file(&["g0"])).unwrap();
        let text = String::from_utf8(file(&["g0"])).unwrap();
        let other = text.replace("\"s\"", "\"t\"");
        let refused = deployment.put_chain(other.as_bytes());
        assert!(matches!(refused, Err(Refused::NotAnExtension)));
    }

    #[test]
    fn a_file_that_is_no_chain_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"manifests":[]}"#,
            r#"{"manifests":[{"body":"!","signatures":["s"]}]}"#,
            r#"{"manifests":[{"body":"YQ==","signatures":[]}]}"#,
            r#"{"manifests":[{"body":"YQ==","signatures":["s"]}],"x":1}"#,
        ] {
            assert!(
                matches!(Chain::parse(text.as_bytes()), Err(Refused::Malformed)),
                "{text}"
            );
        }
        let many = |n: usize| file(&vec!["g"; n]);
        Chain::parse(&many(MAX_MANIFESTS)).unwrap();
        Chain::parse(&many(MAX_MANIFESTS + 1)).unwrap_err();
    }

    #[test]
    fn a_bundle_is_stored_once() {
        let dir = TempDir::new().unwrap();
        let deployment = Deployment::open(dir.path()).unwrap();
        deployment.put_bundle(b"bundle").unwrap();
        let again = Deployment::open(dir.path()).unwrap();
        assert_eq!(again.bundle().unwrap().as_slice(), b"bundle");
        assert!(matches!(again.put_bundle(b"other"), Err(Refused::Exists)));
    }
}
