//! Certificates for the tests: the five levels AWS has, each of which a test may spoil.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

/// 2027-01-15T08:00:00Z, within the validity of everything made here.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// 2027-01-16T00:00:00Z, the last second at which the leaf is valid.
pub(crate) const LEAF_END_MS: u64 = 1_800_057_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Root,
    Regional,
    Zonal,
    Instance,
    Leaf,
}

const LEVELS: [Level; 5] = [
    Level::Root,
    Level::Regional,
    Level::Zonal,
    Level::Instance,
    Level::Leaf,
];

pub(crate) struct Pki {
    /// Root, regional, zonal, instance.
    pub(crate) cas: Vec<Vec<u8>>,
    pub(crate) leaf: Vec<u8>,
    leaf_key: EcdsaKeyPair,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| ())
    }

    /// A PKI whose parameters `spoil` may change before each level is signed.
    pub(crate) fn with(spoil: impl Fn(Level, &mut CertificateParams)) -> Self {
        let (mut cas, mut issuer): (Vec<Vec<u8>>, Option<Issuer<'static, KeyPair>>) =
            (Vec::new(), None);
        for level in LEVELS {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
            let mut params = params(level);
            spoil(level, &mut params);
            let certificate = match &issuer {
                None => params.self_signed(&key),
                Some(issuer) => params.signed_by(&key, issuer),
            };
            let der = certificate.unwrap().der().to_vec();
            if level == Level::Leaf {
                let leaf_key = signing_key(&key);
                return Self {
                    cas,
                    leaf: der,
                    leaf_key,
                };
            }
            cas.push(der);
            issuer = Some(Issuer::new(params, key));
        }
        panic!("the last level is the leaf")
    }

    pub(crate) fn root(&self) -> super::super::Root {
        super::super::Root::Pinned(self.cas[0].clone())
    }

    /// Signs as the leaf, raw r‖s.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.leaf_key
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }
}

fn signing_key(key: &KeyPair) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        key.serialized_der(),
        &SystemRandom::new(),
    )
    .unwrap()
}

fn params(level: Level) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{level:?}.test"));
    params.not_before = date_time_ymd(2027, 1, 15);
    params.not_after = date_time_ymd(2027, 1, 16);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.use_authority_key_identifier_extension = true;
    params.is_ca = match level {
        Level::Root => IsCa::Ca(BasicConstraints::Unconstrained),
        Level::Regional => IsCa::Ca(BasicConstraints::Constrained(2)),
        Level::Zonal => IsCa::Ca(BasicConstraints::Constrained(1)),
        Level::Instance => IsCa::Ca(BasicConstraints::Constrained(0)),
        Level::Leaf => IsCa::NoCa,
    };
    match level {
        Level::Root => params.not_after = date_time_ymd(2057, 1, 1),
        Level::Regional | Level::Zonal | Level::Instance => {
            params.not_after = date_time_ymd(2027, 2, 1)
        }
        Level::Leaf => params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
    }
    params
}
