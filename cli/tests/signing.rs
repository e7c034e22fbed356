//! Owners sign with what they have: an agent, a passphrase, another curve. The hands are OpenSSH's own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where its script breaks, and says what it skips"
)]

use claviger_cli::{
    Error,
    ssh::{self, Signer},
};
use claviger_shared::owner::sshsig;
use claviger_verify::ring_verifier::RingVerifier;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const NAMESPACE: &str = "command@claviger";

/// An agent of its own for one test; ended when dropped.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    /// Starts one. Nothing, said aloud, where there is no `ssh-agent`; in continuous integration that is a failure.
    fn start(dir: &Path) -> Option<Self> {
        let socket = dir.join("agent.sock");
        let started = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(std::env::var_os("CI").is_none(), "no ssh-agent");
            println!("skipped: there is no ssh-agent");
            return None;
        };
        for _ in 0..200 {
            if socket.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, socket })
    }

    fn add(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(added.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn make(dir: &Path, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let key = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-C", name, "-N", passphrase, "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    key
}

/// Signs in a process of its own, whose environment names the agent.
fn sign(key: &Path, agent: Option<&Agent>) -> Result<(), String> {
    // A session of its own: no terminal, so that nothing can be asked.
    let mut child = Command::new("setsid");
    child
        .arg("--wait")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_signing_process", "--nocapture"])
        .env("SIGN_WITH", key)
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null());
    if let Some(agent) = agent {
        child.env("SSH_AUTH_SOCK", &agent.socket);
    }
    let output = child.output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Not a test of its own: what [`sign`] runs.
#[test]
fn the_signing_process() {
    let Some(key) = std::env::var_os("SIGN_WITH") else {
        return;
    };
    let signer = Signer::read(Path::new(&key)).unwrap();
    let body = vec![b'x'; 600_000];
    let armored = signer.sign(NAMESPACE, &body).unwrap();
    let signed = sshsig::verify(&armored, NAMESPACE, &body, &RingVerifier).unwrap();
    assert_eq!(&signed, signer.public());
    sshsig::verify(&armored, "manifest@claviger", &body, &RingVerifier).unwrap_err();
}

#[test]
fn a_key_in_an_agent_signs_through_its_public_file() {
    let dir = tempfile::tempdir().unwrap();
    let Some(agent) = Agent::start(dir.path()) else {
        return;
    };
    for kind in ["ed25519", "ecdsa"] {
        let key = make(dir.path(), kind, kind, "");
        let public = key.with_extension("pub");
        agent.add(&key);
        fs::rename(&key, dir.path().join(format!("{kind}.away"))).unwrap();
        sign(&public, Some(&agent)).unwrap();
        // The same file without the agent signs nothing.
        let refused = sign(&public, None).unwrap_err();
        assert!(refused.contains("ssh-keygen did not sign"), "{refused}");
    }
}

#[test]
fn a_key_behind_a_passphrase_signs_once_its_agent_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(agent) = Agent::start(dir.path()) else {
        return;
    };
    let locked = make(dir.path(), "locked", "ed25519", "a passphrase");
    // Its public half is known without the passphrase.
    let line = fs::read_to_string(locked.with_extension("pub")).unwrap();
    let signer = Signer::read(&locked).unwrap();
    assert!(line.starts_with(&ssh::line(signer.public())));
    let refused = sign(&locked, Some(&agent)).unwrap_err();
    assert!(refused.contains("ssh-keygen did not sign"), "{refused}");
    let open = dir.path().join("open");
    fs::copy(&locked, &open).unwrap();
    let opened = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "a passphrase", "-N", "", "-f"])
        .arg(&open)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(opened.success());
    agent.add(&open);
    sign(&locked.with_extension("pub"), Some(&agent)).unwrap();
}

#[test]
fn an_unencrypted_key_on_another_curve_signs_by_its_file() {
    let dir = tempfile::tempdir().unwrap();
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        return;
    }
    sign(&make(dir.path(), "p256", "ecdsa", ""), None).unwrap();
}

#[test]
fn what_is_no_accepted_key_says_so() {
    let dir = tempfile::tempdir().unwrap();
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        return;
    }
    let rsa = make(dir.path(), "rsa", "rsa", "");
    for path in [
        rsa.clone(),
        rsa.with_extension("pub"),
        dir.path().join("none"),
    ] {
        let refused = Signer::read(&path).unwrap_err();
        assert!(
            matches!(refused, Error::Usage(_) | Error::Io { .. }),
            "{refused}"
        );
    }
}
