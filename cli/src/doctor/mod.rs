//! `doctor`: every check that can be made from where it stands, and for each fault what it means and what mends it.
//!
//! A fault is something that is wrong now. A warning is something that was chosen, or will be wrong. What cannot be checked
//! from here is said to be skipped, and why: silence is never health.

mod files;
mod host;
mod keys;
mod log;
mod seen;

use crate::{attest::Attested, finding::Finding, profile::Profile, view::View};
use serde_json::{Value, json};
use std::path::Path;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is well: what was seen.
    Well(String),
    /// Chosen, or to come.
    Warning(Finding),
    /// Wrong now.
    Fault(Finding),
    /// Not checked: why.
    Skipped(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
}

/// What all checks came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    checks: Vec<Check>,
}

/// What checks find out for the checks after them.
#[derive(Debug, Default)]
struct Known {
    attested: Option<Attested>,
    view: Option<View>,
    status: Option<Value>,
}

impl Report {
    /// Makes every check.
    pub async fn of(path: &Path) -> Self {
        let mut report = Self::default();
        let Some(profile) = files::check(&mut report, path) else {
            return report;
        };
        let mut known = Known::default();
        host::check(&mut report, &profile, &mut known).await;
        log::check(&mut report, path, &profile, &mut known).await;
        keys::policies(&mut report, &profile).await;
        if let Some(view) = &known.view {
            keys::well_known(&mut report, &profile, view).await;
        }
        report
    }

    /// The checks, in their order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether nothing is wrong now.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let fault = |check: &Check| matches!(check.verdict, Verdict::Fault(_));
        !self.checks.iter().any(fault)
    }

    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let one = |Check { name, verdict }: &Check| match verdict {
            Verdict::Well(what) => json!({ "check": name, "verdict": "ok", "what": what }),
            Verdict::Skipped(why) => json!({ "check": name, "verdict": "skipped", "what": why }),
            Verdict::Warning(finding) => found(name, "warning", finding),
            Verdict::Fault(finding) => found(name, "fault", finding),
        };
        json!({ "ok": self.is_well(), "checks": self.checks.iter().map(one).collect::<Vec<_>>() })
    }

    /// As people read it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Check { name, verdict } in &self.checks {
            let (word, finding) = match verdict {
                Verdict::Well(what) => {
                    lines.push(format!("ok       {name}: {what}"));
                    continue;
                }
                Verdict::Skipped(why) => {
                    lines.push(format!("skipped  {name}: {why}"));
                    continue;
                }
                Verdict::Warning(finding) => ("warning", finding),
                Verdict::Fault(finding) => ("FAULT  ", finding),
            };
            let Finding {
                code,
                at,
                what,
                why,
                mend,
            } = finding;
            let at = if at.is_empty() {
                String::new()
            } else {
                format!(" at {at}")
            };
            lines.push(format!("{word}  {name}: {what} ({code}{at})"));
            lines.push(format!("         it means: {why}"));
            lines.push(format!("         to mend it: {mend}"));
        }
        lines
    }

    fn add(&mut self, name: &'static str, verdict: Verdict) {
        self.checks.push(Check { name, verdict });
    }

    fn well(&mut self, name: &'static str, what: impl Into<String>) {
        self.add(name, Verdict::Well(what.into()));
    }

    fn skipped(&mut self, name: &'static str, why: impl Into<String>) {
        self.add(name, Verdict::Skipped(why.into()));
    }

    fn fault(&mut self, name: &'static str, finding: Finding) {
        self.add(name, Verdict::Fault(finding));
    }

    fn warning(&mut self, name: &'static str, finding: Finding) {
        self.add(name, Verdict::Warning(finding));
    }
}

fn found(name: &str, verdict: &str, finding: &Finding) -> Value {
    let mut value = finding.to_json();
    if let Some(members) = value.as_object_mut() {
        members.insert("check".to_owned(), json!(name));
        members.insert("verdict".to_owned(), json!(verdict));
    }
    value
}

/// A finding.
fn finding(
    code: &'static str,
    at: impl Into<String>,
    what: impl Into<String>,
    why: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding {
        code,
        at: at.into(),
        what: what.into(),
        why: why.into(),
        mend: mend.into(),
    }
}

/// Whether a profile's deployment is a simulation.
fn is_simulation(profile: &Profile) -> bool {
    use claviger_shared::owner::manifest::AttestationRoot;
    let root = profile
        .chain()
        .ok()
        .map(|chain| chain.g0().attestation_root.clone());
    root.is_some_and(|root| root != Some(AttestationRoot::Aws))
}
