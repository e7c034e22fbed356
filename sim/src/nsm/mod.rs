//! A mock Nitro Security Module: the device's semantics, limits and errors, with a PKI of its own.
//!
//! It answers the same requests as the device behind the enclave's `Nsm` trait, and its documents verify under the
//! root of its [`Pki`] by the unchanged verifier. A fresh [`MockNsm`] is a fresh boot. It does not know what the
//! enclave uses it for.

mod document;
mod measurements;
mod pcr;
mod pki;
mod resign;
mod x509;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};
use claviger_enclave::platform::Nsm;
use serde_bytes::ByteBuf;

pub use self::measurements::Measurements;
pub use self::pki::{Error as PkiError, Pki};
pub use self::resign::{Error as ResignError, Resigner};

use self::document::Statement;
use self::pcr::Bank;
use self::pki::Signer;
use crate::clock::WallClock;
use crate::hex;

/// Largest request, CBOR-encoded, in bytes.
// aws-nitro-enclaves-nsm-api src/driver/mod.rs: NSM_REQUEST_MAX_SIZE.
pub const MAX_REQUEST: usize = 0x1000;

/// Largest response, CBOR-encoded, in bytes.
// aws-nitro-enclaves-nsm-api src/driver/mod.rs: NSM_RESPONSE_MAX_SIZE.
pub const MAX_RESPONSE: usize = 0x3000;

/// Largest user data and largest nonce, in bytes.
// aws-nitro-enclaves-nsm-api docs/attestation_process.md §3.2.2.2.
pub const MAX_USER_DATA: usize = 512;

/// Largest public key, in bytes.
// aws-nitro-enclaves-nsm-api docs/attestation_process.md §3.2.2.2.
pub const MAX_PUBLIC_KEY: usize = 1024;

/// Random bytes per request.
// QEMU hw/virtio/virtio-nsm.c: NSM_RND_BUF_SIZE.
pub const RANDOM_LEN: usize = 256;

/// A mock NSM, from boot to the end of its enclave.
pub struct MockNsm {
    module_id: String,
    pki: Arc<Pki>,
    clock: Arc<dyn WallClock>,
    state: Mutex<State>,
}

struct State {
    pcrs: Bank,
    signer: Signer,
}

impl fmt::Debug for MockNsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockNsm")
            .field("module_id", &self.module_id)
            .finish_non_exhaustive()
    }
}

impl MockNsm {
    /// Boots: PCR 0 to 15 hold the measurements and are locked, 16 to 31 are zero and the application's.
    ///
    /// # Errors
    ///
    /// [`PkiError`] if the certificates for `module_id` cannot be made, such as when it is empty or too long.
    pub fn new(
        pki: Arc<Pki>,
        measurements: &Measurements,
        module_id: &str,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, PkiError> {
        let signer = pki.issue(module_id, clock.now_ms())?;
        let state = Mutex::new(State {
            pcrs: Bank::boot(measurements),
            signer,
        });
        Ok(Self {
            module_id: module_id.to_owned(),
            pki,
            clock,
            state,
        })
    }

    /// A module id of the form AWS uses, `i-<17 hex>-enc<16 hex>`, at random.
    ///
    /// # Errors
    ///
    /// [`PkiError::Randomness`] if the machine gives no random bytes.
    pub fn random_module_id() -> Result<String, PkiError> {
        let mut bytes = [0; 17];
        rand::fill(&mut bytes).map_err(|_| PkiError::Randomness)?;
        let (instance, enclave) = bytes.split_at(9);
        let instance: String = hex::encode(instance).chars().take(17).collect();
        Ok(format!("i-{instance}-enc{}", hex::encode(enclave)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: Request) -> Result<Response, ErrorCode> {
        match request {
            Request::DescribePCR { index } => {
                let (lock, data) = self.state().pcrs.describe(index)?;
                Ok(Response::DescribePCR {
                    lock,
                    data: data.to_vec(),
                })
            }
            Request::ExtendPCR { index, data } => {
                self.state()
                    .pcrs
                    .extend(index, &data)
                    .map(|data| Response::ExtendPCR {
                        data: data.to_vec(),
                    })
            }
            Request::LockPCR { index } => self.state().pcrs.lock(index).map(|()| Response::LockPCR),
            Request::LockPCRs { range } => self
                .state()
                .pcrs
                .lock_below(range)
                .map(|()| Response::LockPCRs),
            Request::DescribeNSM => Ok(self.describe()),
            Request::Attestation {
                user_data,
                nonce,
                public_key,
            } => self.attest(user_data, nonce, public_key),
            Request::GetRandom => {
                let mut random = vec![0; RANDOM_LEN];
                rand::fill(&mut random).map_err(|_| ErrorCode::InternalError)?;
                Ok(Response::GetRandom { random })
            }
            // The upstream type may grow; the device answers what it does not know like this.
            _ => Err(ErrorCode::InvalidOperation),
        }
    }

    fn describe(&self) -> Response {
        Response::DescribeNSM {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: self.module_id.clone(),
            max_pcrs: pcr::COUNT,
            locked_pcrs: self.state().pcrs.locked().map(|(index, _)| index).collect(),
            digest: Digest::SHA384,
        }
    }

    fn attest(
        &self,
        user_data: Option<ByteBuf>,
        nonce: Option<ByteBuf>,
        public_key: Option<ByteBuf>,
    ) -> Result<Response, ErrorCode> {
        let too_long =
            |value: &Option<ByteBuf>, most| value.as_ref().is_some_and(|value| value.len() > most);
        if too_long(&user_data, MAX_USER_DATA)
            || too_long(&nonce, MAX_USER_DATA)
            || too_long(&public_key, MAX_PUBLIC_KEY)
        {
            return Err(ErrorCode::InputTooLarge);
        }
        if public_key.as_ref().is_some_and(|key| key.is_empty()) {
            return Err(ErrorCode::InvalidArgument);
        }
        let timestamp_ms = self.clock.now_ms();
        let mut state = self.state();
        if !state.signer.is_current(timestamp_ms) {
            state.signer = self
                .pki
                .issue(&self.module_id, timestamp_ms)
                .map_err(|_| ErrorCode::InternalError)?;
        }
        let statement = Statement {
            module_id: &self.module_id,
            timestamp_ms,
            pcrs: state.pcrs.locked().collect(),
            public_key: public_key.as_ref().map(|value| value.as_slice()),
            user_data: user_data.as_ref().map(|value| value.as_slice()),
            nonce: nonce.as_ref().map(|value| value.as_slice()),
        };
        let document =
            document::sign(&statement, &state.signer).map_err(|_| ErrorCode::InternalError)?;
        Ok(Response::Attestation { document })
    }
}

impl Nsm for MockNsm {
    fn process(&self, request: Request) -> Response {
        // The driver measures the encoded request before the device sees it.
        match serde_cbor::to_vec(&request) {
            Ok(encoded) if encoded.len() <= MAX_REQUEST => {}
            Ok(_) => return Response::Error(ErrorCode::InputTooLarge),
            Err(_) => return Response::Error(ErrorCode::InvalidArgument),
        }
        let response = self.answer(request).unwrap_or_else(Response::Error);
        match serde_cbor::to_vec(&response) {
            Ok(encoded) if encoded.len() <= MAX_RESPONSE => response,
            Ok(_) => Response::Error(ErrorCode::BufferTooSmall),
            Err(_) => Response::Error(ErrorCode::InternalError),
        }
    }
}

#[cfg(test)]
mod tests;
