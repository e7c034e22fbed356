//! Strict `application/x-www-form-urlencoded`: what every decoder reads alike, each name once.
//!
//! Members are `name=value` joined by `&`: letters, digits and `*-._~` raw, `+` for a space, escapes in upper case and
//! never of a letter or digit. Decoded text is UTF-8 that [`is_form_text`] accepts. It knows no route.

use claviger_shared::call::http::is_form_text;
use std::collections::BTreeSet;

/// Decoded names and values in order, each name once; nothing for what is not such a form.
///
/// No bytes at all are a form without members.
#[must_use]
pub fn members(body: &[u8]) -> Option<Vec<(String, String)>> {
    if body.is_empty() {
        return Some(Vec::new());
    }
    let mut seen = BTreeSet::new();
    body.split(|byte| *byte == b'&')
        .map(|member| {
            let at = member.iter().position(|byte| *byte == b'=')?;
            let (name, value) = member.split_at_checked(at)?;
            let name = decode(name).filter(|name| !name.is_empty())?;
            let value = decode(value.strip_prefix(b"=")?)?;
            seen.insert(name.clone()).then_some((name, value))
        })
        .collect()
}

fn decode(raw: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let value = (nibble(bytes.next()?)? << 4) | nibble(bytes.next()?)?;
                (!value.is_ascii_alphanumeric()).then_some(value)?
            }
            raw => stands_raw(raw).then_some(raw)?,
        });
    }
    String::from_utf8(out)
        .ok()
        .filter(|text| is_form_text(text))
}

// What the serialisers of browsers and of the common libraries leave raw; they differ on `*` and `~`.
fn stands_raw(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-._~".contains(&byte)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        let good = members(b"a=1&b%5B%5D=x+y%20z&c=&d=~*-._%7E%2A").unwrap();
        let expected = [("a", "1"), ("b[]", "x y z"), ("c", ""), ("d", "~*-._~*")];
        assert_eq!(good, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(members(b""), Some(Vec::new()));
        for bad in [
            "a",
            "=1",
            "&",
            "a=1&",
            "&a=1",
            "a=1&&b=2",
            "a=1;b=2",
            "a=1&a=2",
            "a=1&%61=2",
            "a=b=c",
            "a=%3d",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%FF",
            "a=%00",
            "a=%7F",
            "a=[",
            "a= ",
            "a=ü",
            "a=1\n",
        ] {
            assert_eq!(members(bad.as_bytes()), None, "{bad}");
        }
    }
}
