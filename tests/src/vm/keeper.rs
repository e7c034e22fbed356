//! The thread that keeps a machine running. Its children die with it, however this process ends.

use super::{PATIENCE, Places, machine::Machine, machine::VSOCK};
use claviger_sim::process::guest::HEARTBEAT;
use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Pause before a guest that ended is started again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a guest may take to say its one byte.
const BYTE: Duration = Duration::from_secs(2);
/// How long a device may take to listen.
const LISTENS: Duration = Duration::from_secs(10);
/// The guest's context id: any but the parent's.
const GUEST_CID: &str = "16";

/// What the keeper says of its machine.
#[derive(Debug, Default)]
pub struct State {
    /// The emulator's process id.
    pub guest: Option<u32>,
    /// The device's.
    pub device: Option<u32>,
    /// Guests started.
    pub boots: u64,
    /// Guests that said they are up.
    pub ups: u64,
    /// Guests that never did, in all the time they had.
    pub lost: u64,
    stop: bool,
}

/// The same, shared.
#[derive(Debug, Default)]
pub struct Shared {
    /// What is so.
    pub state: Mutex<State>,
    /// Told of every change.
    pub changed: Condvar,
}

impl Shared {
    /// Ends the machine.
    pub fn stop(&self) {
        self.change(|state| state.stop = true);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut state);
        self.changed.notify_all();
        changed
    }
}

/// This machine's clock, to give up by.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test's own clock")]
    Instant::now()
}

/// A child and since when it has been there; killed when it is let go of.
struct Kept(Child, Instant);

impl Kept {
    /// Starts a program that is killed when the thread that started it ends.
    fn start(program: &Path, arguments: &[OsString], log: &Path) -> io::Result<Self> {
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child, now()))
    }

    fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Keeper<'a> {
    places: &'a Places,
    machine: &'a Machine,
    shared: &'a Shared,
    device: Option<Kept>,
    guest: Option<Kept>,
    /// Whether this guest has said that it is up.
    up: bool,
}

/// Keeps a machine running until it is told to stop.
pub fn keep(places: &Places, machine: &Machine, heartbeat: &UnixListener, shared: &Shared) {
    let mut keeper = Keeper {
        places,
        machine,
        shared,
        device: None,
        guest: None,
        up: false,
    };
    while !shared.change(|state| state.stop) {
        if let Err(error) = keeper.look(heartbeat) {
            eprintln!("virtual machine: {error}");
            std::thread::sleep(AGAIN);
        }
        std::thread::sleep(LOOK);
    }
    keeper.end_guest();
}

fn remove(path: PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Keeper<'_> {
    fn look(&mut self, heartbeat: &UnixListener) -> io::Result<()> {
        if !self.device.as_mut().is_some_and(Kept::runs) {
            self.end_guest();
            self.start_device()?;
        }
        if !self.guest.as_mut().is_some_and(Kept::runs) {
            self.end_guest();
            std::thread::sleep(AGAIN);
            self.start_guest()?;
        }
        self.hear(heartbeat)?;
        let late = |guest: &Kept| guest.1.elapsed() > PATIENCE / 2;
        if !self.up && self.guest.as_ref().is_some_and(late) {
            eprintln!("virtual machine: a guest is not up in time, it is started again");
            self.shared.change(|state| state.lost += 1);
            self.end_guest();
        }
        Ok(())
    }

    fn end_guest(&mut self) {
        // Hosts stop dialling before the guest is gone, not after.
        let _ = remove(self.places.address());
        self.guest = None;
        self.up = false;
        self.shared.change(|state| state.guest = None);
    }

    fn start_device(&mut self) -> io::Result<()> {
        self.device = None;
        self.shared.change(|state| state.device = None);
        let (vhost, ports) = (self.places.vhost(), self.places.ports());
        remove(vhost.clone())?;
        remove(ports.clone())?;
        let arguments = [
            "--guest-cid".into(),
            GUEST_CID.into(),
            "--socket".into(),
            vhost.clone().into(),
            "--uds-path".into(),
            ports.into(),
        ];
        let log = self.places.at("device.log");
        let device = Kept::start(&self.machine.device, &arguments, &log)?;
        while !vhost.exists() {
            if device.1.elapsed() > LISTENS {
                return Err(io::Error::other("the vsock device does not listen"));
            }
            std::thread::sleep(LOOK);
        }
        self.shared
            .change(|state| state.device = Some(device.0.id()));
        self.device = Some(device);
        Ok(())
    }

    fn start_guest(&mut self) -> io::Result<()> {
        let boot = self.shared.change(|state| {
            state.boots += 1;
            state.boots
        });
        let mut arguments = self.machine.arguments.clone();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        let mut chardev = OsString::from(format!("socket,id={VSOCK},path="));
        chardev.push(self.places.vhost());
        add("-chardev", chardev);
        let mut console = OsString::from("file:");
        console.push(self.places.console(boot));
        add("-serial", console);
        add("-display", "none".into());
        add("-monitor", "none".into());
        arguments.push("-no-reboot".into());
        let log = self.places.at("emulator.log");
        let guest = Kept::start(&self.machine.program, &arguments, &log)?;
        self.shared.change(|state| state.guest = Some(guest.0.id()));
        self.guest = Some(guest);
        Ok(())
    }

    /// Takes a heartbeat if there is one: hosts may dial from then on.
    fn hear(&mut self, heartbeat: &UnixListener) -> io::Result<()> {
        let (mut stream, _) = match heartbeat.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?,
        };
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(BYTE))?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        if byte != [HEARTBEAT] {
            return Err(io::Error::other("a guest's heartbeat is another byte"));
        }
        stream.write_all(&byte)?;
        remove(self.places.address())?;
        std::os::unix::fs::symlink(self.places.ports(), self.places.address())?;
        self.up = true;
        self.shared.change(|state| state.ups += 1);
        Ok(())
    }
}
