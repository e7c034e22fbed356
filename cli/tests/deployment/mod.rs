//! A simulated deployment for tests of the command, from the same build.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running deployment; stopped when dropped.
pub(crate) struct Deployment {
    _dir: tempfile::TempDir,
    up: Child,
    key: PathBuf,
}

impl Deployment {
    /// Starts one. Nothing, said aloud, where `claviger-sim` is not built; in continuous integration that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_claviger")).with_file_name("claviger-sim");
        if !program.exists() {
            assert!(
                std::env::var_os("CI").is_none(),
                "claviger-sim is not built"
            );
            println!("skipped: {} is not built", program.display());
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let up = Command::new(program)
            .args(["up", "--dir"])
            .arg(dir.path())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let ready = dir.path().join("ready.json");
        wait_for(|| ready.exists());
        let ready: Value = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        let key = PathBuf::from(ready["agent_api_key_file"].as_str().unwrap());
        Some(Self { _dir: dir, up, key })
    }

    /// The first agent's key.
    pub(crate) fn agent_key(&self) -> &Path {
        &self.key
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        terminate(&self.up);
        let _ = self.up.wait();
    }
}

/// Asks a process to end.
pub(crate) fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
}

/// Waits until something holds.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's patience is by this machine's clock"
)]
pub(crate) fn wait_for(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
