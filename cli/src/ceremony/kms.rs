//! KMS as owners use it in the ceremony: make the key, read its public key, put its policy.
//!
//! The calls go through the SDK's own credential chain. A key is taken only if it is what the design demands: an agreement
//! key on P-256 whose material KMS made and that is in one Region.

use super::manifest::Recipient;
use crate::Error;
use aws_config::{
    BehaviorVersion, Region, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_kms::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{GrantListEntry, KeyMetadata, KeySpec, KeyState, KeyUsageType, OriginType},
};
use aws_smithy_http_client::{Builder, tls};
use serde_json::Value;
use std::path::PathBuf;

/// Where KMS is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The Region.
    pub region: String,
    /// Another endpoint than the Region's, such as a simulation's.
    pub endpoint: Option<String>,
    /// The profile of the AWS configuration to use.
    pub profile: Option<String>,
    /// Another shared credentials file than the user's.
    pub credentials_file: Option<PathBuf>,
}

/// KMS, ready to be called.
#[derive(Debug, Clone)]
pub struct Kms(Client);

fn fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Error {
    let code = error
        .code()
        .map_or_else(|| "no answer".to_owned(), str::to_owned);
    Error::Kms(match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => code,
    })
}

/// A key as KMS describes it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its ARN.
    pub arn: String,
    /// Such as `KEY_AGREEMENT`.
    pub usage: String,
    /// Such as `ECC_NIST_P256`.
    pub spec: String,
    /// Such as `AWS_KMS`.
    pub origin: String,
    /// Whether it can be replicated to other Regions.
    pub multi_region: bool,
    /// Such as `Enabled`.
    pub state: String,
    /// DER SubjectPublicKeyInfo; a key that is not enabled shows none.
    pub public_key: Option<Vec<u8>>,
    /// ARNs of the same key in other Regions: its primary and every replica.
    pub replicas: Vec<String>,
    /// Grants beside its policy.
    pub grants: Vec<GrantFacts>,
}

/// A grant of KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantFacts {
    /// Its id.
    pub id: String,
    /// Whom it allows.
    pub grantee: String,
    /// What.
    pub operations: Vec<String>,
}

/// The Region in a key's ARN.
///
/// # Errors
///
/// [`Error::Usage`] for a text that is no key's ARN.
pub fn region_of(arn: &str) -> Result<String, Error> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "kms", region, _, key] if !region.is_empty() && key.starts_with("key/") => {
            Ok((*region).to_owned())
        }
        _ => Err(Error::Usage(format!(
            "`{arn}` is not the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID"
        ))),
    }
}

impl Kms {
    /// Connects.
    pub async fn connect(place: &Place) -> Self {
        let http = Builder::new();
        let http = http
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(Region::new(place.region.clone()));
        if let Some(endpoint) = &place.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(profile) = &place.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(path) = &place.credentials_file {
            let files = EnvConfigFiles::builder();
            let files = files.with_file(EnvConfigFileKind::Credentials, path);
            // A file that was named comes before whatever the environment holds.
            let config = ProviderConfig::default()
                .with_http_client(http.clone())
                .with_region(Some(Region::new(place.region.clone())));
            let mut provider = ProfileFileCredentialsProvider::builder()
                .configure(&config)
                .profile_files(files.build());
            if let Some(profile) = &place.profile {
                provider = provider.profile_name(profile);
            }
            loader = loader.credentials_provider(provider.build());
        }
        Self(Client::new(&loader.load().await))
    }

    /// Makes an agreement key under a policy.
    ///
    /// # Errors
    ///
    /// [`Error::Kms`].
    pub async fn create_key(&self, policy: &Value) -> Result<Recipient, Error> {
        let request = self
            .0
            .create_key()
            .key_spec(KeySpec::EccNistP256)
            .key_usage(KeyUsageType::KeyAgreement);
        let created = request
            .description("claviger")
            .policy(policy.to_string())
            .send()
            .await;
        let metadata = created.map_err(|error| fault(&error))?.key_metadata;
        let arn = metadata.and_then(|metadata| metadata.arn);
        self.recipient(&arn.ok_or_else(|| Error::Kms("no ARN".to_owned()))?)
            .await
    }

    /// Reads a key and its public key, and takes it only if it is of the demanded sort.
    ///
    /// # Errors
    ///
    /// [`Error::Kms`], [`Error::Distrust`] for another sort of key.
    pub async fn recipient(&self, arn: &str) -> Result<Recipient, Error> {
        let described = self.0.describe_key().key_id(arn).send().await;
        let metadata = described.map_err(|error| fault(&error))?.key_metadata;
        check(
            &metadata.ok_or_else(|| Error::Kms("no metadata".to_owned()))?,
            arn,
        )?;
        let read = self.0.get_public_key().key_id(arn).send().await;
        let public = read.map_err(|error| fault(&error))?.public_key;
        let public = public.ok_or_else(|| Error::Kms("no public key".to_owned()))?;
        Ok(Recipient {
            arn: arn.to_owned(),
            public_key: public.into_inner(),
        })
    }

    /// Reads everything about a key but its policy.
    ///
    /// # Errors
    ///
    /// [`Error::Kms`].
    pub async fn facts(&self, arn: &str) -> Result<Facts, Error> {
        let described = self.0.describe_key().key_id(arn).send().await;
        let metadata = described.map_err(|error| fault(&error))?.key_metadata;
        let metadata = metadata.ok_or_else(|| Error::Kms("no metadata".to_owned()))?;
        let public = match self.0.get_public_key().key_id(arn).send().await {
            Ok(read) => read.public_key.map(Blob::into_inner),
            Err(error) if metadata.enabled() => return Err(fault(&error)),
            Err(_) => None,
        };
        let word = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        Ok(Facts {
            arn: word(metadata.arn()),
            usage: word(metadata.key_usage().map(KeyUsageType::as_str)),
            spec: word(metadata.key_spec().map(KeySpec::as_str)),
            origin: word(metadata.origin().map(OriginType::as_str)),
            multi_region: metadata.multi_region() != Some(false),
            replicas: replicas(&metadata, arn),
            state: word(metadata.key_state().map(KeyState::as_str)),
            public_key: public,
            grants: self.grants(arn).await?,
        })
    }

    /// The same credentials and endpoint, for a key of another Region.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for an ARN that is none.
    pub fn beside(&self, arn: &str) -> Result<Self, Error> {
        let config = self.0.config().to_builder();
        let region = Region::new(region_of(arn)?);
        Ok(Self(Client::from_conf(config.region(region).build())))
    }

    async fn grants(&self, arn: &str) -> Result<Vec<GrantFacts>, Error> {
        let mut all = Vec::new();
        let mut marker = None;
        loop {
            let page = self.0.list_grants().key_id(arn).set_marker(marker).send();
            let page = page.await.map_err(|error| fault(&error))?;
            let one = |grant: &GrantListEntry| GrantFacts {
                id: grant.grant_id().unwrap_or("unknown").to_owned(),
                grantee: grant.grantee_principal().unwrap_or("unknown").to_owned(),
                operations: grant
                    .operations()
                    .iter()
                    .map(|operation| operation.as_str().to_owned())
                    .collect(),
            };
            all.extend(page.grants().iter().map(one));
            marker = page.next_marker().map(str::to_owned);
            if !page.truncated() || marker.is_none() {
                return Ok(all);
            }
        }
    }

    /// A key's policy, as it stands.
    ///
    /// # Errors
    ///
    /// [`Error::Kms`].
    pub async fn policy(&self, arn: &str) -> Result<String, Error> {
        let read = self.0.get_key_policy().key_id(arn).send().await;
        let policy = read.map_err(|error| fault(&error))?.policy;
        policy.ok_or_else(|| Error::Kms("no policy".to_owned()))
    }

    /// Puts a key's policy.
    ///
    /// # Errors
    ///
    /// [`Error::Kms`].
    pub async fn put_policy(&self, arn: &str, policy: &Value) -> Result<(), Error> {
        let put = self
            .0
            .put_key_policy()
            .key_id(arn)
            .policy(policy.to_string());
        put.send().await.map(drop).map_err(|error| fault(&error))
    }
}

/// The other keys of a multi-Region set, as KMS lists them.
fn replicas(metadata: &KeyMetadata, arn: &str) -> Vec<String> {
    let Some(set) = metadata.multi_region_configuration() else {
        return Vec::new();
    };
    let all = set.primary_key().into_iter().chain(set.replica_keys());
    let arns = all.map(|key| key.arn().unwrap_or("unknown"));
    arns.filter(|other| *other != arn)
        .map(str::to_owned)
        .collect()
}

fn check(metadata: &KeyMetadata, arn: &str) -> Result<(), Error> {
    let sort = metadata.arn() == Some(arn)
        && metadata.key_usage() == Some(&KeyUsageType::KeyAgreement)
        && metadata.key_spec() == Some(&KeySpec::EccNistP256)
        && metadata.origin() == Some(&OriginType::AwsKms)
        && metadata.multi_region() == Some(false);
    if sort {
        Ok(())
    } else {
        Err(Error::Distrust(
            "KMS key is not KEY_AGREEMENT, ECC_NIST_P256, Origin AWS_KMS, in one Region".to_owned(),
        ))
    }
}
