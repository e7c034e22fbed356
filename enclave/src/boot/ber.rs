//! The small part of BER (X.690) that a KMS reply is written in: tags below 31, definite and indefinite lengths.
//!
//! Every length is checked against what is there, nesting ends at [`MAX_DEPTH`], and trailing bytes are somebody's error.
//! It knows no structure: which elements must follow each other is `cms`'s to say.

/// Containers within containers at most.
pub const MAX_DEPTH: usize = 12;

/// Not BER of the accepted part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed BER")]
pub struct Malformed;

/// `INTEGER`.
pub const INTEGER: u8 = 0x02;
/// `OCTET STRING`, primitive.
pub const OCTETS: u8 = 0x04;
/// `OCTET STRING`, constructed of others.
pub const OCTETS_CONSTRUCTED: u8 = 0x24;
/// `NULL`.
pub const NULL: u8 = 0x05;
/// `OBJECT IDENTIFIER`.
pub const OID: u8 = 0x06;
/// `SEQUENCE`.
pub const SEQUENCE: u8 = 0x30;
/// `SET`.
pub const SET: u8 = 0x31;
/// `[0]`, primitive.
pub const CONTEXT_0: u8 = 0x80;
/// `[0]`, constructed.
pub const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;
/// `[1]`, constructed.
pub const CONTEXT_1_CONSTRUCTED: u8 = 0xa1;

const CONSTRUCTED: u8 = 0x20;
const HIGH_TAG: u8 = 0x1f;
const INDEFINITE: u8 = 0x80;

/// One element: its tag byte and what is in it, an indefinite length's end marker left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The contents octets.
    pub content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a whole document.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            depth: 0,
        }
    }

    /// The next element, whatever it is; nothing at the end.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn element(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (element, rest) = element(self.rest, self.depth)?;
        self.rest = rest;
        Ok(Some(element))
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            Some(element) if element.tag == tag => Ok(element.content),
            Some(_) | None => Err(Malformed),
        }
    }

    /// The next element, which must be a container with this tag: a reader of what is in it.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn enter(&mut self, tag: u8) -> Result<Self, Malformed> {
        let rest = self.expect(tag)?;
        Ok(Self {
            rest,
            depth: self.depth.saturating_add(1),
        })
    }

    /// The bytes of the next element, an octet string in one piece or in many, under the tags of either form.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn octets(&mut self, whole: u8, pieces: u8) -> Result<Vec<u8>, Malformed> {
        let element = self.element()?.ok_or(Malformed)?;
        if element.tag == whole {
            return Ok(element.content.to_vec());
        }
        if element.tag != pieces || self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let mut inner = Self {
            rest: element.content,
            depth: self.depth.saturating_add(1),
        };
        let mut bytes = Vec::new();
        while !inner.rest.is_empty() {
            bytes.extend_from_slice(&inner.octets(OCTETS, OCTETS_CONSTRUCTED)?);
        }
        Ok(bytes)
    }

    /// That nothing is left.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// Splits the first element off.
fn element(bytes: &[u8], depth: usize) -> Result<(Element<'_>, &[u8]), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let (&tag, rest) = bytes.split_first().ok_or(Malformed)?;
    // Tag 0 of the universal class is the end marker, never an element.
    if tag & HIGH_TAG == HIGH_TAG || tag & !CONSTRUCTED == 0 {
        return Err(Malformed);
    }
    let (&first, rest) = rest.split_first().ok_or(Malformed)?;
    if first == INDEFINITE {
        if tag & CONSTRUCTED == 0 {
            return Err(Malformed);
        }
        let (content, rest) = until_end(rest, depth)?;
        return Ok((Element { tag, content }, rest));
    }
    let (length, rest) = length(first, rest)?;
    let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
    Ok((Element { tag, content }, rest))
}

fn length(first: u8, rest: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    if first < INDEFINITE {
        return Ok((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(Malformed);
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(Malformed)?;
    let value = digits
        .iter()
        .fold(0_u32, |value, digit| (value << 8) | u32::from(*digit));
    Ok((usize::try_from(value).map_err(|_| Malformed)?, rest))
}

/// What stands before the end marker that belongs to this level, and what stands after it.
fn until_end(bytes: &[u8], depth: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let mut rest = bytes;
    loop {
        if let Some(after) = rest.strip_prefix(&[0, 0]) {
            let used = bytes.len().checked_sub(rest.len()).ok_or(Malformed)?;
            let content = bytes.get(..used).ok_or(Malformed)?;
            return Ok((content, after));
        }
        (_, rest) = element(rest, depth.saturating_add(1))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new(bytes);
        let octets = reader.octets(OCTETS, OCTETS_CONSTRUCTED)?;
        reader.finish().map(|()| octets)
    }

    #[test]
    fn an_octet_string_may_come_in_pieces() {
        assert_eq!(octets(&[4, 2, 1, 2]), Ok(vec![1, 2]));
        assert_eq!(octets(&[0x24, 6, 4, 1, 1, 4, 1, 2]), Ok(vec![1, 2]));
        assert_eq!(
            octets(&[0x24, 0x80, 4, 1, 1, 4, 1, 2, 0, 0]),
            Ok(vec![1, 2])
        );
        assert_eq!(
            octets(&[0x24, 0x80, 0x24, 0x80, 4, 1, 1, 0, 0, 0, 0]),
            Ok(vec![1])
        );
        assert_eq!(
            octets(&[4, 0x81, 1, 9]),
            Ok(vec![9]),
            "a longer form of the length"
        );
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        for bad in [
            &[4][..],
            &[4, 2, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 1, 9],
            &[4, 0x80],
            &[0x24, 0x80, 4, 1, 1],
            &[0x24, 0x80, 4, 1, 1, 0],
            &[0x24, 3, 2, 1, 1],
            &[0x1f, 1, 0],
            &[0, 0],
            &[4, 1, 1, 0],
        ] {
            assert_eq!(octets(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn nesting_ends() {
        let nested = |depth: usize| {
            let mut bytes = [0x24, 0x80].repeat(depth);
            bytes.extend([4, 0]);
            bytes.extend([0, 0].repeat(depth));
            bytes
        };
        octets(&nested(MAX_DEPTH)).unwrap();
        octets(&nested(MAX_DEPTH + 1)).unwrap_err();
        octets(&[0x24, 0x80].repeat(100_000)).unwrap_err();
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(_)) = reader.element() {}
        }
    }
}
