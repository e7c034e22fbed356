//! Who signed, and whether they are enough: the one place where signatures are counted.
//!
//! [`keys`] returns keys whose signatures verified over the exact bytes. A person counts once, whichever of their keys
//! signed and however often. It does not know what the bytes mean.

use super::{
    Error,
    manifest::Person,
    sshsig::{self, PublicKey},
};
use crate::{crypto::Verifier, wire::control::MAX_SIGNATURES};

/// The keys that signed, in the order of the signatures.
pub(super) fn keys(
    namespace: &str,
    body: &[u8],
    signatures: &[String],
    verifier: &dyn Verifier,
) -> Result<Vec<PublicKey>, Error> {
    if signatures.len() > MAX_SIGNATURES {
        let expected = format!("at most {MAX_SIGNATURES} signatures");
        return Err(Error::new(Error::SIGNATURE, "/signatures", expected));
    }
    let check = |(at, armored): (usize, &String)| {
        sshsig::verify(armored, namespace, body, verifier)
            .map_err(|error| error.under(&format!("/signatures/{at}")))
    };
    signatures.iter().enumerate().map(check).collect()
}

/// Refuses a signature by a key that is none of these people's.
pub(super) fn known<'a>(
    keys: &[PublicKey],
    people: impl Iterator<Item = &'a Person> + Clone,
    expected: &'static str,
) -> Result<(), Error> {
    for (at, key) in keys.iter().enumerate() {
        if !people.clone().any(|person| person.keys.contains(key)) {
            let pointer = format!("/signatures/{at}");
            return Err(Error::new(Error::SIGNATURE, pointer, expected));
        }
    }
    Ok(())
}

/// Refuses fewer than `threshold` distinct people.
pub(super) fn require(
    keys: &[PublicKey],
    people: &[Person],
    threshold: usize,
    whose: &'static str,
) -> Result<(), Error> {
    let signed = people
        .iter()
        .filter(|person| person.keys.iter().any(|key| keys.contains(key)));
    // A threshold of nobody is no threshold.
    if threshold > 0 && signed.count() >= threshold {
        Ok(())
    } else {
        let expected = format!("signatures of {threshold} distinct people among {whose}");
        Err(Error::new(Error::THRESHOLD, "/signatures", expected))
    }
}
