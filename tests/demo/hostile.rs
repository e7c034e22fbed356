//! A hostile child of `claviger exec`: it looks for the agent key wherever a program of its user can look.
//!
//! The same attacks are run where nothing protects the key, so that finding nothing means something.

use crate::{command::bare, report::Report, stage::Stage};
use anyhow::{Context, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use claviger_client::AgentKey;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};
use tokio::process::Command;

/// The program, as its tests use it: `hostile.py KEY_FILE TOKEN_FILE`.
const SCRIPT: &[u8] = include_bytes!("../../cli/tests/hostile.py");
const PYTHON: &str = "/usr/bin/python3";
/// A user without rights.
const NOBODY: &str = "65534";
/// What other sidecars' tokens stand for here.
const TOKEN: &[u8] = b"another-sidecars-token-0123456789abcdefghij";

/// A directory that every user may enter, removed at the end.
struct Open {
    dir: PathBuf,
    text: String,
    secret: [u8; 32],
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Open {
    fn make(stage: &Stage) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("claviger-demo-{}", std::process::id()));
        let keys = dir.join("keys");
        fs::create_dir_all(&keys)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o755))?;
        fs::write(dir.join("hostile.py"), SCRIPT)?;
        let text = fs::read_to_string(stage.dir.join("agent.key"))?
            .trim()
            .to_owned();
        for (name, content) in [("agent.key", text.as_bytes()), ("token", TOKEN)] {
            fs::write(keys.join(name), content)?;
            fs::set_permissions(keys.join(name), fs::Permissions::from_mode(0o600))?;
        }
        let secret = *AgentKey::parse(&text)?.secret.expose();
        Ok(Self { dir, text, secret })
    }

    fn key(&self) -> PathBuf {
        self.dir.join("keys/agent.key")
    }

    /// What it takes from every place it can think of.
    async fn attack(&self, command: &mut Command) -> anyhow::Result<Output> {
        command
            .arg(PYTHON)
            .arg(self.dir.join("hostile.py"))
            .args([self.key(), self.dir.join("keys/token")])
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        let output = command
            .output()
            .await
            .context("cannot run the hostile program")?;
        ensure!(
            contains(&output.stdout, b"all tried"),
            "the hostile program did not get to its end: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output)
    }

    /// Whether any part of the secret is in what it took, in any usual form.
    fn found(&self, output: &Output) -> bool {
        let hex: String = self
            .secret
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut parts = vec![
            self.secret[..16].to_vec(),
            self.secret[16..].to_vec(),
            hex.as_bytes()[..32].to_vec(),
            STANDARD_NO_PAD.encode(self.secret).as_bytes()[..20].to_vec(),
            URL_SAFE_NO_PAD.encode(self.secret).as_bytes()[..20].to_vec(),
        ];
        parts.extend(self.text.as_bytes().chunks_exact(24).map(<[u8]>::to_vec));
        parts.iter().any(|part| contains(&output.stdout, part))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// How many of its attacks gave it anything at all.
fn took(output: &Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains(": GOT ")).count()
}

fn tried(output: &Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    let refused = text.lines().filter(|line| line.contains(": no: ")).count();
    refused + took(output)
}

/// A hostile program beside a sidecar, then the same one without protection.
pub async fn attack(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A hostile child of `claviger exec`: memory, environment, descriptors, key file, core, ptrace");
    let open = Open::make(stage)?;
    if !rustix::process::geteuid().is_root() {
        report.say(
            "not shown",
            "needs root, to run the child as another user; cli/tests/exec.rs has more",
        );
        return Ok(());
    }
    let key = open.key();
    let exec = |options: &[&str]| -> anyhow::Result<Command> {
        let mut command = bare(&["exec", "--key-file"])?;
        command.arg(&key).args(options).arg("--");
        Ok(command)
    };
    let output = open.attack(&mut exec(&["--as-user", NOBODY])?).await?;
    let found = open.found(&output) || contains(&output.stdout, TOKEN);
    report.check(
        "as a user without rights, beside its own sidecar",
        !found && output.status.success(),
        format!(
            "{} attacks, the key is in none of what it took",
            tried(&output)
        ),
    );
    report.check(
        "what it was given instead",
        contains(&output.stdout, b"CLAVIGER_TOKEN"),
        "a loopback address and a token that ends with the sidecar",
    );
    let output = open.attack(&mut exec(&["--weak"])?).await?;
    let found = open.found(&output);
    let landlock = !contains(&output.stdout, b"key file: GOT");
    let what = "the same attacks as root, with --weak";
    if landlock {
        report.say(what, "the kernel's Landlock alone keeps the key away");
    } else {
        let (took, tried) = (took(&output), tried(&output));
        report.check(
            what,
            found,
            format!("{took} of {tried} succeed: it has the key"),
        );
    }
    unprotected(report, &open).await
}

/// Without `exec` the parent is a shell that holds the key.
async fn unprotected(report: &mut Report, open: &Open) -> anyhow::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "\"$@\"; :", "sh"])
        .env("AGENT_API_KEY", &open.text);
    let output = open.attack(&mut shell).await?;
    report.check(
        "the same attacks without `exec` at all",
        open.found(&output),
        format!(
            "{} of {} succeed: it has the key",
            took(&output),
            tried(&output)
        ),
    );
    Ok(())
}

/// A key that was found by somebody.
pub fn copy_key(stage: &Stage, name: &str, to: &Path) -> anyhow::Result<()> {
    fs::copy(stage.dir.join(format!("{name}.key")), to)?;
    Ok(())
}
