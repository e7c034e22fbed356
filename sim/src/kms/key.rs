//! One key: its material, its policy and what may be said of it.

use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::policy::Policy;
use crate::aws::{ErrorType, ServiceError};

/// DER of a P-256 SubjectPublicKeyInfo up to its uncompressed point (RFC 5480).
const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P256_POINT_LEN: usize = 65;

/// A key as it is at one moment; changes make a new one.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) material: Material,
    pub(super) created_s: u64,
    pub(super) description: String,
    pub(super) state: State,
    /// The policy exactly as it was put.
    pub(super) policy_text: String,
    pub(super) policy: Policy,
}

/// What a key is made of, which says what it is for.
#[derive(Debug, Clone)]
pub(super) enum Material {
    /// ECC_NIST_P256, KEY_AGREEMENT.
    Agreement(Arc<PrivateKey>),
    /// SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT: described only, as no operation of this simulation uses one.
    Symmetric,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum State {
    Disabled,
    Enabled,
    PendingDeletion { at_s: u64 },
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

impl Material {
    pub(super) const fn spec(&self) -> &'static str {
        match self {
            Self::Agreement(_) => "ECC_NIST_P256",
            Self::Symmetric => "SYMMETRIC_DEFAULT",
        }
    }

    pub(super) const fn usage(&self) -> &'static str {
        match self {
            Self::Agreement(_) => "KEY_AGREEMENT",
            Self::Symmetric => "ENCRYPT_DECRYPT",
        }
    }

    /// A new P-256 key.
    pub(super) fn generate_agreement() -> Result<Self, ServiceError> {
        PrivateKey::generate(&ECDH_P256)
            .map(|key| Self::Agreement(Arc::new(key)))
            .map_err(|_| internal())
    }

    /// PKCS #8 of a private key, none for a key that is only described.
    pub(super) fn to_pkcs8(&self) -> Result<Option<Zeroizing<Vec<u8>>>, ServiceError> {
        match self {
            Self::Agreement(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| internal())?;
                Ok(Some(Zeroizing::new(der.as_ref().to_vec())))
            }
            Self::Symmetric => Ok(None),
        }
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        PrivateKey::from_private_key_der(&ECDH_P256, der)
            .ok()
            .map(|key| Self::Agreement(Arc::new(key)))
    }
}

impl Key {
    pub(super) fn arn(&self, region: &str, account: &str) -> String {
        format!("arn:aws:kms:{region}:{account}:key/{}", self.id)
    }

    /// `KeyMetadata`, as DescribeKey and CreateKey answer it.
    pub(super) fn metadata(&self, region: &str, account: &str) -> Value {
        let mut metadata = json!({
            "AWSAccountId": account,
            "Arn": self.arn(region, account),
            "CreationDate": self.created_s,
            "CustomerMasterKeySpec": self.material.spec(),
            "Description": self.description,
            "Enabled": self.state == State::Enabled,
            "KeyId": self.id,
            "KeyManager": "CUSTOMER",
            "KeySpec": self.material.spec(),
            "KeyState": self.state.name(),
            "KeyUsage": self.material.usage(),
            "MultiRegion": false,
            "Origin": "AWS_KMS",
        });
        if let Value::Object(members) = &mut metadata {
            let (name, algorithms) = match self.material {
                Material::Agreement(_) => ("KeyAgreementAlgorithms", json!(["ECDH"])),
                Material::Symmetric => ("EncryptionAlgorithms", json!(["SYMMETRIC_DEFAULT"])),
            };
            members.insert(name.to_owned(), algorithms);
            if let State::PendingDeletion { at_s } = self.state {
                members.insert("DeletionDate".to_owned(), json!(at_s));
            }
        }
        metadata
    }

    /// Refuses a key that may not be used now.
    pub(super) fn check_usable(&self, arn: &str) -> Result<(), ServiceError> {
        match self.state {
            State::Enabled => Ok(()),
            State::Disabled => Err(ServiceError::new(
                ErrorType::Disabled,
                format!("{arn} is disabled."),
            )),
            State::PendingDeletion { .. } => Err(ServiceError::new(
                ErrorType::KmsInvalidState,
                format!("{arn} is pending deletion."),
            )),
        }
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, ServiceError> {
        match &self.material {
            Material::Agreement(key) => {
                let public = key.compute_public_key().map_err(|_| internal())?;
                let der: PublicKeyX509Der<'_> = public.as_der().map_err(|_| internal())?;
                Ok(der.as_ref().to_vec())
            }
            Material::Symmetric => Err(ServiceError::new(
                ErrorType::UnsupportedOperation,
                "The key has no public key.",
            )),
        }
    }

    /// The x-coordinate that this key and a peer's SubjectPublicKeyInfo share, 32 bytes.
    pub(super) fn derive(
        &self,
        arn: &str,
        peer: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let Material::Agreement(key) = &self.material else {
            let usage = self.material.usage();
            let message =
                format!("{arn} key usage is {usage} which is not valid for DeriveSharedSecret.");
            return Err(ServiceError::new(ErrorType::InvalidKeyUsage, message));
        };
        let point = peer
            .strip_prefix(P256_SPKI)
            .filter(|point| point.len() == P256_POINT_LEN);
        let invalid =
            || ServiceError::validation("PublicKey is not a DER-encoded P-256 public key.");
        let point = point.ok_or_else(invalid)?;
        agree(
            key,
            UnparsedPublicKey::new(&ECDH_P256, point),
            invalid(),
            |secret| Ok(Zeroizing::new(secret.to_vec())),
        )
    }
}

fn internal() -> ServiceError {
    ServiceError::new(
        ErrorType::KmsInternal,
        "The request was rejected because an internal exception occurred.",
    )
}
