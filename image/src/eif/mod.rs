//! An Enclave Image File, version 4: a header, then sections, all big-endian.
//!
//! ```text
//! header 548:  ".eif" version:u16 flags:u16 memory:u64 cpus:u64 0:u16 sections:u16 offsets:[u64;32] sizes:[u64;32] 0:u32 crc32:u32
//! section:     type:u16 flags:u16 size:u64, then the bytes
//! ```
//! Having an [`Eif`] from [`read()`] means the file is exactly what [`write()`] would make of it: one kernel, one command line, one
//! metadata section, then at least one ramdisk, no gap and nothing behind. Signed images are refused: a signature is not measured
//! into PCR0 to 2, and a reader that parses one trusts the file before it has compared it.

mod measure;
mod read;
mod write;

pub use measure::{Measured, measure};
pub use read::read;
pub use write::write;

/// First bytes of every image.
pub const MAGIC: [u8; 4] = *b".eif";
/// The one version written and read.
pub const VERSION: u16 = 4;
/// The header's length.
pub const HEADER_BYTES: usize = 548;
/// A section's own header.
pub const SECTION_BYTES: usize = 12;
/// Sections a header has room for.
pub const MAX_SECTIONS: usize = 32;
/// Largest image that is read.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Where the CRC stands: the header's last four bytes.
const CRC_AT: usize = HEADER_BYTES - 4;

/// What an image is made of. The order of the ramdisks is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eif {
    /// A bzImage.
    pub kernel: Vec<u8>,
    /// The kernel's command line.
    pub cmdline: Vec<u8>,
    /// JSON for tools; the hypervisor measures nothing of it.
    pub metadata: Vec<u8>,
    /// The boot ramdisk, then those of the application.
    pub ramdisks: Vec<Vec<u8>>,
}

/// What a section holds (the format's `EifSectionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kernel,
    Cmdline,
    Ramdisk,
    Metadata,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::Cmdline => 2,
            Self::Ramdisk => 3,
            Self::Metadata => 5,
        }
    }
}

/// Why a file is no image of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The CRC differs: the file was damaged or cut.
    #[error("checksum differs: the file was damaged, fetch or build it again")]
    Checksum,
    /// Not an EIF.
    #[error("not an EIF file")]
    Magic,
    /// A member of the header or of a section is not what it must be.
    #[error("{0}")]
    Shape(&'static str),
    /// Over a limit.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Another version of the format.
    #[error("EIF version {0}: this program knows version {VERSION}")]
    Version(u16),
}

/// Sections in the order they stand in.
fn sections(eif: &Eif) -> impl Iterator<Item = (Kind, &[u8])> {
    let first = [
        (Kind::Kernel, eif.kernel.as_slice()),
        (Kind::Cmdline, eif.cmdline.as_slice()),
        (Kind::Metadata, eif.metadata.as_slice()),
    ];
    let ramdisks = eif
        .ramdisks
        .iter()
        .map(|disk| (Kind::Ramdisk, disk.as_slice()));
    first.into_iter().chain(ramdisks)
}

#[cfg(test)]
mod tests;
