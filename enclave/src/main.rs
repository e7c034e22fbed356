//! The production enclave: the library on a Nitro Enclave's own devices, listening on one vsock port.
//!
//! It takes no argument, reads no environment and no file of the host. It ends when its life does; a restart begins a new
//! one.

use claviger_enclave::{nitro, version};
use claviger_shared::wire::Phase;
use std::{io::Write, process::ExitCode};

/// What one thread allocates and another frees takes no lock: docs/decisions/0016.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (code, reason) = match nitro::live(version()) {
        Ok((Phase::Stopped, reason)) => (ExitCode::SUCCESS, reason),
        Ok((_, reason)) => (ExitCode::FAILURE, reason),
        Err(error) => (ExitCode::FAILURE, error.to_string()),
    };
    // The console of an enclave is its standard error; a failed write changes nothing.
    let _ = writeln!(std::io::stderr(), "claviger-enclave: {reason}");
    code
}
