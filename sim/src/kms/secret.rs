//! Symmetric keys and their ciphertext blobs: AES-256-GCM, bound to the key's id and to the encryption context.
//!
//! ```text
//! blob = 1 ‖ length of id u8 ‖ id ‖ nonce[12] ‖ ciphertext ‖ tag[16]
//! AAD  = "claviger-sim/kms/1" ‖ 0 ‖ everything before the nonce ‖ for each pair, by name: len u32be ‖ name ‖ len u32be ‖ value
//! ```
//!
//! A blob names its key, so Decrypt needs no KeyId. Its form is not AWS's, which is not published.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Additional data that a caller gives: names and values, exactly as given.
pub(super) type EncryptionContext = BTreeMap<String, String>;

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"claviger-sim/kms/1\0";
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// A 256-bit key, zeroed on drop.
pub(super) struct SymmetricKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey")
    }
}

/// A blob taken apart; nothing of it is proved yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob<'a> {
    head: &'a [u8],
    /// Id of the key that made it, as it says.
    pub(super) id: &'a str,
    nonce: &'a [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Blob<'a> {
    /// None if the bytes are no blob of this simulation.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [VERSION, length, rest @ ..] = bytes else {
            return None;
        };
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (head, _) = bytes.split_at_checked(bytes.len().checked_sub(rest.len())?)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        (sealed.len() >= TAG_LEN).then_some(Self {
            head,
            id: std::str::from_utf8(id).ok()?,
            nonce,
            sealed,
        })
    }
}

impl SymmetricKey {
    pub(super) const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The one door to the bytes.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0[..]
    }

    /// Encrypts under a context; none if the machine gives no random bytes.
    pub(super) fn seal(
        &self,
        id: &str,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Option<Vec<u8>> {
        let mut blob = vec![VERSION, u8::try_from(id.len()).ok()?];
        blob.extend_from_slice(id.as_bytes());
        let aad = Aad::from(additional(&blob, context)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.expose()).ok()?;
        let mut sealed = plaintext.to_vec();
        let nonce = key.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        blob.extend_from_slice(nonce.as_ref());
        blob.extend_from_slice(&sealed);
        Some(blob)
    }

    /// Decrypts; none unless key and context are those of the encryption and no bit changed.
    pub(super) fn open(
        &self,
        blob: &Blob<'_>,
        context: &EncryptionContext,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let aad = Aad::from(additional(blob.head, context)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.expose()).ok()?;
        let mut in_out = Zeroizing::new(blob.sealed.to_vec());
        let nonce = Nonce::from(blob.nonce);
        let plain = key.open_in_place(nonce, aad, &mut in_out).ok()?;
        Some(Zeroizing::new(plain.to_vec()))
    }
}

fn additional(head: &[u8], context: &EncryptionContext) -> Option<Vec<u8>> {
    let mut out = [DOMAIN, head].concat();
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_blob_opens_with_its_key_its_id_and_its_context_only() {
        let key = SymmetricKey::new([7; 32].into());
        let under = context(&[("a", "b"), ("c", "")]);
        let blob = key.seal("id", &under, b"text").unwrap();
        let open = |key: &SymmetricKey, blob: &[u8], context: &EncryptionContext| {
            Blob::parse(blob).and_then(|blob| key.open(&blob, context))
        };
        assert_eq!(&open(&key, &blob, &under).unwrap()[..], b"text".as_slice());
        let other = SymmetricKey::new([8; 32].into());
        assert!(open(&other, &blob, &under).is_none());
        for wrong in [
            &[][..],
            &[("a", "b")],
            &[("a", "bc"), ("", "")],
            &[("A", "b"), ("c", "")],
            &[("a", "b"), ("c", ""), ("d", "")],
        ] {
            assert!(open(&key, &blob, &context(wrong)).is_none(), "{wrong:?}");
        }
        for at in 0..blob.len() {
            let mut bent = blob.clone();
            bent[at] ^= 1;
            assert!(open(&key, &bent, &under).is_none(), "{at}");
            assert!(open(&key, &blob[..at], &under).is_none(), "{at}");
        }
    }
}
