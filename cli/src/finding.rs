//! What a check found: a stable code, the place, what is there, why it matters and what mends it.
//!
//! Lints, the judgement of a key policy and `doctor` all speak in these.

use serde_json::{Value, json};

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable word for machines.
    pub code: &'static str,
    /// Where: a JSON pointer, a statement, a file or a part of the deployment.
    pub at: String,
    /// What is there.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What mends it.
    pub mend: String,
}

impl Finding {
    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self {
            code,
            at,
            what,
            why,
            mend,
        } = self;
        json!({ "code": code, "at": at, "what": what, "why": why, "mend": mend })
    }

    /// In one line, as a warning shows it.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            code,
            at,
            what,
            why,
            mend,
        } = self;
        let place = if at.is_empty() {
            String::new()
        } else {
            format!(" at `{at}`")
        };
        format!("{code}{place}: {what}; {why}; {mend}")
    }
}

/// Findings as machines read them.
#[must_use]
pub fn list(findings: &[Finding]) -> Vec<Value> {
    findings.iter().map(Finding::to_json).collect()
}
