//! The production enclave: the library on a Nitro Enclave's own devices, listening on one vsock port.
//!
//! It takes no argument, reads no environment and no file of the host. It ends when its life does; a restart begins a new
//! one.

use claviger_enclave::{
    boot::Error,
    nitro,
    serve::{link::FromParent, run},
    version,
};
use claviger_shared::wire::Phase;
use std::{io::Write, process::ExitCode};
use vsock::{VMADDR_CID_ANY, VsockListener};

/// What one thread allocates and another frees takes no lock: docs/decisions/0016.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (code, reason) = match serve() {
        Ok((Phase::Stopped, reason)) => (ExitCode::SUCCESS, reason),
        Ok((_, reason)) => (ExitCode::FAILURE, reason),
        Err(error) => (ExitCode::FAILURE, error.to_string()),
    };
    // The console of an enclave is its standard error; a failed write changes nothing.
    let _ = writeln!(std::io::stderr(), "claviger-enclave: {reason}");
    code
}

fn serve() -> Result<(Phase, String), Error> {
    let platform = nitro::platform(version())?;
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, nitro::PORT);
    let listener = listener.map_err(|_| Error::Platform("vsock"))?;
    let parent = nitro::PARENT_CID;
    run::run(platform, Box::new(FromParent { listener, parent }))
}
