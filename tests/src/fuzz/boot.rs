//! What a boot is given by KMS and the courier, and the documents that clients are given.

use super::{codec::canonical, context::context};
use claviger_enclave::boot::{
    ber::{self, Reader},
    cms,
};
use claviger_shared::{bundle::Bundle, wire::control::MAX_CIPHERTEXT_FOR_RECIPIENT};
use claviger_verify::attestation::{self, Archived, At};

/// A KMS reply: its parts are parts of it, it is for one key alone, and any BER is walked to its end or refused.
pub fn cms(data: &[u8]) {
    let context = context();
    if let Ok(envelope) = cms::parse(data, &context.recipient) {
        assert!(data.len() <= MAX_CIPHERTEXT_FOR_RECIPIENT);
        assert!(
            envelope.wrapped.len() + envelope.ciphertext.len() + envelope.iv.len() < data.len()
        );
        let mut other = context.recipient.clone();
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        assert!(
            cms::parse(data, &other).is_err(),
            "a reply to another key was taken"
        );
    }
    walk(&mut Reader::new(data), data, 0);
}

fn walk(reader: &mut Reader<'_>, within: &[u8], depth: usize) {
    assert!(depth <= ber::MAX_DEPTH + 2);
    loop {
        let before = *reader;
        match reader.element() {
            Ok(Some(element)) => {
                assert!(
                    element.content.len() < within.len(),
                    "an element is longer than what holds it"
                );
                let (mut whole, mut inner) = (before, before);
                if let Ok(bytes) = whole.octets(ber::OCTETS, ber::OCTETS_CONSTRUCTED) {
                    assert!(bytes.len() <= element.content.len());
                }
                if element.tag & 0x20 != 0
                    && let Ok(mut inner) = inner.enter(element.tag)
                {
                    walk(&mut inner, within, depth + 1);
                }
            }
            Ok(None) => return,
            Err(_) => return,
        }
    }
}

/// An attestation document: what verifies says exactly what the module said.
pub fn attestation(data: &[u8]) {
    let context = context();
    let taken = attestation::verify_at(data, &context.root, At::Own).map(Archived::into_document);
    if let Ok(document) = &taken {
        assert!(
            context.documents.contains(document),
            "a document was taken that no module made"
        );
        assert!(attestation::verify_at(data, &attestation::Root::Aws, At::Own).is_err());
        let now = document.timestamp_ms();
        assert_eq!(
            attestation::verify(data, &context.root, now, 1000).as_ref(),
            Ok(document)
        );
        assert!(
            attestation::verify(data, &context.root, now + 2000, 1000).is_err(),
            "an old one"
        );
    } else {
        assert!(
            attestation::verify(
                data,
                &context.root,
                context.documents[0].timestamp_ms(),
                1000
            )
            .is_err()
        );
    }
}

/// A sealed bundle: one form.
pub fn bundle(data: &[u8]) {
    if let Ok(bundle) = Bundle::parse(data) {
        assert_eq!(bundle.encode().unwrap(), data);
        let aad = bundle.head.aad().unwrap();
        assert!(aad.len() < data.len());
    }
    let _ = canonical::<Bundle>(data);
}
