//! What attestation documents bind: the `user_data` of each purpose, as a labelled SHA-256 over canonical CBOR.
//!
//! The enclave puts it in, owners, KMS-side tools and clients compute it again. This module makes no document.

use crate::id::Digest;

/// `user_data` of the document that Genesis answers with.
#[must_use]
pub fn genesis_user_data(
    _nonce: &[u8],
    _g0: &Digest,
    _bundle: &Digest,
    _log_vkey: &str,
    _first_root: &Digest,
) -> Digest {
    todo!()
}

/// `user_data` of a document for KMS.
#[must_use]
pub fn kms_user_data(_origin: &str, _g0: &Digest, _manifest: &Digest) -> Digest {
    todo!()
}

/// `user_data` of a document that carries the channel key of one boot.
#[must_use]
pub fn channel_user_data(_origin: &str, _boot: &Digest, _manifest: &Digest) -> Digest {
    todo!()
}
