//! A real `sshd` on loopback.

use super::{
    deployment::{terminate, wait_for},
    stage::Stage,
};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// The server.
pub(crate) const SSHD: &str = "/usr/sbin/sshd";
/// Seconds after which a server ends by itself, whatever becomes of its test.
const SERVER_S: &str = "240";

/// A server that trusts a key, and takes nothing else.
pub(crate) struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(stage: &Stage) -> Self {
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let host_key = stage.file("sshd-host");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&host_key)
            .status();
        assert!(made.unwrap().success());
        let trusted = stage.write("ca.pub", &format!("{}\n", stage.ca));
        let log = stage.file("sshd.log");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nTrustedUserCAKeys {}\nAuthorizedKeysFile none\nUsePAM no\nPidFile none\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel VERBOSE\n",
            host_key.display(),
            trusted.display(),
        );
        let config = stage.write("sshd_config", &config);
        let child = Command::new("timeout")
            .args([SERVER_S, SSHD, "-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        wait_for(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port, log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// `ssh` as anybody calls it, but for this server and nobody's own files.
    pub(crate) fn ssh(&self, user: &str) -> Vec<String> {
        let port = self.port.to_string();
        let to = format!("{user}@127.0.0.1");
        [
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentityFile=/nonexistent",
            "-o",
            "LogLevel=ERROR",
            "-p",
            &port,
            &to,
            "echo",
            "asked",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        terminate(&self.child);
        let _ = self.child.wait();
    }
}
