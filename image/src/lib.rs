//! The enclave's image: an EIF file, what it holds, and what the hypervisor measures of it.
//!
//! Written and read by small code of our own after the format's public description (AWS, aws-nitro-enclaves-image-format,
//! "Enclave Image File"). Nothing here runs in an enclave or decides anything at run time: it makes a file, and says what a host
//! that boots it will be measured as.

pub mod cpio;
pub mod eif;
pub mod ramdisk;

use claviger_shared::{crypto::sha384, id::Pcr, label};

/// PCR16 of a deployment, from the exact bytes of its first manifest, g0: extended once, from zero (DESIGN §4).
#[must_use]
pub fn deployment(g0: &[u8]) -> Pcr {
    let extended = sha384(&[label::PCR_DEPLOYMENT, g0]);
    sha384(&[&[0; 48], &extended.0])
}
