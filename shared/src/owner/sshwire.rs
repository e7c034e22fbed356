//! The few wire types of SSH (RFC 4251 §5) that keys and signatures are made of, and their base64 armour.
//!
//! Nothing is allocated beyond the input's own length; what is left over is for the caller to refuse with
//! [`Reader::finish`]. What an armour held may be a private key, so no copy of it is left behind. This module knows no key
//! and no signature.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Bytes that are not what SSH would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed ssh value")]
pub struct BadWire;

/// Longest line of base64 accepted in an armour (RFC 2045 §6.8).
pub const MAX_LINE: usize = 76;
/// Length of a base64 line that this module writes, as OpenSSH does.
const LINE: usize = 70;

/// Reads values one after the other.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// So many bytes as they are.
    ///
    /// # Errors
    ///
    /// [`BadWire`] when there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], BadWire> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(BadWire)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A byte.
    ///
    /// # Errors
    ///
    /// [`BadWire`] at the end.
    pub fn byte(&mut self) -> Result<u8, BadWire> {
        let (byte, rest) = self.0.split_first().ok_or(BadWire)?;
        self.0 = rest;
        Ok(*byte)
    }

    /// A big-endian 32-bit number.
    ///
    /// # Errors
    ///
    /// [`BadWire`] at the end.
    pub fn u32(&mut self) -> Result<u32, BadWire> {
        let bytes = self.take(4)?.try_into().map_err(|_| BadWire)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// A length and so many bytes.
    ///
    /// # Errors
    ///
    /// [`BadWire`] when there are fewer.
    pub fn string(&mut self) -> Result<&'a [u8], BadWire> {
        let len = usize::try_from(self.u32()?).map_err(|_| BadWire)?;
        self.take(len)
    }

    /// An `mpint` that is not negative and fits `N` bytes, in its one shortest form, as fixed big-endian bytes.
    ///
    /// # Errors
    ///
    /// [`BadWire`] for anything else.
    pub fn mpint<const N: usize>(&mut self) -> Result<[u8; N], BadWire> {
        let bytes = match self.string()? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => rest,
            bytes if bytes.first().is_none_or(|first| (1..0x80).contains(first)) => bytes,
            _ => return Err(BadWire),
        };
        let start = N.checked_sub(bytes.len()).ok_or(BadWire)?;
        let mut out = [0; N];
        out.get_mut(start..).ok_or(BadWire)?.copy_from_slice(bytes);
        Ok(out)
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`BadWire`] when something is left.
    pub const fn finish(self) -> Result<(), BadWire> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BadWire)
        }
    }

    /// What is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Appends a length and the bytes. Nothing in this crate is as long as 4 GiB; if it were, the length would say so by
/// being the largest there is, and no reader would accept it.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a number that is not negative, from big-endian bytes, in the one form that [`Reader::mpint`] reads.
pub fn put_mpint(out: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    if number.first().is_some_and(|first| *first >= 0x80) {
        put_string(out, &[&[0], number].concat());
    } else {
        put_string(out, number);
    }
}

/// The bytes between a first and a last line, from canonical base64 in lines of one length; the last may be shorter.
///
/// # Errors
///
/// [`BadWire`] for other lines, other line ends, or text around them; one line end after the last line may be missing.
pub fn dearmor(text: &str, begin: &str, end: &str) -> Result<Vec<u8>, BadWire> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.pop() != Some(end) || lines.first() != Some(&begin) {
        return Err(BadWire);
    }
    let lines = lines.get(1..).ok_or(BadWire)?;
    let width = lines.first().map_or(0, |line| line.len());
    let (last, full) = lines.split_last().ok_or(BadWire)?;
    let fits = (1..=MAX_LINE).contains(&width) && (1..=width).contains(&last.len());
    if !fits || full.iter().any(|line| line.len() != width) {
        return Err(BadWire);
    }
    let encoded = Zeroizing::new(lines.concat());
    STANDARD.decode(encoded.as_bytes()).map_err(|_| BadWire)
}

/// The armour that [`dearmor`] reads.
#[must_use]
pub fn armor(bytes: &[u8], begin: &str, end: &str) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(bytes));
    // Room for all of it at once: growing would leave copies behind.
    let room = encoded
        .len()
        .saturating_mul(2)
        .saturating_add(begin.len())
        .saturating_add(end.len());
    let mut out = String::with_capacity(room.saturating_add(4));
    out.push_str(begin);
    out.push('\n');
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE) {
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        out.push_str(rest);
        out.push('\n');
    }
    out.push_str(end);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mpint(bytes: &[u8]) -> Result<[u8; 4], BadWire> {
        let mut out = Vec::new();
        put_string(&mut out, bytes);
        Reader::new(&out).mpint::<4>()
    }

    #[test]
    fn an_mpint_has_one_form() {
        assert_eq!(mpint(&[]), Ok([0; 4]));
        assert_eq!(mpint(&[1]), Ok([0, 0, 0, 1]));
        assert_eq!(mpint(&[0, 0x80]), Ok([0, 0, 0, 0x80]));
        assert_eq!(mpint(&[0, 0xff, 1, 2, 3]), Ok([0xff, 1, 2, 3]));
        for bad in [
            &[0_u8][..],
            &[0, 1],
            &[0x80],
            &[0, 0, 0x80],
            &[1, 2, 3, 4, 5],
            &[0, 0x80, 0, 0, 0, 0],
        ] {
            assert_eq!(mpint(bad), Err(BadWire), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_mpint_reads_back(number: [u8; 4]) {
            for number in [number, [0; 4], [0, 0, 0x80, 1], [0, 0x7f, 0, 0]] {
                let mut out = Vec::new();
                put_mpint(&mut out, &number);
                let mut reader = Reader::new(&out);
                prop_assert_eq!(reader.mpint::<4>(), Ok(number));
                prop_assert_eq!(reader.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(Reader::new(&[0, 0, 0, 2, 1]).string(), Err(BadWire));
        assert_eq!(Reader::new(&[0xff; 4]).string(), Err(BadWire));
        assert_eq!(Reader::new(&[0, 0]).u32(), Err(BadWire));
        assert_eq!(Reader::new(&[0]).finish(), Err(BadWire));
    }

    #[test]
    fn an_armour_is_exact() {
        let good = "B\nAAECAw==\nE\n";
        assert_eq!(dearmor(good, "B", "E").unwrap(), [0, 1, 2, 3]);
        assert_eq!(dearmor("B\nAAEC\nAw==\nE", "B", "E").unwrap(), [0, 1, 2, 3]);
        for bad in [
            "",
            "B\nE\n",
            "B\n\nE",
            " B\nAAECAw==\nE",
            "B\nAAECAw==\nE\n\n",
            "B\r\nAAECAw==\r\nE\r\n",
            "B\nAAECAx==\nE",
            "B\nAAECAw\nE",
            "B\nAAECAw==\n\nE",
            "B\nAA\nECAw==\nE",
            "B\nAAECAw==\nF",
            "B\nAA ECAw==\nE",
        ] {
            assert_eq!(dearmor(bad, "B", "E"), Err(BadWire), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_armour_reads_back(bytes in prop::collection::vec(any::<u8>(), 1..400)) {
            prop_assert_eq!(dearmor(&armor(&bytes, "B", "E"), "B", "E"), Ok(bytes));
        }
    }
}
