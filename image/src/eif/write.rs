//! Writing an image. The bytes follow from the parts alone: no time, no name, no order of a map.

use super::{
    CRC_AT, Eif, Error, HEADER_BYTES, MAGIC, MAX_BYTES, MAX_SECTIONS, SECTION_BYTES, VERSION,
    sections,
};

/// x86_64 (the format's architecture bit, unset).
const FLAGS: u16 = 0;

/// The file.
///
/// # Errors
///
/// [`Error::Shape`] without a kernel, command line, metadata or ramdisk; [`Error::TooLarge`] over what a header or [`MAX_BYTES`] holds.
pub fn write(eif: &Eif) -> Result<Vec<u8>, Error> {
    if eif.ramdisks.is_empty() {
        return Err(Error::Shape("an image needs a ramdisk"));
    }
    let (mut offsets, mut sizes, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, bytes) in sections(eif) {
        if bytes.is_empty() {
            return Err(Error::Shape("a section is empty"));
        }
        let size = u64_of(bytes.len())?;
        offsets.push(u64_of(HEADER_BYTES.saturating_add(body.len()))?);
        sizes.push(size);
        if body.len().saturating_add(bytes.len())
            > MAX_BYTES - HEADER_BYTES - MAX_SECTIONS * SECTION_BYTES
        {
            return Err(Error::TooLarge("the image"));
        }
        body.extend_from_slice(&kind.code().to_be_bytes());
        body.extend_from_slice(&0_u16.to_be_bytes());
        body.extend_from_slice(&size.to_be_bytes());
        body.extend_from_slice(bytes);
    }
    let count =
        u16::try_from(sizes.len()).map_err(|_| Error::TooLarge("the number of sections"))?;
    if sizes.len() > MAX_SECTIONS {
        return Err(Error::TooLarge("the number of sections"));
    }
    offsets.resize(MAX_SECTIONS, 0);
    sizes.resize(MAX_SECTIONS, 0);
    let mut file = head(count, &offsets, &sizes);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file);
    crc.update(&body);
    file.extend_from_slice(&crc.finalize().to_be_bytes());
    file.extend_from_slice(&body);
    Ok(file)
}

/// The header up to the CRC.
fn head(count: u16, offsets: &[u64], sizes: &[u64]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&VERSION.to_be_bytes());
    head.extend_from_slice(&FLAGS.to_be_bytes());
    // Default memory and CPUs: whoever starts the enclave says.
    head.extend_from_slice(&[0; 16]);
    head.extend_from_slice(&0_u16.to_be_bytes());
    head.extend_from_slice(&count.to_be_bytes());
    for value in offsets.iter().chain(sizes) {
        head.extend_from_slice(&value.to_be_bytes());
    }
    head.extend_from_slice(&0_u32.to_be_bytes());
    debug_assert_eq!(head.len(), CRC_AT);
    head
}

fn u64_of(length: usize) -> Result<u64, Error> {
    u64::try_from(length).map_err(|_| Error::TooLarge("a section"))
}
