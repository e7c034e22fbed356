//! Frames out of big reads: a buffer that is filled by the runtime and emptied frame by frame.

use claviger_shared::codec::frame::{HEAD_BYTES, Head, LEN_BYTES};
use std::io;

const READ: usize = 128 * 1024;
/// Above this an empty buffer gives its memory back.
const KEEP: usize = 512 * 1024;

/// Bytes read and not yet consumed.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    from: usize,
}

impl Incoming {
    /// A buffer that begins with bytes already read.
    #[must_use]
    pub const fn with(bytes: Vec<u8>) -> Self {
        Self { bytes, from: 0 }
    }

    /// Where the runtime may append; consumed bytes are dropped first.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.from == self.bytes.len() {
            self.bytes.clear();
            if self.bytes.capacity() > KEEP {
                self.bytes.shrink_to(READ);
            }
        } else if self.from > 0 {
            self.bytes.drain(..self.from);
        }
        self.from = 0;
        self.bytes.reserve(READ);
        &mut self.bytes
    }

    /// What is there.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Marks bytes as consumed.
    pub fn consume(&mut self, count: usize) {
        self.from = (self.from + count).min(self.bytes.len());
    }
}

/// Splits the next whole frame off the front: `None` while it is incomplete.
///
/// # Errors
///
/// `InvalidData` for a head out of range.
pub fn split<'a>(bytes: &mut &'a [u8]) -> io::Result<Option<(Head, &'a [u8])>> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<{ LEN_BYTES + HEAD_BYTES }>() else {
        return Ok(None);
    };
    let head = Head::parse(fixed).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let Some((body, rest)) = rest.split_at_checked(head.body_len) else {
        return Ok(None);
    };
    *bytes = rest;
    Ok(Some((head, body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::codec::frame;

    #[test]
    fn frames_come_out_whole_however_they_come_in() {
        let mut wire = Vec::new();
        frame::put(&mut wire, 0x41, 1, b"one").unwrap();
        frame::put(&mut wire, 0x41, 2, b"").unwrap();
        let (mut incoming, mut ids) = (Incoming::default(), Vec::new());
        for byte in wire {
            incoming.room().push(byte);
            let mut rest = incoming.unread();
            let before = rest.len();
            while let Some((head, _)) = split(&mut rest).unwrap() {
                ids.push(head.id);
            }
            let used = before - rest.len();
            incoming.consume(used);
        }
        assert_eq!(ids, [1, 2]);
        assert!(incoming.unread().is_empty());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_body() {
        let mut head = (1024_u32 * 1024 + 1).to_be_bytes().to_vec();
        head.extend_from_slice(&[0xC1; 10]);
        head[5] = 0;
        split(&mut head.as_slice()).unwrap_err();
    }
}
