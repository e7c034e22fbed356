//! Following the chain that a host serves: it must begin with the profile's g0, hold every generation that was known, and
//! never go back.

use crate::{Error, profile::Profile};
use claviger_client::face::Face;
use claviger_shared::owner::manifest::chain::Chain;
use claviger_verify::ring_verifier::RingVerifier;
use std::sync::Arc;

/// The chain that a host serves, and how it stands to the profile's.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The profile's.
    pub known: Arc<Chain>,
    /// The host's, verified.
    pub served: Arc<Chain>,
    /// The host's file.
    pub file: Vec<u8>,
}

/// How the host's chain stands to the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The same.
    Same,
    /// It has more generations.
    Ahead,
    /// It lacks generations that are known.
    Behind,
    /// It begins with another g0.
    Other,
    /// It has another manifest of a known generation: owners signed two.
    Forked,
}

impl Followed {
    /// Reads the chain that the agents' face of a profile serves.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; [`Error::Distrust`] for one that does not verify.
    pub async fn read(profile: &Profile) -> Result<Self, Error> {
        let known = profile.chain()?;
        let file = Face::new(&profile.api)?.manifests().await?;
        let served =
            Chain::parse_file(&file).and_then(|links| Chain::verify(&links, &RingVerifier));
        let served = served
            .map_err(|error| Error::Distrust(format!("the host's manifest chain: {error}")))?;
        Ok(Self {
            known,
            served: Arc::new(served),
            file,
        })
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (known, served) = (&self.known, &self.served);
        if known.fingerprint() != served.fingerprint() {
            return Standing::Other;
        }
        let (last_known, last_served) = (known.newest().generation, served.newest().generation);
        let shared = last_known.min(last_served);
        if (0..=shared).any(|generation| known.bytes(generation) != served.bytes(generation)) {
            return Standing::Forked;
        }
        match last_served.cmp(&last_known) {
            std::cmp::Ordering::Equal => Standing::Same,
            std::cmp::Ordering::Greater => Standing::Ahead,
            std::cmp::Ordering::Less => Standing::Behind,
        }
    }

    /// Keeps the host's chain where it goes further than the profile's; whether it did.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for a chain that is another's, forked, or goes back; [`Error::Io`].
    pub fn keep(&self, profile: &Profile) -> Result<bool, Error> {
        let refuse = |what: &str| Err(Error::Distrust(format!("the host's manifest chain {what}")));
        match self.standing() {
            Standing::Same => Ok(false),
            Standing::Ahead => {
                super::manifest::keep(&profile.manifest, &self.file)?;
                Ok(true)
            }
            Standing::Behind => refuse("is older than the profile's: nothing was changed"),
            Standing::Other => refuse("begins with another g0: it is another deployment's"),
            Standing::Forked => refuse("differs from the profile's in a generation that both hold"),
        }
    }
}
