//! Processes that this one starts: stopped when they are let go of, or by themselves when this one dies.

use crate::clock::now;
use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::{
    ffi::{OsStr, OsString},
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A process that ends with its owner.
pub struct Kept(Child);

impl Kept {
    /// Starts it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = format!("{:?}", command.get_program());
        let child = command.stdin(Stdio::null()).spawn();
        child.map(Self).with_context(|| format!("start {name}"))
    }

    /// How a program is started so that it does not outlive this one, however this one ends.
    pub fn command(program: impl AsRef<OsStr>) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("under").arg(program);
        Ok(command)
    }

    /// Another verb of this very program, listening on a socket.
    pub fn own(arguments: &[&str], socket: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut kept = Self::start(Self::command(program)?.args(arguments))?;
        kept.wait_until("socket", || UnixStream::connect(socket).is_ok())?;
        Ok(kept)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has done something; an error where it ends before, or takes a minute.
    pub fn wait_until(&mut self, what: &str, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
        let end = now() + Duration::from_secs(60);
        while !done() {
            ensure!(self.0.try_wait()?.is_none(), "it ended: no {what}");
            ensure!(now() < end, "not in time: no {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits for its end; seconds of CPU that it used.
    pub fn finish(mut self) -> anyhow::Result<f64> {
        let pid = raw(&self.0).context("no pid")?;
        // A zombie still tells what it used.
        rustix::process::waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )?;
        let used = crate::cpu::seconds(self.0.id());
        ensure!(self.0.wait()?.success(), "it failed");
        Ok(used)
    }
}

fn raw(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id().try_into().ok()?)
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let (Ok(None), Some(pid)) = (self.0.try_wait(), raw(&self.0)) {
            // It may have ended meanwhile; it is waited for in any case.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

/// Becomes another program that is told to stop when this one's parent ends.
pub fn under(program: &OsStr, arguments: &[OsString]) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    Err(Command::new(program).args(arguments).exec().into())
}
