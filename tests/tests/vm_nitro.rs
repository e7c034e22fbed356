//! The production image, unchanged, on an emulated Nitro machine: measured as computed, its registers extended and locked, its whole
//! job done, and a clean end for everything that is not as it must be.
//!
//! The machine's documents are unsigned, so KMS and clients refuse them; with the courier's signature in the hypervisor's place the
//! image does what it does on Nitro. Nothing in the image knows of either. Needs `make eif` and scripts/vm-nitro-tools.

#[path = "crash/acknowledged.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod acknowledged;
#[path = "../demo/command.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod command;
#[path = "../demo/courier.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod courier;
#[path = "vm_nitro/ends.rs"]
mod ends;
#[path = "vm/guest.rs"]
#[allow(dead_code, reason = "shared with the simulation's machine")]
mod guest;
#[path = "vm/job.rs"]
mod job;
#[path = "vm_nitro/kinds.rs"]
mod kinds;
#[path = "vm_nitro/memory.rs"]
mod memory;
#[path = "p01/own.rs"]
#[allow(dead_code, reason = "shared with the tests of memory")]
mod own;
#[path = "vm_nitro/registers.rs"]
mod registers;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;
#[path = "vm_nitro/unsigned.rs"]
mod unsigned;
#[path = "vm_nitro/wiped.rs"]
mod wiped;

use claviger_tests::vm::nitro;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn the_production_image_does_the_whole_job() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
    job::whole(guest::Guest::of(dir, nitro.vm, &nitro.address).await?).await
}
