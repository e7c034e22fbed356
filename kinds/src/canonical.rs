//! Canonical bytes of an input: every part with its length before it, so that no two inputs share their bytes.
//!
//! It knows no kind's fields; each kind says its own, in a fixed order.

/// Bytes that most inputs fit in.
const ROOM: usize = 512;

/// Bytes being written.
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins with the kind's word.
    pub(crate) fn of(kind: &str) -> Self {
        Self(Vec::with_capacity(ROOM)).part(kind.as_bytes())
    }

    /// One part: its length in eight bytes, big endian, then itself.
    pub(crate) fn part(self, bytes: &[u8]) -> Self {
        let mut out = self.count(bytes.len());
        out.0.extend_from_slice(bytes);
        out
    }

    /// A part that may be absent: absent is one part of nothing, present one of one byte and then the part.
    pub(crate) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.part(&[]),
            Some(bytes) => self.part(&[1]).part(bytes),
        }
    }

    /// How many parts of a list follow.
    pub(crate) fn count(mut self, count: usize) -> Self {
        // No length here comes near 2^64.
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&count.to_be_bytes());
        self
    }

    /// All that was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
