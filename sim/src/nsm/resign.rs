//! Stands in for the hypervisor where an emulated module does not sign: what its document says, signed under the mock's PKI.
//!
//! QEMU's `nitro-enclave` machine measures an image and keeps registers as Nitro does, but its documents carry no signature, so
//! whoever verifies them refuses. A test's courier has them signed on their way out of the machine. Nothing inside the enclave
//! knows of it, and no production program links it.

use super::{
    document::{self, Statement},
    pcr::Value as Register,
    pki::{Pki, Signer},
};
use crate::clock::WallClock;
use serde::{Deserialize, de::IgnoredAny};
use serde_bytes::ByteBuf;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The emulated module's document cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no document.
    #[error("no attestation document")]
    Document,
    /// It carries a signature already.
    #[error("the document is signed: it is not an emulated module's")]
    Signed,
    /// The PKI failed.
    #[error("the mock's PKI does not sign")]
    Pki,
}

/// COSE_Sign1: protected header, unprotected header, payload, signature (RFC 9052 §4.2).
#[derive(Deserialize)]
struct Envelope(IgnoredAny, IgnoredAny, ByteBuf, ByteBuf);

#[derive(Deserialize)]
struct Payload {
    module_id: String,
    timestamp: u64,
    pcrs: BTreeMap<u16, ByteBuf>,
    public_key: Option<ByteBuf>,
    user_data: Option<ByteBuf>,
    nonce: Option<ByteBuf>,
}

/// Signs what one machine's module says.
pub struct Resigner {
    pki: Arc<Pki>,
    clock: Arc<dyn WallClock>,
    signer: Mutex<Option<(String, Signer)>>,
}

impl fmt::Debug for Resigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resigner")
    }
}

impl Resigner {
    /// Under this PKI.
    #[must_use]
    pub fn new(pki: Arc<Pki>, clock: Arc<dyn WallClock>) -> Self {
        Self {
            pki,
            clock,
            signer: Mutex::new(None),
        }
    }

    /// The document again: every statement as it was, certificates and signature of the mock's.
    ///
    /// # Errors
    ///
    /// An [`Error`]; a document that anyone signed is refused.
    pub fn resign(&self, document: &[u8]) -> Result<Vec<u8>, Error> {
        let Envelope(_, _, payload, signature) =
            serde_cbor::from_slice(document).map_err(|_| Error::Document)?;
        if signature.iter().any(|byte| *byte != 0) {
            return Err(Error::Signed);
        }
        let said: Payload = serde_cbor::from_slice(&payload).map_err(|_| Error::Document)?;
        let pcrs = said.pcrs.into_iter().map(|(index, value)| {
            let value: Register = value.into_vec().try_into().map_err(|_| Error::Document)?;
            Ok((index, value))
        });
        let pcrs = pcrs.collect::<Result<Vec<_>, Error>>()?;
        let statement = Statement {
            module_id: &said.module_id,
            timestamp_ms: said.timestamp,
            pcrs,
            public_key: said.public_key.as_ref().map(|value| value.as_slice()),
            user_data: said.user_data.as_ref().map(|value| value.as_slice()),
            nonce: said.nonce.as_ref().map(|value| value.as_slice()),
        };
        self.sign(&statement)
    }

    fn sign(&self, statement: &Statement<'_>) -> Result<Vec<u8>, Error> {
        let now_ms = self.clock.now_ms();
        let mut kept = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(module, signer): &(String, Signer)| {
            module == statement.module_id && signer.is_current(now_ms)
        };
        if !kept.as_ref().is_some_and(fits) {
            let signer = self
                .pki
                .issue(statement.module_id, now_ms)
                .map_err(|_| Error::Pki)?;
            *kept = Some((statement.module_id.to_owned(), signer));
        }
        let (_, signer) = kept.as_ref().ok_or(Error::Pki)?;
        document::sign(statement, signer).map_err(|_| Error::Pki)
    }
}
