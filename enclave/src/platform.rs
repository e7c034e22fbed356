//! What differs between Nitro and the simulation: the security module, the clocks and the entropy source.
//!
//! Everything the enclave learns from its platform comes through these traits, so that the simulation runs the same
//! code with another implementation and no feature switch. It does not know which implementation it was given.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};

/// The Nitro Security Module: one request, one answer, in the device's own types.
///
/// An implementation is trusted for attestation, PCRs, entropy and the time inside its documents. It serialises
/// callers by itself, as the kernel's driver does.
pub trait Nsm: Send + Sync {
    /// Answers one request as the device would; a failure is `Response::Error`.
    fn process(&self, request: Request) -> Response;
}

/// Elapsed time that never goes backwards and that the host cannot set.
pub trait Clock: Send + Sync {
    /// Microseconds since an arbitrary start, monotonic.
    fn monotonic_us(&self) -> u64;
}

/// The source of every random byte that keys, nonces and salts are made of.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] when the source is not to be trusted; `out` must then not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The entropy source refused or is not the one the platform must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no trustworthy entropy")]
pub struct NoEntropy;
