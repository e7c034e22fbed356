//! RLP (Yellow Paper, appendix B): byte strings and lists of them, each thing in one form alone.
//!
//! What is read is refused where it is not in the one form that writing gives: a length longer than needed, a single byte
//! with a length before it, a number with a zero before it, bytes behind the end. It knows no transaction.

/// Nesting that is read.
const MAX_DEPTH: usize = 8;

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// Items.
    List(Vec<Self>),
}

/// Bytes that are not RLP in its one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical RLP")]
pub struct NotCanonical;

/// A list being written.
#[derive(Debug, Default)]
pub struct List(Vec<u8>);

impl List {
    /// With room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a byte string.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        match bytes {
            [single] if *single < 0x80 => self.0.push(*single),
            _ => {
                head(&mut self.0, 0x80, bytes.len());
                self.0.extend_from_slice(bytes);
            }
        }
        self
    }

    /// Adds a number: big endian, without zeros before it; zero is no bytes.
    #[must_use]
    pub fn number(self, number: u128) -> Self {
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes(bytes.get(zeros..).unwrap_or_default())
    }

    /// Adds a list without items.
    #[must_use]
    pub fn empty_list(mut self) -> Self {
        self.0.push(0xc0);
        self
    }

    /// The list behind what stands before it.
    #[must_use]
    pub fn after(self, prefix: &[u8]) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.0.len().saturating_add(prefix.len()).saturating_add(9));
        out.extend_from_slice(prefix);
        head(&mut out, 0xc0, self.0.len());
        out.extend_from_slice(&self.0);
        out
    }
}

/// The byte, or bytes, before a payload.
fn head(out: &mut Vec<u8>, base: u8, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 56 => out.push(base.saturating_add(short)),
        _ => {
            let length = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let length = length.get(zeros..).unwrap_or_default();
            let count = u8::try_from(length.len()).unwrap_or_default();
            out.push(base.saturating_add(55).saturating_add(count));
            out.extend_from_slice(length);
        }
    }
}

/// Reads one item, which is all of the bytes.
///
/// # Errors
///
/// [`NotCanonical`].
pub fn read(bytes: &[u8]) -> Result<Item<'_>, NotCanonical> {
    match item(bytes, MAX_DEPTH)? {
        (item, []) => Ok(item),
        (_, _) => Err(NotCanonical),
    }
}

fn item(bytes: &[u8], depth: usize) -> Result<(Item<'_>, &[u8]), NotCanonical> {
    let (first, rest) = bytes.split_first().ok_or(NotCanonical)?;
    match first {
        0..=0x7f => {
            let (one, rest) = bytes.split_at_checked(1).ok_or(NotCanonical)?;
            Ok((Item::Bytes(one), rest))
        }
        0x80..=0xbf => {
            let (payload, rest) = payload(first.saturating_sub(0x80), rest)?;
            if matches!(payload, [single] if *single < 0x80) {
                return Err(NotCanonical);
            }
            Ok((Item::Bytes(payload), rest))
        }
        0xc0..=0xff => {
            let depth = depth.checked_sub(1).ok_or(NotCanonical)?;
            let (mut payload, rest) = payload(first.saturating_sub(0xc0), rest)?;
            let mut items = Vec::new();
            while !payload.is_empty() {
                let (one, behind) = item(payload, depth)?;
                items.push(one);
                payload = behind;
            }
            Ok((Item::List(items), rest))
        }
    }
}

/// A payload of the length that the head's low part says, and what is behind it.
fn payload(low: u8, rest: &[u8]) -> Result<(&[u8], &[u8]), NotCanonical> {
    let (length, rest) = match low.checked_sub(55) {
        None | Some(0) => (usize::from(low), rest),
        Some(count) => {
            let (digits, rest) = rest
                .split_at_checked(usize::from(count))
                .ok_or(NotCanonical)?;
            let fine = digits.first().is_some_and(|byte| *byte != 0);
            let length = digits.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(256)?.checked_add(usize::from(*byte))
            });
            let length = length.filter(|length| fine && *length > 55);
            (length.ok_or(NotCanonical)?, rest)
        }
    };
    rest.split_at_checked(length).ok_or(NotCanonical)
}

impl<'a> Item<'a> {
    /// The bytes of a byte string.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::List(_) => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            Self::Bytes(_) => None,
        }
    }

    /// A number of up to 256 bits: big endian, without zeros before it.
    #[must_use]
    pub fn as_number(&self) -> Option<claviger_shared::chain::Word> {
        let bytes = self.as_bytes()?;
        let leading = bytes.first() == Some(&0);
        claviger_shared::chain::Word::of_be(bytes).filter(|_| !leading)
    }
}

#[cfg(test)]
mod tests;
