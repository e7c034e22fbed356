//! Reading an image: each part is taken where it must stand, then the whole is compared with what those parts are written as.

use super::{
    CRC_AT, Eif, Error, HEADER_BYTES, Kind, MAGIC, MAX_BYTES, SECTION_BYTES, VERSION, write,
};

/// The parts of a file.
///
/// # Errors
///
/// An [`Error`] for anything but the bytes that [`write()`] makes.
pub fn read(file: &[u8]) -> Result<Eif, Error> {
    if file.len() > MAX_BYTES {
        return Err(Error::TooLarge("the file"));
    }
    let (head, body) = file.split_at_checked(HEADER_BYTES).ok_or(Error::Magic)?;
    check_head(head, body)?;
    let mut rest = body;
    let kernel = section(&mut rest, Kind::Kernel)?;
    let cmdline = section(&mut rest, Kind::Cmdline)?;
    let metadata = section(&mut rest, Kind::Metadata)?;
    let mut ramdisks = Vec::new();
    while !rest.is_empty() {
        ramdisks.push(section(&mut rest, Kind::Ramdisk)?);
    }
    let eif = Eif {
        kernel,
        cmdline,
        metadata,
        ramdisks,
    };
    if write(&eif)? == file {
        Ok(eif)
    } else {
        Err(Error::Shape("the header does not fit the sections"))
    }
}

fn check_head(head: &[u8], body: &[u8]) -> Result<(), Error> {
    if !head.starts_with(&MAGIC) {
        return Err(Error::Magic);
    }
    let mut rest = head.get(MAGIC.len()..).unwrap_or_default();
    let version = u16_of(&mut rest)?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let (before, crc) = head.split_at_checked(CRC_AT).ok_or(Error::Magic)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(body);
    if hasher.finalize().to_be_bytes() == crc {
        Ok(())
    } else {
        Err(Error::Checksum)
    }
}

/// Takes one section, which must be of this kind.
fn section(rest: &mut &[u8], kind: Kind) -> Result<Vec<u8>, Error> {
    const CUT: Error = Error::Shape("a section is cut short");
    let (mut head, after) = rest.split_at_checked(SECTION_BYTES).ok_or(CUT)?;
    if u16_of(&mut head)? != kind.code() {
        return Err(Error::Shape(
            "sections must be kernel, command line, metadata, ramdisks; signed images are not read",
        ));
    }
    let _flags = u16_of(&mut head)?;
    let size: [u8; 8] = head.try_into().map_err(|_| CUT)?;
    let size = usize::try_from(u64::from_be_bytes(size)).map_err(|_| CUT)?;
    let (bytes, after) = after.split_at_checked(size).ok_or(CUT)?;
    *rest = after;
    Ok(bytes.to_vec())
}

fn u16_of(rest: &mut &[u8]) -> Result<u16, Error> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Error::Magic)?;
    *rest = after;
    Ok(u16::from_be_bytes(*bytes))
}
