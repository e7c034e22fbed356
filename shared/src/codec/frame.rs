//! Frames between host and enclave: `len u32be ‖ type u8 ‖ flags u8 = 0 ‖ id u64be ‖ body`.
//!
//! `len` counts everything after itself. A header that is not exactly this is refused before its body is read or
//! allocated. This module does not know what the types mean.

/// Bytes of the length field.
pub const LEN_BYTES: usize = 4;
/// Bytes after the length field and before the body.
pub const HEAD_BYTES: usize = 10;
/// Largest value of the length field (DESIGN §11: frame 1 MiB).
pub const MAX_LEN: usize = 1024 * 1024;
/// Largest body.
pub const MAX_BODY: usize = MAX_LEN - HEAD_BYTES;

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The frame type's code; a reply has bit 7 set.
    pub kind: u8,
    /// The request's id, chosen by its sender; 0 for events.
    pub id: u64,
    /// Length of the body in bytes, at most [`MAX_BODY`].
    pub body_len: usize,
}

/// Why a frame's head is refused; the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Flags are not zero.
    #[error("frame flags are not zero")]
    Flags,
    /// Length below 10 or above 1 MiB.
    #[error("frame length out of range")]
    Length,
}

impl Head {
    /// Reads the fixed 14 bytes.
    ///
    /// # Errors
    ///
    /// [`Error`] when the length or the flags are out of range.
    pub fn parse(bytes: &[u8; LEN_BYTES + HEAD_BYTES]) -> Result<Self, Error> {
        let [l0, l1, l2, l3, kind, flags, id @ ..] = *bytes;
        let len =
            usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).map_err(|_| Error::Length)?;
        if !(HEAD_BYTES..=MAX_LEN).contains(&len) {
            return Err(Error::Length);
        }
        if flags != 0 {
            return Err(Error::Flags);
        }
        Ok(Self {
            kind,
            id: u64::from_be_bytes(id),
            body_len: len.saturating_sub(HEAD_BYTES),
        })
    }
}

/// Appends a whole frame to `out`.
///
/// # Errors
///
/// [`Error::Length`] when the body is larger than [`MAX_BODY`]; `out` is unchanged then.
pub fn put(out: &mut Vec<u8>, kind: u8, id: u64, body: &[u8]) -> Result<(), Error> {
    put_parts(out, kind, id, [body])
}

/// Appends a frame whose body stands in parts.
///
/// # Errors
///
/// As for [`put`].
pub fn put_parts<const N: usize>(
    out: &mut Vec<u8>,
    kind: u8,
    id: u64,
    body: [&[u8]; N],
) -> Result<(), Error> {
    let whole = body
        .iter()
        .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    if whole > MAX_BODY {
        return Err(Error::Length);
    }
    let len = u32::try_from(whole.saturating_add(HEAD_BYTES)).map_err(|_| Error::Length)?;
    out.reserve(whole.saturating_add(LEN_BYTES + HEAD_BYTES));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&id.to_be_bytes());
    for part in body {
        out.extend_from_slice(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(len: u32, flags: u8) -> Result<Head, Error> {
        let mut bytes = [0_u8; 14];
        bytes[..4].copy_from_slice(&len.to_be_bytes());
        bytes[4] = 0x41;
        bytes[5] = flags;
        bytes[13] = 7;
        Head::parse(&bytes)
    }

    #[test]
    fn a_frame_reads_back() {
        let mut out = Vec::new();
        put(&mut out, 0x41, 7, b"abc").unwrap();
        let fixed: [u8; 14] = out[..14].try_into().unwrap();
        assert_eq!(
            Head::parse(&fixed),
            Ok(Head {
                kind: 0x41,
                id: 7,
                body_len: 3
            })
        );
        assert_eq!(&out[14..], b"abc");
    }

    #[test]
    fn length_is_limited_on_both_sides() {
        assert_eq!(head(9, 0), Err(Error::Length));
        assert_eq!(head(10, 0).unwrap().body_len, 0);
        assert_eq!(head(1024 * 1024, 0).unwrap().body_len, MAX_BODY);
        assert_eq!(head(1024 * 1024 + 1, 0), Err(Error::Length));
        assert_eq!(put(&mut Vec::new(), 1, 1, &vec![0; MAX_BODY]), Ok(()));
        assert_eq!(
            put(&mut Vec::new(), 1, 1, &vec![0; MAX_BODY + 1]),
            Err(Error::Length)
        );
    }

    #[test]
    fn flags_are_zero() {
        assert_eq!(head(10, 1), Err(Error::Flags));
    }
}
