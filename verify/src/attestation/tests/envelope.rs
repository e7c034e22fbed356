//! The envelope: which forms of COSE_Sign1 are accepted, the size limit, the age.

use super::super::{At, Error, MAX_AHEAD_MS, MAX_DOCUMENT, verify, verify_at};
use super::at_own_time;
use super::document::{ES384, Members, array, bytes, envelope, head, map, sign, text, uint};
use super::pki::{LEAF_END_MS, NOW_MS, Pki};

#[test]
fn a_document_of_the_right_shape_verifies_and_reads_back() {
    let pki = Pki::new();
    let document = verify(&Members::of(&pki).sign(&pki), &pki.root(), NOW_MS, 0).unwrap();
    assert_eq!(
        document.module_id(),
        "i-0123456789abcdef0-enc0123456789abcdef"
    );
    assert_eq!(document.timestamp_ms(), NOW_MS);
    assert_eq!(document.pcrs().len(), 16);
    assert_eq!(document.pcr(15), Some(&[16; 48]));
    assert_eq!(
        (
            document.public_key(),
            document.user_data(),
            document.nonce()
        ),
        (Some(&b"key"[..]), Some(&b"data"[..]), None)
    );
    assert!(!document.is_debug());
}

#[test]
fn tag_18_or_no_tag_is_accepted_and_any_other_is_refused() {
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    let tagged = |tag: u64| at_own_time(&[head(6, tag), doc.clone()].concat(), &pki.root());
    assert!(tagged(18).is_ok());
    assert!(matches!(tagged(17), Err(Error::Envelope(_))));
    assert!(matches!(tagged(61), Err(Error::Envelope(_))));
    let twice = [head(6, 18), head(6, 18), doc.clone()].concat();
    assert!(at_own_time(&twice, &pki.root()).is_err());
}

#[test]
fn a_payload_map_of_indefinite_length_is_accepted() {
    // Modules since 2025 write the map so.
    let pki = Pki::new();
    let definite = Members::of(&pki).encode();
    let indefinite = [&[0xbf], &definite[1..], &[0xff]].concat();
    assert!(at_own_time(&sign(&indefinite, &pki), &pki.root()).is_ok());
    let unended = [&[0xbf], &definite[1..]].concat();
    assert!(at_own_time(&sign(&unended, &pki), &pki.root()).is_err());
}

#[test]
fn the_protected_header_is_exactly_es384() {
    let pki = Pki::new();
    let payload = Members::of(&pki).encode();
    for header in [
        &[0xa1, 0x01, 0x26][..],
        &[0xa0],
        &[],
        &[0xa2, 0x01, 0x38, 0x22, 0x04, 0x40],
        &[0xbf, 1, 0x38, 0x22, 0xff],
    ] {
        let doc = envelope(header, &[0xa0], &payload, &pki);
        assert!(
            matches!(at_own_time(&doc, &pki.root()), Err(Error::Envelope(_))),
            "{header:02x?}"
        );
    }
}

#[test]
fn the_unprotected_header_is_empty() {
    let pki = Pki::new();
    let doc = envelope(
        ES384,
        &map(&[(uint(4), bytes(b"k"))]),
        &Members::of(&pki).encode(),
        &pki,
    );
    assert!(matches!(
        at_own_time(&doc, &pki.root()),
        Err(Error::Envelope(_))
    ));
}

#[test]
fn four_parts_and_nothing_after_them() {
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    let mut more = doc.clone();
    more.push(0);
    let three = array(&[bytes(ES384), vec![0xa0], bytes(b"x")]);
    let five = [vec![0x85], doc[1..].to_vec(), vec![0x40]].concat();
    let payload_as_text = array(&[bytes(ES384), vec![0xa0], text("x"), bytes(&[0; 96])]);
    for (what, doc) in [
        ("after", more),
        ("three", three),
        ("five", five),
        ("text", payload_as_text),
        ("empty", Vec::new()),
    ] {
        assert!(at_own_time(&doc, &pki.root()).is_err(), "{what}");
    }
}

#[test]
fn a_signature_is_96_bytes_and_by_the_leaf() {
    let (pki, other) = (Pki::new(), Pki::new());
    let payload = Members::of(&pki).encode();
    for length in [0, 95, 97] {
        let doc = array(&[
            bytes(ES384),
            vec![0xa0],
            bytes(&payload),
            bytes(&vec![1; length]),
        ]);
        assert!(
            matches!(at_own_time(&doc, &pki.root()), Err(Error::Envelope(_))),
            "{length}"
        );
    }
    assert_eq!(
        at_own_time(&sign(&payload, &other), &pki.root()),
        Err(Error::Signature)
    );
}

#[test]
fn a_document_is_at_most_16_kib() {
    let pki = Pki::new();
    // The largest document of legal members is far smaller, so the limit shows by which rule refuses.
    assert!(matches!(
        at_own_time(&vec![0; MAX_DOCUMENT], &pki.root()),
        Err(Error::Malformed(_))
    ));
    assert_eq!(
        at_own_time(&vec![0; MAX_DOCUMENT + 1], &pki.root()),
        Err(Error::TooLarge)
    );
}

#[test]
fn age_is_limited_on_both_sides_to_the_millisecond() {
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    let at = |now_ms| verify(&doc, &pki.root(), now_ms, 300_000).map(|_| ());
    assert_eq!(at(NOW_MS + 300_000), Ok(()));
    assert_eq!(at(NOW_MS + 300_001), Err(Error::TooOld));
    assert_eq!(at(NOW_MS - MAX_AHEAD_MS), Ok(()));
    assert_eq!(at(NOW_MS - MAX_AHEAD_MS - 1), Err(Error::FromTheFuture));
}

#[test]
fn a_signed_payload_of_any_bytes_ends_in_an_answer() {
    let pki = Pki::new();
    let payload = Members::of(&pki).encode();
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..400 {
        let mut changed = payload.clone();
        for _ in 0..1 + random(3) {
            let (at, by) = (random(changed.len()), random(256));
            changed[at] = u8::try_from(by).unwrap();
        }
        changed.truncate(changed.len() - random(2) * random(64));
        // Signed by the leaf, so that every rule behind the signature is reached; most are refused, none panics.
        if let Ok(document) = at_own_time(&sign(&changed, &pki), &pki.root()) {
            assert!(!document.module_id().is_empty() && !document.pcrs().is_empty());
        }
    }
}

#[test]
fn a_payload_is_not_empty_and_nothing_follows_it() {
    let pki = Pki::new();
    assert!(matches!(
        at_own_time(&sign(&[], &pki), &pki.root()),
        Err(Error::Envelope(_))
    ));
    let more = [&Members::of(&pki).encode()[..], &[0]].concat();
    assert_eq!(
        at_own_time(&sign(&more, &pki), &pki.root()),
        Err(Error::Malformed("bytes after the end"))
    );
}

#[test]
fn a_string_in_pieces_is_refused() {
    let pki = Pki::new();
    let pieces = |whole: Vec<u8>, major: u8| [&[(major << 5) | 31][..], &whole, &[0xff]].concat();
    let (id, key) = (text("i-0"), bytes(b"key"));
    for (name, whole, major) in [("module_id", id, 3), ("public_key", key, 2)] {
        let of = |value: Vec<u8>| Members::of(&pki).set(name, value).sign(&pki);
        assert!(
            at_own_time(&of(whole.clone()), &pki.root()).is_ok(),
            "{name}"
        );
        assert!(
            matches!(
                at_own_time(&of(pieces(whole, major)), &pki.root()),
                Err(Error::Malformed(_))
            ),
            "{name}"
        );
    }
    // The payload itself, and the parts of the envelope.
    let doc = Members::of(&pki).sign(&pki);
    let payload = bytes(&Members::of(&pki).encode());
    let at = doc.windows(payload.len()).position(|part| part == payload);
    let at = at.unwrap();
    let split = [
        &doc[..at],
        &pieces(payload.clone(), 2),
        &doc[at + payload.len()..],
    ]
    .concat();
    assert!(matches!(
        at_own_time(&split, &pki.root()),
        Err(Error::Malformed(_))
    ));
}

/// The two functions differ in type, in what they ask for, and in this.
#[test]
fn an_archive_is_verified_at_a_time_and_never_before_it_was_made() {
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    let at = |at| verify_at(&doc, &pki.root(), at).map(|archived| archived.at_ms());
    assert_eq!(at(At::Own), Ok(NOW_MS));
    let later = NOW_MS + 3_600_000;
    assert_eq!(at(At::Stated(later)), Ok(later));
    assert_eq!(
        at(At::Stated(LEAF_END_MS + 1000)),
        Err(Error::Validity),
        "the signer had expired"
    );
    let ahead = NOW_MS - MAX_AHEAD_MS;
    assert_eq!(at(At::Stated(ahead)), Ok(ahead));
    assert_eq!(at(At::Stated(ahead - 1)), Err(Error::FromTheFuture));
    let archived = verify_at(&doc, &pki.root(), At::Own).unwrap();
    assert_eq!(
        *archived.document(),
        verify(&doc, &pki.root(), NOW_MS, 0).unwrap()
    );
}
