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
    let text = match &outcome.value {
        Value::Null => return,
        value if json => format!("{value}\n"),
        value if outcome.document => format!("{value:#}\n"),
        value => {
            let mut text = String::new();
            put(&mut text, value, 0);
            text
        }
    };
    stdout(&text);
}

/// Writes to standard output; false once nobody reads.
pub(crate) fn stdout(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "claviger: {}", plain(text));
}

fn put(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                put_member(text, name, value, depth);
            }
        }
        Value::Array(items) if items.is_empty() => line(text, depth, "(none)"),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 && item.is_object() {
                    text.push('\n');
                }
                put(text, item, depth);
            }
        }
        scalar => line(text, depth, &plain(&word(scalar))),
    }
}

fn put_member(text: &mut String, name: &str, value: &Value, depth: usize) {
    let name = plain(name);
    match value {
        Value::Array(items) if items.is_empty() => line(text, depth, &format!("{name}: (none)")),
        Value::Object(members) if members.is_empty() => {
            line(text, depth, &format!("{name}: (none)"));
        }
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let words: Vec<String> = items.iter().map(word).collect();
            line(
                text,
                depth,
                &plain(&format!("{name}: {}", words.join(", "))),
            );
        }
        Value::Object(_) | Value::Array(_) => {
            line(text, depth, &format!("{name}:"));
            put(text, value, depth + 1);
        }
        Value::String(lines) if lines.trim_end().contains('\n') => {
            line(text, depth, &format!("{name}:"));
            for part in lines.lines() {
                line(text, depth + 1, &plain(part));
            }
        }
        scalar => line(text, depth, &plain(&format!("{name}: {}", word(scalar)))),
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(content);
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
        put(&mut text, &value, 0);
        assert!(text.contains("list: a, b\n"));
        assert!(text.contains("none: (none)\n"));
        assert!(text.contains("pem:\n  one\n  two\n"));
        assert!(text.contains("inner:\n  x: 1\n\n  x: 2\n"));
        assert!(!text.contains('\u{1b}') && !text.contains("nothing"));
    }
}
