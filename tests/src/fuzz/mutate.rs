//! Mutations of valid samples by a seeded generator: the same run every time, on every machine.

use crate::history::Dice;

/// Longest mutated input.
pub const MAX_INPUT: usize = 64 * 1024;

/// Bytes that parsers look for.
const WORDS: [&[u8]; 24] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"/",
    b"%",
    b"%2F",
    b"..",
    b"\\u0000",
    b"\n",
    b"\r\n",
    b"\0",
    b"0",
    b"-",
    b"1e9",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x9f",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x30\x80",
    b"?a=1&a=1",
];

/// Changes samples.
#[derive(Debug)]
pub struct Mutator {
    dice: Dice,
}

impl Mutator {
    /// The same changes for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { dice: Dice(seed) }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.dice.roll(limit.max(1) as u64)).unwrap()
    }

    /// One of the samples after one to four changes.
    #[must_use]
    pub fn next(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(samples.len());
        let mut bytes = samples.get(at).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            let at = self.below(samples.len());
            self.change(&mut bytes, samples.get(at).map_or(&[], Vec::as_slice));
        }
        bytes.truncate(MAX_INPUT);
        bytes
    }

    fn span(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        let longest = [1, 4, 16, 256, len][self.below(5)];
        let to = (from + 1 + self.below(longest)).min(len);
        (from, to.max(from))
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len());
        match self.below(9) {
            // A bit.
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            // A byte.
            1 if !bytes.is_empty() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
            // A number one up or down: lengths, counts, sizes, digits.
            2 if !bytes.is_empty() => {
                let step = [1, 2, 127, 255][self.below(4)];
                bytes[at] = bytes[at].wrapping_add(step);
            }
            // Cut off.
            3 => bytes.truncate(at),
            // A part left out.
            4 => {
                let (from, to) = self.span(bytes.len());
                bytes.drain(from..to);
            }
            // A part twice: duplicated members and elements.
            5 => {
                let (from, to) = self.span(bytes.len());
                let part = bytes[from..to].to_vec();
                bytes.splice(to..to, part);
            }
            // A part of another sample.
            6 => {
                let (from, to) = self.span(other.len());
                let (start, end) = self.span(bytes.len());
                bytes.splice(start..end, other[from..to].iter().copied());
            }
            // The head of one and the tail of another.
            7 => {
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from.min(other.len())..]);
            }
            // A word that parsers look for.
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                let over = if self.dice.once_in(2) { word.len() } else { 0 };
                let end = (at + over).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
        }
    }
}
