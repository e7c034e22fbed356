//! The KMS process: the mock KMS with its keys and its callers in files.

use crate::{
    aws::Credential,
    files,
    kms::{self, KmsConfig, Running},
};
use claviger_verify::attestation::Root;
use serde::{Deserialize, Serialize};
use std::{io, net::SocketAddr, path::Path};

/// Who may call, as the KMS keeps it; mode 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    callers: Vec<Caller>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    /// The profile's name in the AWS configuration.
    profile: String,
    principal: String,
    access_key_id: String,
    secret_access_key: String,
    /// The principal's own IAM policy, where it has one.
    identity_policy: Option<String>,
}

/// A caller to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewCaller<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// Its principal's ARN.
    pub principal: &'a str,
    /// Its principal's own IAM policy, where it has one.
    pub identity_policy: Option<&'a str>,
}

/// Makes callers: the KMS's own list, and an AWS shared credentials file (AWS SDKs and Tools reference guide, "Shared config
/// and credentials files") with one profile each.
///
/// # Errors
///
/// Any failure of the file system, or no randomness.
pub fn make_callers(list: &Path, shared: &Path, callers: &[NewCaller<'_>]) -> io::Result<()> {
    let mut stored = Stored {
        callers: Vec::new(),
    };
    let mut text = String::new();
    for caller in callers {
        let NewCaller {
            profile,
            principal,
            identity_policy,
        } = *caller;
        let made = Credential::generate(principal).map_err(io::Error::other)?;
        text.push_str(&format!(
            "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n\n",
            made.access_key_id(),
            made.expose()
        ));
        stored.callers.push(Caller {
            profile: profile.to_owned(),
            principal: principal.to_owned(),
            access_key_id: made.access_key_id().to_owned(),
            secret_access_key: made.expose().to_owned(),
            identity_policy: identity_policy.map(str::to_owned),
        });
    }
    files::write_atomically(shared, text.as_bytes())?;
    files::write_atomically(list, &serde_json::to_vec_pretty(&stored)?)
}

/// Starts the mock KMS with the callers of a file.
///
/// # Errors
///
/// [`kms::Error`].
pub async fn start(
    dir: &Path,
    callers: &Path,
    root_der: Vec<u8>,
    listen: SocketAddr,
) -> Result<Running, kms::Error> {
    let stored: Stored =
        serde_json::from_slice(&std::fs::read(callers)?).map_err(io::Error::other)?;
    let credentials = stored.callers.iter().map(|caller| {
        let made = Credential::new(
            &caller.access_key_id,
            &caller.secret_access_key,
            &caller.principal,
        );
        match &caller.identity_policy {
            Some(policy) => made.with_identity_policy(policy),
            None => made,
        }
    });
    let mut config = KmsConfig::new(
        dir.to_owned(),
        Root::Pinned(root_der),
        credentials.collect(),
    );
    config.listen = listen;
    kms::serve(config).await
}
