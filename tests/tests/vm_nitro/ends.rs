//! What is not as it must be ends the machine, with the reason on its console: the image never goes on without it.

use anyhow::{Context, ensure};
use claviger_sim::process::guest::{HEARTBEAT, HEARTBEAT_PORT};
use claviger_tests::vm::{
    machine::{Machine, VSOCK, tools},
    nitro,
};
use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// How long a machine may take to end.
const PATIENCE: u32 = 60;

/// Killed when let go of.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kept {
    fn start(program: &Path, arguments: &[OsString]) -> anyhow::Result<Self> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn ends(&mut self) -> anyhow::Result<bool> {
        for _ in 0..PATIENCE * 10 {
            if self.0.try_wait()?.is_some() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }
}

/// Boots a machine once, whose parent answers the heartbeat so; its console when it has ended.
fn console(machine: &Machine, answer: Option<u8>) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    if let Some(answer) = answer {
        let parent = UnixListener::bind(at(&format!("ports_{HEARTBEAT_PORT}")))?;
        thread::spawn(move || {
            let (mut guest, _) = parent.accept()?;
            guest.read_exact(&mut [0])?;
            guest.write_all(&[answer])?;
            // Until the guest has read it.
            guest.read(&mut [0])
        });
    }
    let words = [
        "--guest-cid".into(),
        "16".into(),
        "--socket".into(),
        at("vhost").into(),
        "--uds-path".into(),
        at("ports").into(),
    ];
    let _device = Kept::start(&machine.device, &words)?;
    while !at("vhost").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    let mut words = machine.arguments.clone();
    let (vhost, log) = (at("vhost"), at("console"));
    let more = [
        "-chardev".into(),
        OsString::from(format!("socket,id={VSOCK},path={}", vhost.display())),
        "-serial".into(),
        OsString::from(format!("file:{}", log.display())),
        "-display".into(),
        "none".into(),
        "-monitor".into(),
        "none".into(),
        "-no-reboot".into(),
    ];
    words.extend(more);
    let mut guest = Kept::start(&machine.program, &words)?;
    let ended = guest.ends()?;
    let console = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    ensure!(ended, "the machine goes on:\n{console}");
    Ok(console)
}

fn expect(what: &str, machine: &Machine, answer: Option<u8>, reason: &str) -> anyhow::Result<()> {
    let console = console(machine, answer).with_context(|| what.to_owned())?;
    ensure!(
        console.contains(reason),
        "{what}: no word of \"{reason}\":\n{console}"
    );
    println!("{what}: {reason}");
    Ok(())
}

/// The image's parts on a machine that has a vsock device and no security module.
fn without_module(dir: &Path, kernel: &Path, more: &str) -> anyhow::Result<Machine> {
    let image = nitro::image()?;
    let disk = dir.join("initrd");
    fs::write(&disk, image.ramdisks.concat())?;
    let line = format!("{} {more}", String::from_utf8(image.cmdline)?);
    let mut machine = nitro::machine(&nitro::image_file(), nitro::MEMORY, "")?;
    let firmware = machine.arguments.drain(..4).collect::<Vec<_>>();
    machine.arguments = firmware;
    let memory = format!(
        "memory-backend-memfd,id=memory,size={}M,share=on",
        nitro::MEMORY
    );
    let size = format!("{}M", nitro::MEMORY);
    let device = format!("vhost-user-vsock-device,chardev={VSOCK}");
    let words: [(&str, OsString); 9] = [
        ("-M", "microvm,memory-backend=memory".into()),
        ("-accel", "tcg".into()),
        ("-cpu", "qemu64".into()),
        ("-m", size.into()),
        ("-object", memory.into()),
        ("-kernel", kernel.into()),
        ("-initrd", disk.into()),
        ("-append", line.into()),
        ("-device", device.into()),
    ];
    for (name, value) in words {
        machine.arguments.extend([name.into(), value]);
    }
    Ok(machine)
}

#[test]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
fn everything_unexpected_ends_the_machine() -> anyhow::Result<()> {
    let image = nitro::image_file();
    let with = |more: &str| nitro::machine(&image, nitro::MEMORY, more);
    let beat = Some(HEARTBEAT);
    expect(
        "another clock",
        &with("no-kvmclock")?,
        beat,
        "clock source is not kvm-clock",
    )?;
    expect(
        "an argument",
        &with("-- verbose")?,
        beat,
        "an argument was given",
    )?;
    expect(
        "a variable",
        &with("LD_PRELOAD=/x")?,
        beat,
        "an environment variable was given",
    )?;
    expect(
        "little memory",
        &nitro::machine(&image, 72, "")?,
        beat,
        "too little memory",
    )?;
    expect(
        "no parent",
        &with("")?,
        None,
        "the parent does not listen on port 9000",
    )?;
    expect(
        "another heartbeat",
        &with("")?,
        Some(0xB6),
        "the parent answered something else",
    )?;
    let dir = tempfile::tempdir()?;
    let kernel = dir.path().join("kernel");
    fs::write(&kernel, nitro::image()?.kernel)?;
    let no_module = without_module(dir.path(), &kernel, "")?;
    expect(
        "no security module",
        &no_module,
        beat,
        "entropy source is not the NSM's",
    )?;
    let debian = tools().join("kernel/vmlinuz");
    let other = without_module(dir.path(), &debian, "")?;
    expect("another kernel", &other, beat, "kernel is not this image's")?;
    Ok(())
}
