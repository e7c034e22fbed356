//! Private keys as other tools write them: PEM (PKCS#8, PKCS#1, SEC1, OpenSSH) and JWK; access keys of AWS as JSON.
//!
//! What is read is in memory that is wiped: an Ed25519 seed, a P-256 scalar, an RSA key, or a secret access key. A file that would have to be guessed
//! at is refused. It knows nothing of where the key goes.

use crate::Error;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::{
    crypto::{import, rsa},
    owner::{command::Alg, sshkey},
};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SecretDocument, der::pem::PemLabel};
use sec1::EcPrivateKey;
use serde::Deserialize;
use std::{fmt, path::Path};
use zeroize::{Zeroize, Zeroizing};

/// Longest file read.
const MAX_FILE: usize = 16 * 1024;
/// RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 8017 A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480 §2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480 §2.1.1.1: secp256r1.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// A private key, to be sealed.
pub struct PrivateKey {
    /// Its algorithm.
    pub alg: Alg,
    /// Its public key.
    pub public: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// What no file may be.
#[derive(Debug, PartialEq, Eq)]
enum Bad {
    Encrypted,
    Form,
    Type,
}

impl PrivateKey {
    /// Reads a private key's file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Usage`] with what to do about a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(Error::io("cannot read the private key", path))?;
        Self::parse(&text).map_err(|bad| {
            let path = path.display();
            Error::Usage(match bad {
                Bad::Encrypted => format!(
                    "`{path}` is encrypted: decrypt it first, such as `openssl pkcs8 -in {path} -out FILE` on a memory file system"
                ),
                Bad::Type => format!("`{path}` is of another type: expected an Ed25519, P-256 or RSA (2048 to 4096 bits) private key, or an access key of AWS"),
                Bad::Form => format!("`{path}` is no private key: expected PEM (PKCS#8, PKCS#1, SEC1, OpenSSH), JWK, or JSON with access_key_id and secret_access_key, one key"),
            })
        })
    }

    /// The private half.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.secret
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        let text = text.trim();
        if text.len() > MAX_FILE {
            return Err(Bad::Form);
        }
        if text.starts_with('{') {
            return access_key(text).unwrap_or_else(|| jwk(text));
        }
        let label = text.strip_prefix("-----BEGIN ").ok_or(Bad::Form)?;
        let (label, _) = label.split_once("-----").ok_or(Bad::Form)?;
        match label {
            "PRIVATE KEY" => pkcs8_pem(text),
            "EC PRIVATE KEY" => sec1_pem(text),
            "RSA PRIVATE KEY" => pkcs1_pem(text),
            "OPENSSH PRIVATE KEY" => openssh(text),
            "ENCRYPTED PRIVATE KEY" => Err(Bad::Encrypted),
            _ => Err(Bad::Type),
        }
    }

    fn new(alg: Alg, secret: &[u8]) -> Result<Self, Bad> {
        let secret: &[u8; 32] = secret.try_into().map_err(|_| Bad::Form)?;
        let public = import::public_of(alg, secret).ok_or(Bad::Form)?;
        Ok(Self {
            alg,
            public,
            secret: Zeroizing::new(secret.to_vec()),
        })
    }

    fn rsa(key: Option<rsa::Private>) -> Result<Self, Bad> {
        let key = key.ok_or(Bad::Type)?;
        Ok(Self {
            alg: Alg::Rs256,
            public: key.public().to_vec(),
            secret: Zeroizing::new(key.expose().to_vec()),
        })
    }

    /// The key, if a public half that the file states is its own.
    fn stating(self, stated: Option<&[u8]>) -> Result<Self, Bad> {
        match stated {
            Some(stated) if stated != self.public => Err(Bad::Form),
            Some(_) | None => Ok(self),
        }
    }
}

/// RFC 5208, RFC 5958; RFC 8410 for Ed25519.
fn pkcs8_pem(text: &str) -> Result<PrivateKey, Bad> {
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| Bad::Form)?;
    PrivateKeyInfoRef::validate_pem_label(label).map_err(|_| Bad::Form)?;
    let info: PrivateKeyInfoRef<'_> = document.decode_msg().map_err(|_| Bad::Form)?;
    let inner = info.private_key.as_bytes();
    if info.algorithm.oid == ED25519 {
        // CurvePrivateKey ::= OCTET STRING
        let seed = inner.strip_prefix(&[4, 32]).ok_or(Bad::Form)?;
        return PrivateKey::new(Alg::Ed25519, seed);
    }
    if info.algorithm.oid == RSA {
        return PrivateKey::rsa(rsa::Private::from_pkcs8(document.as_bytes()));
    }
    let curve = info.algorithm.parameters_oid().map_err(|_| Bad::Type)?;
    if info.algorithm.oid != EC || curve != P256 {
        return Err(Bad::Type);
    }
    let key = EcPrivateKey::try_from(inner).map_err(|_| Bad::Form)?;
    PrivateKey::new(Alg::P256, key.private_key)?.stating(key.public_key)
}

/// RFC 5915.
fn sec1_pem(text: &str) -> Result<PrivateKey, Bad> {
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| Bad::Form)?;
    EcPrivateKey::validate_pem_label(label).map_err(|_| Bad::Form)?;
    let key: EcPrivateKey<'_> = document.decode_msg().map_err(|_| Bad::Form)?;
    match key.parameters.and_then(|curve| curve.named_curve()) {
        Some(curve) if curve == P256 => {
            PrivateKey::new(Alg::P256, key.private_key)?.stating(key.public_key)
        }
        Some(_) => Err(Bad::Type),
        None => Err(Bad::Form),
    }
}

/// RFC 8017 A.1.2.
fn pkcs1_pem(text: &str) -> Result<PrivateKey, Bad> {
    // The first line of one that is encrypted the old way says so (RFC 1421 §4.6.1.1).
    if text.contains("Proc-Type:") {
        return Err(Bad::Encrypted);
    }
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| Bad::Form)?;
    PrivateKey::rsa(rsa::Private::from_pkcs1(document.as_bytes()))
}

fn openssh(text: &str) -> Result<PrivateKey, Bad> {
    if let Some(key) = openssh::p256(text) {
        return PrivateKey::new(Alg::P256, &*key.scalar)?.stating(Some(&key.point));
    }
    let key = sshkey::PrivateKey::parse(text).map_err(|_| Bad::Type)?;
    PrivateKey::new(Alg::Ed25519, key.seed.expose())?.stating(Some(&key.point))
}

/// An access key, in our words or in those of `aws configure export-credentials`. What else stands beside is not looked at.
#[derive(Deserialize)]
struct AccessKey {
    #[serde(alias = "AccessKeyId")]
    access_key_id: String,
    #[serde(alias = "SecretAccessKey")]
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    session_token: Option<String>,
}

impl Drop for AccessKey {
    fn drop(&mut self) {
        self.secret_access_key.zeroize();
        self.session_token.zeroize();
    }
}

/// Nothing for JSON that is no access key.
fn access_key(text: &str) -> Option<Result<PrivateKey, Bad>> {
    let key: AccessKey = serde_json::from_str(text).ok()?;
    let public = key.access_key_id.as_bytes().to_vec();
    let token = key.session_token.as_deref().unwrap_or_default();
    let secret = import::access_key(key.secret_access_key.as_bytes(), token.as_bytes());
    let secret = secret.filter(|_| Alg::SigV4.is_public(&public));
    Some(secret.ok_or(Bad::Form).map(|secret| PrivateKey {
        alg: Alg::SigV4,
        public,
        secret,
    }))
}

/// RFC 7517; RFC 8037 §2 for Ed25519, RFC 7518 §6.2 for P-256, §6.3 for RSA. What else a JWK says (`kid`, `use`, …) is not looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    d: String,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
}

impl Drop for Jwk {
    fn drop(&mut self) {
        self.d.zeroize();
        for number in [
            &mut self.p,
            &mut self.q,
            &mut self.dp,
            &mut self.dq,
            &mut self.qi,
        ] {
            number.zeroize();
        }
    }
}

/// RFC 7518 §6.3.2: two primes, and all that follows from them.
fn rsa_jwk(jwk: &Jwk) -> Result<PrivateKey, Bad> {
    let decode = |text: Option<&str>| {
        let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.map(Zeroizing::new).ok_or(Bad::Form)
    };
    let (n, e) = (decode(jwk.n.as_deref())?, decode(jwk.e.as_deref())?);
    let (d, p, q) = (
        decode(Some(&jwk.d))?,
        decode(jwk.p.as_deref())?,
        decode(jwk.q.as_deref())?,
    );
    let (dp, dq, qi) = (
        decode(jwk.dp.as_deref())?,
        decode(jwk.dq.as_deref())?,
        decode(jwk.qi.as_deref())?,
    );
    PrivateKey::rsa(rsa::Private::from_numbers(&rsa::Numbers {
        n: &n,
        e: &e,
        private: [&d, &p, &q, &dp, &dq, &qi],
    }))
}

fn jwk(text: &str) -> Result<PrivateKey, Bad> {
    let jwk: Jwk = serde_json::from_str(text).map_err(|_| Bad::Form)?;
    if jwk.kty == "RSA" {
        return rsa_jwk(&jwk);
    }
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Bad::Form);
    let secret = Zeroizing::new(decode(&jwk.d)?);
    let part = |text: &Option<String>| text.as_deref().map(decode).transpose();
    let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
    match (jwk.kty.as_str(), jwk.crv.as_str()) {
        ("OKP", "Ed25519") => PrivateKey::new(Alg::Ed25519, &secret)?.stating(x.as_deref()),
        ("EC", "P-256") => {
            let point = x.zip(y).map(|(x, y)| [&[4][..], &x, &y].concat());
            PrivateKey::new(Alg::P256, &secret)?.stating(point.as_deref())
        }
        _ => Err(Bad::Type),
    }
}

mod openssh;
mod solana;
#[cfg(test)]
mod tests;
