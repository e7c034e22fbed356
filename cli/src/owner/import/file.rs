//! Private keys as other tools write them: PEM (PKCS#8, PKCS#1, SEC1, OpenSSH) and JWK; access keys of AWS and secrets of HMAC
//! as JSON; 32 bytes in hexadecimal digits, where an algorithm is named.
//!
//! What is read is in memory that is wiped: an Ed25519 seed, a scalar of P-256, P-521 or secp256k1, an RSA key, or a secret. A
//! file that would have to be guessed at is refused. It knows nothing of where the key goes.

use crate::Error;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::{
    chain,
    crypto::{import, rsa},
    effect::Kind,
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
/// RFC 4055 §3.1: a key for PSS alone.
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// RFC 5480 §2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480 §2.1.1.1: secp256r1.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// SEC 2 §A.2.1.
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
/// RFC 5480 §2.1.1.1: secp521r1.
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A private key, to be sealed.
pub struct PrivateKey {
    /// Its algorithm; where the file leaves a choice, RS256 or HMAC with SHA-256 before [`Self::for_kind`].
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
    /// Reads a private key's file. Bare digits say nothing of what they are: they are read only where an algorithm is named.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Usage`] with what to do about a file that cannot be read.
    pub fn read(path: &Path, alg: Option<Alg>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(Error::io("cannot read the private key", path))?;
        let digits = (alg == Some(Alg::Secp256k1))
            .then(|| hexadecimal(&text))
            .flatten();
        digits.unwrap_or_else(|| Self::parse(&text)).map_err(|bad| {
            let path = path.display();
            Error::Usage(match bad {
                Bad::Encrypted => format!(
                    "`{path}` is encrypted: decrypt it first, such as `openssl pkcs8 -in {path} -out FILE` on a memory file system"
                ),
                Bad::Type => format!("`{path}` is of another type: expected an Ed25519, P-256, P-521, secp256k1 or RSA (2048 to 4096 bits) private key, an access key of AWS, or a secret of HMAC"),
                Bad::Form => format!("`{path}` is no private key: expected PEM (PKCS#8, PKCS#1, SEC1, OpenSSH), JWK, JSON with access_key_id and secret_access_key or with key_id, secret and encoding, or 32 bytes in hexadecimal digits with --alg secp256k1; one key"),
            })
        })
    }

    /// The key under the algorithm it will have: the one asked for, else the one that the kind has for such a key.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a key of another algorithm than was asked for, and for one that has to be asked for.
    pub fn for_kind(mut self, kind: Kind, asked: Option<Alg>) -> Result<Self, Error> {
        self.alg = match (self.alg, asked) {
            (read, Some(asked)) if read == asked => read,
            (Alg::Rs256, Some(Alg::Ps512)) => Alg::Ps512,
            (Alg::Hs256, Some(Alg::Hs512)) => Alg::Hs512,
            (read, Some(asked)) => return Err(Error::Usage(other(read, asked))),
            (Alg::Rs256, None) if kind == Kind::Http => Alg::Ps512,
            (Alg::Hs256, None) if kind != Kind::Http => {
                let text = "a secret does not say its hash: --alg hs256 or --alg hs512";
                return Err(Error::Usage(text.to_owned()));
            }
            (read, None) => read,
        };
        Ok(self)
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
            let known = access_key(text).or_else(|| hmac_secret(text));
            return known.unwrap_or_else(|| jwk(text));
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
    if info.algorithm.oid == RSA_PSS {
        let key = PrivateKey::rsa(rsa::Private::from_pkcs1(inner))?;
        let alg = Alg::Ps512;
        return Ok(PrivateKey { alg, ..key });
    }
    if info.algorithm.oid != EC {
        return Err(Bad::Type);
    }
    let curve = info.algorithm.parameters_oid().map_err(|_| Bad::Type)?;
    let key = EcPrivateKey::try_from(inner).map_err(|_| Bad::Form)?;
    PrivateKey::new(curve_alg(curve)?, key.private_key)?.stating(key.public_key)
}

fn curve_alg(curve: ObjectIdentifier) -> Result<Alg, Bad> {
    match curve {
        P256 => Ok(Alg::P256),
        P521 => Ok(Alg::P521),
        SECP256K1 => Ok(Alg::Secp256k1),
        _ => Err(Bad::Type),
    }
}

/// RFC 5915.
fn sec1_pem(text: &str) -> Result<PrivateKey, Bad> {
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| Bad::Form)?;
    EcPrivateKey::validate_pem_label(label).map_err(|_| Bad::Form)?;
    let key: EcPrivateKey<'_> = document.decode_msg().map_err(|_| Bad::Form)?;
    match key.parameters.and_then(|curve| curve.named_curve()) {
        Some(curve) => PrivateKey::new(curve_alg(curve)?, key.private_key)?.stating(key.public_key),
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

/// 32 bytes in hexadecimal digits of either case, with or without `0x`; nothing for any other text.
fn hexadecimal(text: &str) -> Option<Result<PrivateKey, Bad>> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let prefixed = Zeroizing::new(format!("0x{digits}"));
    let bytes = Zeroizing::new(chain::bytes(&prefixed)?);
    Some(PrivateKey::new(Alg::Secp256k1, &bytes))
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

/// A secret of HMAC: what its owner and the service call it, and how it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HmacSecret {
    key_id: String,
    secret: String,
    encoding: String,
}

impl Drop for HmacSecret {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Nothing for JSON that is no secret of HMAC.
fn hmac_secret(text: &str) -> Option<Result<PrivateKey, Bad>> {
    let key: HmacSecret = serde_json::from_str(text).ok()?;
    let public = key.key_id.as_bytes().to_vec();
    let secret = match key.encoding.as_str() {
        "utf8" => Some(key.secret.as_bytes().to_vec()),
        "base64" => STANDARD.decode(&key.secret).ok(),
        "hex" => hex_bytes(&key.secret),
        _ => None,
    };
    let secret = secret.map(Zeroizing::new);
    let secret = secret.filter(|secret| import::HMAC_SECRET.contains(&secret.len()));
    let secret = secret.filter(|_| Alg::Hs256.is_public(&public));
    Some(secret.ok_or(Bad::Form).map(|secret| PrivateKey {
        alg: Alg::Hs256,
        public,
        secret,
    }))
}

/// Two digits a byte, in either case.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    (digits && text.len().is_multiple_of(2)).then_some(())?;
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok())
        .collect()
}

/// RFC 7517; RFC 8037 §2 for Ed25519, RFC 7518 §6.2 for P-256 and P-521, §6.3 for RSA. What else a JWK says (`kid`, `use`, …) is not looked at.
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
        ("EC", curve @ ("P-256" | "P-521" | "secp256k1")) => {
            let alg = match curve {
                "P-256" => Alg::P256,
                "P-521" => Alg::P521,
                _ => Alg::Secp256k1,
            };
            let point = x.zip(y).map(|(x, y)| [&[4][..], &x, &y].concat());
            PrivateKey::new(alg, &secret)?.stating(point.as_deref())
        }
        _ => Err(Bad::Type),
    }
}

mod openssh;
mod solana;

/// A key of one algorithm where another was asked for.
fn other(read: Alg, asked: Alg) -> String {
    let hint = match (read, asked) {
        (Alg::SigV4, Alg::Hs256 | Alg::Hs512) => {
            "; a secret of HMAC is {\"key_id\", \"secret\", \"encoding\"}"
        }
        _ => "",
    };
    let word = |alg: Alg| serde_json::to_value(alg).unwrap_or_default();
    let (read, asked) = (word(read), word(asked));
    format!(
        "the file has a key of {read}, not of {asked}; leave --alg out to take what it is{hint}"
    )
}

#[cfg(test)]
mod tests;
