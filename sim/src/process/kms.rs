//! The KMS process: the mock KMS with its keys and its callers in files.

use crate::{
    aws::Credential,
    files,
    kms::{self, KmsConfig, Running},
    nsm::Pki,
};
use claviger_verify::attestation::Root;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

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

/// Where a KMS process keeps what is its own.
#[derive(Debug, Clone)]
pub struct Files {
    /// Keys, grants and aliases.
    pub keys: PathBuf,
    /// Who may call.
    pub callers: PathBuf,
    /// The same, as AWS SDKs read it.
    pub shared_credentials: PathBuf,
    /// The mock NSM's PKI, whose root attests unless another is named.
    pub pki: PathBuf,
}

impl Files {
    /// Those in the directory of a KMS, or of `up`.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self {
            keys: dir.join("kms"),
            callers: dir.join("kms-callers.json"),
            shared_credentials: dir.join("aws-credentials"),
            pki: dir.join("nsm"),
        }
    }

    /// Makes the callers of a KMS that runs alone, unless there are some: the account's root user, a role that may do
    /// everything that key policies leave to the account, and one that may do what key policies and grants name it for.
    ///
    /// # Errors
    ///
    /// Any failure of the file system, or no randomness.
    pub fn make_callers_alone(&self) -> io::Result<()> {
        if self.callers.try_exists()? {
            return Ok(());
        }
        let [root, admin, parent] = ALONE.map(|(profile, principal, identity_policy)| NewCaller {
            profile,
            principal,
            identity_policy,
        });
        make_callers(
            &self.callers,
            &self.shared_credentials,
            &[root, admin, parent],
        )
    }

    /// The root that attestation documents must chain to: AWS's, a certificate file (PEM or DER), else the mock NSM's.
    ///
    /// # Errors
    ///
    /// A file that is no certificate, or any failure of the file system.
    pub fn root(&self, named: Option<&str>) -> io::Result<Root> {
        match named {
            Some("aws") => Ok(Root::Aws),
            None => Pki::load_or_generate(&self.pki)
                .map(|pki| Root::Pinned(pki.root_der().to_vec()))
                .map_err(io::Error::other),
            Some(file) => {
                let bytes = std::fs::read(file)?;
                let der = match CertificateDer::from_pem_slice(&bytes) {
                    Ok(der) => der,
                    Err(_) => CertificateDer::from(bytes),
                };
                webpki::anchor_from_trusted_cert(&der).map_err(|_| {
                    io::Error::other(format!("{file} is not a certificate in PEM or DER"))
                })?;
                Ok(Root::Pinned(der.to_vec()))
            }
        }
    }

    /// How to use a KMS that listens, for whoever started it.
    #[must_use]
    pub fn usage(&self, endpoint: &str, regions: &[String]) -> String {
        let mut text = format!(
            "# a mock AWS KMS; never for real secrets. End it with Ctrl-C; its keys stay.\n\
             export AWS_ENDPOINT_URL_KMS={endpoint}\n\
             export AWS_SHARED_CREDENTIALS_FILE={}\n\
             export AWS_REGION={region} AWS_DEFAULT_REGION={region}\n\
             export AWS_PROFILE=admin\n",
            self.shared_credentials.display(),
            region = regions.first().map_or("", String::as_str),
        );
        for (profile, principal, _) in ALONE {
            text.push_str(&format!("# profile {profile}: {principal}\n"));
        }
        text.push_str(&format!(
            "# regions: {}; try: aws kms create-key\n",
            regions.join(", ")
        ));
        text
    }
}

/// Callers of a KMS that runs alone: profile, principal, its own IAM policy.
const ALONE: [(&str, &str, Option<&str>); 3] = [
    ("root", "arn:aws:iam::000000000000:root", None),
    (
        "admin",
        "arn:aws:iam::000000000000:role/admin",
        Some(EVERYTHING),
    ),
    ("parent", "arn:aws:iam::000000000000:role/parent", None),
];
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;

/// Starts the mock KMS with the callers of its file. The first region is where `up` has its keys.
///
/// # Errors
///
/// [`kms::Error`].
pub async fn start(
    files: &Files,
    root: Root,
    regions: &[String],
    listen: SocketAddr,
) -> Result<Running, kms::Error> {
    let stored: Stored =
        serde_json::from_slice(&std::fs::read(&files.callers)?).map_err(io::Error::other)?;
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
    let mut config = KmsConfig::new(files.keys.clone(), root, credentials.collect());
    if let [first, others @ ..] = regions {
        config.region.clone_from(first);
        config.other_regions = others.to_vec();
    }
    config.listen = listen;
    kms::serve(config).await
}
