//! Rules of single values: one each, and each of its value's type.

use super::On;
use crate::{
    catalog::ValueRule,
    chain::{Atom, Word, bytes},
    codec::json::{Object, Place, Value},
    grant::parse::limits,
    owner::{Error, read},
};

/// Values of one list at most.
const MAX_VALUES: usize = 256;
/// Texts of one list at most.
const MAX_TEXTS: usize = 64;
/// Longest text in bytes.
const MAX_TEXT: usize = 512;
/// What a text is.
pub(super) const TEXT: &str = "a text of at most 512 bytes without control characters";
/// What a value's rule is.
const RULE: &str = "exactly one of any_of, max, charge, or \"any\": true";

/// The rule among an object's members.
pub(super) fn rule(object: &mut Object<'_>, atom: Atom, on: &On<'_>) -> Result<ValueRule, Error> {
    let at = object.place().clone();
    let (any, listed) = (object.optional("any"), object.optional("any_of"));
    let (charge, most) = (object.optional("charge"), object.optional("max"));
    match (any, listed, charge, most) {
        (Some(place), None, None, None) if place.bool()? => Ok(ValueRule::Any),
        (None, Some(place), None, None) => {
            let list = read::each_once(&place, MAX_VALUES, |place| value(place, atom))?;
            Ok(ValueRule::Listed(read::some(&place, list)?))
        }
        (None, None, Some(place), most) => {
            number(&place, atom)?;
            Ok(ValueRule::Charge {
                unit: on.unit(&place)?,
                most: most.map(|place| limits::amount(&place)).transpose()?,
            })
        }
        (None, None, None, Some(place)) => {
            number(&place, atom)?;
            Ok(ValueRule::Most(value(&place, atom)?))
        }
        _ => Err(Error::invalid(&at, RULE)),
    }
}

/// `"any": true`, and nothing less.
pub(super) fn any(object: &mut Object<'_>) -> Result<(), Error> {
    if object.required("any")?.bool()? {
        Ok(())
    } else {
        let at = object.place().clone();
        Err(Error::invalid(&at, "any_of, or \"any\": true"))
    }
}

/// Texts that a value may be, or bytes as texts.
pub(super) fn texts(place: &Place<'_>, are_bytes: bool) -> Result<Vec<String>, Error> {
    let lower = |text: &str| !text.bytes().any(|b| b.is_ascii_uppercase());
    let is_bytes = |text: &str| text.len() <= MAX_TEXT && lower(text) && bytes(text).is_some();
    let fine = |text: &str| {
        if are_bytes {
            is_bytes(text)
        } else {
            is_text(text)
        }
    };
    let expected = "a text; bytes as 0x and hexadecimal digits in lower case";
    let list = read::each_once(place, MAX_TEXTS, |place| read::text(place, expected, fine))?;
    read::some(place, list)
}

pub(super) fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// One value, as JSON writes values of the type; numbers as texts.
fn value(place: &Place<'_>, atom: Atom) -> Result<Word, Error> {
    let integer = matches!(place.value(), Value::Integer(_));
    let read = atom.read(place.value()).filter(|_| !integer);
    let expected = || format!("a value of {atom}; a number as a string");
    read.ok_or_else(|| Error::invalid(place, expected()))
}

fn number(place: &Place<'_>, atom: Atom) -> Result<(), Error> {
    if matches!(atom, Atom::Uint(_)) {
        Ok(())
    } else {
        Err(Error::invalid(place, "a rule of an unsigned number, uintN"))
    }
}
