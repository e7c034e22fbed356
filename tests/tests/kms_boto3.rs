//! The mock KMS alone, driven by clients that are not ours: stock boto3 and the stock `aws` command.
//!
//! What an attested call answers is opened by Python's `cryptography` and by `openssl cms`. Without Python the test says so
//! and passes, except in continuous integration.

use anyhow::{Context, ensure};
use claviger_tests::python;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A mock KMS on a directory of its own.
struct Kms {
    child: Child,
    environment: BTreeMap<String, String>,
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built: cargo build -p claviger-sim"))
}

impl Kms {
    /// Starts it as its user would and reads what it prints.
    fn start(dir: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let sim = program("claviger-sim")?;
        let mut child = Command::new(&sim)
            .args(["kms", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(arguments)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut environment = BTreeMap::from([
            ("SIM".to_owned(), sim.display().to_string()),
            ("KMS_DIR".to_owned(), dir.display().to_string()),
            ("PYTHON".to_owned(), python::python().display().to_string()),
        ]);
        loop {
            let line = lines.next().context("the KMS ended")??;
            if let Some(exports) = line.strip_prefix("export ") {
                let exports = exports.split(' ').filter_map(|one| one.split_once('='));
                environment
                    .extend(exports.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            if line.starts_with("# regions") {
                return Ok(Self { child, environment });
            }
        }
    }

    /// Runs a script with what the KMS printed as its environment; each must say how many checks it did.
    fn run(&self, script: &str, arguments: &[&str], checks: usize) -> anyhow::Result<()> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("kms")
            .join(script);
        let mut command = if script.ends_with(".py") {
            let mut command = Command::new(python::python());
            command.arg(file);
            command
        } else {
            Command::new(file)
        };
        let ran = command
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(&self.environment)
            .output()?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let done = said.lines().filter(|line| line.starts_with("ok ")).count();
        ensure!(
            ran.status.success() && done == checks,
            "{script}: {said}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        Ok(())
    }

    fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        ensure!(self.child.wait()?.success(), "it does not end cleanly");
        Ok(())
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn stock_aws_clients_work_against_the_mock_kms_alone() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let kms = Kms::start(dir.path(), &[])?;
    kms.run("with_boto3.py", &["all"], 10)?;
    kms.run("with_cli.sh", &[], 1)?;
    kms.run("with_boto3.py", &["before"], 0)?;
    kms.stop()?;
    let again = Kms::start(dir.path(), &[])?;
    again.run("with_boto3.py", &["after"], 1)?;
    again.stop()
}

/// Whoever has a PKI of their own names its root; documents of any other are refused.
#[test]
fn another_attestation_root_takes_the_place_of_the_mocks() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let (dir, own) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let made = Command::new(program("claviger-sim")?)
        .args(["nsm", "document", "--dir"])
        .arg(own.path())
        .output()?;
    ensure!(made.status.success(), "{made:?}");
    let root = own.path().join("nsm/root.pem");
    let root = root.to_str().context("not UTF-8")?;
    let mut kms = Kms::start(dir.path(), &["--attestation-root", root])?;
    // Documents come from the other PKI.
    kms.environment
        .insert("KMS_DIR".to_owned(), own.path().display().to_string());
    kms.run("with_boto3.py", &["attested"], 1)?;
    kms.stop()
}
