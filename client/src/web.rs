//! The one maker of HTTP clients: TLS by rustls over ring, with this machine's roots.
//!
//! What is fetched with it either proves itself (documents, log entries) or is somebody else's answer to an agent's call.

use crate::Error;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use std::sync::Arc;

/// A client's beginnings. This machine's roots are read only where https is spoken: that takes milliseconds.
///
/// # Errors
///
/// [`Error::Host`] where the TLS library has no usable configuration or an extra root is no certificate.
pub fn builder(
    https: bool,
    roots: &[CertificateDer<'static>],
) -> Result<reqwest::ClientBuilder, Error> {
    let mut store = RootCertStore::empty();
    if https {
        // Certificates that cannot be read are skipped: a server that needs one is not trusted then.
        let found = rustls_native_certs::load_native_certs();
        let _counts = store.add_parsable_certificates(found.certs);
    }
    for root in roots {
        let added = store.add(root.clone());
        added.map_err(|_| Error::Host("a root certificate is malformed".to_owned()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Host(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config))
}

/// Whether a base URL is of https.
#[must_use]
pub fn is_https(url: &str) -> bool {
    let scheme = url.get(..6);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}
