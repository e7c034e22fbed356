//! RFC 9421 §2.5: the signature base, and the `signature-input` member that says how it was built.
//!
//! Having bytes from [`base`] means every component stands once, on one line of its own, and the last line is exactly
//! what [`signature_input`] puts on the wire. It does not know which components a request must cover.

use std::{collections::BTreeSet, fmt::Write};

/// One covered component: its name as in the list, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Lower case; derived ones begin with `@`.
    pub name: String,
    /// The one member of a dictionary field that is covered (§2.1.2); absent for the whole field.
    pub key: Option<String>,
    /// One line.
    pub value: String,
}

impl Component {
    /// A component.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: None,
            value: value.to_owned(),
        }
    }

    /// One member of a dictionary field, its value as the field has it.
    #[must_use]
    pub fn member(name: &str, key: &str, value: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::new(name, value)
        }
    }

    /// §2: the name in quotes and its parameter.
    fn identifier(&self) -> Option<String> {
        let name = quoted(&self.name)?;
        match &self.key {
            None => Some(name),
            Some(key) => Some(format!("{name};key={}", quoted(key)?)),
        }
    }
}

/// The value of one signature parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A structured-field integer.
    Integer(u64),
    /// A structured-field string.
    Text(String),
}

/// The bytes to be signed; nothing where a component stands twice, or a name or value cannot stand on a line.
#[must_use]
pub fn base(components: &[Component], parameters: &[(&str, Parameter)]) -> Option<Vec<u8>> {
    let mut out = String::new();
    for component in components {
        let value = &component.value;
        is_line(value).then_some(())?;
        writeln!(out, "{}: {value}", component.identifier()?).ok()?;
    }
    let input = signature_input(components, parameters)?;
    write!(out, "\"@signature-params\": {input}").ok()?;
    Some(out.into_bytes())
}

/// The inner list with its parameters: the value of one member of `signature-input`; nothing where [`base`] has none.
#[must_use]
pub fn signature_input(
    components: &[Component],
    parameters: &[(&str, Parameter)],
) -> Option<String> {
    let identifiers: Option<Vec<_>> = components.iter().map(Component::identifier).collect();
    let identifiers = identifiers?;
    let distinct: BTreeSet<_> = identifiers.iter().collect();
    (distinct.len() == components.len()).then_some(())?;
    let mut out = format!("({})", identifiers.join(" "));
    for (key, value) in parameters {
        match value {
            Parameter::Integer(number) => write!(out, ";{key}={number}").ok()?,
            Parameter::Text(text) => write!(out, ";{key}={}", quoted(text)?).ok()?,
        }
    }
    Some(out)
}

/// RFC 9651 §4.1.6: a string in quotes; nothing for a text that is not printable ASCII.
#[must_use]
pub fn quoted(text: &str) -> Option<String> {
    is_line(text).then(|| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    })
}

fn is_line(text: &str) -> bool {
    text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}
