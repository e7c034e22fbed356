//! A virtual machine under test: kept running as a parent would, killed, stalled, and ended with whoever holds it.
//!
//! Two processes make one: the emulator and the vsock device beside it. A guest that ends is booted again; a device that ends takes
//! its guest with it, because the guest's driver does not notice. It knows nothing of what runs inside but the heartbeat.

pub mod account;
pub mod courier;
pub mod image;
pub mod keeper;
pub mod machine;
pub mod nitro;
pub mod simulation;

use anyhow::{Context, ensure};
use claviger_sim::process::guest::HEARTBEAT_PORT;
use keeper::{Shared, State};
use machine::Machine;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// How long a guest may take to be up. An emulated one takes some seconds, more where others want the cores too.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A process of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The emulator.
    Guest,
    /// The vsock device.
    Device,
}

/// A running machine.
#[derive(Debug)]
pub struct Vm {
    dir: PathBuf,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

/// Where everything of a machine is, in a directory of its own.
#[derive(Debug, Clone)]
pub struct Places {
    dir: PathBuf,
}

impl Places {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Between emulator and device.
    #[must_use]
    pub fn vhost(&self) -> PathBuf {
        self.at("vhost.sock")
    }

    /// The device's own socket for the guest's ports.
    #[must_use]
    pub fn ports(&self) -> PathBuf {
        self.at("ports.sock")
    }

    /// The same for hosts: there only while the guest is up. A host that dials a guest before its driver is there has been seen
    /// to leave the device dead.
    #[must_use]
    pub fn address(&self) -> PathBuf {
        self.at("vm.vsock")
    }

    /// Where the guest's connections to a port of the parent arrive.
    #[must_use]
    pub fn of_parent(&self, port: u32) -> PathBuf {
        self.at(&format!("ports.sock_{port}"))
    }

    /// The console of a boot.
    #[must_use]
    pub fn console(&self, boot: u64) -> PathBuf {
        self.at(&format!("console-{boot}.log"))
    }
}

impl Vm {
    /// Starts a machine in a directory and keeps it running. Returns at once: [`Self::wait_up`] waits.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn start(dir: &Path, machine: Machine) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let places = Places {
            dir: dir.to_owned(),
        };
        let heartbeat = UnixListener::bind(places.of_parent(HEARTBEAT_PORT))?;
        heartbeat.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let keeper = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || keeper::keep(&places, &machine, &heartbeat, &shared)
        });
        Ok(Self {
            dir: dir.to_owned(),
            shared,
            keeper: Some(keeper),
        })
    }

    /// Where everything of it is.
    #[must_use]
    pub fn places(&self) -> Places {
        Places {
            dir: self.dir.clone(),
        }
    }

    fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(
            &self
                .shared
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// How often a guest was started.
    #[must_use]
    pub fn boots(&self) -> u64 {
        self.state(|state| state.boots)
    }

    /// How often a guest said that it is up.
    #[must_use]
    pub fn ups(&self) -> u64 {
        self.state(|state| state.ups)
    }

    /// Boots that came to nothing in time and were begun again: none, one hopes.
    #[must_use]
    pub fn lost_boots(&self) -> u64 {
        self.state(|state| state.lost)
    }

    /// The process id of a part; nothing between two of its lives.
    #[must_use]
    pub fn pid(&self, part: Part) -> Option<u32> {
        self.state(|state| match part {
            Part::Guest => state.guest,
            Part::Device => state.device,
        })
    }

    /// Waits until guests have said so often that they are up.
    ///
    /// # Errors
    ///
    /// When it takes longer than [`PATIENCE`]; the last console lines say why.
    pub fn wait_up(&self, ups: u64) -> anyhow::Result<()> {
        let state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.ups < ups);
        let late = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        ensure!(!late, "no guest is up:\n{}", self.console());
        Ok(())
    }

    /// The console of the newest boot.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = fs::read(self.places().console(self.boots())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn signal(&self, part: Part, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid(part).context("it does not run")?;
        let pid = Pid::from_raw(pid.try_into()?).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills a part without a warning and waits until a guest is up again.
    ///
    /// # Errors
    ///
    /// As [`Self::wait_up`].
    pub fn kill(&self, part: Part) -> anyhow::Result<()> {
        let ups = self.ups();
        self.signal(part, Signal::KILL)?;
        self.wait_up(ups + 1)
    }

    /// Stops a part for so long and lets it go on.
    ///
    /// # Errors
    ///
    /// Where it does not run.
    pub fn stall(&self, part: Part, length: Duration) -> anyhow::Result<()> {
        self.signal(part, Signal::STOP)?;
        std::thread::sleep(length);
        self.signal(part, Signal::CONT)
    }

    /// File descriptors that a part holds: connections, for the most part.
    #[must_use]
    pub fn descriptors(&self, part: Part) -> usize {
        let pid = self.pid(part).unwrap_or_default();
        fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}
