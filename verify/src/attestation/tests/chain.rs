//! The certificates: order, purpose, path length, dates, and the root that only the caller names.

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};

use super::super::{Document, Error, Root, verify, verify_at_own_time};
use super::document::{Members, array, bytes};
use super::pki::{LEAF_END_MS, Level, NOW_MS, Pki};

fn with(spoil: impl Fn(Level, &mut CertificateParams)) -> Result<Document, Error> {
    let pki = Pki::with(spoil);
    verify(&Members::of(&pki).sign(&pki), &pki.root(), NOW_MS, 0)
}

fn with_bundle(pki: &Pki, bundle: &[&Vec<u8>]) -> Result<Document, Error> {
    let bundle: Vec<_> = bundle.iter().map(|der| bytes(der)).collect();
    verify_at_own_time(
        &Members::of(pki).set("cabundle", array(&bundle)).sign(pki),
        &pki.root(),
    )
}

const AUTHORITIES: [Level; 4] = [Level::Root, Level::Regional, Level::Zonal, Level::Instance];

#[test]
fn the_root_comes_from_the_caller_never_from_the_bundle() {
    let (pki, other) = (Pki::new(), Pki::new());
    let doc = Members::of(&pki).sign(&pki);
    assert!(verify_at_own_time(&doc, &other.root()).is_err());
    assert!(verify_at_own_time(&doc, &Root::Aws).is_err());
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
    for (spoiled, least) in [(Level::Regional, 2), (Level::Zonal, 1)] {
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
        verify_at_own_time(&doc, &Root::Pinned(root.clone())),
        Err(Error::Root(_))
    ));
    assert!(matches!(
        verify_at_own_time(&doc, &Root::Pinned(Vec::new())),
        Err(Error::Root(_))
    ));
    assert!(matches!(
        with_bundle(&pki, &[&pki.cas[0], &root]),
        Err(Error::Certificate(_))
    ));
}
