//! The production image as a guest: QEMU's `nitro-enclave` machine boots the very file that `make eif` makes.
//!
//! The machine measures the image, keeps registers and gives entropy as Nitro does; `scripts/vm-nitro-tools` built it, with a clock as
//! the hypervisor's. It does not sign: see [`super::courier`].

use super::{
    Vm,
    courier::Courier,
    machine::{Machine, VSOCK, tools},
};
use anyhow::{Context, ensure};
use claviger_image::eif::{self, Eif, Measured};
use claviger_sim::{
    clock::SystemClock,
    nsm::{Measurements, Pki, Resigner},
    up::layout::{HOST_PRINCIPAL, Layout},
};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Memory of the machine in MiB.
pub const MEMORY: u32 = 256;
/// The parent instance, measured into PCR4.
pub const INSTANCE: &str = "i-0emulated000000000";
/// Has the kernel say which signal ended the image, and where: told behind the image's own command line, which stays as it is.
const TOLD: &str = "print-fatal-signals=1 loglevel=7";
/// Where Debian has the firmware that the machine starts with.
const FIRMWARE: [&str; 2] = ["/usr/share/qemu", "/usr/share/seabios"];

/// What `make eif` made.
#[must_use]
pub fn image_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image/claviger.eif")
}

/// The image, read.
///
/// # Errors
///
/// Where there is none.
pub fn image() -> anyhow::Result<Eif> {
    let file = fs::read(image_file()).context("no image: run `make eif`")?;
    Ok(eif::read(&file)?)
}

/// The machine for an image: `more` is appended to the command line, which changes no measurement.
///
/// # Errors
///
/// Where the tools are not there.
pub fn machine(image: &Path, memory: u32, more: &str) -> anyhow::Result<Machine> {
    let program = tools().join("nitro/qemu-system-x86_64");
    let device = tools().join("bin/vhost-device-vsock");
    ensure!(program.is_file(), "no emulator: run scripts/vm-nitro-tools");
    ensure!(device.is_file(), "no vsock device: run scripts/vm-tools");
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    for place in FIRMWARE {
        add("-L", place.into());
    }
    let kind = format!(
        "nitro-enclave,vsock={VSOCK},id=i-0emulated-enc0,parent-role={HOST_PRINCIPAL},parent-id={INSTANCE}"
    );
    add("-M", kind.into());
    add("-accel", "tcg".into());
    add("-cpu", "qemu64".into());
    add("-m", format!("{memory}M").into());
    add("-smp", "1".into());
    add("-kernel", image.into());
    if !more.is_empty() {
        add("-append", more.into());
    }
    Ok(Machine {
        program,
        arguments,
        device,
    })
}

/// The machine, the courier before it, and what the image measures.
#[derive(Debug)]
pub struct Nitro {
    /// The machine.
    pub vm: Vm,
    /// Between host and machine.
    pub courier: Arc<Courier>,
    /// Where hosts dial the courier.
    pub address: PathBuf,
    /// PCR0, PCR1 and PCR2 as the image's own program says.
    pub measured: Measured,
}

/// Starts the image for a deployment of `claviger-sim up` in this directory, whose PKI signs for the hypervisor.
///
/// # Errors
///
/// Tools that are not there, or any failure of the file system.
pub fn start(dir: &Path, memory: u32) -> anyhow::Result<Nitro> {
    let layout = Layout::make(dir)?;
    let pki = Arc::new(Pki::load_or_generate(&layout.pki())?);
    let measured = eif::measure(&image()?);
    let measurements = Measurements {
        pcr0: measured.pcr0.0,
        pcr1: measured.pcr1.0,
        pcr2: measured.pcr2.0,
        role_arn: HOST_PRINCIPAL.to_owned(),
        instance_id: INSTANCE.to_owned(),
    };
    fs::write(layout.measurements(), serde_json::to_vec(&measurements)?)?;
    let place = layout.root().join("vm");
    let vm = Vm::start(&place, machine(&image_file(), memory, TOLD)?)?;
    let address = place.join("courier.sock");
    let resigner = Resigner::new(pki, Arc::new(SystemClock));
    let courier = Courier::start(&address, vm.places().address(), resigner)?;
    Ok(Nitro {
        vm,
        courier,
        address,
        measured,
    })
}
