//! A cpio archive of the "new ASCII" kind, as the kernel unpacks initial ramdisks
//! (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Every entry belongs to user 0 and has no time of its own: an archive follows from its entries alone.

/// Behind the last entry.
const TRAILER: &str = "TRAILER!!!";
/// Names and contents end on a multiple of this.
const ALIGN: usize = 4;
/// The archive ends on a multiple of this, so that another may follow.
const BLOCK: usize = 512;

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A program or a file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether it is a program.
        executable: bool,
    },
    /// A character device.
    Device {
        /// Its driver.
        major: u32,
        /// Which of the driver's.
        minor: u32,
    },
}

impl Node {
    const fn mode(&self) -> u32 {
        match self {
            Self::Directory => 0o040_555,
            Self::File {
                executable: true, ..
            } => 0o100_555,
            Self::File {
                executable: false, ..
            } => 0o100_444,
            Self::Device { .. } => 0o020_600,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::File { bytes, .. } => bytes,
            Self::Directory | Self::Device { .. } => &[],
        }
    }
}

/// An entry is over what the format can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ramdisk's entry is too large")]
pub struct TooLarge;

/// The archive of these entries, in this order; a directory stands before what is in it.
///
/// # Errors
///
/// [`TooLarge`] for a file over 4 GiB.
pub fn archive(entries: &[(&str, Node)]) -> Result<Vec<u8>, TooLarge> {
    let mut out = Vec::new();
    for (number, (name, node)) in (1_u32..).zip(entries) {
        put(&mut out, number, name, node.mode(), node)?;
    }
    let nothing = Node::Directory;
    put(&mut out, 0, TRAILER, 0, &nothing)?;
    pad(&mut out, BLOCK);
    Ok(out)
}

fn put(out: &mut Vec<u8>, number: u32, name: &str, mode: u32, node: &Node) -> Result<(), TooLarge> {
    let bytes = node.bytes();
    let size = u32::try_from(bytes.len()).map_err(|_| TooLarge)?;
    let name_size = u32::try_from(name.len())
        .map_err(|_| TooLarge)?
        .saturating_add(1);
    let (major, minor) = match node {
        Node::Device { major, minor } => (*major, *minor),
        Node::Directory | Node::File { .. } => (0, 0),
    };
    out.extend_from_slice(b"070701");
    // inode, mode, user, group, links, time, size, device of the file system, device, name, checksum
    for field in [
        number, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0,
    ] {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out, ALIGN);
    out.extend_from_slice(bytes);
    pad(out, ALIGN);
    Ok(())
}

fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::{FileTypeExt, MetadataExt},
        process::{Command, Stdio},
    };

    fn sample() -> Vec<u8> {
        archive(&[
            ("dev", Node::Directory),
            ("dev/console", Node::Device { major: 5, minor: 1 }),
            (
                "init",
                Node::File {
                    bytes: b"abcde".to_vec(),
                    executable: true,
                },
            ),
        ])
        .unwrap()
    }

    #[test]
    fn an_archive_follows_from_its_entries_and_ends_on_a_block() {
        assert_eq!(sample(), sample());
        assert_eq!(sample().len() % BLOCK, 0);
    }

    /// The format by somebody else's program, where it is installed (`.ci/run` does).
    #[test]
    fn cpio_unpacks_it() {
        let dir = tempfile::tempdir().unwrap();
        let cpio = Command::new("cpio")
            .args(["-i", "--quiet"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut cpio) = cpio else {
            assert!(std::env::var_os("CI").is_none(), "cpio is not installed");
            return;
        };
        cpio.stdin.take().unwrap().write_all(&sample()).unwrap();
        assert!(cpio.wait().unwrap().success());
        assert_eq!(fs::read(dir.path().join("init")).unwrap(), b"abcde");
        let of = |name| fs::metadata(dir.path().join(name)).unwrap();
        assert_eq!(of("init").mode(), 0o100_555);
        assert!(of("dev").is_dir());
        assert!(of("dev/console").file_type().is_char_device());
        assert_eq!(of("dev/console").rdev(), 5 << 8 | 1);
    }
}
