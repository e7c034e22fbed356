//! Unencrypted OpenSSH private key files with one Ed25519 key: made by `claviger init`, read by stock `ssh-keygen`.
//!
//! A [`Seed`] is wiped on drop, is never compared or shown, and leaves through [`Seed::expose`] alone. Encrypted files
//! and other types are refused: their owners sign with `ssh-keygen` or an ssh-agent.

use super::{
    Error,
    sshsig::PublicKey,
    sshwire::{BadWire, Reader, armor, dearmor, put_string},
};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Largest file accepted in bytes.
pub const MAX_FILE: usize = 4096;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// OpenSSH `PROTOCOL.key` §1.
const MAGIC: &[u8] = b"openssh-key-v1\0";
const NONE: &[u8] = b"none";
const ED25519: &[u8] = b"ssh-ed25519";
/// OpenSSH `PROTOCOL.key` §3: without a cipher, padding fills blocks of eight bytes.
const BLOCK: usize = 8;

/// The 32 secret bytes of an Ed25519 key.
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes the bytes; the caller's copy is wiped.
    #[must_use]
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let seed = Self(*bytes);
        bytes.zeroize();
        seed
    }

    /// The bytes, for the one place that signs.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

/// A key file's content. That seed and point belong together is for the signer to check when it loads them.
#[derive(Debug)]
pub struct PrivateKey {
    /// The secret half.
    pub seed: Seed,
    /// The public half, as the file states it.
    pub point: [u8; 32],
}

impl PrivateKey {
    /// The public half as owners list it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::ed25519(&self.point)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error`] for an encrypted file, another type of key, several keys, or anything not well-formed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let read = || {
            if text.len() > MAX_FILE {
                return Err(BadWire);
            }
            let bytes = Zeroizing::new(dearmor(text, BEGIN, END)?);
            read(&bytes)
        };
        read().map_err(|_| {
            Error::new(
                Error::MALFORMED,
                "",
                "an unencrypted OpenSSH private key file with one Ed25519 key",
            )
        })
    }

    /// Writes a file.
    #[must_use]
    pub fn format(&self, comment: &str) -> Zeroizing<String> {
        let public = self.public_key().blob;
        // The two check words tell a wrong passphrase from a right one; without a passphrase they need only be equal.
        let mut secret = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        secret.extend_from_slice(&[0; 8]);
        put_string(&mut secret, ED25519);
        put_string(&mut secret, &self.point);
        let both = Zeroizing::new([*self.seed.expose(), self.point].concat());
        put_string(&mut secret, &both);
        put_string(&mut secret, comment.as_bytes());
        for byte in 1..u8::MAX {
            if secret.len().is_multiple_of(BLOCK) {
                break;
            }
            secret.push(byte);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        out.extend_from_slice(MAGIC);
        put_string(&mut out, NONE);
        put_string(&mut out, NONE);
        put_string(&mut out, b"");
        out.extend_from_slice(&1_u32.to_be_bytes());
        put_string(&mut out, &public);
        put_string(&mut out, &secret);
        Zeroizing::new(armor(&out, BEGIN, END))
    }
}

fn read(bytes: &[u8]) -> Result<PrivateKey, BadWire> {
    let mut reader = Reader::new(bytes);
    let plain = reader.take(MAGIC.len())? == MAGIC
        && reader.string()? == NONE
        && reader.string()? == NONE
        && reader.string()?.is_empty()
        && reader.u32()? == 1;
    if !plain {
        return Err(BadWire);
    }
    let (public, secret) = (reader.string()?, reader.string()?);
    reader.finish()?;
    let key = read_secret(secret)?;
    if key.public_key().blob == public {
        Ok(key)
    } else {
        Err(BadWire)
    }
}

fn read_secret(bytes: &[u8]) -> Result<PrivateKey, BadWire> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != reader.u32()? || reader.string()? != ED25519 {
        return Err(BadWire);
    }
    let point: [u8; 32] = reader.string()?.try_into().map_err(|_| BadWire)?;
    let both = reader.string()?;
    let (seed, again) = both.split_at_checked(32).ok_or(BadWire)?;
    reader.string()?;
    let padding = reader.rest();
    let padded = padding.len() < BLOCK
        && bytes.len().is_multiple_of(BLOCK)
        && padding
            .iter()
            .zip(1_u8..)
            .all(|(byte, expected)| *byte == expected);
    if again != point || !padded {
        return Err(BadWire);
    }
    let mut seed: [u8; 32] = seed.try_into().map_err(|_| BadWire)?;
    Ok(PrivateKey {
        seed: Seed::take(&mut seed),
        point,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use std::{fs, process::Command};

    fn key() -> PrivateKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        PrivateKey {
            seed: Seed::take(&mut [7; 32]),
            point: pair.public_key().as_ref().try_into().unwrap(),
        }
    }

    #[test]
    fn a_file_reads_back_whatever_the_length_of_its_comment() {
        for comment in ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"] {
            let read = PrivateKey::parse(&key().format(comment)).unwrap();
            assert_eq!(read.seed.expose(), &[7; 32]);
            assert_eq!(read.point, key().point);
        }
    }

    #[test]
    fn nothing_but_a_plain_ed25519_file_is_read() {
        let good = key().format("x");
        for bad in [
            "",
            "x",
            &good.replace("OPENSSH", "RSA"),
            &good.replacen("b3Bl", "b3Bm", 1),
        ] {
            PrivateKey::parse(bad).unwrap_err();
        }
        let bytes = dearmor(&good, BEGIN, END).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            if let Ok(read) = PrivateKey::parse(&armor(&other, BEGIN, END)) {
                assert_eq!(read.point, key().point, "byte {at}");
            }
        }
        for len in 0..bytes.len() {
            PrivateKey::parse(&armor(&bytes[..len], BEGIN, END)).unwrap_err();
        }
    }

    #[test]
    fn a_seed_is_not_shown() {
        assert_eq!(format!("{:?}", Seed::take(&mut [7; 32])), "Seed");
    }

    #[test]
    fn stock_ssh_keygen_reads_what_is_written_and_writes_what_is_read() {
        let Ok(dir) = crate::owner::sshsig::tests::keygen_dir("sshkey") else {
            return;
        };
        let path = dir.join("ours");
        fs::write(&path, key().format("duty").as_bytes()).unwrap();
        crate::owner::sshsig::tests::private(&path);
        let shown = Command::new("ssh-keygen")
            .args(["-y", "-f"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(shown.stdout).unwrap(),
            format!("{} duty\n", key().public_key())
        );
        let theirs = dir.join("theirs");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&theirs)
            .status()
            .unwrap();
        assert!(made.success());
        let read = PrivateKey::parse(&fs::read_to_string(&theirs).unwrap()).unwrap();
        let line = fs::read_to_string(theirs.with_extension("pub")).unwrap();
        assert_eq!(
            PublicKey::parse_line(line.trim_end()).unwrap(),
            read.public_key()
        );
        fs::remove_dir_all(dir).unwrap();
    }
}
