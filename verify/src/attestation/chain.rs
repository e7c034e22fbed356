//! The certificates of a document, from the root the caller named to the key that signed.
//!
//! The path must be exactly the one the document states, in its order. `rustls-webpki` verifies signatures, dates and
//! path lengths; the rules it leaves out (key usage, order, dates of the root) are checked here. Revocation lists are
//! not consulted: AWS requires them off.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, VerifiedPath, anchor_from_trusted_cert};

use super::error::Error;
use super::root::Root;
use super::x509::{Certificate, POINT_LEN};

const TOO_LONG: &str = "longer than a certificate of it allows";

/// The key that may sign the document.
///
/// Having one means its certificate chains to the root under every rule of this module.
pub(super) struct SignerKey([u8; POINT_LEN]);

impl SignerKey {
    pub(super) const fn point(&self) -> &[u8; POINT_LEN] {
        &self.0
    }
}

/// Verifies the chain at a time.
pub(super) fn verify(
    leaf: &[u8],
    cabundle: &[Vec<u8>],
    root: &Root,
    at_ms: u64,
) -> Result<SignerKey, Error> {
    // The bundle starts with the root itself; a bundle that starts below it must be issued by it.
    let intermediates = match cabundle.split_first() {
        Some((first, rest)) if first == root.der() => rest,
        Some(_) | None => cabundle,
    };
    let signer = check_rules(leaf, intermediates, root, at_ms)?;
    check_path(leaf, intermediates, root, at_ms)?;
    Ok(signer)
}

/// Names, order, dates, and what each key may do.
fn check_rules(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    root: &Root,
    at_ms: u64,
) -> Result<SignerKey, Error> {
    let root =
        Certificate::parse(root.der()).map_err(|_| Error::Root("not a P-384 certificate"))?;
    if !root.is_ca || !root.may_sign_certificates() {
        return Err(Error::Root("not a certificate authority"));
    }
    if !root.is_valid_at(at_ms) {
        return Err(Error::Validity);
    }
    // A path library takes an anchor for a name and a key alone, so the root's own path length is checked here.
    if root
        .path_len
        .is_some_and(|most| intermediates.len() > usize::from(most))
    {
        return Err(Error::Chain(TOO_LONG));
    }
    let mut issuer = root.subject;
    for intermediate in intermediates {
        let intermediate = Certificate::parse(intermediate)?;
        if intermediate.issuer != issuer {
            return Err(Error::Chain("not in order from the root to the signer"));
        }
        if intermediate.issuer == intermediate.subject {
            return Err(Error::Chain("another root below the root"));
        }
        if !intermediate.is_ca || !intermediate.may_sign_certificates() {
            return Err(Error::Chain("an issuer is not a certificate authority"));
        }
        if !intermediate.is_valid_at(at_ms) {
            return Err(Error::Validity);
        }
        issuer = intermediate.subject;
    }
    let leaf = Certificate::parse(leaf)?;
    if leaf.issuer != issuer {
        return Err(Error::Chain(
            "the signer's issuer is not the last of the bundle",
        ));
    }
    if leaf.is_ca || leaf.path_len.is_some() {
        return Err(Error::Chain("the signer is a certificate authority"));
    }
    if !leaf.may_sign_documents() {
        return Err(Error::Chain("the signer may not make signatures"));
    }
    if !leaf.is_valid_at(at_ms) {
        return Err(Error::Validity);
    }
    Ok(SignerKey(leaf.point))
}

/// Signatures, path lengths, extensions, and that the path is the one stated.
fn check_path(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    root: &Root,
    at_ms: u64,
) -> Result<(), Error> {
    let root = CertificateDer::from(root.der());
    let anchors = [anchor_from_trusted_cert(&root).map_err(|_| Error::Root("unreadable"))?];
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(|_| Error::Certificate("unreadable"))?;
    let stated: Vec<_> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let is_as_stated = |path: &VerifiedPath<'_>| {
        let found = path.intermediate_certificates().map(webpki::Cert::der);
        if found.eq(stated.iter().rev().cloned()) {
            Ok(())
        } else {
            Err(webpki::Error::UnknownIssuer)
        }
    };
    leaf.verify_for_usage(
        &[webpki::ring::ECDSA_P384_SHA384],
        &anchors,
        &stated,
        UnixTime::since_unix_epoch(Duration::from_millis(at_ms)),
        // The signer carries no extended key usage, so any one is satisfied.
        webpki::KeyUsage::client_auth(),
        None,
        Some(&is_as_stated),
    )
    .map(|_| ())
    .map_err(|error| reason(&error))
}

fn reason(error: &webpki::Error) -> Error {
    if matches!(
        error,
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }
    ) {
        Error::Validity
    } else if *error == webpki::Error::PathLenConstraintViolated {
        Error::Chain(TOO_LONG)
    } else {
        Error::Chain("does not lead to the root")
    }
}
