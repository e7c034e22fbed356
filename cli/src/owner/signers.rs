//! Who has signed, and who is still missing: by name, each person once.

use crate::Error;
use claviger_shared::owner::{
    self,
    manifest::Person,
    sshsig::{self, PublicKey},
};
use claviger_verify::ring_verifier::RingVerifier;

/// Bytes with the signatures that were collected for them.
#[derive(Debug, Clone, Copy)]
pub struct Collected<'a> {
    /// What they sign it as.
    pub namespace: &'a str,
    /// The exact bytes.
    pub body: &'a [u8],
    /// Armoured signatures.
    pub signatures: &'a [String],
}

impl Collected<'_> {
    fn keys(&self) -> Vec<PublicKey> {
        let check = |armored: &String| {
            sshsig::verify(armored, self.namespace, self.body, &RingVerifier).ok()
        };
        self.signatures.iter().filter_map(check).collect()
    }

    /// What is missing for a threshold among these people, in words; nothing where it is met.
    #[must_use]
    pub fn missing(&self, people: &[Person], threshold: usize) -> Option<String> {
        let keys = self.keys();
        let signed = |person: &&Person| person.keys.iter().any(|key| keys.contains(key));
        let names = |people: Vec<&Person>| {
            let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
            names.join(", ")
        };
        let (have, lack): (Vec<&Person>, Vec<&Person>) = people.iter().partition(signed);
        let more = threshold.saturating_sub(have.len());
        if more == 0 {
            return None;
        }
        let have = if have.is_empty() {
            "nobody".to_owned()
        } else {
            names(have)
        };
        Some(format!(
            "{threshold} of {} must; {have} signed, still missing {more} of {}",
            people.len(),
            names(lack)
        ))
    }

    /// What a refusal of these signatures means: too few people are pending, anything else is refused.
    #[must_use]
    pub fn refusal(&self, error: &owner::Error, people: &[Person], threshold: usize) -> Error {
        let detail = format!("expected {}", error.expected());
        if error.code() == owner::Error::THRESHOLD {
            return Error::Pending(self.missing(people, threshold).unwrap_or(detail));
        }
        Error::Refused {
            code: "signatures".to_owned(),
            pointer: Some(error.pointer().to_owned()),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{self, Signer};

    fn person(dir: &std::path::Path, name: &str) -> (Signer, Person) {
        let path = dir.join(name);
        std::fs::write(&path, ssh::generate(name).unwrap().0.as_bytes()).unwrap();
        let signer = Signer::read(&path).unwrap();
        let keys = vec![signer.public().clone()];
        let name = name.to_owned();
        (signer, Person { name, keys })
    }

    #[test]
    fn people_are_counted_once_and_the_missing_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (ana, first) = person(dir.path(), "ana");
        let (ben, second) = person(dir.path(), "ben");
        let people = [first, second, person(dir.path(), "cleo").1];
        let sign = |signer: &Signer| signer.sign("command@claviger", b"x").unwrap();
        let missing = |signatures: &[String]| {
            let collected = Collected {
                namespace: "command@claviger",
                body: b"x",
                signatures,
            };
            collected.missing(&people, 2)
        };
        assert_eq!(
            missing(&[]).unwrap(),
            "2 of 3 must; nobody signed, still missing 2 of ana, ben, cleo"
        );
        let twice = [sign(&ana), sign(&ana)];
        assert_eq!(
            missing(&twice).unwrap(),
            "2 of 3 must; ana signed, still missing 1 of ben, cleo"
        );
        assert_eq!(missing(&[sign(&ana), sign(&ben)]), None);
        let other = ben.sign("manifest@claviger", b"x").unwrap();
        assert!(missing(&[sign(&ana), other]).is_some());
    }
}
