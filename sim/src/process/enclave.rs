//! The enclave process: the production library on a mock NSM, behind a Unix socket.
//!
//! Everything above the platform's traits is the code that runs in a Nitro Enclave. A process is a boot: PCR16 and PCR17
//! are untouched when it begins.

use crate::{
    clock::SystemClock,
    nsm::{Measurements, MockNsm, Pki, PkiError},
};
use aws_nitro_enclaves_nsm_api::api::Request;
use claviger_enclave::{
    boot::{Error as BootError, Platform},
    platform::{Clock, Entropy, NoEntropy, Nsm},
    serve::run,
    version,
};
use claviger_shared::wire::Phase;
use std::{
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Where an enclave process finds what its platform gives it.
#[derive(Debug, Clone)]
pub struct Files {
    /// The mock NSM's PKI.
    pub pki: PathBuf,
    /// What the image measures, as JSON.
    pub measurements: PathBuf,
    /// Where to listen.
    pub socket: PathBuf,
}

/// Why an enclave process did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The enclave refused its platform.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A file or the socket failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The measurements are no JSON of theirs.
    #[error("measurements: {0}")]
    Measurements(serde_json::Error),
    /// The mock NSM's PKI failed.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// This machine's monotonic clock.
#[derive(Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// This machine's generator.
#[derive(Debug)]
struct System;

impl Entropy for System {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        aws_lc_rs::rand::fill(out).map_err(|_| NoEntropy)
    }
}

/// A platform over a mock NSM.
#[must_use]
pub fn platform(nsm: MockNsm) -> Platform {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of the simulated platform"
    )]
    let start = Instant::now();
    Platform {
        nsm: Arc::new(nsm),
        clock: Arc::new(Monotonic(start)),
        entropy: Arc::new(System),
        version: version(),
    }
}

/// Boots and serves until the enclave's life ends; why it ended.
///
/// # Errors
///
/// [`Error`].
pub fn run(files: &Files) -> Result<(Phase, String), Error> {
    let pki = Arc::new(Pki::load_or_generate(&files.pki)?);
    let text = std::fs::read(&files.measurements).map_err(io_at(&files.measurements))?;
    let measurements: Measurements = serde_json::from_slice(&text).map_err(Error::Measurements)?;
    let id = MockNsm::random_module_id()?;
    let nsm = MockNsm::new(pki, &measurements, &id, Arc::new(SystemClock))?;
    // The mock answers before it is used, as the device does after a boot.
    let _ = nsm.process(Request::DescribeNSM);
    let socket = &files.socket;
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at(socket)(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(io_at(socket))?;
    Ok(run::run(platform(nsm), Box::new(listener))?)
}
