//! Sealing the root secret to the KMS keys that owners pinned, and opening it with what KMS derived.
//!
//! ECIES on P-256: a random data key seals the body; for each recipient, the ECDH secret of the ephemeral key and the
//! recipient's public key makes a key-encryption key that wraps the data key once. Sealing needs no trust in the courier:
//! the public keys stand in g0. This module does not speak with KMS.

use crate::{
    platform::Entropy,
    secret::{Failed, Secret, derive, open_once, open_with, seal_once, seal_with},
};
use aws_lc_rs::{
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    encoding::{AsDer, PublicKeyX509Der},
};
use claviger_shared::{
    bundle::{Bundle, Head, Recipient, VERSION, kek_info},
    codec::cbor,
    id::Digest,
    owner::manifest,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Longest body.
const MAX_BODY: usize = 512;
/// Bytes of a P-256 SubjectPublicKeyInfo before its point (RFC 5480 §2).
const SPKI_PREFIX: usize = 26;
/// Room that AES-256-GCM's tag takes.
const TAG: usize = 16;

/// What is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    v: u16,
    g0: Digest,
    #[serde(with = "serde_bytes")]
    root: Vec<u8>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.root.zeroize();
    }
}

/// Seals the root to every recipient.
///
/// # Errors
///
/// [`Failed`], also for a recipient whose key is not on P-256.
pub fn seal(
    entropy: &dyn Entropy,
    root: &Secret,
    g0: &Digest,
    recipients: &[manifest::Recipient],
) -> Result<Vec<u8>, Failed> {
    let data_key = Secret::generate(entropy).map_err(|_| Failed)?;
    let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(|_| Failed)?;
    let public: PublicKeyX509Der<'_> = ephemeral
        .compute_public_key()
        .and_then(|key| key.as_der())
        .map_err(|_| Failed)?;
    let public = public.as_ref();
    let wrap = |to: &manifest::Recipient| {
        let point = to.public_key.get(SPKI_PREFIX..).ok_or(Failed)?;
        let shared = agree(&ephemeral, point)?;
        let kek = kek(&shared, g0, &to.arn, &to.public_key, public)?;
        Ok(Recipient {
            arn: to.arn.clone(),
            spki: to.public_key.clone(),
            wrapped: seal_once(&kek, &[], data_key.expose())?,
        })
    };
    let recipients = recipients
        .iter()
        .map(wrap)
        .collect::<Result<Vec<_>, Failed>>()?;
    let mut nonce = [0; 12];
    entropy.fill(&mut nonce).map_err(|_| Failed)?;
    let head = Head {
        v: VERSION,
        g0: *g0,
        ephemeral: public.to_vec(),
        recipients,
        nonce,
    };
    let ct = seal_body(&data_key, &head, root)?;
    Bundle { head, ct }.encode().map_err(|_| Failed)
}

fn seal_body(data_key: &Secret, head: &Head, root: &Secret) -> Result<Vec<u8>, Failed> {
    let body = Body {
        v: VERSION,
        g0: head.g0,
        root: root.expose().to_vec(),
    };
    let encoded = Zeroizing::new(cbor::encode(&body).map_err(|_| Failed)?);
    // Room for the tag is made first, so that no copy of the text is left behind by growing.
    let mut text = Zeroizing::new(Vec::with_capacity(encoded.len().saturating_add(TAG)));
    text.extend_from_slice(&encoded);
    seal_with(data_key, head.nonce, &head.aad().map_err(|_| Failed)?, text)
}

fn agree(ephemeral: &PrivateKey, point: &[u8]) -> Result<Secret, Failed> {
    let peer = UnparsedPublicKey::new(&ECDH_P256, point);
    agreement::agree(ephemeral, peer, Failed, Secret::copy_of)
}

fn kek(
    shared: &Secret,
    g0: &Digest,
    arn: &str,
    spki: &[u8],
    ephemeral: &[u8],
) -> Result<Secret, Failed> {
    derive(shared.expose(), &g0.0, &kek_info(arn, spki, ephemeral))
}

/// Opens a bundle with the secret that one recipient's KMS key derived.
///
/// # Errors
///
/// [`Failed`] when the secret is not that recipient's, or the bundle not of this deployment.
pub fn open(
    bundle: &Bundle,
    recipient: &str,
    shared: &Secret,
    g0: &Digest,
) -> Result<Secret, Failed> {
    let Bundle { head, ct } = bundle;
    if head.v != VERSION || head.g0 != *g0 {
        return Err(Failed);
    }
    let to = head
        .recipients
        .iter()
        .find(|to| to.arn == recipient)
        .ok_or(Failed)?;
    let kek = kek(shared, g0, &to.arn, &to.spki, &head.ephemeral)?;
    let mut data_key = open_once(&kek, &[], &to.wrapped)?;
    let data_key: &mut [u8; 32] = data_key.as_mut_slice().try_into().map_err(|_| Failed)?;
    let data_key = Secret::take(data_key);
    let text = open_with(&data_key, head.nonce, &head.aad().map_err(|_| Failed)?, ct)?;
    let mut body: Body = cbor::decode(&text, MAX_BODY).map_err(|_| Failed)?;
    if body.v != VERSION || body.g0 != *g0 {
        return Err(Failed);
    }
    let root: &mut [u8; 32] = body.root.as_mut_slice().try_into().map_err(|_| Failed)?;
    Ok(Secret::take(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::NoEntropy;

    struct System;

    impl Entropy for System {
        fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
            aws_lc_rs::rand::fill(out).map_err(|_| NoEntropy)
        }
    }

    /// What KMS does: ECDH of its private key with the ephemeral key.
    fn kms(key: &PrivateKey, bundle: &Bundle) -> Secret {
        agree(key, &bundle.head.ephemeral[SPKI_PREFIX..]).unwrap()
    }

    fn recipient(arn: &str) -> (PrivateKey, manifest::Recipient) {
        let key = PrivateKey::generate(&ECDH_P256).unwrap();
        let spki: PublicKeyX509Der<'_> = key.compute_public_key().unwrap().as_der().unwrap();
        let public_key = spki.as_ref().to_vec();
        assert_eq!(public_key.len(), SPKI_PREFIX + 65);
        (
            key,
            manifest::Recipient {
                arn: arn.to_owned(),
                public_key,
            },
        )
    }

    #[test]
    fn every_recipient_opens_it_and_nobody_else() {
        let (one, first) = recipient("arn:1");
        let (two, second) = recipient("arn:2");
        let (root, g0) = (Secret::take(&mut [7; 32]), Digest([1; 32]));
        let bytes = seal(&System, &root, &g0, &[first, second]).unwrap();
        let bundle = Bundle::parse(&bytes).unwrap();
        assert_eq!(
            open(&bundle, "arn:1", &kms(&one, &bundle), &g0)
                .unwrap()
                .expose(),
            &[7; 32]
        );
        assert_eq!(
            open(&bundle, "arn:2", &kms(&two, &bundle), &g0)
                .unwrap()
                .expose(),
            &[7; 32]
        );
        open(&bundle, "arn:1", &kms(&two, &bundle), &g0).unwrap_err();
        open(&bundle, "arn:3", &kms(&one, &bundle), &g0).unwrap_err();
        open(&bundle, "arn:1", &kms(&one, &bundle), &Digest([2; 32])).unwrap_err();
    }

    #[test]
    fn no_part_of_it_can_be_changed() {
        let (key, to) = recipient("arn:1");
        let (root, g0) = (Secret::take(&mut [7; 32]), Digest([1; 32]));
        let bytes = seal(&System, &root, &g0, &[to]).unwrap();
        let whole = Bundle::parse(&bytes).unwrap();
        let shared = kms(&key, &whole);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let opened = Bundle::parse(&changed)
                .ok()
                .and_then(|bundle| open(&bundle, "arn:1", &shared, &g0).ok());
            assert!(opened.is_none(), "byte {at}");
        }
    }

    #[test]
    fn a_recipient_off_the_curve_is_refused() {
        let (_, mut to) = recipient("arn:1");
        to.public_key[SPKI_PREFIX + 40] ^= 1;
        let root = Secret::take(&mut [7; 32]);
        seal(&System, &root, &Digest([1; 32]), &[to]).unwrap_err();
    }
}
