//! What attestation documents bind: the `user_data` of each purpose, as a labelled SHA-256 over canonical CBOR.
//!
//! The enclave puts it in, owners, KMS-side tools and clients compute it again. This module makes no document.

use crate::{codec::cbor, crypto::sha256, id::Digest, label};
use serde::Serialize;

#[derive(Serialize)]
struct Genesis<'a> {
    purpose: &'static str,
    #[serde(with = "serde_bytes")]
    nonce: &'a [u8],
    g0: &'a Digest,
    bundle: &'a Digest,
    log_vkey: &'a str,
    first_root: &'a Digest,
}

#[derive(Serialize)]
struct Kms<'a> {
    purpose: &'static str,
    origin: &'a str,
    g0: &'a Digest,
    manifest: &'a Digest,
}

#[derive(Serialize)]
struct Channel<'a> {
    purpose: &'static str,
    origin: &'a str,
    boot: &'a Digest,
    manifest: &'a Digest,
}

/// `user_data` of the document that Genesis answers with.
#[must_use]
pub fn genesis_user_data(
    nonce: &[u8],
    g0: &Digest,
    bundle: &Digest,
    log_vkey: &str,
    first_root: &Digest,
) -> Digest {
    let bound = Genesis {
        purpose: "genesis",
        nonce,
        g0,
        bundle,
        log_vkey,
        first_root,
    };
    labelled(label::ATTEST_GENESIS, &bound)
}

/// `user_data` of a document for KMS.
#[must_use]
pub fn kms_user_data(origin: &str, g0: &Digest, manifest: &Digest) -> Digest {
    let bound = Kms {
        purpose: "kms",
        origin,
        g0,
        manifest,
    };
    labelled(label::ATTEST_KMS, &bound)
}

/// `user_data` of a document that carries the channel key of one boot.
#[must_use]
pub fn channel_user_data(origin: &str, boot: &Digest, manifest: &Digest) -> Digest {
    let bound = Channel {
        purpose: "channel",
        origin,
        boot,
        manifest,
    };
    labelled(label::ATTEST_CHANNEL, &bound)
}

fn labelled<T: Serialize>(label: &[u8], bound: &T) -> Digest {
    // Texts and byte strings always encode.
    sha256(&[label, &cbor::encode(bound).unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn digest(byte: u8) -> Digest {
        Digest([byte; 32])
    }

    #[test]
    fn every_input_is_bound() {
        let (a, b) = (digest(1), digest(2));
        let all = [
            genesis_user_data(b"n", &a, &a, "k", &a),
            genesis_user_data(b"m", &a, &a, "k", &a),
            genesis_user_data(b"n", &b, &a, "k", &a),
            genesis_user_data(b"n", &a, &b, "k", &a),
            genesis_user_data(b"n", &a, &a, "l", &a),
            genesis_user_data(b"n", &a, &a, "k", &b),
            kms_user_data("o", &a, &a),
            kms_user_data("p", &a, &a),
            kms_user_data("o", &b, &a),
            kms_user_data("o", &a, &b),
            channel_user_data("o", &a, &a),
            channel_user_data("p", &a, &a),
            channel_user_data("o", &b, &a),
            channel_user_data("o", &a, &b),
        ];
        assert_eq!(BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn the_bytes_are_the_label_and_a_cbor_map_in_order() {
        let cbor = [
            b"\xa4\x67purpose\x63kms\x66origin\x61o\x62g0\x58\x20".as_slice(),
            &[1; 32],
            b"\x68manifest\x58\x20",
            &[2; 32],
        ]
        .concat();
        let expected = sha256(&[b"claviger/v1/attest-kms\0", &cbor]);
        assert_eq!(kms_user_data("o", &digest(1), &digest(2)), expected);
    }
}
