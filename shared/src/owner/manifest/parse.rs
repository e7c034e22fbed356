//! Reading a manifest from strict JSON.
//!
//! A member that a generation may not have is refused like an unknown one. Signatures and succession are the chain's.

use super::{
    AttestationRoot, Durability, Manifest, Person, PublicKey, Recipient, Release, Running, Version,
};
use crate::{
    codec::json::{Object, Place},
    crypto::sha256,
    id::{Digest, Pcr},
    jwk::P256_SPKI_PREFIX,
    log::checkpoint::LogKey,
    owner::{Error, read},
    wire::control::MAX_MANIFEST,
};
use std::{collections::BTreeSet, fmt};

/// Owners, and operators, of one manifest at most.
pub const MAX_PEOPLE: usize = 32;
/// Keys of one person at most.
pub const MAX_KEYS_PER_PERSON: usize = 16;
/// Longest name of a person in bytes.
pub const MAX_PERSON_NAME: usize = 64;
/// Longest origin in bytes: with its suffix it stands in every leaf.
pub const MAX_ORIGIN: usize = 128;
/// Recipients at most.
pub const MAX_RECIPIENTS: usize = 16;
/// Longest ARN in bytes (AWS KMS API reference, `KeyId`: 2048).
pub const MAX_ARN: usize = 2048;
/// Releases at most.
pub const MAX_RELEASES: usize = 64;
/// Largest certificate of a simulation's root.
pub const MAX_CERTIFICATE: usize = 8 * 1024;
const UNBUILT: [&str; 3] = ["heartbeat", "leases", "witnesses"];

impl Manifest {
    /// Reads a manifest's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = read::document(bytes, MAX_MANIFEST)?;
        let mut object = Object::new(&value, "")?;
        read::version(&mut object)?;
        if let Some(place) = UNBUILT.iter().find_map(|name| object.optional(name)) {
            return Err(Error::unsupported(&place, "no such member"));
        }
        let generation = object.required("generation")?.u64()?;
        let origin = read::text(&object.required("origin")?, ORIGIN, is_origin)?;
        let Governance {
            owners,
            threshold,
            operators,
        } = governance(&mut object)?;
        let recipients = recipients(&object.required("recipients")?)?;
        let mut manifest = Self {
            digest: sha256(&[bytes]),
            origin,
            generation,
            supersedes: None,
            anchor: false,
            attestation_root: None,
            owners,
            threshold,
            operators,
            recipients,
            running: None,
        };
        if generation == 0 {
            let root = object.required("attestation_root")?;
            manifest.attestation_root = Some(attestation_root(&root)?);
        } else {
            manifest.read_later(&mut object)?;
        }
        object.finish()?;
        Ok(manifest)
    }

    fn read_later(&mut self, object: &mut Object<'_>) -> Result<(), Error> {
        self.supersedes = Some(read::digest(&object.required("supersedes")?)?);
        self.anchor = read::flag(object, "anchor")?;
        if self.generation == 1 && !self.anchor {
            let place = object.required("anchor")?;
            return Err(Error::invalid(&place, "true: generation 1 is an anchor"));
        }
        self.running = Some(running(object)?);
        Ok(())
    }
}

const ORIGIN: &str =
    "at most 128 letters, digits, `.`, `_` or `-` in segments between slashes, as acme/claviger";

fn is_origin(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let segment = |part: &str| {
        let starts = part
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        starts && part.bytes().all(fine)
    };
    text.len() <= MAX_ORIGIN && text.split('/').all(segment)
}

struct Governance {
    owners: Vec<Person>,
    threshold: usize,
    operators: Vec<Person>,
}

fn governance(object: &mut Object<'_>) -> Result<Governance, Error> {
    let mut seen = Seen::default();
    let place = object.required("owners")?;
    let owners = read::some(&place, people(&place, &mut seen)?)?;
    let operators = match object.optional("operators") {
        Some(place) => people(&place, &mut seen)?,
        None => Vec::new(),
    };
    let place = object.required("threshold")?;
    let threshold = usize::try_from(place.u64()?).unwrap_or(usize::MAX);
    // Two thresholds must share a person: otherwise two halves could each sign a next generation.
    if threshold > owners.len() || threshold.saturating_mul(2) <= owners.len() {
        return Err(Error::invalid(
            &place,
            "more than half of the owners, at most all of them",
        ));
    }
    Ok(Governance {
        owners,
        threshold,
        operators,
    })
}

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    points: BTreeSet<Vec<u8>>,
}

fn people(place: &Place<'_>, seen: &mut Seen) -> Result<Vec<Person>, Error> {
    read::each(place, MAX_PEOPLE, |place| person(place, seen))
}

fn person(place: &Place<'_>, seen: &mut Seen) -> Result<Person, Error> {
    let mut object = place.object()?;
    let place = object.required("name")?;
    let name = read::text(&place, "a name of at most 64 bytes", |text| {
        let printable = !text.chars().any(char::is_control) && text.trim() == text;
        printable && !text.is_empty() && text.len() <= MAX_PERSON_NAME
    })?;
    if !seen.names.insert(name.clone()) {
        return Err(Error::invalid(&place, "a name nobody else here has"));
    }
    let place = object.required("keys")?;
    let keys = read::each(&place, MAX_KEYS_PER_PERSON, |place| key(place, seen))?;
    let keys = read::some(&place, keys)?;
    object.finish()?;
    Ok(Person { name, keys })
}

/// One point is one key, whatever the line says about it.
fn key(place: &Place<'_>, seen: &mut Seen) -> Result<PublicKey, Error> {
    let expected = "a public key line: ssh-ed25519, sk-ssh-ed25519 or ecdsa-sha2-nistp256";
    let key = read::parsed(place, expected, PublicKey::parse_line)?;
    let point = key.point().map(<[u8]>::to_vec).unwrap_or_default();
    if seen.points.insert(point) {
        Ok(key)
    } else {
        Err(Error::invalid(place, "a key that stands nowhere else here"))
    }
}

fn recipients(place: &Place<'_>) -> Result<Vec<Recipient>, Error> {
    let mut arns = BTreeSet::new();
    let list = read::each(place, MAX_RECIPIENTS, |place| {
        let mut object = place.object()?;
        let arn_place = object.required("arn")?;
        let arn = read::text(&arn_place, "the ARN of a KMS key", |text| {
            !text.is_empty() && text.len() <= MAX_ARN && text.bytes().all(|b| b.is_ascii_graphic())
        })?;
        if !arns.insert(arn.clone()) {
            return Err(Error::invalid(&arn_place, "each recipient once"));
        }
        let public_key = spki(&object.required("public_key")?)?;
        object.finish()?;
        Ok(Recipient { arn, public_key })
    })?;
    read::some(place, list)
}

fn spki(place: &Place<'_>) -> Result<Vec<u8>, Error> {
    let bytes = read::bytes(place, MAX_MANIFEST)?;
    let point = bytes.strip_prefix(&P256_SPKI_PREFIX);
    // SEC 1 §2.3.3: 4 says uncompressed.
    if point.is_some_and(|point| point.len() == 65 && point.first() == Some(&4)) {
        Ok(bytes)
    } else {
        let expected = "base64 of a P-256 SubjectPublicKeyInfo, uncompressed";
        Err(Error::invalid(place, expected))
    }
}

fn attestation_root(place: &Place<'_>) -> Result<AttestationRoot, Error> {
    let expected = "\"aws\" or {\"certificate\": base64 of a DER certificate}";
    if let Some(word) = place.value().as_str() {
        return if word == "aws" {
            Ok(AttestationRoot::Aws)
        } else {
            Err(Error::invalid(place, expected))
        };
    }
    let mut object = place.object()?;
    let place = object.required("certificate")?;
    let certificate = read::bytes(&place, MAX_CERTIFICATE)?;
    object.finish()?;
    if certificate.is_empty() {
        Err(Error::invalid(&place, "a DER certificate"))
    } else {
        Ok(AttestationRoot::Certificate(certificate))
    }
}

fn running(object: &mut Object<'_>) -> Result<Running, Error> {
    let bundle = read::digest(&object.required("bundle")?)?;
    let (log_vkey, first_root) = log(&object.required("log")?)?;
    let place = object.required("releases")?;
    let releases = read::some(&place, read::each_once(&place, MAX_RELEASES, release)?)?;
    let min_version = version(&object.required("min_version")?)?;
    let durability = match object.optional("durability") {
        Some(place) => durability(&place)?,
        None => Durability::Durable,
    };
    let rollback_accepted = match object.optional("rollback") {
        Some(place) => {
            read::text(&place, "\"accepted\"", |text| text == "accepted").map(|_| true)?
        }
        None => false,
    };
    Ok(Running {
        bundle,
        log_vkey,
        first_root,
        releases,
        min_version,
        durability,
        rollback_accepted,
    })
}

fn log(place: &Place<'_>) -> Result<(String, Digest), Error> {
    let mut object = place.object()?;
    let vkey = object.required("vkey")?;
    read::parsed(&vkey, "an Ed25519 verifier key of a log", LogKey::parse)?;
    let first_root = read::digest(&object.required("first_root")?)?;
    object.finish()?;
    Ok((vkey.str()?.to_owned(), first_root))
}

fn release(place: &Place<'_>) -> Result<Release, Error> {
    let mut object = place.object()?;
    let release = Release {
        version: version(&object.required("version")?)?,
        pcr0: pcr(&object.required("pcr0")?)?,
        pcr1: pcr(&object.required("pcr1")?)?,
        pcr2: pcr(&object.required("pcr2")?)?,
    };
    object.finish()?;
    Ok(release)
}

/// A measurement; all zeroes are what an enclave in debug mode shows.
fn pcr(place: &Place<'_>) -> Result<Pcr, Error> {
    let expected = "a SHA-384 measurement in hexadecimal, not all zero";
    let pcr = read::parsed(place, expected, Pcr::parse)?;
    if pcr.0 == [0; 48] {
        Err(Error::invalid(place, expected))
    } else {
        Ok(pcr)
    }
}

fn version(place: &Place<'_>) -> Result<Version, Error> {
    read::parsed(place, "a version such as 0.1.0", |text| {
        Version::parse(text).ok_or(())
    })
}

fn durability(place: &Place<'_>) -> Result<Durability, Error> {
    match place.str()? {
        "durable" => Ok(Durability::Durable),
        "volatile" => Ok(Durability::Volatile),
        _ => Err(Error::invalid(place, "\"durable\" or \"volatile\"")),
    }
}

impl Version {
    /// Reads `major.minor.patch`: three decimal numbers without leading zeroes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(number);
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if plain && digits {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
