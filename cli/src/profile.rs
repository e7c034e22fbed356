//! Profiles: where a deployment is and which key signs for it; `ready.json` of a simulation is one.

use crate::{
    Error,
    ceremony::{
        kms::{Place, region_of},
        policy::Parties,
    },
    operator::Operator,
};
use claviger_shared::owner::manifest::chain::Chain;
use claviger_verify::ring_verifier::RingVerifier;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// A deployment as its owner knows it. Members that only a simulation has are allowed and optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Base URL of the agents' face: what agent keys are made for.
    pub api: String,
    /// Base URL of the operators' face.
    pub operator_api: String,
    /// The manifest chain's file.
    pub manifest: PathBuf,
    /// An owner's SSH key that can sign here.
    pub owner_key: Option<PathBuf>,
    /// An operator's SSH key that can sign here.
    pub operator_key: Option<PathBuf>,
    /// File of the operators' bearer token, where the face needs one.
    pub operator_token_file: Option<PathBuf>,
    /// An agent key's file.
    pub agent_api_key_file: Option<PathBuf>,
    /// The KMS endpoint of a simulation.
    pub kms: Option<String>,
    /// A simulation's first grant.
    pub grant: Option<String>,
    /// The stored log, where it is on this machine.
    pub log: Option<PathBuf>,
    /// Whom the key policies name.
    pub parties: Option<Parties>,
    /// The profile of the AWS configuration that may read them.
    pub aws_profile: Option<String>,
    /// Another shared credentials file than the user's.
    pub aws_credentials_file: Option<PathBuf>,
    /// A simulation's processes.
    pub pids: Option<serde_json::Value>,
}

impl Profile {
    /// Reads a profile's file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Usage`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(Error::io("cannot read the profile", path))?;
        let parsed = serde_json::from_slice(&text);
        parsed.map_err(|error| Error::Usage(format!("profile `{}`: {error}", path.display())))
    }

    /// The manifest chain, verified.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or [`Error::Distrust`] for a chain that does not verify.
    pub fn chain(&self) -> Result<Arc<Chain>, Error> {
        read_chain(&self.manifest)
    }

    /// Where the KMS of a recipient is.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for an ARN that is none.
    pub fn kms_of(&self, arn: &str) -> Result<Place, Error> {
        Ok(Place {
            region: region_of(arn)?,
            endpoint: self.kms.clone(),
            profile: self.aws_profile.clone(),
            credentials_file: self.aws_credentials_file.clone(),
        })
    }

    /// The operators' face.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a token that cannot be read.
    pub fn operator(&self) -> Result<Operator, Error> {
        let token = self.operator_token_file.as_deref().map(|path| {
            let text =
                std::fs::read_to_string(path).map_err(Error::io("cannot read the token", path))?;
            Ok::<_, Error>(Zeroizing::new(text.trim().to_owned()))
        });
        Operator::new(&self.operator_api, token.transpose()?)
    }
}

/// Reads and verifies a manifest chain's file.
///
/// # Errors
///
/// [`Error::Io`], or [`Error::Distrust`] for a chain that does not verify.
pub fn read_chain(path: &Path) -> Result<Arc<Chain>, Error> {
    let file = std::fs::read(path).map_err(Error::io("cannot read the manifest chain", path))?;
    let verified = Chain::parse_file(&file).and_then(|links| Chain::verify(&links, &RingVerifier));
    let chain = verified.map_err(|error| {
        Error::Distrust(format!("manifest chain `{}`: {error}", path.display()))
    })?;
    Ok(Arc::new(chain))
}
