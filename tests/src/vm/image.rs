//! A guest's image: an initramfs with the enclave's program, what it links, the kernel's modules and the mock NSM's files.
//!
//! Written as the kernel reads it (Documentation/driver-api/early-userspace/buffer-format.rst, "newc"), without compression: an
//! emulated machine would spend longer on that than on reading.

use anyhow::{Context, ensure};
use claviger_image::cpio::{self, Node, TooLarge};
use claviger_sim::process::guest::{FILES, MODULES};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Where process 1 has its standard streams (Linux, Documentation/admin-guide/devices.txt).
const CONSOLE: Node = Node::Device { major: 5, minor: 1 };

/// An archive being filled.
#[derive(Debug, Default)]
pub struct Archive {
    entries: Vec<(String, Node)>,
    directories: BTreeSet<PathBuf>,
}

impl Archive {
    fn entry(&mut self, name: &str, node: Node) {
        self.entries.push((name.to_owned(), node));
    }

    /// A directory and those above it.
    pub fn directory(&mut self, path: &str) {
        let path = Path::new(path.trim_start_matches('/'));
        let mut above: Vec<_> = path.ancestors().collect();
        above.reverse();
        for directory in above {
            let new = directory != Path::new("") && self.directories.insert(directory.to_owned());
            if let Some(name) = directory.to_str().filter(|_| new) {
                self.entry(name, Node::Directory);
            }
        }
    }

    /// A file that may be run, in directories made for it.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        if let Some((directory, _)) = path.rsplit_once('/') {
            self.directory(directory);
        }
        let (bytes, executable) = (content.to_vec(), true);
        self.entry(
            path.trim_start_matches('/'),
            Node::File { bytes, executable },
        );
    }

    /// Every file of a directory, below another path.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn files(&mut self, from: &Path, below: &str) -> io::Result<()> {
        self.directory(below);
        let mut all = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        all.sort_by_key(fs::DirEntry::file_name);
        for file in all.iter().filter(|file| file.path().is_file()) {
            let name = file.file_name();
            let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
            self.file(&format!("{below}/{name}"), &fs::read(file.path())?);
        }
        Ok(())
    }

    /// The whole archive.
    ///
    /// # Errors
    ///
    /// A file over what the format holds.
    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        self.directory("dev");
        self.entry("dev/console", CONSOLE);
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|(name, node)| (name.as_str(), node.clone()))
            .collect();
        cpio::archive(&entries)
    }
}

/// The image of a simulated enclave: a program as process 1, the modules, and what `up` keeps for its enclave.
///
/// # Errors
///
/// A program that is not there or cannot be looked at, or any failure of the file system.
pub fn simulation(
    program: &Path,
    modules: &[PathBuf],
    pki: &Path,
    measurements: &Path,
) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("/init", &stripped(program)?);
    for library in libraries(program)? {
        let content = fs::read(&library).with_context(|| library.clone())?;
        archive.file(&library, &content);
    }
    archive.directory(MODULES);
    for module in modules {
        let name = module.file_name().and_then(|name| name.to_str());
        let name = name.context("a module without a name")?;
        archive.file(&format!("{MODULES}/{name}"), &fs::read(module)?);
    }
    archive.files(pki, &format!("{FILES}/nsm"))?;
    let measurements = fs::read(measurements)?;
    archive.file(&format!("{FILES}/measurements.json"), &measurements);
    Ok(archive.finish()?)
}

/// A program without what only debuggers read.
fn stripped(program: &Path) -> anyhow::Result<Vec<u8>> {
    let out = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("strip");
    let status = command.arg("-o").arg(out.path()).arg(program).status();
    let status = status.context("strip is not there: install binutils")?;
    ensure!(status.success(), "strip {}: {status}", program.display());
    Ok(fs::read(out.path())?)
}

/// The shared libraries of a program, and the loader that finds them, by their paths.
fn libraries(program: &Path) -> anyhow::Result<Vec<String>> {
    let told = Command::new("ldd").arg(program).output()?;
    ensure!(told.status.success(), "ldd {}", program.display());
    Ok(listed(&String::from_utf8(told.stdout)?))
}

/// `NAME => /PATH (ADDRESS)` and `/PATH (ADDRESS)`; what the kernel maps by itself has no path.
fn listed(told: &str) -> Vec<String> {
    let words = told.lines().map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.find(|word| word.starts_with('/')).map(str::to_owned)
    });
    words.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let told =
            "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(listed(told), ["/lib/libc.so.6", "/lib64/ld.so"]);
    }

    #[test]
    fn an_archive_has_every_directory_once_and_before_what_is_in_it() {
        let mut archive = Archive::default();
        archive.file("/a/b/one", b"1");
        archive.file("/a/b/two", b"22");
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let mut names = Vec::new();
        let mut rest = &bytes[..];
        while rest.first().is_some_and(|byte| *byte != 0) {
            assert!(rest.starts_with(b"070701"));
            let field = |at: usize| {
                let text = std::str::from_utf8(&rest[6 + at * 8..14 + at * 8]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            let (size, name) = (field(6), field(11));
            let text = String::from_utf8(rest[110..109 + name].to_vec()).unwrap();
            names.push(text);
            rest = &rest[(110 + name).next_multiple_of(4) + size.next_multiple_of(4)..];
        }
        let wanted = ["a", "a/b", "a/b/one", "a/b/two", "dev", "dev/console"];
        assert_eq!(names[..6], wanted);
        assert_eq!(names[6..], ["TRAILER!!!"]);
    }
}
