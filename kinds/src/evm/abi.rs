//! Calldata (Solidity contract ABI): a selector, and arguments in the one encoding that a compiler writes.
//!
//! Heads stand in order, and what is longer than a head behind them in the same order: each offset is where the last one ended,
//! so that nothing overlaps, nothing lies between and nothing is behind. No bit is set that a type has not. It knows no
//! function but by its types.

use claviger_shared::chain::{AbiType, Atom, Word, abi::MAX_ITEMS};
use std::iter::repeat_n;

/// Bytes before the arguments.
pub const SELECTOR: usize = 4;
/// Bytes of all arguments at most: two lists of as many elements as may be fit.
pub const MAX_ARGUMENTS: usize = 8 * 1024;
/// Bytes of a word.
const WORD: usize = 32;

/// Data that is not a call of these types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical encoding of a call of these types")]
pub struct NotCall;

/// A value of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// One word.
    Word(Word),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// `string`.
    Text(&'a str),
    /// Elements of a list, or parts of a tuple.
    Many(Vec<Self>),
}

/// The selector, and what is behind it; nothing for less than a selector.
#[must_use]
pub fn split(data: &[u8]) -> Option<([u8; SELECTOR], &[u8])> {
    let (selector, rest) = data.split_first_chunk()?;
    Some((*selector, rest))
}

/// The arguments behind a selector, of exactly these types of one word each.
///
/// # Errors
///
/// [`NotCall`].
pub fn words(rest: &[u8], types: impl Iterator<Item = Atom>) -> Result<Vec<Word>, NotCall> {
    let types: Vec<_> = types.map(AbiType::Atom).collect();
    let word = |value| match value {
        Value::Word(word) => Ok(word),
        Value::Bytes(_) | Value::Text(_) | Value::Many(_) => Err(NotCall),
    };
    let values = arguments(rest, types.iter())?;
    values.into_iter().map(word).collect()
}

/// The arguments behind a selector, of exactly these types.
///
/// # Errors
///
/// [`NotCall`], also for what is longer than [`MAX_ARGUMENTS`], and for lists of more than [`MAX_ITEMS`].
pub fn arguments<'a, 'b>(
    rest: &'a [u8],
    types: impl Iterator<Item = &'b AbiType> + Clone,
) -> Result<Vec<Value<'a>>, NotCall> {
    if rest.len() > MAX_ARGUMENTS {
        return Err(NotCall);
    }
    match sequence(rest, types) {
        Some((values, [])) => Ok(values),
        Some(_) | None => Err(NotCall),
    }
}

/// What is read, and what is behind it.
type Read<'a, T> = Option<(T, &'a [u8])>;

/// Values side by side. Each takes a word of data at least, so that no type makes more of them than there is data.
fn sequence<'a, 'b>(
    data: &'a [u8],
    types: impl Iterator<Item = &'b AbiType> + Clone,
) -> Read<'a, Vec<Value<'a>>> {
    let heads = types.clone().map(AbiType::head);
    let heads = heads.fold(0, usize::saturating_add);
    let (mut heads, mut tails) = data.split_at_checked(heads)?;
    let mut values = Vec::new();
    for of in types {
        let value;
        if of.is_dynamic() {
            let offset;
            (offset, heads) = number(heads)?;
            if offset != data.len().checked_sub(tails.len())? {
                return None;
            }
            (value, tails) = one(tails, of)?;
        } else {
            (value, heads) = one(heads, of)?;
        }
        values.push(value);
    }
    Some((values, tails))
}

fn one<'a>(data: &'a [u8], of: &AbiType) -> Read<'a, Value<'a>> {
    match of {
        AbiType::Atom(atom) => {
            let (word, rest) = word(data)?;
            atom.holds(&word).then_some((Value::Word(word), rest))
        }
        AbiType::Bytes => {
            let (bytes, rest) = bytes(data)?;
            Some((Value::Bytes(bytes), rest))
        }
        AbiType::String => {
            let (bytes, rest) = bytes(data)?;
            Some((Value::Text(std::str::from_utf8(bytes).ok()?), rest))
        }
        AbiType::List { of, count } => {
            let (count, data) = match count {
                Some(count) => (usize::from(*count), data),
                None => number(data)?,
            };
            if count > usize::from(MAX_ITEMS) {
                return None;
            }
            let (values, rest) = sequence(data, repeat_n(&**of, count))?;
            Some((Value::Many(values), rest))
        }
        AbiType::Tuple(parts) => {
            let (values, rest) = sequence(data, parts.iter())?;
            Some((Value::Many(values), rest))
        }
    }
}

fn word(data: &[u8]) -> Read<'_, Word> {
    let (word, rest) = data.split_first_chunk::<WORD>()?;
    Some((Word(*word), rest))
}

/// An offset, or a length.
fn number(data: &[u8]) -> Read<'_, usize> {
    let (word, rest) = word(data)?;
    Some((usize::try_from(word.as_u64()?).ok()?, rest))
}

/// Bytes behind their length, filled up to words with zeros.
fn bytes(data: &[u8]) -> Read<'_, &[u8]> {
    let (length, data) = number(data)?;
    let (filled, rest) = data.split_at_checked(length.checked_next_multiple_of(WORD)?)?;
    let (bytes, zeros) = filled.split_at_checked(length)?;
    zeros.iter().all(|byte| *byte == 0).then_some((bytes, rest))
}

#[cfg(test)]
mod tests;
