//! Looking for secrets where they must not be: in the memory of processes and in files.
//!
//! A process is read through `/proc/PID/mem`, page by page that is really there, which needs to be root where it is not dumpable.
//! A secret is searched in parts, because an allocator writes its own words over the beginning of what was freed, and
//! backwards too, because big numbers are kept little end first.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes of a secret that are enough to know it by.
const PART: usize = 16;
const PAGE: u64 = 4096;
/// A page is in memory, or swapped out: bits 63 and 62 of its word in `pagemap`.
const THERE: u64 = 0b11 << 62;

/// Secrets by name, in every form that is searched for.
#[derive(Debug, Default)]
pub struct Wanted {
    forms: Vec<(String, Vec<u8>)>,
}

impl Wanted {
    /// Adds a secret: its bytes and their reverse, in parts, in hexadecimal and in base64 at each alignment.
    ///
    /// # Panics
    ///
    /// For a secret shorter than 32 bytes.
    #[must_use]
    pub fn and(mut self, name: &str, secret: &[u8]) -> Self {
        assert!(
            secret.len() >= 2 * PART,
            "{name} is too short to be known by"
        );
        let reversed: Vec<u8> = secret.iter().rev().copied().collect();
        let mut add = |form: &[u8]| self.forms.push((name.to_owned(), form.to_vec()));
        for bytes in [secret, &reversed] {
            for at in (0..=bytes.len() - PART).step_by(PART / 2) {
                add(&bytes[at..at + PART]);
            }
        }
        let hex = hex::encode(secret);
        add(&hex.as_bytes()[..2 * PART]);
        add(&hex.to_uppercase().as_bytes()[..2 * PART]);
        for skip in 0..3 {
            // Whole groups of three bytes look the same whatever stands around them.
            let whole = &secret[skip..skip + 27];
            add(STANDARD_NO_PAD.encode(whole).as_bytes());
            add(URL_SAFE_NO_PAD.encode(whole).as_bytes());
        }
        self
    }

    /// The names of what stands in these bytes, with the first place of each.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<(String, usize)> {
        let mut begins = vec![false; 1 << 16];
        let key = |a: u8, b: u8| usize::from(a) << 8 | usize::from(b);
        for (_, form) in &self.forms {
            begins[key(form[0], form[1])] = true;
        }
        let mut found: Vec<(String, usize)> = Vec::new();
        for (at, pair) in bytes.windows(2).enumerate() {
            if !begins[key(pair[0], pair[1])] {
                continue;
            }
            for (name, form) in &self.forms {
                let known = found.iter().any(|(known, _)| known == name);
                if !known && bytes[at..].starts_with(form) {
                    found.push((name.clone(), at));
                }
            }
        }
        found
    }

    /// What a process holds: name and kind of region of each secret that is there.
    ///
    /// # Errors
    ///
    /// Where the process may not be read, or is gone.
    pub fn in_process(&self, pid: u32) -> io::Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut read = 0;
        each_part(pid, |region, bytes| {
            read += bytes.len();
            for (name, at) in self.find(bytes) {
                found.push((name, format!("byte {at} of the part of {region}")));
            }
        })?;
        // A process that seems to have no memory was not read.
        if read < 1 << 20 {
            return Err(io::Error::other(format!(
                "only {read} bytes of {pid} were read"
            )));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The files below a directory in which anything stands.
    ///
    /// # Errors
    ///
    /// Any failure of the file system but that a file is gone again.
    pub fn in_files(&self, dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                found.extend(self.in_files(&path)?);
            } else if kind.is_file() {
                match fs::read(&path) {
                    Ok(bytes) => {
                        let names = self.find(&bytes).into_iter();
                        found.extend(names.map(|(name, _)| (name, path.clone())));
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

/// The 32 bytes before every place where a process holds these bytes: a library keeps an Ed25519 seed before its public half.
///
/// # Errors
///
/// As [`Wanted::in_process`].
pub fn before(pid: u32, public: &[u8; 32]) -> io::Result<Vec<[u8; 32]>> {
    let mut seeds = Vec::new();
    each_part(pid, |_, bytes| {
        let ends = bytes.windows(32).enumerate().skip(32);
        for (at, _) in ends.filter(|(_, part)| part[0] == public[0] && part == public) {
            seeds.extend(<[u8; 32]>::try_from(&bytes[at - 32..at]));
        }
    })?;
    Ok(seeds)
}

/// Hands over each run of pages that are there, with the name of its region.
fn each_part(pid: u32, mut look: impl FnMut(&str, &[u8])) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let pages = File::open(format!("/proc/{pid}/pagemap"))?;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let region = words.nth(3).unwrap_or("anonymous");
        if !rights.starts_with('r') || region.starts_with("[v") {
            continue;
        }
        let ends = range
            .split_once('-')
            .ok_or_else(|| io::Error::other("no range"))?;
        let end = |text| u64::from_str_radix(text, 16).map_err(io::Error::other);
        let (start, end) = (end(ends.0)?, end(ends.1)?);
        let mut words = vec![0; ((end - start) / PAGE * 8) as usize];
        let length = pages.read_at(&mut words, start / PAGE * 8)?;
        let there = words[..length]
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()) & THERE != 0);
        let mut run = Vec::new();
        for (number, there) in there.chain([false]).enumerate() {
            let mut page = [0; PAGE as usize];
            let at = start + number as u64 * PAGE;
            // What was unmapped meanwhile holds nothing.
            if there && memory.read_exact_at(&mut page, at).is_ok() {
                run.extend_from_slice(&page);
            } else if !run.is_empty() {
                let below = end - at + run.len() as u64;
                let size = (end - start) / 1024;
                let place = format!("{region}, {size} KiB, that begins {below} before its end");
                look(&place, &run);
                run.clear();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(seed: u8) -> Vec<u8> {
        (0..32_u8)
            .map(|at| seed.wrapping_mul(31).wrapping_add(at.wrapping_mul(7)))
            .collect()
    }

    #[test]
    fn every_form_of_a_secret_is_found_and_nothing_else() {
        let secret = secret(3);
        let wanted = Wanted::default().and("it", &secret);
        let mut reversed = secret.clone();
        reversed.reverse();
        let mut cut = secret.clone();
        cut[..8].fill(0);
        for form in [
            secret.clone(),
            reversed,
            cut,
            hex::encode(&secret).into_bytes(),
            STANDARD_NO_PAD.encode(&secret).into_bytes(),
            URL_SAFE_NO_PAD.encode(&secret).into_bytes(),
        ] {
            for around in 0..4 {
                let bytes = [&vec![9; around][..], &form, &[9; 5]].concat();
                assert_eq!(wanted.find(&bytes).len(), 1);
            }
        }
        assert!(wanted.find(&[7; 1000]).is_empty());
        assert!(wanted.find(&secret[..PART - 1]).is_empty());
    }

    #[test]
    fn what_this_process_holds_is_found() {
        let held = std::hint::black_box(secret(5));
        // Compared byte by byte with what it is made from, so that the search does not find itself.
        let is_it = |part: &[u8]| (0..32).all(|at| part[at] == 155_u8.wrapping_add(at as u8 * 7));
        let mut found = 0;
        let count = |bytes: &[u8]| bytes.windows(32).filter(|part| is_it(part)).count();
        each_part(std::process::id(), |_, bytes| found += count(bytes)).unwrap();
        assert!(found >= 1 && held.len() == 32);
        assert!(
            Wanted::default().in_process(u32::MAX >> 1).is_err(),
            "nobody's"
        );
    }
}
