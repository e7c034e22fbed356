//! The certificates: order, purpose, path length, dates, and the root that only the caller names.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};

use super::super::{Document, Error, Root, verify};
use super::at_own_time;
use super::document::{Members, array, bytes};
use super::pki::{LEAF_END_MS, Level, NOW_MS, Pki};

fn with(spoil: impl Fn(Level, &mut CertificateParams)) -> Result<Document, Error> {
    let pki = Pki::with(spoil);
    verify(&Members::of(&pki).sign(&pki), &pki.root(), NOW_MS, 0)
}

fn with_bundle(pki: &Pki, bundle: &[&Vec<u8>]) -> Result<Document, Error> {
    let bundle: Vec<_> = bundle.iter().map(|der| bytes(der)).collect();
    at_own_time(
        &Members::of(pki).set("cabundle", array(&bundle)).sign(pki),
        &pki.root(),
    )
}

const AUTHORITIES: [Level; 4] = [Level::Root, Level::Regional, Level::Zonal, Level::Instance];

#[test]
fn the_root_comes_from_the_caller_never_from_the_bundle() {
    let (pki, other) = (Pki::new(), Pki::new());
    let doc = Members::of(&pki).sign(&pki);
    assert!(at_own_time(&doc, &other.root()).is_err());
    assert!(at_own_time(&doc, &Root::Aws).is_err());
}

#[test]
fn a_bundle_may_start_below_the_root() {
    let pki = Pki::new();
    let [root, regional, zonal, instance] = &pki.cas[..] else {
        panic!("four authorities")
    };
    assert!(with_bundle(&pki, &[root, regional, zonal, instance]).is_ok());
    assert!(with_bundle(&pki, &[regional, zonal, instance]).is_ok());
}

#[test]
fn a_bundle_is_in_order_and_complete_and_has_no_more() {
    let pki = Pki::new();
    let stranger = Pki::new();
    let [root, regional, zonal, instance] = &pki.cas[..] else {
        panic!("four authorities")
    };
    for (what, bundle) in [
        ("reversed", vec![instance, zonal, regional, root]),
        ("swapped", vec![root, zonal, regional, instance]),
        ("a gap", vec![root, regional, instance]),
        ("cut", vec![root, regional, zonal]),
        ("root alone", vec![root]),
        ("root twice", vec![root, root, regional, zonal, instance]),
        ("one twice", vec![root, regional, regional, zonal, instance]),
        (
            "a stranger before",
            vec![&stranger.cas[0], root, regional, zonal, instance],
        ),
        (
            "a stranger of the same name",
            vec![root, regional, zonal, &stranger.cas[3]],
        ),
    ] {
        assert!(
            matches!(with_bundle(&pki, &bundle), Err(Error::Chain(_))),
            "{what}"
        );
    }
}

#[test]
fn an_issuer_is_a_certificate_authority() {
    for spoiled in AUTHORITIES {
        let found = with(|level, params| {
            if level == spoiled {
                params.is_ca = IsCa::NoCa;
            }
        });
        assert!(
            matches!(found, Err(Error::Chain(_) | Error::Root(_))),
            "{spoiled:?}: {found:?}"
        );
    }
}

#[test]
fn an_issuer_may_sign_certificates() {
    for spoiled in AUTHORITIES {
        let found = with(|level, params| {
            if level == spoiled {
                params.key_usages =
                    vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
            }
        });
        assert!(
            matches!(found, Err(Error::Chain(_) | Error::Root(_))),
            "{spoiled:?}: {found:?}"
        );
    }
}

#[test]
fn the_signer_is_no_authority_and_may_make_signatures() {
    let authority = with(|level, params| {
        if level == Level::Leaf {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
    });
    assert!(matches!(authority, Err(Error::Chain(_))), "{authority:?}");
    for usages in [
        vec![],
        vec![KeyUsagePurpose::ContentCommitment],
        vec![KeyUsagePurpose::KeyCertSign],
    ] {
        let found = with(|level, params| {
            if level == Level::Leaf {
                params.key_usages.clone_from(&usages);
            }
        });
        assert!(
            matches!(found, Err(Error::Chain(_))),
            "{usages:?}: {found:?}"
        );
    }
}

#[test]
fn a_path_is_no_longer_than_each_authority_allows() {
    for (spoiled, least) in [(Level::Root, 3), (Level::Regional, 2), (Level::Zonal, 1)] {
        let constrained = |length| {
            with(move |level, params| {
                if level == spoiled {
                    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
                }
            })
        };
        assert!(constrained(least).is_ok());
        assert!(
            matches!(constrained(least - 1), Err(Error::Chain(_))),
            "{spoiled:?}"
        );
    }
}

#[test]
fn the_signer_states_no_path_length() {
    // BasicConstraints without CA and with a path length, which no builder writes: SEQUENCE { INTEGER 0 }.
    let found = with(|level, params| {
        if level == Level::Leaf {
            params.is_ca = IsCa::NoCa;
            params.custom_extensions = vec![constraints(&[0x30, 3, 2, 1, 0])];
        }
    });
    assert!(matches!(found, Err(Error::Chain(_))), "{found:?}");
    // The same extension, empty, says only that it is no authority.
    let found = with(|level, params| {
        if level == Level::Leaf {
            params.custom_extensions = vec![constraints(&[0x30, 0])];
        }
    });
    assert!(found.is_ok(), "{found:?}");
}

#[test]
fn an_extension_comes_once_and_in_der() {
    for (what, extensions) in [
        (
            "twice",
            vec![constraints(&[0x30, 0]), constraints(&[0x30, 0])],
        ),
        ("false, written out", vec![constraints(&[0x30, 3, 1, 1, 0])]),
        (
            "a negative length",
            vec![constraints(&[0x30, 3, 2, 1, 0xff])],
        ),
        ("more after it", vec![constraints(&[0x30, 0, 0])]),
    ] {
        let found = with(|level, params| {
            if level == Level::Leaf {
                params.custom_extensions.clone_from(&extensions);
            }
        });
        assert!(
            matches!(found, Err(Error::Certificate(_))),
            "{what}: {found:?}"
        );
    }
}

fn constraints(der: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 19], der.to_vec());
    extension.set_criticality(true);
    extension
}

#[test]
fn every_certificate_is_valid_at_the_time_the_root_too() {
    for spoiled in [
        Level::Root,
        Level::Regional,
        Level::Zonal,
        Level::Instance,
        Level::Leaf,
    ] {
        for (from, to) in [((2026, 1, 1), (2027, 1, 15)), ((2027, 1, 16), (2028, 1, 1))] {
            let found = with(|level, params| {
                if level == spoiled {
                    params.not_before = date_time_ymd(from.0, from.1, from.2);
                    params.not_after = date_time_ymd(to.0, to.1, to.2);
                }
            });
            assert_eq!(found, Err(Error::Validity), "{spoiled:?} {from:?}");
        }
    }
}

#[test]
fn the_signer_expires_after_its_last_second() {
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    assert!(verify(&doc, &pki.root(), LEAF_END_MS, u64::MAX).is_ok());
    assert_eq!(
        verify(&doc, &pki.root(), LEAF_END_MS + 1000, u64::MAX),
        Err(Error::Validity)
    );
}

#[test]
fn a_key_of_another_curve_is_refused() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let root = CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .der()
        .to_vec();
    let pki = Pki::new();
    let doc = Members::of(&pki).sign(&pki);
    assert!(matches!(
        at_own_time(&doc, &Root::Pinned(root.clone())),
        Err(Error::Root(_))
    ));
    assert!(matches!(
        at_own_time(&doc, &Root::Pinned(Vec::new())),
        Err(Error::Root(_))
    ));
    assert!(matches!(
        with_bundle(&pki, &[&pki.cas[0], &root]),
        Err(Error::Certificate(_))
    ));
}

#[test]
fn a_signer_of_another_curve_is_refused() {
    let pki = Pki::new();
    let stranger = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = CertificateParams::default().self_signed(&stranger).unwrap();
    let doc = Members::of(&pki).set("certificate", bytes(leaf.der()));
    assert!(matches!(
        at_own_time(&doc.sign(&pki), &pki.root()),
        Err(Error::Certificate(_))
    ));
}

/// A key of the right curve, certified with another hash: `ecdsa-with-SHA256` by an issuer of P-256.
#[test]
fn a_certificate_signed_with_another_algorithm_is_refused() {
    let pki = Pki::new();
    let (weak, right) = (
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
    );
    let issuer = Issuer::new(CertificateParams::default(), weak);
    let certificate = CertificateParams::default().signed_by(&right, &issuer);
    let certificate = certificate.unwrap().der().to_vec();
    for doc in [
        Members::of(&pki).set("certificate", bytes(&certificate)),
        Members::of(&pki).set(
            "cabundle",
            array(&[bytes(&pki.cas[0]), bytes(&certificate)]),
        ),
    ] {
        assert_eq!(
            at_own_time(&doc.sign(&pki), &pki.root()),
            Err(Error::Certificate("not signed with ECDSA and SHA-384"))
        );
    }
}

#[test]
fn nothing_follows_a_certificate() {
    let pki = Pki::new();
    let mut leaf = pki.leaf.clone();
    leaf.push(0);
    let doc = Members::of(&pki).set("certificate", bytes(&leaf));
    assert!(matches!(
        at_own_time(&doc.sign(&pki), &pki.root()),
        Err(Error::Certificate(_))
    ));
}

/// The whole bundle of another PKI with its own signer: consistent in itself, and not the root the caller named.
#[test]
fn a_whole_other_chain_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());
    let doc = Members::of(&other).sign(&other);
    assert!(at_own_time(&doc, &other.root()).is_ok());
    assert!(matches!(
        at_own_time(&doc, &pki.root()),
        Err(Error::Chain(_))
    ));
}
