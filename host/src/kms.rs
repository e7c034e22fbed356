//! KMS: the one call that a boot makes. Credentials come from the SDK's own chain.
//!
//! What KMS answers is encrypted to the enclave's single-use key; the courier learns nothing from it.

use crate::config;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::{
    Client,
    config::{Credentials, retry::RetryConfig},
    error::{DisplayErrorContext, ProvideErrorMetadata},
    primitives::Blob,
    types::{KeyAgreementAlgorithmSpec, KeyEncryptionMechanism, RecipientInfo},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// KMS did not answer, or refused.
#[derive(Debug, thiserror::Error)]
#[error("KMS: {code}")]
pub struct Error {
    /// AWS's error code, or what kind of failure it was.
    pub code: String,
    detail: String,
}

impl Error {
    /// For the log: the SDK's own account, which holds no secret.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// What asks KMS.
#[derive(Debug, Clone)]
pub struct Kms {
    shared: aws_config::SdkConfig,
    region: String,
}

impl Kms {
    /// Asks with the credentials of the SDK's own chain.
    pub async fn new(config: &config::Kms) -> Self {
        Self::load(config, None).await
    }

    /// Asks with these credentials, for a simulation in one process.
    pub async fn with_credentials(config: &config::Kms, credentials: Credentials) -> Self {
        Self::load(config, Some(credentials)).await
    }

    async fn load(config: &config::Kms, credentials: Option<Credentials>) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .retry_config(RetryConfig::disabled())
            .http_client(http);
        if let Some(endpoint) = &config.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        Self {
            shared: loader.load().await,
            region: config.region.clone(),
        }
    }

    /// Asks for the shared secret of a recipient's key and an ephemeral public key, encrypted to the document's key.
    ///
    /// # Errors
    ///
    /// An [`Error`].
    pub async fn derive(
        &self,
        arn: &str,
        ephemeral: &[u8],
        document: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let region = region_of(arn).unwrap_or(&self.region).to_owned();
        let config = aws_sdk_kms::config::Builder::from(&self.shared)
            .region(Region::new(region))
            .build();
        let recipient = RecipientInfo::builder()
            .key_encryption_algorithm(KeyEncryptionMechanism::RsaesOaepSha256)
            .attestation_document(Blob::new(document))
            .build();
        let derived = Client::from_conf(config)
            .derive_shared_secret()
            .key_id(arn)
            .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
            .public_key(Blob::new(ephemeral))
            .recipient(recipient)
            .send()
            .await
            .map_err(|error| Error {
                code: error.code().unwrap_or("unreachable").to_owned(),
                detail: DisplayErrorContext(&error).to_string(),
            })?;
        let reply = derived.ciphertext_for_recipient.ok_or_else(|| Error {
            code: "no CiphertextForRecipient".to_owned(),
            detail: String::new(),
        })?;
        Ok(reply.into_inner())
    }
}

/// The region an ARN names.
fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    let is_kms = parts.next() == Some("arn") && parts.nth(1) == Some("kms");
    parts.next().filter(|region| is_kms && !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_asked_in_its_own_region() {
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/a";
        assert_eq!(region_of(arn), Some("eu-central-1"));
        for none in [
            "",
            "alias/x",
            "arn:aws:kms::1:key/a",
            "arn:aws:s3:eu-west-1:1:x",
        ] {
            assert_eq!(region_of(none), None, "{none}");
        }
    }
}
