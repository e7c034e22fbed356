//! Asking, warning, and findings as an outcome.
//!
//! Nothing asks with `--json` or where no terminal is: a script goes on.

use crate::output::{Outcome, complain, say};
use claviger_cli::{
    Error,
    finding::{self, Finding},
};
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};

/// Asks on the terminal; anything but yes ends the command before anything is sent.
pub(super) fn agreed(question: &str, json: bool) -> Result<(), Error> {
    if json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::Usage("not confirmed: nothing was sent".to_owned())),
    }
}

/// Warns on standard error; with `--json` the outcome says it instead.
pub(super) fn warn(findings: &[Finding], json: bool) {
    if !json {
        for finding in findings {
            complain(&format!("warning: {}", finding.line()));
        }
    }
}

/// Adds members to an outcome.
pub(super) fn also(outcome: &mut Outcome, more: Value) {
    if let (Some(into), Value::Object(more)) = (outcome.value.as_object_mut(), more) {
        into.extend(more);
    }
}

/// Findings as an outcome: exit 1 where there are any.
pub(super) fn linted(findings: &[Finding], more: Value, json: bool) -> Outcome {
    let exit = u8::from(!findings.is_empty());
    if !json {
        findings.iter().for_each(|finding| say(&finding.line()));
    }
    let mut value = json!({ "ok": findings.is_empty() });
    if json && let Some(members) = value.as_object_mut() {
        members.insert("findings".to_owned(), finding::list(findings).into());
    }
    let mut outcome = Outcome {
        value,
        exit,
        document: false,
    };
    also(&mut outcome, more);
    outcome
}
