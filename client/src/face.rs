//! The host's agent face: plain GETs of what proves itself.

use crate::{Error, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{codec::cbor, id::to_hex, wire::storage::StoredEntry};
use serde::Deserialize;

/// Longest body read.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A host's agent face.
#[derive(Debug, Clone)]
pub struct Face {
    http: reqwest::Client,
    base: String,
}

#[derive(Deserialize)]
struct Boot {
    index: u64,
    entry: String,
}

impl Face {
    /// The face at a base URL.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when no HTTP client can be made.
    pub fn new(base: &str) -> Result<Self, Error> {
        let http = web::builder(web::is_https(base), &[])?
            .timeout(std::time::Duration::from_secs(10))
            .no_proxy()
            .build()
            .map_err(|error| Error::Host(error.to_string()))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// The attestation document for a nonce.
    ///
    /// # Errors
    ///
    /// [`Error::Host`].
    pub async fn attestation(&self, nonce: &[u8]) -> Result<Vec<u8>, Error> {
        self.get(&format!("/v1/attestation?nonce={}", to_hex(nonce)))
            .await
    }

    /// The manifest chain's file.
    ///
    /// # Errors
    ///
    /// [`Error::Host`].
    pub async fn manifests(&self) -> Result<Vec<u8>, Error> {
        self.get("/v1/manifests").await
    }

    /// The Boot entry of the instance that serves.
    ///
    /// # Errors
    ///
    /// [`Error::Host`], also when it is not an entry.
    pub async fn boot(&self) -> Result<StoredEntry, Error> {
        let body = self.get("/v1/boot").await?;
        let malformed = || Error::Host("boot entry is malformed".to_owned());
        let boot: Boot = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let bytes = STANDARD.decode(boot.entry).map_err(|_| malformed())?;
        let entry: StoredEntry = cbor::decode(&bytes, MAX_BODY).map_err(|_| malformed())?;
        if entry.index == boot.index {
            Ok(entry)
        } else {
            Err(malformed())
        }
    }

    fn fault(&self, error: reqwest::Error) -> Error {
        Error::Host(if error.is_connect() {
            format!("cannot connect to {}", self.base)
        } else if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            error.without_url().to_string()
        })
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        let host = |error: reqwest::Error| self.fault(error);
        let mut answer = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .map_err(host)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(host)? {
            if body.len().saturating_add(part.len()) > MAX_BODY {
                return Err(Error::Host("body is too large".to_owned()));
            }
            body.extend_from_slice(&part);
        }
        if status.is_success() {
            Ok(body)
        } else {
            Err(Error::Host(format!("status {status} at {path}")))
        }
    }
}
