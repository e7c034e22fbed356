//! What is printed: one line for each thing tried, with what came back.

use std::fmt::Display;

/// Columns of what was tried.
const WIDTH: usize = 66;

/// Counts checks.
#[derive(Default)]
pub struct Report {
    checks: usize,
    failed: usize,
}

impl Report {
    /// Begins a part.
    pub fn part(&self, title: &str) {
        println!("\n{title}");
    }

    /// A fact that nobody checks.
    pub fn say(&self, what: &str, value: impl Display) {
        println!("          {what:<WIDTH$}  {value}");
    }

    /// A check and what came back.
    pub fn check(&mut self, what: &str, holds: bool, came: impl Display) {
        self.checks += 1;
        self.failed += usize::from(!holds);
        let word = if holds { "ok" } else { "FAILED" };
        println!("  {word:<8}{what:<WIDTH$}  {came}");
    }

    /// The last line; whether every check held.
    pub fn end(&self) -> bool {
        println!("\n{} checks, {} failed", self.checks, self.failed);
        self.failed == 0
    }
}
