//! What a command says: one JSON document with `--json`, short text without.
//!
//! Text comes partly from the log and the host: control characters are never passed on to a terminal.

use serde_json::Value;
use std::io::{self, Write};

/// What came of a command, and its exit code.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) value: Value,
    pub(crate) exit: u8,
    /// Printed as JSON in either mode, as a problem document is.
    pub(crate) document: bool,
}

impl Outcome {
    /// Printed already.
    pub(crate) const fn silent() -> Self {
        Self {
            value: Value::Null,
            exit: 0,
            document: false,
        }
    }
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self {
            value,
            exit: 0,
            document: false,
        }
    }
}

/// Prints an outcome. A closed pipe is nobody's fault.
pub(crate) fn print(outcome: &Outcome, json: bool) {
    let value = &outcome.value;
    let mut text = String::new();
    if value.is_null() {
        return;
    } else if json {
        text = format!("{value}\n");
    } else if outcome.document {
        text = format!("{value:#}\n");
    } else {
        put(&mut text, value, "");
    }
    stdout(&text);
}

/// Writes to standard output; false once nobody reads.
pub(crate) fn stdout(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// Writes a line to standard output; text from elsewhere is made harmless.
pub(crate) fn say(text: &str) {
    stdout(&format!("{}\n", plain(text)));
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "claviger: {}", plain(text));
}

/// Names that are shown before all others.
const FIRST: [&str; 6] = ["key", "grant", "state", "phase", "ok", "reason"];
/// How far members of a member stand to the right of it.
const INDENT: &str = "  ";

/// Longer words are receipts, for machines.
const LONG: usize = 1200;

fn put(text: &mut String, value: &Value, indent: &str) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().filter(|(_, v)| !v.is_null()).collect();
            members.sort_by_key(|(name, value)| {
                let first = FIRST.iter().position(|first| first == name);
                (
                    value.is_object() || value.is_array(),
                    first.is_none(),
                    first,
                )
            });
            for (name, value) in members {
                put_member(text, &plain(name), value, indent);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 && item.is_object() {
                    text.push('\n');
                }
                put(text, item, indent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            line(text, indent, &word(value));
        }
    }
}

fn put_member(text: &mut String, name: &str, value: &Value, indent: &str) {
    if let Some(words) = flat(value) {
        line(text, indent, &format!("{name}: {words}"));
        return;
    }
    line(text, indent, &format!("{name}:"));
    let inner = format!("{indent}{INDENT}");
    match value.as_str() {
        Some(lines) => lines.lines().for_each(|part| line(text, &inner, part)),
        None => put(text, value, &inner),
    }
}

/// A value that fits behind its name.
fn flat(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => members.is_empty().then(|| "(none)".to_owned()),
        Value::Array(items) if items.is_empty() => Some("(none)".to_owned()),
        Value::Array(items) => {
            let nested = items.iter().any(|item| item.is_object() || item.is_array());
            (!nested).then(|| items.iter().map(word).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) if text.len() > LONG && !text.contains([' ', '\n']) => {
            Some(format!("({} characters; --json shows them)", text.len()))
        }
        Value::String(text) => (!text.trim_end().contains('\n')).then(|| text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(word(value)),
    }
}

fn line(text: &mut String, indent: &str, content: &str) {
    text.push_str(indent);
    text.push_str(&plain(content));
    text.push('\n');
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.trim_end().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_short_and_passes_no_control_character_on() {
        let value = json!({
            "grant": "gr_1", "list": ["a", "b"], "nothing": null, "none": [],
            "evil": "a\u{1b}[2Jb", "pem": "one\ntwo\n", "inner": [{ "x": 1 }, { "x": 2 }],
        });
        let mut text = String::new();
        put(&mut text, &value, "");
        assert!(text.contains("list: a, b\n"));
        assert!(text.contains("none: (none)\n"));
        assert!(text.contains("pem:\n  one\n  two\n"));
        assert!(text.contains("inner:\n  x: 1\n\n  x: 2\n"));
        assert!(!text.contains('\u{1b}') && !text.contains("nothing"));
    }
}
