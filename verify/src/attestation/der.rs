//! A reader of DER: definite lengths in their shortest form, low tag numbers, nothing after the end.
//!
//! It walks forward over borrowed bytes and never recurses by itself. It knows nothing of certificates.

use super::error::Error;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

const BROKEN: Error = Error::Certificate("not DER");

/// What remains to be read of one value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(BROKEN)
        }
    }

    /// The contents of the next value, which must have this tag.
    pub(super) fn value(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        let (found, contents) = self.any()?;
        if found == tag {
            Ok(contents)
        } else {
            Err(BROKEN)
        }
    }

    /// The next value if it has this tag.
    pub(super) fn value_if(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Error> {
        if self.rest.first() == Some(&tag) {
            self.value(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A reader of the contents of the next value.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, Error> {
        self.value(tag).map(Self::new)
    }

    /// Tag and contents of the next value.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Error> {
        let [tag, first] = self.take_array::<2>()?;
        if tag & 0x1f == 0x1f {
            return Err(BROKEN);
        }
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81 => shortest(u16::from(u8::from_be_bytes(self.take_array()?)), 0x80)?,
            0x82 => shortest(u16::from_be_bytes(self.take_array()?), 0x100)?,
            _ => return Err(BROKEN),
        };
        let (contents, rest) = self.rest.split_at_checked(length).ok_or(BROKEN)?;
        self.rest = rest;
        Ok((tag, contents))
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(BROKEN)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// The contents of a BIT STRING that is a whole number of bytes.
pub(super) fn whole_bytes(bits: &[u8]) -> Result<&[u8], Error> {
    match bits.split_first() {
        Some((0, bytes)) => Ok(bytes),
        Some(_) | None => Err(BROKEN),
    }
}

fn shortest(length: u16, least: u16) -> Result<usize, Error> {
    if length < least {
        Err(BROKEN)
    } else {
        Ok(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_definite_length_is_read() {
        assert_eq!(
            Reader::new(&[0x04, 0x01, 0xaa]).value(OCTET_STRING),
            Ok(&[0xaa][..])
        );
        for broken in [
            &[0x04u8, 0x81, 0x01, 0xaa][..],
            &[0x04, 0x82, 0x00, 0x01, 0xaa],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x04, 0x84, 0, 0, 0, 1, 0xaa],
            &[0x04, 0x02, 0xaa],
            &[0x1f, 0x01, 0xaa],
            &[0x04],
            &[],
        ] {
            assert_eq!(Reader::new(broken).any(), Err(BROKEN), "{broken:02x?}");
        }
    }
}
