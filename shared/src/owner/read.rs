//! Members that many owner documents share: texts, times, names, lists.
//!
//! Each function reads one value at its place or says what belongs there. None of them knows a document.

use super::Error;
use crate::{
    codec::json::{self, Object, Place, Value},
    id::Digest,
    time::UnixMs,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The one version of every owner document.
const VERSION: u64 = 1;

/// A whole document of at most `max` bytes.
pub(crate) fn document(bytes: &[u8], max: usize) -> Result<Value, Error> {
    if bytes.len() > max {
        let expected = format!("at most {max} bytes");
        return Err(Error::new(Error::MALFORMED, "", expected));
    }
    Ok(json::parse(bytes)?)
}

/// `"v": 1`.
pub(crate) fn version(object: &mut Object<'_>) -> Result<(), Error> {
    let place = object.required("v")?;
    if place.u64()? == VERSION {
        Ok(())
    } else {
        Err(Error::unsupported(&place, "version 1"))
    }
}

/// A text that `parse` takes.
pub(crate) fn parsed<T, E>(
    place: &Place<'_>,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Error> {
    parse(place.str()?).map_err(|_| Error::invalid(place, expected))
}

/// A text for which `rule` holds.
pub(crate) fn text(
    place: &Place<'_>,
    expected: &'static str,
    rule: impl FnOnce(&str) -> bool,
) -> Result<String, Error> {
    let text = place.str()?;
    if rule(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid(place, expected))
    }
}

/// A SHA-256 digest.
pub(crate) fn digest(place: &Place<'_>) -> Result<Digest, Error> {
    parsed(place, "sha256: and 64 hexadecimal digits", Digest::parse)
}

/// A point in time.
pub(crate) fn time(place: &Place<'_>) -> Result<UnixMs, Error> {
    let expected = "a UTC time such as 2026-11-23T09:00:00Z";
    parsed(place, expected, UnixMs::parse_rfc3339)
}

/// Bytes in padded base64, at most `max` of them.
pub(crate) fn bytes(place: &Place<'_>, max: usize) -> Result<Vec<u8>, Error> {
    let bytes = parsed(place, "padded base64", |text| STANDARD.decode(text))?;
    if bytes.len() > max {
        Err(Error::invalid(place, format!("at most {max} bytes")))
    } else {
        Ok(bytes)
    }
}

/// `true` or `false`; `false` where the member is absent.
pub(crate) fn flag(object: &mut Object<'_>, name: &str) -> Result<bool, Error> {
    match object.optional(name) {
        Some(place) => Ok(place.bool()?),
        None => Ok(false),
    }
}

/// A list of at most `max` elements.
pub(crate) fn each<'a, T>(
    place: &Place<'a>,
    max: usize,
    read: impl FnMut(&Place<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let elements = place.array()?;
    if elements.len() > max {
        return Err(Error::invalid(place, format!("at most {max} elements")));
    }
    elements.iter().map(read).collect()
}

/// A list of at most `max` elements, no two alike.
pub(crate) fn each_once<'a, T: PartialEq>(
    place: &Place<'a>,
    max: usize,
    mut read: impl FnMut(&Place<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut seen: Vec<T> = Vec::new();
    each(place, max, |element| {
        let value = read(element)?;
        if seen.contains(&value) {
            return Err(Error::invalid(element, "each element once"));
        }
        seen.push(value);
        Ok(())
    })?;
    Ok(seen)
}

/// Refuses a list without elements.
pub(crate) fn some<T>(place: &Place<'_>, list: Vec<T>) -> Result<Vec<T>, Error> {
    if list.is_empty() {
        Err(Error::invalid(place, "at least one element"))
    } else {
        Ok(list)
    }
}

/// A list of armoured signatures.
pub(crate) fn signatures(place: &Place<'_>) -> Result<Vec<String>, Error> {
    each(place, crate::wire::control::MAX_SIGNATURES, |signature| {
        text(signature, "an armoured ssh signature", |text| {
            text.len() <= super::sshsig::MAX_ARMORED
        })
    })
}
