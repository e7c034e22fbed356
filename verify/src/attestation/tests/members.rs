//! The members: each rule of AWS's `attestation_process.md` §3.2.2.2, on both sides of its limit.

use super::super::{Document, Error};
use super::at_own_time;
use super::document::{Members, NULL, array, bytes, map, pcrs, text, uint};
use super::pki::Pki;

fn check(members: impl FnOnce(Members) -> Members) -> Result<Document, Error> {
    let pki = Pki::new();
    at_own_time(&members(Members::of(&pki)).sign(&pki), &pki.root())
}

#[track_caller]
fn refused(name: &str, members: impl FnOnce(Members) -> Members) {
    let found = check(members);
    assert!(
        matches!(found, Err(Error::Member { name: member, .. }) if member == name),
        "{name}: {found:?}"
    );
}

#[test]
fn every_required_member_is_required() {
    for name in [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
    ] {
        refused(name, |members| members.without(name));
    }
}

#[test]
fn an_optional_member_may_be_left_out_or_null() {
    for name in ["public_key", "user_data", "nonce"] {
        for document in [
            check(|members| members.without(name)),
            check(|members| members.set(name, NULL.to_vec())),
        ] {
            let document = document.unwrap();
            let value = match name {
                "public_key" => document.public_key(),
                "user_data" => document.user_data(),
                _ => document.nonce(),
            };
            assert_eq!(value, None, "{name}");
        }
    }
}

#[test]
fn a_required_member_may_not_be_null() {
    for name in [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
    ] {
        assert!(
            check(|members| members.set(name, NULL.to_vec())).is_err(),
            "{name}"
        );
    }
}

#[test]
fn no_member_comes_twice() {
    for (name, value) in [
        ("module_id", text("i")),
        ("digest", text("SHA384")),
        ("timestamp", uint(1)),
        ("pcrs", pcrs(1)),
        ("certificate", bytes(b"c")),
        ("cabundle", array(&[])),
        ("public_key", NULL.to_vec()),
        ("user_data", NULL.to_vec()),
        ("nonce", NULL.to_vec()),
    ] {
        refused(name, |members| members.and(name, value));
    }
}

#[test]
fn an_unknown_member_is_refused() {
    for name in ["nitrotpm_pcrs", "Nonce", ""] {
        assert!(
            matches!(
                check(|members| members.and(name, NULL.to_vec())),
                Err(Error::Malformed(_))
            ),
            "{name}"
        );
    }
}

#[test]
fn a_module_id_is_text_and_not_empty() {
    refused("module_id", |members| members.set("module_id", text("")));
    assert!(check(|members| members.set("module_id", bytes(b"i-0"))).is_err());
    assert!(check(|members| members.set("module_id", vec![0x62, 0xff, 0xfe])).is_err());
}

#[test]
fn the_digest_is_sha384() {
    for digest in ["SHA256", "SHA512", "sha384", ""] {
        refused("digest", |members| members.set("digest", text(digest)));
    }
}

#[test]
fn a_timestamp_is_above_zero() {
    refused("timestamp", |members| members.set("timestamp", uint(0)));
    assert!(check(|members| members.set("timestamp", vec![0x20])).is_err());
    assert_eq!(
        check(|members| members.set("timestamp", uint(1))),
        Err(Error::Validity)
    );
}

#[test]
fn there_are_1_to_32_pcrs_below_index_32() {
    assert!(check(|members| members.set("pcrs", pcrs(1))).is_ok());
    assert_eq!(
        check(|members| members.set("pcrs", pcrs(32)))
            .unwrap()
            .pcrs()
            .len(),
        32
    );
    refused("pcrs", |members| members.set("pcrs", pcrs(0)));
    refused("pcrs", |members| members.set("pcrs", pcrs(33)));
    for index in [32, 255, 256, u64::MAX] {
        refused("pcrs", |members| {
            members.set("pcrs", map(&[(uint(index), bytes(&[1; 48]))]))
        });
    }
    let twice = map(&[(uint(3), bytes(&[1; 48])), (uint(3), bytes(&[1; 48]))]);
    refused("pcrs", |members| members.set("pcrs", twice));
}

#[test]
fn a_pcr_is_48_bytes() {
    for length in [0, 32, 47, 49, 64] {
        refused("pcrs", |members| {
            members.set("pcrs", map(&[(uint(0), bytes(&vec![1; length]))]))
        });
    }
}

#[test]
fn a_cabundle_has_certificates_of_1_to_1024_bytes() {
    refused("cabundle", |members| members.set("cabundle", array(&[])));
    refused("cabundle", |members| {
        members.set("cabundle", array(&[bytes(&[])]))
    });
    refused("cabundle", |members| {
        members.set("cabundle", array(&[bytes(&[1; 1025])]))
    });
    assert!(matches!(
        check(|members| members.set("cabundle", array(&[bytes(&[1; 1024])]))),
        Err(Error::Certificate(_))
    ));
}

#[test]
fn a_certificate_is_1_to_1024_bytes() {
    refused("certificate", |members| {
        members.set("certificate", bytes(&[]))
    });
    refused("certificate", |members| {
        members.set("certificate", bytes(&[1; 1025]))
    });
    assert!(matches!(
        check(|members| members.set("certificate", bytes(&[1; 1024]))),
        Err(Error::Certificate(_))
    ));
}

#[test]
fn a_public_key_is_1_to_1024_bytes() {
    refused("public_key", |members| {
        members.set("public_key", bytes(&[]))
    });
    refused("public_key", |members| {
        members.set("public_key", bytes(&[1; 1025]))
    });
    for length in [1, 1024] {
        let document = check(|members| members.set("public_key", bytes(&vec![1; length]))).unwrap();
        assert_eq!(document.public_key().map(<[u8]>::len), Some(length));
    }
}

#[test]
fn user_data_and_nonce_are_at_most_512_bytes() {
    for name in ["user_data", "nonce"] {
        refused(name, |members| members.set(name, bytes(&[1; 513])));
        for length in [0, 512] {
            assert!(
                check(|members| members.set(name, bytes(&vec![1; length]))).is_ok(),
                "{name} {length}"
            );
        }
    }
}

#[test]
fn a_zero_or_missing_measurement_is_debug() {
    for index in 0..3 {
        let with = |value: Option<[u8; 48]>| {
            let entries: Vec<_> = (0..3u64)
                .filter_map(|at| {
                    if at == index {
                        value.map(|value| (at, value))
                    } else {
                        Some((at, [7; 48]))
                    }
                })
                .map(|(at, value)| (uint(at), bytes(&value)))
                .collect();
            check(|members| members.set("pcrs", map(&entries))).unwrap()
        };
        assert!(
            with(Some([0; 48])).is_debug()
                && with(None).is_debug()
                && !with(Some([1; 48])).is_debug()
        );
    }
}
