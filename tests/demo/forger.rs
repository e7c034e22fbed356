//! An enclave image of the host's own making: genuine hardware, honest signatures, other measurements.
//!
//! Anybody can run an image of their own in a Nitro Enclave and have its documents signed. This one asks KMS with a key
//! whose private half the host holds.

use anyhow::{Context, bail};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, PrivateDecryptingKey},
};
use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_enclave::platform::Nsm;
use claviger_shared::{crypto::sha384, label, wire::control::Signed};
use claviger_sim::{
    clock::SystemClock,
    nsm::{Measurements, MockNsm, Pki},
};
use std::{path::Path, sync::Arc};

/// What is not as owners pinned it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// The image.
    Image,
    /// The deployment in PCR16.
    Deployment,
    /// The newest anchor manifest in PCR17.
    Anchor,
    /// Nothing: what makes the other three count.
    Nothing,
}

/// A document for KMS.
pub fn document(dir: &Path, links: &[Signed], differs: Differs) -> anyhow::Result<Vec<u8>> {
    let text = std::fs::read(dir.join("measurements.json"))?;
    let mut measured: Measurements = serde_json::from_slice(&text)?;
    if differs == Differs::Image {
        measured.pcr0 = [0x5a; 48];
    }
    let pki = Arc::new(Pki::load_or_generate(&dir.join("nsm"))?);
    let id = MockNsm::random_module_id()?;
    let nsm = MockNsm::new(pki, &measured, &id, Arc::new(SystemClock))?;
    let first = links.first().context("no manifest")?;
    let newest = links.last().context("no manifest")?;
    let anchor = if differs == Differs::Anchor {
        first
    } else {
        newest
    };
    let deployment = if differs == Differs::Deployment {
        newest
    } else {
        first
    };
    extend(&nsm, 16, label::PCR_DEPLOYMENT, deployment)?;
    extend(&nsm, 17, label::PCR_ANCHOR, anchor)?;
    // A document names locked registers alone.
    let Response::LockPCRs = nsm.process(Request::LockPCRs { range: 32 }) else {
        bail!("registers are not locked")
    };
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    let asked = nsm.process(Request::Attestation {
        user_data: None,
        nonce: None,
        public_key: Some(public.as_ref().to_vec().into()),
    });
    match asked {
        Response::Attestation { document } => Ok(document),
        other => bail!("no document: {other:?}"),
    }
}

fn extend(nsm: &MockNsm, index: u16, label: &[u8], manifest: &Signed) -> anyhow::Result<()> {
    let data = sha384(&[label, &manifest.body]).0.to_vec();
    match nsm.process(Request::ExtendPCR { index, data }) {
        Response::ExtendPCR { .. } => Ok(()),
        other => bail!("not extended: {other:?}"),
    }
}
