//! The enclave process: the production library on a mock NSM, behind a Unix socket or, in a virtual machine, a vsock port.
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
    serve::{
        link::{FromParent, Listener},
        run,
    },
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
use vsock::{VMADDR_CID_ANY, VsockListener};

/// Where an enclave process finds what its platform gives it.
#[derive(Debug, Clone)]
pub struct Files {
    /// The mock NSM's PKI.
    pub pki: PathBuf,
    /// What the image measures, as JSON.
    pub measurements: PathBuf,
    /// Where to listen.
    pub at: At,
}

/// Where an enclave listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// At a Unix socket.
    Unix(PathBuf),
    /// At a vsock port, for one peer alone.
    Vsock {
        /// The port.
        port: u32,
        /// The peer's context id: the parent's.
        parent: u32,
    },
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
    /// The vsock port failed.
    #[error("vsock port {port}: {source}")]
    Vsock {
        /// Which.
        port: u32,
        /// The system's answer.
        source: io::Error,
    },
}

impl At {
    /// Listens there; a socket that an earlier process left behind is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Vsock`].
    pub fn listen(&self) -> Result<Box<dyn Listener>, Error> {
        match self {
            Self::Unix(socket) => {
                match std::fs::remove_file(socket) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_at(socket)(error));
                    }
                    Ok(()) | Err(_) => {}
                }
                let listener = UnixListener::bind(socket).map_err(io_at(socket))?;
                Ok(Box::new(listener))
            }
            Self::Vsock { port, parent } => {
                let (port, parent) = (*port, *parent);
                let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)
                    .map_err(|source| Error::Vsock { port, source })?;
                Ok(Box::new(FromParent { listener, parent }))
            }
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// This machine's monotonic clock.
#[derive(Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
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

/// Boots, listens, says so, and serves until the enclave's life ends; why it ended.
///
/// # Errors
///
/// [`Error`].
pub fn run(files: &Files, listening: impl FnOnce()) -> Result<(Phase, String), Error> {
    let pki = Arc::new(Pki::load_or_generate(&files.pki)?);
    let text = std::fs::read(&files.measurements).map_err(io_at(&files.measurements))?;
    let measurements: Measurements = serde_json::from_slice(&text).map_err(Error::Measurements)?;
    let id = MockNsm::random_module_id()?;
    let nsm = MockNsm::new(pki, &measurements, &id, Arc::new(SystemClock))?;
    // The mock answers before it is used, as the device does after a boot.
    let _ = nsm.process(Request::DescribeNSM);
    let listener = files.at.listen()?;
    listening();
    Ok(run::run(platform(nsm), listener)?)
}
