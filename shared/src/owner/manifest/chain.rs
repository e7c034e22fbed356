//! The manifest chain: signatures and succession from g0 to the newest.
//!
//! Having a [`Chain`] means g0 is signed by its own owners, every later generation by its own and the previous owners,
//! and nothing changed that never may. It does not say that the newest here is the newest there is.

use super::Manifest;
use crate::{
    codec::json::{Object, Place},
    crypto::Verifier,
    id::Digest,
    label::NAMESPACE_MANIFEST,
    owner::{Error, read, threshold},
    wire::control::{MAX_MANIFEST, MAX_MANIFESTS, Signed},
};
use base64::{Engine, engine::general_purpose::STANDARD};

mod succession;

/// Largest chain file in bytes: [`MAX_MANIFESTS`] of the largest manifests, in base64, with every signature.
pub const MAX_FILE: usize = 16 * 1024 * 1024;

/// A chain of manifests. Having one means every link was signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    g0: Link,
    later: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    manifest: Manifest,
    bytes: Vec<u8>,
}

impl Chain {
    /// Reads `{"manifests":[{"body":b64,"signatures":[…]}]}`.
    ///
    /// # Errors
    ///
    /// [`Error::MALFORMED`], or [`Error::INVALID`] for a limit.
    pub fn parse_file(bytes: &[u8]) -> Result<Vec<Signed>, Error> {
        let value = read::document(bytes, MAX_FILE)?;
        let mut object = Object::new(&value, "")?;
        let place = object.required("manifests")?;
        object.finish()?;
        read::some(&place, read::each(&place, MAX_MANIFESTS, signed)?)
    }

    /// Writes what [`Self::parse_file`] reads.
    #[must_use]
    pub fn to_file(links: &[Signed]) -> String {
        let link = |signed: &Signed| {
            serde_json::Value::Object(serde_json::Map::from_iter([
                ("body".to_owned(), STANDARD.encode(&signed.body).into()),
                ("signatures".to_owned(), signed.signatures.clone().into()),
            ]))
        };
        let manifests: serde_json::Value = links.iter().map(link).collect();
        let file = serde_json::Map::from_iter([("manifests".to_owned(), manifests)]);
        serde_json::Value::Object(file).to_string()
    }

    /// Checks signatures and succession of a whole chain.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the generation in its pointer.
    pub fn verify(links: &[Signed], verifier: &dyn Verifier) -> Result<Self, Error> {
        let Some((first, rest)) = links.split_first() else {
            return Err(Error::new(Error::MALFORMED, "/manifests", "at least g0"));
        };
        if links.len() > MAX_MANIFESTS {
            let expected = format!("at most {MAX_MANIFESTS} manifests");
            return Err(Error::new(Error::MALFORMED, "/manifests", expected));
        }
        let g0 = verify_first(first, verifier).map_err(|error| error.under("/manifests/0"))?;
        let mut chain = Self {
            g0,
            later: Vec::new(),
        };
        for (at, signed) in (1_usize..).zip(rest) {
            let link = chain
                .verify_next(signed, verifier)
                .map_err(|error| error.under(&format!("/manifests/{at}")))?;
            chain.later.push(link);
        }
        Ok(chain)
    }

    /// The chain with one more generation.
    ///
    /// # Errors
    ///
    /// An [`Error`] with its place in the link: under `/body` or `/signatures`.
    pub fn extended(&self, signed: &Signed, verifier: &dyn Verifier) -> Result<Self, Error> {
        // g0 is a link too.
        if self.later.len().saturating_add(1) >= MAX_MANIFESTS {
            let expected = format!("a chain of at most {MAX_MANIFESTS} manifests");
            return Err(Error::new(Error::SUCCESSION, "/body", expected));
        }
        let link = self.verify_next(signed, verifier)?;
        let mut chain = self.clone();
        chain.later.push(link);
        Ok(chain)
    }

    /// The chain as it was when this generation was its newest; nothing where it does not hold it.
    #[must_use]
    pub fn up_to(&self, generation: u64) -> Option<Self> {
        let later = usize::try_from(generation).ok()?;
        Some(Self {
            g0: self.g0.clone(),
            later: self.later.get(..later)?.to_vec(),
        })
    }

    fn verify_next(&self, signed: &Signed, verifier: &dyn Verifier) -> Result<Link, Error> {
        let before = self.newest();
        let (link, keys) = open(signed, verifier)?;
        let next = &link.manifest;
        succession::check(self.g0(), before, next).map_err(|error| error.under("/body"))?;
        let people = next.owners.iter().chain(&before.owners);
        threshold::known(
            &keys,
            people,
            "an owner's key of this or the previous generation",
        )?;
        threshold::require(
            &keys,
            &before.owners,
            before.threshold,
            "the previous owners",
        )?;
        threshold::require(&keys, &next.owners, next.threshold, "its own owners")?;
        Ok(link)
    }

    /// SHA-256 of g0: the deployment.
    #[must_use]
    pub const fn fingerprint(&self) -> Digest {
        self.g0.manifest.digest
    }

    /// g0.
    #[must_use]
    pub const fn g0(&self) -> &Manifest {
        &self.g0.manifest
    }

    /// The newest manifest.
    #[must_use]
    pub fn newest(&self) -> &Manifest {
        &self.later.last().unwrap_or(&self.g0).manifest
    }

    /// A generation's manifest.
    #[must_use]
    pub fn get(&self, generation: u64) -> Option<&Manifest> {
        self.link(generation).map(|link| &link.manifest)
    }

    /// A generation's exact bytes.
    #[must_use]
    pub fn bytes(&self, generation: u64) -> Option<&[u8]> {
        self.link(generation).map(|link| link.bytes.as_slice())
    }

    /// The newest manifest that is an anchor; nothing under g0 alone.
    #[must_use]
    pub fn newest_anchor(&self) -> Option<&Manifest> {
        let mut newest_first = self.later.iter().rev().map(|link| &link.manifest);
        newest_first.find(|manifest| manifest.anchor)
    }

    /// What the first command of any chain names as `prev`: g1's digest, g0's where there is no g1 yet.
    #[must_use]
    pub fn first_command_prev(&self) -> Digest {
        self.later.first().unwrap_or(&self.g0).manifest.digest
    }

    fn link(&self, generation: u64) -> Option<&Link> {
        match generation.checked_sub(1) {
            None => Some(&self.g0),
            Some(at) => self.later.get(usize::try_from(at).ok()?),
        }
    }
}

fn signed(place: &Place<'_>) -> Result<Signed, Error> {
    let mut object = place.object()?;
    let body = read::bytes(&object.required("body")?, MAX_MANIFEST)?;
    let place = object.required("signatures")?;
    let signatures = read::some(&place, read::signatures(&place)?)?;
    let signed = Signed { body, signatures };
    object.finish()?;
    Ok(signed)
}

fn verify_first(signed: &Signed, verifier: &dyn Verifier) -> Result<Link, Error> {
    let (link, keys) = open(signed, verifier)?;
    let Manifest {
        generation,
        owners,
        threshold,
        ..
    } = &link.manifest;
    if *generation != 0 {
        return Err(Error::new(Error::SUCCESSION, "/body/generation", "0 first"));
    }
    threshold::known(&keys, owners.iter(), "an owner's key")?;
    threshold::require(&keys, owners, *threshold, "its own owners")?;
    Ok(link)
}

fn open(
    signed: &Signed,
    verifier: &dyn Verifier,
) -> Result<(Link, Vec<crate::owner::sshsig::PublicKey>), Error> {
    let Signed { body, signatures } = signed;
    let manifest = Manifest::parse(body).map_err(|error| error.under("/body"))?;
    let keys = threshold::keys(NAMESPACE_MANIFEST, body, signatures, verifier)?;
    let bytes = body.clone();
    Ok((Link { manifest, bytes }, keys))
}

#[cfg(test)]
mod tests;
