//! The host's operator face, as owners' and operators' commands use it.
//!
//! Everything it answers is either checked by the caller (log entries, documents, receipts) or only a matter of liveness
//! (phase, refusals). It holds a bearer token where the face needs one.

use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::web;
use claviger_shared::{
    codec::cbor,
    id::{Digest, to_hex},
    wire::{control::Signed, storage::StoredEntry},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest answer read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// How long a command may wait for storage, and a little more.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest entry.
const MAX_ENTRY: usize = 1024 * 1024;

/// An operator face.
pub struct Operator {
    http: reqwest::Client,
    base: String,
    token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// A command that is applied and durable.
#[derive(Debug, Clone, Deserialize)]
pub struct Done {
    /// Its number in its chain.
    pub seq: u64,
    /// What came of it, of a shape per action.
    pub result: Value,
    /// The receipt's bytes in base64.
    pub receipt: String,
}

/// What genesis gave; nothing in it is believed before [`crate::ceremony::birth`] has checked it.
#[derive(Debug, Clone)]
pub struct Born {
    /// The sealed bundle.
    pub bundle: Vec<u8>,
    /// The log's origin.
    pub origin: String,
    /// The log's verifier key.
    pub vkey: String,
    /// Root of the log with its first entry.
    pub first_root: Digest,
    /// The attestation document that binds all of it.
    pub document: Vec<u8>,
}

#[derive(Deserialize)]
struct BornWire {
    bundle: String,
    origin: String,
    vkey: String,
    first_root: Digest,
    document: String,
}

/// An RFC 9457 problem document, as far as it is used.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    pointer: Option<String>,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    next: String,
}

impl Operator {
    /// The face at a base URL.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no HTTP client can be made.
    pub fn new(base: &str, token: Option<Zeroizing<String>>) -> Result<Self, Error> {
        let http = web::builder(web::is_https(base), &[])?
            .timeout(TIMEOUT)
            .no_proxy()
            .build();
        let http = http.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Sends a signed command, for `key.import` with the sealed key beside it, and waits until it is durable.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the place and what would be right; [`Error::Unavailable`].
    pub async fn command(&self, signed: &Signed, sealed: Option<&[u8]>) -> Result<Done, Error> {
        let body = json!({
            "body": STANDARD.encode(&signed.body), "signatures": signed.signatures,
            "sealed": sealed.map(|sealed| STANDARD.encode(sealed)),
        });
        let answer = self.post("/v1/commands", &body).await?;
        serde_json::from_slice(&answer).map_err(|_| malformed())
    }

    /// Stored entries from an index on, as many as one answer holds; empty at the end of the log.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also for bytes that are no entries.
    pub async fn entries(&self, from: u64) -> Result<Vec<StoredEntry>, Error> {
        let bytes = self.get(&format!("/log/entries?from={from}")).await?;
        split_entries(&bytes).ok_or_else(malformed)
    }

    /// Starts genesis.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it is over already; [`Error::Unavailable`].
    pub async fn genesis(&self, nonce: &[u8]) -> Result<Born, Error> {
        let answer = self
            .post("/v1/genesis", &json!({ "nonce": to_hex(nonce) }))
            .await?;
        let wire: BornWire = serde_json::from_slice(&answer).map_err(|_| malformed())?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| malformed());
        Ok(Born {
            bundle: decode(&wire.bundle)?,
            document: decode(&wire.document)?,
            origin: wire.origin,
            vkey: wire.vkey,
            first_root: wire.first_root,
        })
    }

    /// Hands the host a manifest chain.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it does not extend the host's; [`Error::Unavailable`].
    pub async fn put_manifests(&self, file: &str) -> Result<(), Error> {
        let request = self.http.put(format!("{}/v1/manifests", self.base));
        let request = request
            .header("content-type", "application/json")
            .body(file.to_owned());
        self.send(request).await.map(drop)
    }

    /// Phase, size and counters, by the host's word.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn status(&self) -> Result<Value, Error> {
        let answer = self.get("/v1/status").await?;
        serde_json::from_slice(&answer).map_err(|_| malformed())
    }

    /// A JSON document of a face, by the host's word.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn json(&self, path: &str) -> Result<Value, Error> {
        let answer = self.get(path).await?;
        serde_json::from_slice(&answer).map_err(|_| malformed())
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.send(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Vec<u8>, Error> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body))
            .await
    }

    fn fault(&self, error: reqwest::Error) -> Error {
        Error::Unavailable(if error.is_connect() {
            format!("cannot connect to {}", self.base)
        } else if error.is_timeout() {
            "host gave no answer in time; a command may have been applied all the same".to_owned()
        } else {
            error.without_url().to_string()
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Error> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        };
        let failed = |error: reqwest::Error| self.fault(error);
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(malformed());
            }
            body.extend_from_slice(&part);
        }
        if status.is_success() {
            return Ok(body);
        }
        Err(problem(status.as_u16(), &body))
    }
}

fn malformed() -> Error {
    Error::Unavailable("host's answer is malformed".to_owned())
}

fn problem(status: u16, body: &[u8]) -> Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if status < 500 && !problem.code.is_empty() => {
            let Problem {
                code,
                pointer,
                detail,
                next,
            } = problem;
            let detail = if detail.is_empty() { next } else { detail };
            Error::Refused {
                code,
                pointer,
                detail,
            }
        }
        Ok(problem) => Error::Unavailable(format!(
            "status {status}, {}: {}",
            problem.code, problem.next
        )),
        Err(_) => Error::Unavailable(format!("status {status}")),
    }
}

/// Reads `u32be length ‖ canonical CBOR` after each other.
fn split_entries(mut bytes: &[u8]) -> Option<Vec<StoredEntry>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (entry, rest) = rest.split_at_checked(length)?;
        entries.push(cbor::decode(entry, MAX_ENTRY).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}
