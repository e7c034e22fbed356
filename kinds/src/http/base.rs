//! RFC 9421 §2.5: the signature base, and the `signature-input` member that says how it was built.
//!
//! Having bytes from [`base`] means every component stands once, on one line of its own, and the last line is exactly
//! what [`signature_input`] puts on the wire. It does not know which components a request must cover.

use std::{borrow::Cow, fmt::Write};

/// How the last line begins.
const PARAMS: &str = "\"@signature-params\": ";
/// What a line takes besides its name and value.
const LINE: usize = 8;
/// What the parameters take, with room.
const PARAMETERS: usize = 256;

/// One covered component: its name as in the list, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component<'a> {
    /// Lower case; derived ones begin with `@`.
    pub name: &'a str,
    /// The one member of a dictionary field that is covered (§2.1.2); absent for the whole field.
    pub key: Option<&'a str>,
    /// Whether it is the request's, under a signature of its response (§2.4).
    pub req: bool,
    /// One line.
    pub value: Cow<'a, str>,
}

impl<'a> Component<'a> {
    /// A component.
    #[must_use]
    pub fn new(name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        Self {
            name,
            key: None,
            req: false,
            value: value.into(),
        }
    }

    /// A component of the request that a signed response answers.
    #[must_use]
    pub fn of_request(name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        Self {
            req: true,
            ..Self::new(name, value)
        }
    }

    /// One member of a dictionary field, its value as the field has it.
    #[must_use]
    pub fn member(name: &'a str, key: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        Self {
            key: Some(key),
            ..Self::new(name, value)
        }
    }

    /// §2: the name in quotes and its parameters.
    fn put_identifier(&self, out: &mut String) -> Option<()> {
        put_quoted(out, self.name)?;
        if let Some(key) = self.key {
            out.push_str(";key=");
            put_quoted(out, key)?;
        }
        if self.req {
            out.push_str(";req");
        }
        Some(())
    }
}

/// The value of one signature parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// A structured-field integer.
    Integer(u64),
    /// A structured-field string.
    Text(Cow<'a, str>),
    /// The boolean true, which is written as the name alone (RFC 9651 §3.1.2).
    True,
}

/// The bytes to be signed; nothing where a component stands twice, or a name or value cannot stand on a line.
#[must_use]
pub fn base(components: &[Component<'_>], parameters: &[(&str, Parameter<'_>)]) -> Option<Vec<u8>> {
    let mut out = String::with_capacity(room(components).saturating_mul(2));
    for component in components {
        is_line(&component.value).then_some(())?;
        component.put_identifier(&mut out)?;
        out.push_str(": ");
        out.push_str(&component.value);
        out.push('\n');
    }
    out.push_str(PARAMS);
    put_input(&mut out, components, parameters)?;
    Some(out.into_bytes())
}

/// The inner list with its parameters: the value of one member of `signature-input`, as the last line of a [`base`] has it;
/// nothing for other bytes.
#[must_use]
pub fn signature_input(base: &[u8]) -> Option<&str> {
    let base = std::str::from_utf8(base).ok()?;
    let last = base.rsplit_once('\n').map_or(base, |(_, last)| last);
    last.strip_prefix(PARAMS)
}

fn put_input(
    out: &mut String,
    components: &[Component<'_>],
    parameters: &[(&str, Parameter<'_>)],
) -> Option<()> {
    out.push('(');
    for (place, component) in components.iter().enumerate() {
        // Few enough to be compared each with each: a request covers at most 64 fields (DESIGN §11).
        let same = |other: &Component<'_>| {
            (other.name, other.key, other.req) == (component.name, component.key, component.req)
        };
        (!components.iter().take(place).any(same)).then_some(())?;
        if place > 0 {
            out.push(' ');
        }
        component.put_identifier(out)?;
    }
    out.push(')');
    for (key, value) in parameters {
        out.push(';');
        out.push_str(key);
        match value {
            Parameter::Integer(number) => write!(out, "={number}").ok()?,
            Parameter::Text(text) => {
                out.push('=');
                put_quoted(out, text)?;
            }
            Parameter::True => {}
        }
    }
    Some(())
}

/// Bytes the identifiers and values of components take, more or less: what is reserved for them.
fn room(components: &[Component<'_>]) -> usize {
    components.iter().fold(PARAMETERS, |sum, component| {
        sum.saturating_add(component.name.len())
            .saturating_add(component.value.len())
            .saturating_add(LINE)
    })
}

/// RFC 9651 §4.1.6: a string in quotes; nothing for a text that is not printable ASCII.
#[must_use]
pub fn quoted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    put_quoted(&mut out, text)?;
    Some(out)
}

fn put_quoted(out: &mut String, text: &str) -> Option<()> {
    let (is_line, is_plain) = text.bytes().fold((true, true), |(line, plain), byte| {
        (line & stands_on_a_line(byte), plain & !is_escaped(byte))
    });
    is_line.then_some(())?;
    out.push('"');
    // Names and most values hold nothing to escape, and are copied in one go.
    if is_plain {
        out.push_str(text);
    } else {
        for char in text.chars() {
            if u8::try_from(char).is_ok_and(is_escaped) {
                out.push('\\');
            }
            out.push(char);
        }
    }
    out.push('"');
    Some(())
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"')
}

const fn stands_on_a_line(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Every byte is looked at, whatever the first ones say: so many are at once.
fn is_line(text: &str) -> bool {
    text.bytes()
        .fold(true, |all, byte| all & stands_on_a_line(byte))
}
