//! The simulated enclave as a guest: the machine that `claviger-sim up --guest` of the same directory goes with.

use super::{Vm, image, machine, machine::Machine};
use claviger_sim::{nsm::Pki, up::layout::Layout};
use std::{fs, path::Path};

/// Makes what `up` makes for its enclave, packs it with this program as process 1, and starts the machine.
///
/// # Errors
///
/// Tools that are not there, or any failure of the file system.
pub fn start(dir: &Path, program: &Path) -> anyhow::Result<Vm> {
    let layout = Layout::make(dir)?;
    Pki::load_or_generate(&layout.pki())?;
    layout.measurements_or_make()?;
    let place = layout.root().join("vm");
    fs::create_dir_all(&place)?;
    let (pki, measurements) = (layout.pki(), layout.measurements());
    let image = image::simulation(program, &machine::modules()?, &pki, &measurements)?;
    let file = place.join("initramfs");
    fs::write(&file, image)?;
    Vm::start(&place, Machine::cloud(&file)?)
}
