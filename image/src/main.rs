//! `claviger-image`: makes the enclave's image, and says what it is measured as.

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use claviger_image::{
    deployment,
    eif::{self, Eif, Measured},
    ramdisk,
};
use claviger_shared::{crypto::sha384, id::to_hex};
use serde_json::json;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The enclave's image: EIF files written, read and measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes an image of a kernel, its command line and the enclave's binary
    Build {
        /// A bzImage
        #[arg(long)]
        kernel: PathBuf,
        /// File with the kernel's command line: its words, comments after `#`
        #[arg(long)]
        cmdline: PathBuf,
        /// The enclave's binary, statically linked
        #[arg(long)]
        binary: PathBuf,
        /// Where the image goes
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints PCR0, PCR1 and PCR2 of an image as a manifest names a release, and PCR16 of a deployment
    Pcrs {
        /// The image
        image: PathBuf,
        /// The first manifest of a deployment, g0
        #[arg(long)]
        g0: Option<PathBuf>,
    },
    /// Prints what an image holds: its command line, metadata, sizes and digests
    Show {
        /// The image
        image: PathBuf,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { verb } = Arguments::parse();
    let shown = match verb {
        Verb::Build {
            kernel,
            cmdline,
            binary,
            out,
        } => build(&kernel, &cmdline, &binary, &out)?,
        Verb::Pcrs { image, g0 } => pcrs(&open(&image)?, g0.as_deref())?,
        Verb::Show { image } => show(&open(&image)?),
    };
    let text = serde_json::to_string_pretty(&shown)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    if bytes.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(bytes)
}

fn open(path: &Path) -> anyhow::Result<Eif> {
    eif::read(&file(path)?).with_context(|| path.display().to_string())
}

fn build(
    kernel: &Path,
    cmdline: &Path,
    binary: &Path,
    out: &Path,
) -> anyhow::Result<serde_json::Value> {
    let kernel = file(kernel)?;
    let words = words(&String::from_utf8(file(cmdline)?)?)?;
    let image = Eif {
        metadata: metadata(kernel_release(&kernel)?)?,
        kernel,
        cmdline: words.into_bytes(),
        ramdisks: vec![ramdisk::boot()?, ramdisk::application(file(binary)?)?],
    };
    let bytes = eif::write(&image)?;
    fs::write(out, &bytes).with_context(|| format!("write {}", out.display()))?;
    Ok(release(&eif::measure(&image)))
}

/// The words of a commented command line, on one line.
fn words(text: &str) -> anyhow::Result<String> {
    let lines = text.lines().filter_map(|line| line.split('#').next());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    if words.is_empty() {
        bail!("the command line is empty");
    }
    Ok(words.join(" "))
}

/// What a bzImage says it is: the first word of the text that its header points to
/// (Linux, Documentation/arch/x86/boot.rst, `kernel_version`).
fn kernel_release(kernel: &[u8]) -> anyhow::Result<String> {
    let word = |at: usize, length: usize| kernel.get(at..at.saturating_add(length));
    if word(0x202, 4) != Some(b"HdrS") {
        bail!("the kernel is no bzImage");
    }
    let at = word(0x20e, 2)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_le_bytes);
    let at = usize::from(at.unwrap_or_default()).saturating_add(0x200);
    let text = kernel.get(at..).unwrap_or_default();
    let end = text
        .iter()
        .position(|byte| *byte <= b' ')
        .unwrap_or_default();
    let release = text.get(..end).unwrap_or_default();
    match std::str::from_utf8(release) {
        Ok(release) if !release.is_empty() && release.is_ascii() => Ok(release.to_owned()),
        _ => bail!("the kernel does not say its release"),
    }
}

/// What tools show of an image; nothing measures it, so nothing in it may be believed, and no time is in it.
fn metadata(kernel: String) -> anyhow::Result<Vec<u8>> {
    let metadata = json!({
        "ImageName": "claviger",
        "ImageVersion": env!("CARGO_PKG_VERSION"),
        "BuildMetadata": {
            "BuildTime": "1970-01-01T00:00:00+00:00",
            "BuildTool": env!("CARGO_PKG_NAME"),
            "BuildToolVersion": env!("CARGO_PKG_VERSION"),
            "OperatingSystem": "Linux",
            "KernelVersion": kernel,
        },
        "DockerInfo": {},
        "CustomMetadata": null,
    });
    Ok(serde_json::to_vec(&metadata)?)
}

fn release(measured: &Measured) -> serde_json::Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pcr0": to_hex(&measured.pcr0.0),
        "pcr1": to_hex(&measured.pcr1.0),
        "pcr2": to_hex(&measured.pcr2.0),
    })
}

fn pcrs(image: &Eif, g0: Option<&Path>) -> anyhow::Result<serde_json::Value> {
    let mut shown = release(&eif::measure(image));
    if let (Some(g0), Some(members)) = (g0, shown.as_object_mut()) {
        let pcr16 = deployment(&file(g0)?);
        members.insert("pcr16".to_owned(), to_hex(&pcr16.0).into());
    }
    Ok(shown)
}

fn show(image: &Eif) -> serde_json::Value {
    let part = |bytes: &[u8]| json!({"bytes": bytes.len(), "sha384": to_hex(&sha384(&[bytes]).0)});
    json!({
        "cmdline": String::from_utf8_lossy(&image.cmdline),
        "metadata": serde_json::from_slice::<serde_json::Value>(&image.metadata).ok(),
        "kernel": part(&image.kernel),
        "ramdisks": image.ramdisks.iter().map(|disk| part(disk)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_a_command_line_are_for_people() {
        assert_eq!(words("# all\na=b  c # why\n\n d\n").unwrap(), "a=b c d");
        words("# nothing\n").unwrap_err();
    }

    #[test]
    fn a_kernel_says_its_release() {
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        kernel[0x300..0x30f].copy_from_slice(b"6.12.1-x (a@b) ");
        assert_eq!(kernel_release(&kernel).unwrap(), "6.12.1-x");
        kernel_release(&[]).unwrap_err();
        kernel_release(&kernel[..0x300]).unwrap_err();
    }
}
