//! A reader of the CBOR that a security module writes, and of nothing else.
//!
//! It walks forward over borrowed bytes: it allocates nothing, never recurses and trusts no length. Integers and
//! lengths must be in their shortest form, strings must be in one piece, tags must be asked for. Maps and arrays may be
//! of definite or indefinite length, because modules of different years differ in it. It knows nothing of documents.

use super::error::Error;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

/// What remains to be read of one input.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// Items still to come in a map or an array.
pub(super) enum Remaining {
    Counted(u64),
    UntilBreak,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Ends the input.
    pub(super) const fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("bytes after the end"))
        }
    }

    pub(super) fn uint(&mut self) -> Result<u64, Error> {
        self.argument(UINT, "an unsigned integer was expected")
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = self.argument(BYTES, "a byte string was expected")?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.argument(TEXT, "a text string was expected")?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Error::Malformed("text is not UTF-8"))
    }

    /// A byte string, or nothing for an explicit null.
    pub(super) fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>, Error> {
        if self.skip_if(NULL) {
            Ok(None)
        } else {
            self.bytes().map(Some)
        }
    }

    pub(super) fn array(&mut self) -> Result<Remaining, Error> {
        self.container(ARRAY, "an array was expected")
    }

    pub(super) fn map(&mut self) -> Result<Remaining, Error> {
        self.container(MAP, "a map was expected")
    }

    /// Reads a tag if one comes next.
    pub(super) fn tag(&mut self) -> Result<Option<u64>, Error> {
        match self.rest.first() {
            Some(first) if first >> 5 == TAG => self.argument(TAG, "a tag was expected").map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Whether another item of the container comes; consumes the break that ends one of indefinite length.
    pub(super) fn more(&mut self, remaining: &mut Remaining) -> bool {
        match remaining {
            Remaining::Counted(count) => match count.checked_sub(1) {
                Some(fewer) => {
                    *count = fewer;
                    true
                }
                None => false,
            },
            Remaining::UntilBreak => !self.skip_if(BREAK),
        }
    }

    fn container(&mut self, major: u8, expected: &'static str) -> Result<Remaining, Error> {
        if self.skip_if((major << 5) | 31) {
            return Ok(Remaining::UntilBreak);
        }
        self.argument(major, expected).map(Remaining::Counted)
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The argument of a head of the given major type, refused unless in its shortest form.
    fn argument(&mut self, major: u8, expected: &'static str) -> Result<u64, Error> {
        let [head] = self.take_array::<1>()?;
        if head >> 5 != major {
            return Err(Error::Malformed(expected));
        }
        let (value, least) = match head & 0x1f {
            small @ 0..=23 => (u64::from(small), 0),
            24 => (u64::from(u8::from_be_bytes(self.take_array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.take_array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.take_array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.take_array()?), 1 << 32),
            _ => return Err(Error::Malformed("a length this reader does not take")),
        };
        if value < least {
            return Err(Error::Malformed("an integer is not in its shortest form"));
        }
        Ok(value)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).map_err(|_| Error::Malformed("cut short"))?;
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Error::Malformed("cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Error::Malformed("cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uint(hex: &str) -> Result<u64, Error> {
        Reader::new(&hex::decode(hex).unwrap()).uint()
    }

    #[test]
    fn integers_are_read_in_their_shortest_form_only() {
        for (hex, value) in [
            ("00", 0),
            ("17", 23),
            ("1818", 24),
            ("190100", 256),
            ("1a00010000", 65_536),
            ("1b0000000100000000", 1 << 32),
            ("1bffffffffffffffff", u64::MAX),
        ] {
            assert_eq!(uint(hex), Ok(value), "{hex}");
        }
        for hex in [
            "1817",
            "1900ff",
            "1a0000ffff",
            "1b00000000ffffffff",
            "1c",
            "1f",
            "20",
            "18",
            "",
        ] {
            assert!(uint(hex).is_err(), "{hex}");
        }
    }

    #[test]
    fn a_string_longer_than_the_input_is_refused_without_allocating() {
        for hex in [
            "5bffffffffffffffff",
            "7bffffffffffffffff",
            "420a",
            "5f4101ff",
        ] {
            let bytes = hex::decode(hex).unwrap();
            assert!(
                Reader::new(&bytes).bytes().is_err() && Reader::new(&bytes).text().is_err(),
                "{hex}"
            );
        }
    }

    #[test]
    fn both_forms_of_a_container_end_where_they_say() {
        for hex in ["820102", "9f0102ff"] {
            let bytes = hex::decode(hex).unwrap();
            let mut reader = Reader::new(&bytes);
            let mut remaining = reader.array().unwrap();
            let mut seen = Vec::new();
            while reader.more(&mut remaining) {
                seen.push(reader.uint().unwrap());
            }
            assert_eq!(seen, [1, 2]);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn an_unasked_tag_is_refused() {
        assert!(matches!(
            Reader::new(&[0xc2, 0x41, 0x01]).bytes(),
            Err(Error::Malformed(_))
        ));
    }
}
