//! The next manifest: checked against the chain here, set by command, and handed to the host for the next boot.
//!
//! The log is read under the longer chain throughout, since it is to hold the command that sets it.

use super::{Desk, signers::Collected};
use crate::{Error, profile::Profile, view::View};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    crypto::sha256,
    label,
    owner::{
        self,
        manifest::{Manifest, chain::Chain},
    },
    wire::control::{MAX_MANIFEST, Signed},
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// A chain with the manifest that is to be set, or was set last.
#[derive(Debug, Clone)]
pub struct Next {
    chain: Arc<Chain>,
    link: Signed,
    file: String,
}

impl Next {
    /// A profile's chain and one manifest more; one that is its newest already is not added again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Distrust`] for the profile's chain; [`Error::Usage`] for a manifest that cannot follow it.
    pub fn of(profile: &Profile, link: Signed) -> Result<Self, Error> {
        let path = &profile.manifest;
        let mut chain = profile.chain()?;
        let file =
            std::fs::read(path).map_err(Error::io("cannot read the manifest chain", path))?;
        let mut links = Chain::parse_file(&file)?;
        if chain.newest().digest != sha256(&[&link.body]) {
            if link.body.len() > MAX_MANIFEST {
                return Err(Error::Usage(format!(
                    "manifest: expected at most {MAX_MANIFEST} bytes"
                )));
            }
            chain = Arc::new(extended(&chain, &link)?);
            links.push(link.clone());
        }
        Ok(Self {
            file: Chain::to_file(&links),
            chain,
            link,
        })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.chain.newest()
    }

    /// The action that sets it.
    #[must_use]
    pub fn action(&self) -> Value {
        let body = STANDARD.encode(&self.link.body);
        json!({ "type": "manifest.set", "body": body, "signatures": self.link.signatures })
    }

    /// What owners must know about the next boot.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        if self.manifest().anchor {
            "restart the enclave: until then it attests the manifest it booted under, and agents that know this one \
             refuse it; this is an anchor: first put a KMS key policy that pins its PCR17 (`claviger policy render`), or \
             the next boot gets no key"
        } else {
            "restart the enclave: until then it attests the manifest it booted under, and agents that know this one refuse it"
        }
    }
}

/// The chain with one manifest more. Too few people is pending, with names.
fn extended(chain: &Chain, link: &Signed) -> Result<Chain, Error> {
    let refused = match chain.extended(link, &RingVerifier) {
        Ok(chain) => return Ok(chain),
        Err(refused) => refused,
    };
    let collected = Collected {
        namespace: label::NAMESPACE_MANIFEST,
        body: &link.body,
        signatures: &link.signatures,
    };
    let before = chain.newest();
    let next = Manifest::parse(&link.body)?;
    let missing = collected
        .missing(&before.owners, before.threshold)
        .map(|what| format!("of the owners before, {what}"))
        .or_else(|| {
            let what = collected.missing(&next.owners, next.threshold)?;
            Some(format!("of its own owners, {what}"))
        });
    match missing {
        Some(what) if refused.code() == owner::Error::THRESHOLD => Err(Error::Pending(what)),
        Some(_) | None => Err(refused.into()),
    }
}

impl Desk {
    /// Opens a profile under the longer chain.
    ///
    /// # Errors
    ///
    /// As [`Desk::open`].
    pub async fn open_under(profile: Profile, next: &Next) -> Result<Self, Error> {
        let chain = Arc::clone(&next.chain);
        let operator = profile.operator()?;
        let mut view = View::new(Arc::clone(&chain))?;
        view.read_on(&operator, |_| {}).await?;
        Ok(Self {
            profile,
            chain,
            operator,
            view,
        })
    }

    /// The manifest that the log says is in force.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] where the chain does not hold it.
    pub fn in_force(&self) -> Result<&Manifest, Error> {
        let found = self.chain.get(self.view.state().generation());
        found
            .ok_or_else(|| Error::Distrust("log: names a manifest that the chain lacks".to_owned()))
    }

    /// Whether the log says that a manifest is set.
    #[must_use]
    pub fn is_set(&self, next: &Next) -> bool {
        self.view.state().generation() >= next.manifest().generation
    }

    /// Hands the host the longer chain for its next boot, and keeps it where the profile has its own.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Unavailable`], [`Error::Io`].
    pub async fn hand_over(&self, next: &Next) -> Result<(), Error> {
        self.operator.put_manifests(&next.file).await?;
        keep(&self.profile.manifest, next.file.as_bytes())
    }
}

/// Replaces a file as a whole; the host may have written the same bytes already.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if std::fs::read(path).is_ok_and(|kept| kept == bytes) {
        return Ok(());
    }
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(Error::io("cannot write the manifest chain", path))
}
