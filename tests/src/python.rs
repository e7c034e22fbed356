//! The virtual environment that scripts of the tests run in: made where it is not there.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python that has the packages of `requirements.txt`.
pub fn python() -> PathBuf {
    here().join(".venv/bin/python")
}

/// Whether scripts can run. Where they cannot, it says why, and continuous integration fails.
///
/// # Errors
///
/// In continuous integration, why they cannot.
pub fn is_there() -> anyhow::Result<bool> {
    match make() {
        Ok(()) => Ok(true),
        Err(why) => {
            ensure!(
                std::env::var_os("CI").is_none(),
                "no Python environment: {why:#}"
            );
            println!("skipped: no Python environment: {why:#}");
            Ok(false)
        }
    }
}

/// A script that answers a line with a line.
#[derive(Debug)]
pub struct Script {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// Starts one of `relying_party`.
    ///
    /// # Errors
    ///
    /// Where Python cannot be run.
    pub fn start(name: &str) -> anyhow::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/relying_party/");
        let mut child = Command::new(python())
            .arg("-B")
            .arg(format!("{script}{name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    /// The next line.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn read(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the script ended");
        Ok(line.trim_end().to_owned())
    }

    /// The answer to a line.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn ask(&mut self, line: &Value) -> anyhow::Result<String> {
        writeln!(self.input, "{line}")?;
        self.read()
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// Where it failed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        ensure!(self.child.wait()?.success(), "the script failed");
        Ok(())
    }
}

fn make() -> anyhow::Result<()> {
    let requirements = here().join("relying_party/requirements.txt");
    // Another list than the one it was made from is another environment.
    let wanted = std::fs::read(&requirements)?;
    let installed = here().join(".venv/installed.txt");
    // `make` leaves a mark that is newer than the list it installed.
    let time = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified());
    let marked = time(&here().join(".venv/.done"));
    if python().exists()
        && marked.is_ok_and(|mark| time(&requirements).is_ok_and(|list| mark >= list))
    {
        return Ok(());
    }
    if python().exists() && std::fs::read(&installed).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(here().join(".venv")))?;
    run(Command::new(python())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(&requirements))?;
    std::fs::write(installed, wanted)?;
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let ran = command.output().context("python3 cannot be run")?;
    ensure!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
}
