//! SSHSIG (OpenSSH `PROTOCOL.sshsig`): what `ssh-keygen -Y sign` and an ssh-agent make, hardware keys included.
//!
//! [`verify`] returns the key that signed only after the signature verified over the whole message in exactly the wanted
//! namespace. A hardware key must have been touched. It does not know whose key it is: callers look it up.

use super::{
    Error,
    command::Alg,
    sshwire::{BadWire, Reader, armor as wrap, dearmor, put_mpint, put_string},
};
use crate::{
    crypto::{Scheme, Verifier, sha256, sha512},
    id::Digest,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// Largest armoured signature in bytes: the longest of the three accepted kinds, with a long application name, is less
/// than half of it.
pub const MAX_ARMORED: usize = 4096;
/// Longest public key line in bytes, comment included.
pub const MAX_KEY_LINE: usize = 1024;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// `PROTOCOL.sshsig` §3: six bytes, not a string.
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const ED25519: &str = "ssh-ed25519";
const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";
const P256: &str = "ecdsa-sha2-nistp256";
const P256_CURVE: &str = "nistp256";
/// CTAP2 §6.1: bit 0 of the authenticator's flags says that the user was present.
const USER_PRESENT: u8 = 1;

/// A public key that owners and operators sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key blob as SSH encodes it.
    pub blob: Vec<u8>,
}

/// What a key blob holds.
enum Parts<'a> {
    Ed25519 {
        point: &'a [u8; 32],
    },
    P256 {
        point: &'a [u8; 65],
    },
    SkEd25519 {
        point: &'a [u8; 32],
        application: &'a [u8],
    },
}

impl PublicKey {
    /// Reads a line of a `.pub` file: type, base64 and an optional comment, which is dropped.
    ///
    /// # Errors
    ///
    /// [`Error`] for another type of key or anything not well-formed.
    pub fn parse_line(line: &str) -> Result<Self, Error> {
        let fault = || {
            let expected = format!("a public key line of type {ED25519}, {SK_ED25519} or {P256}");
            Error::new(Error::MALFORMED, "", expected)
        };
        if line.len() > MAX_KEY_LINE || line.chars().any(char::is_control) {
            return Err(fault());
        }
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(encoded)) = (words.next(), words.next()) else {
            return Err(fault());
        };
        let key = Self {
            blob: STANDARD.decode(encoded).map_err(|_| fault())?,
        };
        if key.parts().map_err(|_| fault())?.name() == name {
            Ok(key)
        } else {
            Err(fault())
        }
    }

    /// A software Ed25519 key.
    #[must_use]
    pub fn ed25519(point: &[u8; 32]) -> Self {
        let mut blob = Vec::new();
        put_string(&mut blob, ED25519.as_bytes());
        put_string(&mut blob, point);
        Self { blob }
    }

    /// A signing key's public half; nothing for an algorithm that SSH does not have here, or for bytes that are no such key.
    #[must_use]
    pub fn of(alg: Alg, public: &[u8]) -> Option<Self> {
        match alg {
            Alg::Ed25519 => public.try_into().ok().map(Self::ed25519),
            Alg::P256 => {
                let mut blob = Vec::new();
                put_string(&mut blob, P256.as_bytes());
                put_string(&mut blob, P256_CURVE.as_bytes());
                put_string(&mut blob, public);
                let key = Self { blob };
                key.parts().is_ok().then_some(key)
            }
            Alg::Rs256
            | Alg::Ps512
            | Alg::P521
            | Alg::Hs256
            | Alg::Hs512
            | Alg::SigV4
            | Alg::Secp256k1 => None,
        }
    }

    /// The name of its type, where it is a software key.
    #[must_use]
    pub fn software(&self) -> Option<&'static str> {
        match self.parts().ok()? {
            parts @ (Parts::Ed25519 { .. } | Parts::P256 { .. }) => Some(parts.name()),
            Parts::SkEd25519 { .. } => None,
        }
    }

    /// A software key's signature of 64 bytes (P-256: `r` and `s`) as SSH writes it; nothing for a hardware key.
    #[must_use]
    pub fn signature(&self, raw: &[u8; 64]) -> Option<Vec<u8>> {
        let parts = self.parts().ok()?;
        let mut out = Vec::new();
        put_string(&mut out, parts.name().as_bytes());
        match parts {
            Parts::Ed25519 { .. } => put_string(&mut out, raw),
            Parts::P256 { .. } => {
                let (r, s) = raw.split_at_checked(32)?;
                let mut numbers = Vec::new();
                put_mpint(&mut numbers, r);
                put_mpint(&mut numbers, s);
                put_string(&mut out, &numbers);
            }
            Parts::SkEd25519 { .. } => return None,
        }
        Some(out)
    }

    /// SHA-256 of the blob: what `ssh-keygen -l` shows, and the name of a narrow chain.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        sha256(&[&self.blob])
    }

    /// The point itself, whatever is said about it: two lines with one point are one key. Nothing for a blob that is no
    /// key of an accepted type.
    #[must_use]
    pub fn point(&self) -> Option<&[u8]> {
        match self.parts().ok()? {
            Parts::Ed25519 { point } | Parts::SkEd25519 { point, .. } => Some(point),
            Parts::P256 { point } => Some(point),
        }
    }

    fn parts(&self) -> Result<Parts<'_>, BadWire> {
        let mut reader = Reader::new(&self.blob);
        let name = reader.string()?;
        let parts = if name == ED25519.as_bytes() {
            Parts::Ed25519 {
                point: fixed(reader.string()?)?,
            }
        } else if name == SK_ED25519.as_bytes() {
            Parts::SkEd25519 {
                point: fixed(reader.string()?)?,
                application: reader.string()?,
            }
        } else if name == P256.as_bytes() && reader.string()? == P256_CURVE.as_bytes() {
            let point: &[u8; 65] = fixed(reader.string()?)?;
            // SEC 1 §2.3.3: 4 says uncompressed.
            if point.first() != Some(&4) {
                return Err(BadWire);
            }
            Parts::P256 { point }
        } else {
            return Err(BadWire);
        };
        reader.finish().map(|()| parts)
    }
}

/// The line of a `.pub` file, without comment. A blob that holds no accepted key shows as an empty line.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(parts) = self.parts() else {
            return Ok(());
        };
        write!(f, "{} {}", parts.name(), STANDARD.encode(&self.blob))
    }
}

impl Parts<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Ed25519 { .. } => ED25519,
            Self::P256 { .. } => P256,
            Self::SkEd25519 { .. } => SK_ED25519,
        }
    }

    /// Checks a signature blob over the bytes that SSHSIG signs.
    fn verify(
        &self,
        signature: &[u8],
        signed: &[u8],
        verifier: &dyn Verifier,
    ) -> Result<(), BadWire> {
        let mut reader = Reader::new(signature);
        if reader.string()? != self.name().as_bytes() {
            return Err(BadWire);
        }
        let value = reader.string()?;
        let bad = |_| BadWire;
        match self {
            Self::Ed25519 { point } => {
                reader.finish()?;
                verifier
                    .verify(Scheme::Ed25519, *point, signed, fixed::<64>(value)?)
                    .map_err(bad)
            }
            Self::P256 { point } => {
                reader.finish()?;
                let mut numbers = Reader::new(value);
                let fixed = [numbers.mpint::<32>()?, numbers.mpint::<32>()?].concat();
                numbers.finish()?;
                verifier
                    .verify(Scheme::P256, *point, signed, &fixed)
                    .map_err(bad)
            }
            Self::SkEd25519 { point, application } => {
                let tail = reader.rest();
                let mut reader = Reader::new(tail);
                let flags = reader.byte()?;
                reader.u32()?;
                reader.finish()?;
                if flags & USER_PRESENT == 0 {
                    return Err(BadWire);
                }
                // OpenSSH PROTOCOL.u2f: what the authenticator signs.
                let authenticated =
                    [&sha256(&[application]).0[..], tail, &sha256(&[signed]).0].concat();
                verifier
                    .verify(Scheme::Ed25519, *point, &authenticated, fixed::<64>(value)?)
                    .map_err(bad)
            }
        }
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], BadWire> {
    bytes.try_into().map_err(|_| BadWire)
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn signed_data(self, namespace: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => self.signed_digest(namespace, &sha256(&[message]).0),
            Self::Sha512 => self.signed_digest(namespace, &sha512(&[message])),
        }
    }

    fn signed_digest(self, namespace: &str, digest: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_string(&mut out, namespace.as_bytes());
        put_string(&mut out, b"");
        put_string(&mut out, self.name().as_bytes());
        put_string(&mut out, digest);
        out
    }
}

/// Checks an armoured signature over a message and says which key made it.
///
/// # Errors
///
/// [`Error`] with the code `signature`, whatever is wrong: the armour, the namespace, the type of key, a touch that is
/// missing, or the signature itself.
pub fn verify(
    armored: &str,
    namespace: &str,
    message: &[u8],
    verifier: &dyn Verifier,
) -> Result<PublicKey, Error> {
    check(armored, namespace, message, verifier).map_err(|_| {
        let expected = format!("an ssh signature over the exact bytes in namespace {namespace}");
        Error::new(Error::SIGNATURE, "", expected)
    })
}

fn check(
    armored: &str,
    namespace: &str,
    message: &[u8],
    verifier: &dyn Verifier,
) -> Result<PublicKey, BadWire> {
    if armored.len() > MAX_ARMORED {
        return Err(BadWire);
    }
    let bytes = dearmor(armored, BEGIN, END)?;
    let mut reader = Reader::new(&bytes);
    if reader.take(MAGIC.len())? != MAGIC || reader.u32()? != VERSION {
        return Err(BadWire);
    }
    let key = PublicKey {
        blob: reader.string()?.to_vec(),
    };
    if reader.string()? != namespace.as_bytes() || !reader.string()?.is_empty() {
        return Err(BadWire);
    }
    let name = reader.string()?;
    let hash = [Hash::Sha256, Hash::Sha512]
        .into_iter()
        .find(|hash| hash.name().as_bytes() == name)
        .ok_or(BadWire)?;
    let signature = reader.string()?;
    reader.finish()?;
    key.parts()?
        .verify(signature, &hash.signed_data(namespace, message), verifier)?;
    Ok(key)
}

/// The bytes that a software key signs: SHA-512 of the message, in a namespace.
#[must_use]
pub fn signed_data(namespace: &str, message: &[u8]) -> Vec<u8> {
    Hash::Sha512.signed_data(namespace, message)
}

/// The same for a message whose SHA-512 digest is known.
#[must_use]
pub fn signed_digest(namespace: &str, digest: &[u8; 64]) -> Vec<u8> {
    Hash::Sha512.signed_digest(namespace, digest)
}

/// The armoured form of a software key's signature over [`signed_data`]; of a hardware key, which signs something else, what
/// nobody accepts.
#[must_use]
pub fn armor(public: &PublicKey, namespace: &str, signature: &[u8; 64]) -> String {
    let value = public.signature(signature).unwrap_or_default();
    let mut out = [MAGIC, &VERSION.to_be_bytes()].concat();
    put_string(&mut out, &public.blob);
    put_string(&mut out, namespace.as_bytes());
    put_string(&mut out, b"");
    put_string(&mut out, Hash::Sha512.name().as_bytes());
    put_string(&mut out, &value);
    wrap(&out, BEGIN, END)
}

/// What [`signed_data`] of one of two hashes says: namespace, hash and digest; nothing for other bytes.
#[must_use]
pub fn read_signed_data(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
    let (namespace, reserved) = (reader.string().ok()?, reader.string().ok()?);
    let (hash, digest) = (reader.string().ok()?, reader.string().ok()?);
    reader.finish().ok()?;
    reserved.is_empty().then_some((namespace, hash, digest))
}

/// The signature in an armour, as SSH writes it, where it is one of this key in this namespace over SHA-512; nothing else is
/// checked.
#[must_use]
pub fn inner_signature(armored: &str, public: &PublicKey, namespace: &str) -> Option<Vec<u8>> {
    let bytes = dearmor(armored, BEGIN, END).ok()?;
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
    let same = reader.u32().ok()? == VERSION
        && reader.string().ok()? == public.blob
        && reader.string().ok()? == namespace.as_bytes()
        && reader.string().ok()?.is_empty()
        && reader.string().ok()? == Hash::Sha512.name().as_bytes();
    let signature = reader.string().ok()?.to_vec();
    reader.finish().ok()?;
    same.then_some(signature)
}

#[cfg(test)]
pub(in crate::owner) mod tests;
