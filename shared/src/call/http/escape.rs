//! The bytes of paths, queries and forms, and their percent escapes.
//!
//! A text that passes has one spelling: only what must be escaped is, in upper case, and nothing decodes to a byte that
//! a second decoder or a router could read as structure. Decoded text is UTF-8 without control characters.

/// Where a text stands; decides which bytes may stand in it raw and which escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One segment of a path, or the name of a query member.
    Strict,
    /// The value of a query member.
    Value,
}

/// The decoded text of one path segment in normal form.
///
/// Refused: nothing at all, `.` and `..`, a raw byte outside RFC 3986 `pchar`, `;`, `\`, an escape in lower case, of an
/// unreserved byte, of `/`, `\`, `%`, `;` or of a control character, and escapes that are not UTF-8.
#[must_use]
pub fn segment(raw: &str) -> Option<String> {
    if matches!(raw, "" | "." | "..") {
        return None;
    }
    decode(raw, Place::Strict, is_pchar)
}

/// The decoded text of one part of an object's key between slashes; it may be empty.
///
/// What is not unreserved (RFC 3986 §2.3) must be escaped, in upper case, and only that: there is one spelling. Dot segments
/// are refused, because clients resolve them, and an escaped slash, because it is none.
#[must_use]
pub fn object_segment(raw: &str) -> Option<String> {
    if matches!(raw, "." | "..") {
        return None;
    }
    let text = decode(raw, Place::Value, is_unreserved)?;
    (!text.contains('/')).then_some(text)
}

/// RFC 3986 §2.1: every byte escaped that is not unreserved.
pub fn put_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(upper_digit));
        }
    }
}

/// The decoded name of a query member, under the rules of a path segment; `+`, `=`, `&` and `'` stand in it escaped only.
#[must_use]
pub fn query_name(raw: &str) -> Option<String> {
    if raw.is_empty() {
        return None;
    }
    let fine = |b| is_pchar(b) && !matches!(b, b'+' | b'=' | b'&' | b'\'');
    decode(raw, Place::Strict, fine)
}

/// The decoded value of a query member; it may be empty.
///
/// A raw `+` is refused, because half of all servers read it as a space; `%20` and `%2B` say which one is meant. A raw `'`
/// is refused, because HTTP clients that parse URLs as browsers do (WHATWG) send it as `%27`. An escaped `/`, `\`, `%` or `;` is no structure here and allowed; the rest is as in a path segment.
#[must_use]
pub fn query_value(raw: &str) -> Option<String> {
    let fine = |b| (is_pchar(b) || matches!(b, b'/' | b'?')) && !matches!(b, b'+' | b'&' | b'\'');
    decode(raw, Place::Value, fine)
}

/// Whether decoded form text is fit to be compared: no control character but tab, line feed and carriage return.
#[must_use]
pub fn is_form_text(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

fn decode(raw: &str, place: Place, may_stand: impl Fn(u8) -> bool) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let value = (upper_nibble(bytes.next()?)? << 4) | upper_nibble(bytes.next()?)?;
            may_be_escaped(value, place).then_some(())?;
            out.push(value);
        } else {
            may_stand(byte).then_some(())?;
            out.push(byte);
        }
    }
    String::from_utf8(out)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
}

// RFC 3986 §3.3, without `;`, which old routers cut paths at.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn may_be_escaped(value: u8, place: Place) -> bool {
    let structure = matches!(value, b'/' | b'\\' | b'%' | b';');
    !is_unreserved(value) && (place == Place::Value || !structure)
}

fn upper_digit(nibble: u8) -> char {
    let digit = match nibble {
        0..=9 => b'0'.wrapping_add(nibble),
        _ => b'A'.wrapping_add(nibble).wrapping_sub(10),
    };
    char::from(digit)
}

fn upper_nibble(digit: u8) -> Option<u8> {
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
    fn a_segment_is_never_repaired() {
        assert_eq!(segment("ord_1").as_deref(), Some("ord_1"));
        assert_eq!(segment("a%20b").as_deref(), Some("a b"));
        assert_eq!(segment("%C3%BC").as_deref(), Some("ü"));
        assert_eq!(segment("...").as_deref(), Some("..."));
        assert_eq!(segment("a:b@c=d&e+f").as_deref(), Some("a:b@c=d&e+f"));
        for bad in [
            "", ".", "..", "%2E", "%2e%2e", "a%2Fb", "a%2fb", "a%5Cb", "a\\b", "a%25b", "a%2541",
            "a;b", "a%3Bb", "%41", "%7E", "%c3%BC", "%FF", "%C3", "%", "%4", "%0A", "%00", "%7F",
            "%C2%85", "a b", "ü", "a\tb", "\0", "a?b", "a#b", "a/b", "{id}", "a|b", "\"", "<", "^",
            "`", "[", "]",
        ] {
            assert_eq!(segment(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        for (raw, text) in [
            ("", ""),
            ("a%20b", "a b"),
            ("100%25", "100%"),
            ("%3B%5C", ";\\"),
            ("%C3%BC", "ü"),
            ("...", "..."),
        ] {
            assert_eq!(object_segment(raw).as_deref(), Some(text), "{raw}");
            let mut again = String::new();
            put_escaped(&mut again, text);
            assert_eq!(again, raw);
        }
        for bad in [
            ".", "..", "a%2Fb", "a:b", "a b", "a%2e", "%41", "%3b", "a+b", "ü", "%FF", "%00", "%",
            "a!",
        ] {
            assert_eq!(object_segment(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_plus_or_a_quote_in_a_query_must_say_what_it_means() {
        assert_eq!(query_value("a%2Bb%20c").as_deref(), Some("a+b c"));
        assert_eq!(query_value("a+b"), None);
        assert_eq!(query_value("").as_deref(), Some(""));
        assert_eq!(
            query_value("https%3A%2F%2Fa/b?c=100%25").as_deref(),
            Some("https://a/b?c=100%")
        );
        assert_eq!(query_name("a%2Bb").as_deref(), Some("a+b"));
        assert_eq!(query_name("expand%5B%5D").as_deref(), Some("expand[]"));
        for bad in [
            "", "a+b", "a=b", "a&b", "a%25b", "a%2Fb", "a/b", "%61", "a;b", "a'b",
        ] {
            assert_eq!(query_name(bad), None, "{bad}");
        }
        for bad in ["a&b", "a;b", "%0A", "%61", "%2f", "[", "ü", "a b", "a'b"] {
            assert_eq!(query_value(bad), None, "{bad}");
        }
        // Clients escape it in queries, and in paths they do not.
        assert_eq!(query_value("a%27b").as_deref(), Some("a'b"));
        assert_eq!(segment("a'b").as_deref(), Some("a'b"));
    }
}
