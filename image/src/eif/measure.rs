//! What the hypervisor measures of an image: PCR0, PCR1 and PCR2.
//!
//! Each is `SHA-384(48 zero bytes ‖ SHA-384(parts))` over parts one behind the other, without lengths (AWS,
//! aws-nitro-enclaves-image-format, `EifHasher`). So bytes can move between neighbours without changing PCR0: all three are compared.

use super::Eif;
use claviger_shared::{crypto::sha384, id::Pcr};

/// The registers of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Everything: kernel, command line, all ramdisks.
    pub pcr0: Pcr,
    /// The platform: kernel, command line, the boot ramdisk.
    pub pcr1: Pcr,
    /// The application: the ramdisks behind the boot ramdisk.
    pub pcr2: Pcr,
}

/// Measures an image.
#[must_use]
pub fn measure(eif: &Eif) -> Measured {
    let boot = [eif.kernel.as_slice(), eif.cmdline.as_slice()];
    let disks: Vec<&[u8]> = eif.ramdisks.iter().map(Vec::as_slice).collect();
    let (first, others) = disks.split_at_checked(1).unwrap_or_default();
    Measured {
        pcr0: register(&[&boot, first, others].concat()),
        pcr1: register(&[&boot, first].concat()),
        pcr2: register(others),
    }
}

/// A register that was extended once, from zero.
fn register(parts: &[&[u8]]) -> Pcr {
    let digest = sha384(parts);
    sha384(&[&[0; 48], &digest.0])
}
