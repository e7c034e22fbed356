//! The fields of the simulation's certificates: lifetimes, path lengths, key usages and names as AWS sets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::pki::Error;

const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;

/// 2019-10-28T13:28:05Z and 2049-10-28T14:28:05Z.
const ROOT_VALIDITY_S: (u64, u64) = (1_572_269_285, 2_519_044_085);

/// AWS's own issuers begin a little before what they issue.
const BACKDATED_S: u64 = HOUR_S;

const ID_BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const ID_KEY_USAGE: &[u64] = &[2, 5, 29, 15];

/// A level below the root.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    Regional,
    Zonal,
    Instance,
    Leaf,
}

impl Level {
    pub(super) const fn lifetime_s(self) -> u64 {
        match self {
            Self::Regional => 20 * DAY_S,
            Self::Zonal => 6 * DAY_S,
            Self::Instance => DAY_S,
            Self::Leaf => 3 * HOUR_S,
        }
    }
}

/// The root's own fields; they depend on nothing, so that a stored key gives the same issuer again.
pub(super) fn root() -> Result<CertificateParams, Error> {
    let (from, to) = ROOT_VALIDITY_S;
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&[], "sim.nitro-enclaves".to_owned())?;
    params.not_before = moment(from)?;
    params.not_after = moment(to)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = authority_usages();
    Ok(params)
}

/// The fields of a certificate below the root.
pub(super) fn below_root(
    level: Level,
    common_name: String,
    mut serial: [u8; 16],
    now_s: u64,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let [first, ..] = &mut serial;
    // A serial number is positive and as long as it says.
    *first = (*first & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let from = if matches!(level, Level::Leaf) {
        now_s
    } else {
        now_s.saturating_sub(BACKDATED_S)
    };
    params.not_before = moment(from)?;
    params.not_after = moment(from.saturating_add(level.lifetime_s()))?;
    let place = [
        (DnType::StateOrProvinceName, "Washington"),
        (DnType::LocalityName, "Seattle"),
    ];
    params.distinguished_name = match level {
        Level::Regional => name(&[], common_name)?,
        Level::Zonal | Level::Instance | Level::Leaf => name(&place, common_name)?,
    };
    match level {
        Level::Regional => authority(&mut params, 2, authority_usages()),
        Level::Zonal => authority(&mut params, 1, authority_usages()),
        Level::Instance => authority(&mut params, 0, vec![KeyUsagePurpose::KeyCertSign]),
        // Encoded by hand: an empty critical constraint, and digitalSignature with nonRepudiation, not critical.
        Level::Leaf => {
            let mut constraints =
                CustomExtension::from_oid_content(ID_BASIC_CONSTRAINTS, vec![0x30, 0x00]);
            constraints.set_criticality(true);
            let usage =
                CustomExtension::from_oid_content(ID_KEY_USAGE, vec![0x03, 0x02, 0x06, 0xc0]);
            params.custom_extensions = vec![constraints, usage];
        }
    }
    Ok(params)
}

fn authority(params: &mut CertificateParams, path_len: u8, usages: Vec<KeyUsagePurpose>) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = usages;
    params.use_authority_key_identifier_extension = true;
}

fn authority_usages() -> Vec<KeyUsagePurpose> {
    vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ]
}

fn name(place: &[(DnType, &str)], common_name: String) -> Result<DistinguishedName, Error> {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CountryName,
        DnValue::PrintableString(PrintableString::try_from("US")?),
    );
    for (kind, value) in place {
        name.push(kind.clone(), *value);
    }
    name.push(DnType::OrganizationName, "Claviger");
    name.push(DnType::OrganizationalUnitName, "Simulation");
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

fn moment(seconds: u64) -> Result<OffsetDateTime, Error> {
    let seconds = i64::try_from(seconds).map_err(|_| Error::Time)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Error::Time)
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// A certificate as PEM.
pub(super) fn to_pem(der: &[u8]) -> String {
    let mut pem = format!("{PEM_BEGIN}\n");
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while let Some((line, more)) = rest.split_at_checked(64) {
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem.push_str(PEM_END);
    pem.push('\n');
    pem
}

/// The one certificate of a PEM file.
pub(super) fn from_pem(pem: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// Whether a certificate is readable as a trust anchor with this public key.
pub(super) fn is_root_of(der: &[u8], public_key: &[u8]) -> bool {
    let der = CertificateDer::from(der);
    webpki::anchor_from_trusted_cert(&der)
        .is_ok_and(|anchor| anchor.subject_public_key_info.ends_with(public_key))
}
