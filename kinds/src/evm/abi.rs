//! Calldata (Solidity contract ABI): a selector and words, exactly as many as the function has.
//!
//! Nothing behind the last word, nothing missing, and no bit set that its type has not. It knows no function but by its
//! types.

use claviger_shared::chain::{Atom, Word};

/// Bytes before the words.
pub const SELECTOR: usize = 4;

/// Data that is not a call of these types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical encoding of a call of these types")]
pub struct NotCall;

/// The selector, and what is behind it; nothing for less than a selector.
#[must_use]
pub fn split(data: &[u8]) -> Option<([u8; SELECTOR], &[u8])> {
    let (selector, rest) = data.split_first_chunk()?;
    Some((*selector, rest))
}

/// The arguments behind a selector, of exactly these types.
///
/// # Errors
///
/// [`NotCall`].
pub fn words(rest: &[u8], types: impl Iterator<Item = Atom>) -> Result<Vec<Word>, NotCall> {
    let (words, behind) = rest.as_chunks::<32>();
    let types: Vec<_> = types.collect();
    if !behind.is_empty() || words.len() != types.len() {
        return Err(NotCall);
    }
    let words: Vec<_> = words.iter().map(|word| Word(*word)).collect();
    let mut pairs = words.iter().zip(&types);
    if pairs.all(|(word, atom)| atom.holds(word)) {
        Ok(words)
    } else {
        Err(NotCall)
    }
}
