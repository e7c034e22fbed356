//! Signed checkpoints: C2SP signed-note and tlog-checkpoint, with an Ed25519 log key and no extension lines.
//!
//! ```text
//! <origin>\n<size>\n<base64 root>\n\n— <origin> <base64(key id ‖ signature)>\n
//! ```
//! Parsing accepts this one form, with any number of further signature lines by other names. A [`Checkpoint`] from
//! [`verify`] was signed by the log key; it says nothing about other checkpoints of the same size.

use crate::{
    crypto::{Scheme, Verifier, sha256},
    id::{Digest, from_hex, to_hex},
    wire::storage::MAX_CHECKPOINT,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Signature type of Ed25519 in signed notes.
const ED25519: u8 = 0x01;
/// Signature lines a note may have.
const MAX_SIGNATURES: usize = 16;
/// How a signature line begins: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Tree head of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root hash.
    pub root: Digest,
}

/// Why a note or verifier key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the one form accepted.
    #[error("checkpoint is malformed")]
    Malformed,
    /// Not of the log that was asked for.
    #[error("checkpoint is of another log")]
    OtherOrigin,
    /// No valid signature by the log key.
    #[error("checkpoint is not signed by the log key")]
    Unsigned,
    /// Not a verifier key of the one form accepted.
    #[error("verifier key is malformed")]
    VerifierKey,
}

impl Checkpoint {
    /// The signed text: three lines.
    #[must_use]
    pub fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        )
    }

    /// The whole note, given the signature over [`Self::body`].
    #[must_use]
    pub fn note(&self, key: &LogKey, signature: &[u8; 64]) -> String {
        let mut line = key.key_id().to_vec();
        line.extend_from_slice(signature);
        format!(
            "{}\n{SIGNATURE_MARK}{} {}\n",
            self.body(),
            key.name,
            STANDARD.encode(line)
        )
    }
}

/// A log's verifier key: `name+hex8(key id)+base64(0x01 ‖ public key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// The log's origin.
    pub name: String,
    /// Ed25519.
    pub public: [u8; 32],
}

impl LogKey {
    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public)[..4].
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519], &self.public]);
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }

    /// The text form.
    #[must_use]
    pub fn vkey(&self) -> String {
        let mut typed = vec![ED25519];
        typed.extend_from_slice(&self.public);
        format!(
            "{}+{}+{}",
            self.name,
            to_hex(&self.key_id()),
            STANDARD.encode(typed)
        )
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`Error::VerifierKey`] when the name, id or key does not fit.
    pub fn parse(vkey: &str) -> Result<Self, Error> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::VerifierKey);
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::VerifierKey);
        }
        let typed = STANDARD.decode(typed).map_err(|_| Error::VerifierKey)?;
        let Some((&ED25519, public)) = typed.split_first() else {
            return Err(Error::VerifierKey);
        };
        let public = public.try_into().map_err(|_| Error::VerifierKey)?;
        let key = Self {
            name: name.to_owned(),
            public,
        };
        let id: [u8; 4] = from_hex(id).map_err(|_| Error::VerifierKey)?;
        if id == key.key_id() {
            Ok(key)
        } else {
            Err(Error::VerifierKey)
        }
    }
}

/// Reads a note and checks the log's signature on it.
///
/// # Errors
///
/// Any [`Error`] but `VerifierKey`. A line by the log's name and key id that does not verify refuses the note, whatever
/// else stands in it.
pub fn verify(note: &str, key: &LogKey, verifier: &dyn Verifier) -> Result<Checkpoint, Error> {
    let (body, signatures) = split(note)?;
    let checkpoint = parse_body(body)?;
    if checkpoint.origin != key.name {
        return Err(Error::OtherOrigin);
    }
    let mut signed = false;
    for line in signatures {
        let (name, payload) = line
            .strip_prefix(SIGNATURE_MARK)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(Error::Malformed)?;
        let payload = STANDARD.decode(payload).map_err(|_| Error::Malformed)?;
        let (id, signature) = payload.split_first_chunk::<4>().ok_or(Error::Malformed)?;
        if name == key.name && *id == key.key_id() {
            verifier
                .verify(Scheme::Ed25519, &key.public, body.as_bytes(), signature)
                .map_err(|_| Error::Unsigned)?;
            signed = true;
        }
    }
    if signed {
        Ok(checkpoint)
    } else {
        Err(Error::Unsigned)
    }
}

/// Text and signature lines: they part at the last empty line.
fn split(note: &str) -> Result<(&str, Vec<&str>), Error> {
    if note.len() > MAX_CHECKPOINT || note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(Error::Malformed);
    }
    let at = note.rfind("\n\n").ok_or(Error::Malformed)?;
    let (body, rest) = note
        .split_at_checked(at.saturating_add(1))
        .ok_or(Error::Malformed)?;
    let lines = rest
        .strip_prefix('\n')
        .and_then(|rest| rest.strip_suffix('\n'))
        .ok_or(Error::Malformed)?;
    let lines: Vec<&str> = lines.split('\n').collect();
    if lines.is_empty() || lines.len() > MAX_SIGNATURES {
        Err(Error::Malformed)
    } else {
        Ok((body, lines))
    }
}

fn parse_body(body: &str) -> Result<Checkpoint, Error> {
    let mut lines = body.split('\n');
    let (Some(origin), Some(size), Some(root), Some(""), None) = (
        lines.next(),
        lines.next(),
        lines.next(),
        lines.next(),
        lines.next(),
    ) else {
        return Err(Error::Malformed);
    };
    if origin.is_empty()
        || (size.len() > 1 && size.starts_with('0'))
        || !size.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(Error::Malformed);
    }
    let size = size.parse().map_err(|_| Error::Malformed)?;
    let root: [u8; 32] = STANDARD
        .decode(root)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Error::Malformed)?;
    Ok(Checkpoint {
        origin: origin.to_owned(),
        size,
        root: Digest(root),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::AwsLc;

    /// A checkpoint with one log signature and three cosignatures, made by other software over the five leaves
    /// `claviger-test-leaf-0` … `-4` (log seed 00..1f).
    const VKEY: &str =
        "claviger.example/test/g1+8d8bbfc1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    const NOTE: &str = "claviger.example/test/g1\n5\nTvvVCIP/TcT6o/m4UDtR8RAPe8t3HWpEgB3d4Ct8oEg=\n\n\
        \u{2014} claviger.example/test/g1 jYu/wXWjFsB6FS6dzoULk2Vybex/qQFNg+ZTG5L8/5od9oLD41Hqsm484fd4CYDYfu2ov0b35zjpbNWWp6Fqe7f5IQg=\n\
        \u{2014} witness.example/w1 esUq+wAAAABpVbkAvaleJFOpslB8NrjYS7gASDrP4mDJxxR1swnkujHJ1bkTiwYiM8YOYqZOtyZ7K33KjZBECAbMRgs5kdQMOuiVDw==\n";

    #[test]
    fn a_note_made_by_other_software_verifies() {
        let key = LogKey::parse(VKEY).unwrap();
        assert_eq!(key.vkey(), VKEY);
        let checkpoint = verify(NOTE, &key, &AwsLc).unwrap();
        assert_eq!(checkpoint.size, 5);
        let leaves: Vec<Digest> = (0..5)
            .map(|n| super::super::merkle::leaf_hash(format!("claviger-test-leaf-{n}").as_bytes()))
            .collect();
        assert_eq!(checkpoint.root, super::super::merkle::root(&leaves));
    }

    #[test]
    fn the_c2sp_example_key_reads_back() {
        // C2SP signed-note, the example's verifier key
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(LogKey::parse(vkey).unwrap().vkey(), vkey);
    }

    #[test]
    fn any_change_is_refused() {
        let key = LogKey::parse(VKEY).unwrap();
        for (from, to, why) in [
            ("\n5\n", "\n6\n", "other size"),
            ("\n5\n", "\n05\n", "leading zero"),
            ("test/g1\n5", "test/g2\n5", "other origin"),
            ("oEg=\n\n", "oEg=\nextension\n\n", "extension line"),
            ("\n", "\r\n", "carriage returns"),
            ("jYu/wXWjF", "jYu/wXWjG", "other signature"),
            ("\u{2014} claviger", "- claviger", "no em dash"),
        ] {
            assert!(
                verify(&NOTE.replace(from, to), &key, &AwsLc).is_err(),
                "{why}"
            );
        }
        assert!(
            verify(NOTE.trim_end(), &key, &AwsLc).is_err(),
            "no final newline"
        );
        let unsigned: String = NOTE
            .lines()
            .filter(|line| !line.starts_with("\u{2014} claviger"))
            .fold(String::new(), |all, line| all + line + "\n");
        assert_eq!(verify(&unsigned, &key, &AwsLc), Err(Error::Unsigned));
    }
}
