//! Rules of single values: one each, and each of its value's type.

use super::On;
use crate::{
    catalog::ValueRule,
    chain::{Atom, Word},
    codec::json::{Object, Place, Value},
    grant::parse::limits,
    owner::{Error, read},
};

/// Values of one list at most.
const MAX_VALUES: usize = 256;
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
