//! A real document verifies at its own time under the compiled-in root, and at no other.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::super::root::AWS_ROOT_G1_SHA256;
use super::super::{At, Error, MAX_AHEAD_MS, Root, verify, verify_at};
use super::at_own_time;
use super::pki::Pki;

const MADE_MS: u64 = 1_694_102_161_556;
const MINUTE_MS: u64 = 60_000;

fn sample() -> Vec<u8> {
    STANDARD
        .decode(include_str!("../data/aws-2023-09-07.b64").trim())
        .unwrap()
}

#[test]
fn the_compiled_in_root_has_the_fingerprint_aws_publishes() {
    assert_eq!(
        hex::encode(digest(&SHA256, Root::Aws.der())),
        AWS_ROOT_G1_SHA256
    );
}

#[test]
fn a_real_document_verifies_at_its_own_time() {
    let document = at_own_time(&sample(), &Root::Aws).unwrap();
    assert_eq!(
        document.module_id(),
        "i-0644948d93f19c17b-enc018a705a4fc6e067"
    );
    assert_eq!(document.timestamp_ms(), MADE_MS);
    assert_eq!(
        document.pcrs().keys().copied().collect::<Vec<_>>(),
        (0..16).collect::<Vec<u8>>()
    );
    assert!(hex::encode(document.pcr(3).unwrap()).starts_with("4a9329d69c83"));
    assert_eq!(document.pcr(16), None);
    assert_eq!(document.public_key(), None);
    assert_eq!(document.user_data().map(<[u8]>::len), Some(91));
    assert_eq!(document.nonce().map(<[u8]>::len), Some(256));
    assert!(document.is_debug());
}

#[test]
fn a_real_document_verifies_while_it_is_fresh() {
    assert!(verify(&sample(), &Root::Aws, MADE_MS, MINUTE_MS).is_ok());
    assert!(verify(&sample(), &Root::Aws, MADE_MS + MINUTE_MS, MINUTE_MS).is_ok());
    assert_eq!(
        verify(&sample(), &Root::Aws, MADE_MS + MINUTE_MS + 1, MINUTE_MS),
        Err(Error::TooOld)
    );
    assert!(verify(&sample(), &Root::Aws, MADE_MS - 53_000, MINUTE_MS).is_ok());
    // Before the signer's certificate began, 53 s earlier, nothing is fresh enough.
    assert_eq!(
        verify(&sample(), &Root::Aws, MADE_MS - MAX_AHEAD_MS, MINUTE_MS),
        Err(Error::Validity)
    );
    assert_eq!(
        verify(&sample(), &Root::Aws, MADE_MS + 4 * 3_600_000, u64::MAX),
        Err(Error::Validity)
    );
}

/// Today, by this machine's clock: the reason why there are two functions.
#[test]
fn a_real_archived_document_is_refused_now() {
    #[expect(clippy::disallowed_methods, reason = "now is the point")]
    let now = SystemTime::now();
    let now = now.duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    assert!(
        now_ms > MADE_MS + 4 * 3_600_000,
        "a clock before the sample"
    );
    assert_eq!(
        verify(&sample(), &Root::Aws, now_ms, u64::MAX),
        Err(Error::Validity)
    );
    assert_eq!(
        verify_at(&sample(), &Root::Aws, At::Stated(now_ms)),
        Err(Error::Validity)
    );
    assert!(verify_at(&sample(), &Root::Aws, At::Stated(MADE_MS + 3_600_000)).is_ok());
}

#[test]
fn a_real_document_is_refused_under_another_root() {
    let found = at_own_time(&sample(), &Pki::new().root());
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn no_flipped_bit_of_a_real_document_goes_unnoticed() {
    let sample = sample();
    // Every 7th byte: all parts of the document are hit and the test stays quick.
    for at in (0..sample.len()).step_by(7) {
        let mut changed = sample.clone();
        changed[at] ^= 0x10;
        assert!(at_own_time(&changed, &Root::Aws).is_err(), "byte {at}");
    }
}

#[test]
fn no_prefix_of_a_real_document_is_accepted() {
    let sample = sample();
    for length in (0..sample.len()).step_by(97).chain([sample.len() - 1]) {
        assert!(
            at_own_time(&sample[..length], &Root::Aws).is_err(),
            "{length} bytes"
        );
    }
}
