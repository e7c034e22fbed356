//! A simulated deployment for tests of the command, from the same build.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running deployment; stopped when dropped.
pub(crate) struct Deployment {
    dir: tempfile::TempDir,
    up: Child,
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
        Some(Self { dir, up })
    }

    /// A file of it, such as `agent.key` and `ready.json`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
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
