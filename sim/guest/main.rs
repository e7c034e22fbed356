//! `claviger-guest`: process 1 of a virtual machine that holds one simulated enclave and nothing else.
//!
//! It takes no argument and reads nothing but its own image. docs/vm.md tells how it is booted.

use claviger_sim::process::guest;
use std::process::ExitCode;

/// The enclave's own, so that a simulation costs what production does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The console is where the kernel's own lines go.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match guest::run() {
        Ok((phase, reason)) => tracing::info!(?phase, reason, "enclave ended"),
        Err(error) => tracing::error!(%error, "enclave did not run"),
    }
    guest::end();
    ExitCode::FAILURE
}
