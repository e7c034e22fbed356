//! A repository of git beside a sidecar with a socket.

use super::{
    deployment::{terminate, wait_for},
    stage::{Stage, good},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// A sidecar with a socket, and a repository.
pub(crate) struct Repository {
    sidecar: Child,
    socket: PathBuf,
    pub(crate) at: PathBuf,
    pub(crate) signers: PathBuf,
    pub(crate) ca: String,
}

impl Repository {
    pub(crate) fn start(stage: &Stage) -> Self {
        let key = stage.grant(&["repo"]);
        let socket = stage.file("agent/socket");
        let (ready, token) = (stage.file("sidecar.json"), stage.file("token"));
        let log = fs::File::create(stage.file("sidecar.log")).unwrap();
        let sidecar = stage
            .claviger(&["sidecar", "--key-file", key.to_str().unwrap()])
            .args(["--ready-file", ready.to_str().unwrap()])
            .args(["--token-file", token.to_str().unwrap()])
            .args(["--ssh", socket.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for(|| ready.exists());
        let told: Value = serde_json::from_slice(&fs::read(&ready).unwrap()).unwrap();
        assert_eq!(told["ssh_auth_sock"], socket.to_str().unwrap());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&socket), mode(socket.parent().unwrap())),
            (0o600, 0o700)
        );
        let at = stage.file("repository");
        fs::create_dir(&at).unwrap();
        let signers = stage.write("signers", &format!("bot@example.com {}\n", stage.ca));
        let ca: Vec<&str> = stage.ca.split(' ').take(2).collect();
        let repository = Self {
            sidecar,
            socket,
            at,
            signers,
            ca: ca.join(" "),
        };
        good(repository.git(&["init", "-q"]));
        repository
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.at)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", &self.at)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Output {
        let signers = format!("gpg.ssh.allowedSignersFile={}", self.signers.display());
        let key = format!("user.signingkey=key::{}", self.ca);
        let mut git = self.command("git");
        for setting in [
            "gpg.format=ssh",
            &key,
            &signers,
            "user.name=Bot",
            "user.email=bot@example.com",
        ] {
            git.args(["-c", setting]);
        }
        git.args(arguments).output().unwrap()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        terminate(&self.sidecar);
        let _ = self.sidecar.wait();
    }
}
