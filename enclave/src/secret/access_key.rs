//! Secret access keys of AWS, and the keys that follow from them for a day, Region and service.
//!
//! `kDate = HMAC("AWS4" ‖ secret, date)`, `kRegion = HMAC(kDate, Region)`, and so on (Signature Version 4). The last few
//! derived keys are kept, each for its day. This module does not know what is signed.

use aws_lc_rs::hmac;
use claviger_kinds::{SessionToken, aws::sigv4::TERMINATION};
use claviger_shared::crypto::import;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// How a secret access key is prefixed before it is used as a key.
const PREFIX: &[u8] = b"AWS4";
/// Derived keys kept of one secret.
const KEPT: usize = 8;

/// A secret access key.
pub struct AccessKey {
    secret: Zeroizing<Vec<u8>>,
    token: Option<SessionToken>,
    derived: RwLock<Vec<Derived>>,
}

/// One derived key, and for which date, Region and service.
struct Derived {
    scope: [Box<str>; 3],
    key: Arc<hmac::Key>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

impl AccessKey {
    /// Reads what [`import::access_key`] wrote.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let (key, token) = import::access_key_parts(bytes)?;
        // Room for all of it at once, so that no copy is left behind by growing.
        let mut secret = Zeroizing::new(Vec::with_capacity(PREFIX.len().saturating_add(key.len())));
        secret.extend_from_slice(PREFIX);
        secret.extend_from_slice(key);
        Some(Self {
            secret,
            token: (!token.is_empty()).then(|| SessionToken(token.into())),
            derived: RwLock::new(Vec::new()),
        })
    }

    /// Of temporary credentials.
    #[must_use]
    pub fn session_token(&self) -> Option<SessionToken> {
        self.token.clone()
    }

    /// HMAC-SHA-256 under the key of a date, Region and service.
    #[must_use]
    pub fn sign(&self, scope: (&str, &str, &str), string: &[u8]) -> Vec<u8> {
        let key = self.kept(scope).unwrap_or_else(|| self.derive(scope));
        hmac::sign(&key, string).as_ref().to_vec()
    }

    fn kept(&self, (date, region, service): (&str, &str, &str)) -> Option<Arc<hmac::Key>> {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = derived.iter();
        let found = all.find(|one| {
            let [of_date, of_region, of_service] = &one.scope;
            (&**of_date, &**of_region, &**of_service) == (date, region, service)
        });
        found.map(|one| Arc::clone(&one.key))
    }

    fn derive(&self, (date, region, service): (&str, &str, &str)) -> Arc<hmac::Key> {
        let next = |key: &hmac::Key, part: &str| {
            let tag = hmac::sign(key, part.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let key = [date, region, service, TERMINATION]
            .into_iter()
            .fold(key, |key, part| next(&key, part));
        let key = Arc::new(key);
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        derived.retain(
            |Derived {
                 scope: [of, ..], ..
             }| &**of == date,
        );
        if derived.len() >= KEPT {
            derived.remove(0);
        }
        derived.push(Derived {
            scope: [date, region, service].map(Into::into),
            key: Arc::clone(&key),
        });
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string to sign of `get-vanilla`, in the published suite (tests/vectors/aws-sigv4).
    #[test]
    fn the_suites_key_signs_as_it_says() {
        let bytes = import::access_key(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"").unwrap();
        let key = AccessKey::new(&bytes).unwrap();
        let string = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n\
                      bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63";
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        for _ in 0..2 {
            let made = key.sign(("20150830", "us-east-1", "service"), string.as_bytes());
            assert_eq!(hex::encode(made), signature);
        }
        assert!(key.session_token().is_none());
        assert_eq!(format!("{key:?}"), "AccessKey");
    }

    #[test]
    fn few_derived_keys_are_kept_and_none_of_another_day() {
        let bytes = import::access_key(b"secret", b"token").unwrap();
        let key = AccessKey::new(&bytes).unwrap();
        let held = || key.derived.read().unwrap().len();
        let first = key.sign(("20261123", "eu-west-0", "s3"), b"x");
        for number in 1..20 {
            let _ = key.sign(("20261123", &format!("eu-west-{number}"), "s3"), b"x");
        }
        assert_eq!(held(), KEPT);
        assert_eq!(key.sign(("20261123", "eu-west-0", "s3"), b"x"), first);
        assert_ne!(key.sign(("20261124", "eu-west-0", "s3"), b"x"), first);
        assert_eq!(held(), 1);
        assert_eq!(
            format!("{:?}", key.session_token().unwrap()),
            "SessionToken"
        );
    }
}
