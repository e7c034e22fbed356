//! Which virtual machine: the emulator, what it is told, and the vsock device beside it. A description, not a process.

use anyhow::{Context, ensure};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The name of the character device that a machine's arguments attach as vsock.
pub const VSOCK: &str = "vsock";
/// Memory of a guest in MiB.
const MEMORY: u32 = 256;

/// A machine that can be started any number of times.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The emulator.
    pub program: PathBuf,
    /// All it is told but the character device [`VSOCK`] and the console's file, which are a run's own.
    pub arguments: Vec<OsString>,
    /// The vsock device, a vhost-user process of its own.
    pub device: PathBuf,
}

/// What `make vm-test` brought: `scripts/vm-tools`.
#[must_use]
pub fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vm")
}

/// The modules that the tools' kernel does not have built in, in their order.
///
/// # Errors
///
/// Where there are no tools.
pub fn modules() -> anyhow::Result<Vec<PathBuf>> {
    let dir = tools().join("kernel");
    let files = fs::read_dir(&dir).context("no kernel: run scripts/vm-tools")?;
    let files = files.map(|file| file.map(|file| file.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "ko"));
    files.sort();
    Ok(files)
}

impl Machine {
    /// Debian's cloud kernel on the smallest machine of a stock QEMU, emulated, with this initramfs.
    ///
    /// # Errors
    ///
    /// Where the tools are not there.
    pub fn cloud(initramfs: &Path) -> anyhow::Result<Self> {
        let (kernel, device) = (
            tools().join("kernel/vmlinuz"),
            tools().join("bin/vhost-device-vsock"),
        );
        for tool in [&kernel, &device] {
            ensure!(
                tool.is_file(),
                "{} is not there: run scripts/vm-tools",
                tool.display()
            );
        }
        let line = format!(
            "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable{}",
            frequency()
        );
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("-M", "microvm,memory-backend=memory,rtc=on".into());
        add("-accel", "tcg".into());
        // The kernel's generator is ready at once where the processor has one.
        add("-cpu", "qemu64,+rdrand".into());
        add("-m", format!("{MEMORY}M").into());
        add("-smp", "1".into());
        add(
            "-object",
            format!("memory-backend-memfd,id=memory,size={MEMORY}M,share=on").into(),
        );
        add("-kernel", kernel.into());
        add("-initrd", initramfs.into());
        add("-append", line.into());
        add(
            "-device",
            format!("vhost-user-vsock-device,chardev={VSOCK}").into(),
        );
        arguments.extend(["-nodefaults".into(), "-no-user-config".into()]);
        Ok(Self {
            program: "qemu-system-x86_64".into(),
            arguments,
            device,
        })
    }
}

/// The kernel's argument that spares it from measuring its time-stamp counter, which under load it measures wrong and then waits
/// for ever: an emulated counter runs like the real one. That it is to be relied on is said beside it, for the kernel compares it
/// with ticks, which come late where the machine is busy, and would then count time in those.
fn frequency() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("cpu MHz"));
    let mhz = line.and_then(|line| line.split_once(':')?.1.trim().parse::<f64>().ok());
    mhz.map_or_else(String::new, |mhz| {
        format!(" tsc_early_khz={:.0}", mhz * 1000.0)
    })
}
