//! The log, read from the files of its store and verified by `claviger audit verify`, which asks nobody.

use crate::{report::Report, stage::program};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::profile::Profile;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Keeps a receipt for an auditor, one a line.
pub fn keep(dir: &Path, receipt: &[u8]) -> anyhow::Result<()> {
    let file = receipts(dir);
    let mut text = std::fs::read_to_string(&file).unwrap_or_default();
    text.push_str(&STANDARD.encode(receipt));
    text.push('\n');
    Ok(std::fs::write(file, text)?)
}

fn receipts(dir: &Path) -> PathBuf {
    dir.join("receipts")
}

/// What the command prints of a profile's log and the receipts kept, or what it complains of.
pub fn verify(dir: &Path, profile: &Profile) -> anyhow::Result<Result<Value, String>> {
    let done = Command::new(program("claviger")?)
        .args(["--json", "audit", "verify"])
        .arg(profile.log.as_deref().context("no log")?)
        .arg("--manifest")
        .arg(&profile.manifest)
        .arg("--receipts")
        .arg(receipts(dir))
        .output()?;
    if done.status.success() {
        return Ok(Ok(serde_json::from_slice(&done.stdout)?));
    }
    let said: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
    let reason = said.get("reason").and_then(Value::as_str);
    let complaint = String::from_utf8_lossy(&done.stderr);
    Ok(Err(reason.unwrap_or_else(|| complaint.trim()).to_owned()))
}

/// The last part: the whole log.
pub fn whole(report: &mut Report, dir: &Path, profile: &Profile) -> anyhow::Result<()> {
    report.part(
        "The log, verified offline: from the store's files, the manifests and the agents' receipts",
    );
    let what = "claviger audit verify";
    match verify(dir, profile)? {
        Ok(found) => {
            let number = |name: &str| found.get(name).and_then(Value::as_u64).unwrap_or_default();
            let (size, records) = (number("size"), number("records"));
            report.say(
                "root",
                found
                    .get("root")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            );
            report.check(
                what,
                size > 0 && records > 0,
                format!("{size} entries, {records} records, every receipt found, no violation"),
            );
        }
        Err(why) => report.check(what, false, why),
    }
    Ok(())
}
