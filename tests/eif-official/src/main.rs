//! AWS's own library (aws-nitro-enclaves-image-format) on an image that `claviger-image` wrote: it reads it, measures it alike, and
//! makes one of the same parts that measures alike. `make eif-check` runs it.
//!
//!     eif-official IMAGE RELEASE.json

use anyhow::{Context, Result, ensure};
use aws_nitro_enclaves_image_format::{
    defs::EifIdentityInfo,
    utils::{EifBuilder, eif_reader::EifReader},
};
use serde_json::Value;
use sha2::{Digest, Sha384};
use std::{collections::BTreeMap, fs, path::Path};

/// No flag: x86_64.
const X86_64: u16 = 0;
const HEADER: usize = 548;
const SECTION: usize = 12;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().context("which image?")?;
    let release = arguments.next().context("which release.json?")?;
    let release: Value = serde_json::from_slice(&fs::read(release)?)?;
    let file = fs::read(&image)?;

    let mut reader = EifReader::from_eif(image).map_err(anyhow::Error::msg)?;
    ensure!(reader.check_crc(), "its checksum differs");
    let read = reader.get_measurements().map_err(anyhow::Error::msg)?;
    same("read", &read, &release)?;
    let metadata = reader.get_metadata().context("it finds no metadata")?;
    ensure!(metadata.img_name == "claviger", "it reads another name");

    let built = build(&parts(&file)?, metadata)?;
    same("built", &built, &release)
}

fn same(how: &str, theirs: &BTreeMap<String, String>, ours: &Value) -> Result<()> {
    for register in ["PCR0", "PCR1", "PCR2"] {
        let own = ours[register.to_lowercase()]
            .as_str()
            .context("no such register")?;
        let other = theirs.get(register).map(String::as_str);
        ensure!(
            other == Some(own),
            "{how}: {register} is {other:?}, not {own}"
        );
        println!("{how}: {register} {own}");
    }
    Ok(())
}

/// The sections' bytes in their order, by their sizes alone.
fn parts(file: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (mut parts, mut rest) = (Vec::new(), file.get(HEADER..).context("no header")?);
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(SECTION).context("a section is cut")?;
        let size = usize::try_from(u64::from_be_bytes(head[4..].try_into()?))?;
        let (part, after) = after.split_at_checked(size).context("a section is cut")?;
        parts.push(part.to_vec());
        rest = after;
    }
    Ok(parts)
}

fn build(parts: &[Vec<u8>], metadata: EifIdentityInfo) -> Result<BTreeMap<String, String>> {
    let [kernel, cmdline, _, boot, application] = parts else {
        anyhow::bail!("{} sections, not five", parts.len());
    };
    let dir = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| -> Result<_> {
        let path = dir.path().join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    };
    let kernel = write("kernel", kernel)?;
    let cmdline = String::from_utf8(cmdline.clone())?;
    let mut builder = EifBuilder::new(&kernel, cmdline, None, Sha384::new(), X86_64, metadata);
    for (name, disk) in [("boot", boot), ("application", application)] {
        let disk = write(name, disk)?;
        builder.add_ramdisk(Path::new(&disk));
    }
    let mut out = tempfile::tempfile()?;
    Ok(builder.write_to(&mut out))
}
