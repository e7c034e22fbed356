//! One attestation document of a mock NSM, for whoever tests an enclave of their own.

use crate::{
    clock::SystemClock,
    hex,
    nsm::{Measurements, MockNsm, Pki},
};
use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_enclave::platform::Nsm as _;
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde_bytes::ByteBuf;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a document is to say.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A SubjectPublicKeyInfo, PEM or DER.
    pub public_key: Option<PathBuf>,
    /// Hexadecimal.
    pub nonce: Option<String>,
    /// Hexadecimal.
    pub user_data: Option<String>,
    /// What the image measures, as JSON; an enclave in debug mode where there is none.
    pub measurements: Option<PathBuf>,
    /// `INDEX=HEX`: registers to extend and lock before.
    pub extend: Vec<String>,
}

/// Boots a mock NSM under a PKI, made where it is not there, and has it sign one document.
///
/// # Errors
///
/// What is wrong with what was asked for.
pub fn document(pki: &Path, wanted: &Wanted) -> io::Result<Vec<u8>> {
    let pki = Arc::new(Pki::load_or_generate(pki).map_err(io::Error::other)?);
    let id = MockNsm::random_module_id().map_err(io::Error::other)?;
    let nsm = MockNsm::new(
        pki,
        &measurements(wanted.measurements.as_deref())?,
        &id,
        Arc::new(SystemClock),
    )
    .map_err(io::Error::other)?;
    for extend in &wanted.extend {
        let parsed = extend
            .split_once('=')
            .and_then(|(index, data)| Some((index.parse().ok()?, hex::decode(data)?)));
        let (index, data) =
            parsed.ok_or_else(|| io::Error::other(format!("{extend} is not INDEX=HEX")))?;
        for request in [
            Request::ExtendPCR { index, data },
            Request::LockPCR { index },
        ] {
            if let Response::Error(error) = nsm.process(request) {
                return Err(io::Error::other(format!("register {index}: {error:?}")));
            }
        }
    }
    let request = Request::Attestation {
        user_data: bytes("--user-data", wanted.user_data.as_deref())?,
        nonce: bytes("--nonce", wanted.nonce.as_deref())?,
        public_key: wanted.public_key.as_deref().map(public_key).transpose()?,
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the device has one right answer"
    )]
    match nsm.process(request) {
        Response::Attestation { document } => Ok(document),
        Response::Error(error) => Err(io::Error::other(format!("the module answers {error:?}"))),
        _ => Err(io::Error::other("the module answers something else")),
    }
}

fn measurements(file: Option<&Path>) -> io::Result<Measurements> {
    match file {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?).map_err(io::Error::other),
        None => Ok(Measurements {
            pcr0: [0; 48],
            pcr1: [0; 48],
            pcr2: [0; 48],
            role_arn: "arn:aws:iam::000000000000:role/parent".to_owned(),
            instance_id: "i-0simulation0000000".to_owned(),
        }),
    }
}

fn bytes(name: &str, text: Option<&str>) -> io::Result<Option<ByteBuf>> {
    let Some(text) = text else { return Ok(None) };
    match hex::decode(text) {
        Some(bytes) => Ok(Some(ByteBuf::from(bytes))),
        None => Err(io::Error::other(format!("{name} is not hexadecimal"))),
    }
}

fn public_key(file: &Path) -> io::Result<ByteBuf> {
    let bytes = std::fs::read(file)?;
    Ok(match SubjectPublicKeyInfoDer::from_pem_slice(&bytes) {
        Ok(key) => ByteBuf::from(key.as_ref()),
        Err(_) => ByteBuf::from(bytes),
    })
}
