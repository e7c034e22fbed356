//! The `claviger` command as people use it: its exit code and what it printed as JSON.

use crate::stage::{Stage, program};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

/// What a command came to.
pub struct Came {
    /// The exit code.
    pub exit: i32,
    /// The document it printed.
    pub value: Value,
}

impl Came {
    /// A text member, or nothing.
    pub fn text(&self, pointer: &str) -> &str {
        self.value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// In a few words: the code with which it was refused, or that it was done.
    pub fn word(&self) -> String {
        let error = self.value.pointer("/error/detail").and_then(Value::as_str);
        match error {
            Some(detail) => {
                let first = detail.split(['\n', ';']).next().unwrap_or_default();
                let short: String = first.chars().take(72).collect();
                format!("refused ({}): {short}", self.text("/error/code"))
            }
            None if self.exit == 0 => "done".to_owned(),
            None => format!("exit code {}", self.exit),
        }
    }
}

/// A text member of a document, or nothing.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A command that knows nothing but what its arguments say.
pub fn bare(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(program("claviger")?);
    command
        .args(args)
        .env_remove("AGENT_API_KEY")
        .env_remove("CLAVIGER_PROFILE")
        .env_remove("CLAVIGER_URL")
        .env_remove("CLAVIGER_TOKEN")
        .kill_on_drop(true);
    Ok(command)
}

/// Runs one with this profile.
pub async fn with(profile: &Path, args: &[&str]) -> anyhow::Result<Came> {
    let mut command = bare(args)?;
    command.arg("--json").env("CLAVIGER_PROFILE", profile);
    let output = command.output().await?;
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let exit = output.status.code().context("ended by a signal")?;
    Ok(Came { exit, value })
}

/// Runs one with the deployment's own profile.
pub async fn run(stage: &Stage, args: &[&str]) -> anyhow::Result<Came> {
    with(&stage.dir.join("ready.json"), args).await
}

/// The same where nothing goes on unless it was done.
pub async fn done(stage: &Stage, args: &[&str]) -> anyhow::Result<Came> {
    let came = run(stage, args).await?;
    ensure!(
        came.exit == 0,
        "claviger {}: {}",
        args.join(" "),
        came.value
    );
    Ok(came)
}

/// The records of the log, each checked, as `audit tail` prints them.
pub async fn records(stage: &Stage) -> anyhow::Result<Vec<Value>> {
    let mut command = bare(&["audit", "tail"])?;
    command.env("CLAVIGER_PROFILE", stage.dir.join("ready.json"));
    let output = command.output().await?;
    ensure!(output.status.success(), "claviger audit tail failed");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}
