//! The relying parties' Python environment, and how its scripts are asked.
//!
//! Without Python a test says so and passes, except in continuous integration.

use super::stage::{python, scripts};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Whether the environment is there, made where it is not.
pub fn is_ready() -> anyhow::Result<bool> {
    let Err(why) = make() else { return Ok(true) };
    ensure!(
        std::env::var_os("CI").is_none(),
        "no Python environment: {why}"
    );
    println!("skipped: no Python environment: {why}");
    Ok(false)
}

/// Makes or completes the virtual environment; why it cannot be made.
fn make() -> Result<(), String> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let (done, wanted) = (venv.join(".done"), scripts().join("requirements.txt"));
    let age = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    if age(&done).is_some_and(|done| age(&wanted).is_some_and(|wanted| wanted <= done)) {
        return Ok(());
    }
    if !python().exists() {
        run(
            Path::new("python3"),
            &["-m", "venv", &venv.to_string_lossy()],
        )?;
    }
    let wanted = wanted.to_string_lossy();
    run(
        &python(),
        &["-m", "pip", "install", "--quiet", "-r", &wanted],
    )?;
    std::fs::write(done, "").map_err(|error| error.to_string())
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What a script says of each line.
pub fn ask(script: &str, lines: &[Value]) -> anyhow::Result<Vec<String>> {
    ask_with(script, &[], lines)
}

/// The same of a script that takes arguments.
pub fn ask_with(
    script: &str,
    arguments: &[&OsStr],
    lines: &[Value],
) -> anyhow::Result<Vec<String>> {
    let mut child = Command::new(python())
        .arg(scripts().join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    for line in lines {
        writeln!(stdin, "{line}")?;
    }
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let said: Vec<_> = text.lines().map(str::to_owned).collect();
    ensure!(said.len() == lines.len(), "{said:?}");
    Ok(said)
}
