//! The two ramdisks: what a kernel needs to start a process, and the process.
//!
//! They are unpacked one over the other. The boot ramdisk is measured with the kernel (PCR1), the application's alone (PCR2).

use crate::cpio::{Node, TooLarge, archive};

/// Empty directories to mount on, and the console.
///
/// # Errors
///
/// None in practice: its entries are constants.
pub fn boot() -> Result<Vec<u8>, TooLarge> {
    archive(&[
        ("dev", Node::Directory),
        ("dev/console", Node::Device { major: 5, minor: 1 }),
        ("sys", Node::Directory),
    ])
}

/// The enclave's binary, as process 1.
///
/// # Errors
///
/// [`TooLarge`].
pub fn application(binary: Vec<u8>) -> Result<Vec<u8>, TooLarge> {
    archive(&[(
        "init",
        Node::File {
            bytes: binary,
            executable: true,
        },
    )])
}
