//! What a key is made of, which says what it is for: generated, stored, used; never printed.

use std::sync::Arc;

use aws_lc_rs::agreement::{
    Algorithm as Curve, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey, agree,
};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use zeroize::Zeroizing;

use super::secret::SymmetricKey;
use crate::aws::{ErrorType, ServiceError};
use crate::hex;

/// DER of a SubjectPublicKeyInfo up to its uncompressed point (RFC 5480), and the length of the point.
type Prefix = (&'static [u8], usize);
const P256_SPKI: Prefix = (
    &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ],
    65,
);
const P384_SPKI: Prefix = (
    &[
        0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
        0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
    ],
    97,
);
const P521_SPKI: Prefix = (
    &[
        0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
    ],
    133,
);

/// Both algorithms of an RSA key, and the one of a symmetric key.
pub(super) const OAEP_SHA_1: &str = "RSAES_OAEP_SHA_1";
pub(super) const OAEP_SHA_256: &str = "RSAES_OAEP_SHA_256";
pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// What a key is made of.
#[derive(Debug, Clone)]
pub(super) enum Material {
    /// A NIST curve, KEY_AGREEMENT.
    Agreement(Spec, Arc<PrivateKey>),
    /// RSA, ENCRYPT_DECRYPT.
    Rsa(Spec, Arc<PrivateDecryptingKey>),
    /// SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT.
    Symmetric(Arc<SymmetricKey>),
}

/// The key specs that this simulation makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    P256,
    P384,
    P521,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Symmetric,
}

impl Spec {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ECC_NIST_P256" => Self::P256,
            "ECC_NIST_P384" => Self::P384,
            "ECC_NIST_P521" => Self::P521,
            "RSA_2048" => Self::Rsa2048,
            "RSA_3072" => Self::Rsa3072,
            "RSA_4096" => Self::Rsa4096,
            "SYMMETRIC_DEFAULT" => Self::Symmetric,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "ECC_NIST_P256",
            Self::P384 => "ECC_NIST_P384",
            Self::P521 => "ECC_NIST_P521",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::Symmetric => "SYMMETRIC_DEFAULT",
        }
    }

    /// The one usage that a key of this spec has here.
    pub(super) const fn usage(self) -> &'static str {
        match self {
            Self::P256 | Self::P384 | Self::P521 => "KEY_AGREEMENT",
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::Symmetric => "ENCRYPT_DECRYPT",
        }
    }

    const fn curve(self) -> Option<(&'static Curve, Prefix)> {
        match self {
            Self::P256 => Some((&ECDH_P256, P256_SPKI)),
            Self::P384 => Some((&ECDH_P384, P384_SPKI)),
            Self::P521 => Some((&ECDH_P521, P521_SPKI)),
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::Symmetric => None,
        }
    }

    const fn rsa(self) -> Option<KeySize> {
        match self {
            Self::Rsa2048 => Some(KeySize::Rsa2048),
            Self::Rsa3072 => Some(KeySize::Rsa3072),
            Self::Rsa4096 => Some(KeySize::Rsa4096),
            Self::P256 | Self::P384 | Self::P521 | Self::Symmetric => None,
        }
    }
}

impl Material {
    /// New material of a spec.
    pub(super) fn generate(spec: Spec) -> Result<Self, ServiceError> {
        if let Some((curve, _)) = spec.curve() {
            let key = PrivateKey::generate(curve).map_err(|_| internal())?;
            return Ok(Self::Agreement(spec, Arc::new(key)));
        }
        if let Some(size) = spec.rsa() {
            let key = PrivateDecryptingKey::generate(size).map_err(|_| internal())?;
            return Ok(Self::Rsa(spec, Arc::new(key)));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(&mut bytes[..]).map_err(|_| internal())?;
        Ok(Self::Symmetric(Arc::new(SymmetricKey::new(bytes))))
    }

    pub(super) const fn spec(&self) -> Spec {
        match self {
            Self::Agreement(spec, _) | Self::Rsa(spec, _) => *spec,
            Self::Symmetric(_) => Spec::Symmetric,
        }
    }

    /// What the key encrypts with, none for a key of agreement.
    pub(super) const fn encryption_algorithms(&self) -> &'static [&'static str] {
        match self {
            Self::Agreement(..) => &[],
            Self::Rsa(..) => &[OAEP_SHA_1, OAEP_SHA_256],
            Self::Symmetric(_) => &[SYMMETRIC],
        }
    }

    /// The secret bytes: PKCS #8, or the bare symmetric key.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let der: Pkcs8V1Der<'_> = match self {
            Self::Agreement(_, key) => key.as_der().map_err(|_| internal())?,
            Self::Rsa(_, key) => key.as_der().map_err(|_| internal())?,
            Self::Symmetric(key) => return Ok(Zeroizing::new(key.expose().to_vec())),
        };
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub(super) fn from_bytes(spec: Spec, bytes: &[u8]) -> Option<Self> {
        if let Some((curve, _)) = spec.curve() {
            let key = PrivateKey::from_private_key_der(curve, bytes).ok()?;
            return Some(Self::Agreement(spec, Arc::new(key)));
        }
        if spec.rsa().is_some() {
            let key = PrivateDecryptingKey::from_pkcs8(bytes).ok()?;
            return Some(Self::Rsa(spec, Arc::new(key)));
        }
        let key: [u8; 32] = bytes.try_into().ok()?;
        Some(Self::Symmetric(Arc::new(SymmetricKey::new(key.into()))))
    }

    /// The id of symmetric material: 64 hexadecimal digits that say nothing of it.
    pub(super) fn material_id(&self) -> Option<String> {
        match self {
            Self::Agreement(..) | Self::Rsa(..) => None,
            Self::Symmetric(key) => {
                let named = [&b"key material id\0"[..], key.expose()].concat();
                let named = Zeroizing::new(named);
                Some(hex::encode(digest(&SHA256, &named).as_ref()))
            }
        }
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, ServiceError> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Agreement(_, key) => key
                .compute_public_key()
                .and_then(|public| public.as_der())
                .map_err(|_| internal())?,
            Self::Rsa(_, key) => key.public_key().as_der().map_err(|_| internal())?,
            Self::Symmetric(_) => {
                return Err(ServiceError::new(
                    ErrorType::UnsupportedOperation,
                    "The key has no public key.",
                ));
            }
        };
        Ok(der.as_ref().to_vec())
    }

    /// The x-coordinate that this key and a peer's SubjectPublicKeyInfo share; none if this is no key of agreement.
    pub(super) fn derive(&self, peer: &[u8]) -> Option<Result<Zeroizing<Vec<u8>>, ServiceError>> {
        let Self::Agreement(spec, key) = self else {
            return None;
        };
        let (curve, (prefix, length)) = spec.curve()?;
        let invalid = || {
            ServiceError::validation(format!(
                "PublicKey is not a DER-encoded public key of {}.",
                spec.name()
            ))
        };
        let point = peer
            .strip_prefix(prefix)
            .filter(|point| point.len() == length);
        let Some(point) = point else {
            return Some(Err(invalid()));
        };
        Some(agree(
            key,
            UnparsedPublicKey::new(curve, point),
            invalid(),
            |secret| Ok(Zeroizing::new(secret.to_vec())),
        ))
    }
}

fn oaep(algorithm: &str) -> Option<&'static OaepAlgorithm> {
    match algorithm {
        OAEP_SHA_1 => Some(&OAEP_SHA1_MGF1SHA1),
        OAEP_SHA_256 => Some(&OAEP_SHA256_MGF1SHA256),
        _ => None,
    }
}

/// RSAES-OAEP to the key; a plaintext that does not fit is refused.
pub(super) fn oaep_encrypt(
    key: &PrivateDecryptingKey,
    algorithm: &str,
    plaintext: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    let oaep = oaep(algorithm).ok_or_else(internal)?;
    let key = OaepPublicEncryptingKey::new(key.public_key()).map_err(|_| internal())?;
    let most = key.max_plaintext_size(oaep);
    if plaintext.len() > most {
        return Err(ServiceError::validation(format!(
            "Plaintext must have a length of at most {most} with {algorithm}."
        )));
    }
    let mut out = vec![0; key.ciphertext_size()];
    let out = key.encrypt(oaep, plaintext, &mut out, None);
    out.map(|out| out.to_vec()).map_err(|_| internal())
}

/// RSAES-OAEP with the key; none if the ciphertext is not one of its.
pub(super) fn oaep_decrypt(
    key: &PrivateDecryptingKey,
    algorithm: &str,
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let key = OaepPrivateDecryptingKey::new(key.clone()).ok()?;
    let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
    let plain = key
        .decrypt(oaep(algorithm)?, ciphertext, &mut out, None)
        .ok()?;
    Some(Zeroizing::new(plain.to_vec()))
}

pub(super) fn internal() -> ServiceError {
    ServiceError::new(
        ErrorType::KmsInternal,
        "The request was rejected because an internal exception occurred.",
    )
}
