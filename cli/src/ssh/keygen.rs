//! Stock `ssh-keygen` as the hand that signs: no shell, the bytes through its standard input.
//!
//! It finds the key itself: in the file, or in the agent that `SSH_AUTH_SOCK` names. What it asks (a passphrase, a PIN, a
//! touch) it asks on the terminal.

use crate::Error;
use claviger_shared::owner::{
    sshsig::PublicKey,
    sshwire::{Reader, dearmor},
};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    process::{Command, Stdio},
};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// OpenSSH `PROTOCOL.key`.
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Longest message of `ssh-keygen` that is repeated.
const MAX_MESSAGE: usize = 400;

/// The public half that stands in the clear in every OpenSSH private key file, encrypted or not.
pub(super) fn public_half(text: &str) -> Option<PublicKey> {
    let bytes = Zeroizing::new(dearmor(text, BEGIN, END).ok()?);
    let mut reader = Reader::new(&bytes);
    if reader.take(MAGIC.len()).ok()? != MAGIC {
        return None;
    }
    for _ in ["cipher", "key derivation", "its options"] {
        reader.string().ok()?;
    }
    if reader.u32().ok()? != 1 {
        return None;
    }
    let key = PublicKey {
        blob: reader.string().ok()?.to_vec(),
    };
    // A blob of a type that is not accepted shows as an empty line.
    PublicKey::parse_line(&key.to_string()).ok()
}

/// Has `ssh-keygen` sign.
pub(super) fn sign(path: &Path, namespace: &str, bytes: &[u8]) -> Result<String, Error> {
    let terminal = io::stderr().is_terminal();
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace, "-f"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if terminal {
            Stdio::inherit()
        } else {
            Stdio::piped()
        })
        .spawn()
        .map_err(|source| Error::Io {
            what: "cannot run ssh-keygen, which signs with this key".to_owned(),
            source,
        })?;
    let broken = |source| Error::Io {
        what: "ssh-keygen".to_owned(),
        source,
    };
    // What it signs is smaller than a pipe may be asked to hold only by luck: written from beside.
    let input = child.stdin.take();
    let message = bytes.to_vec();
    let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(&message)));
    let output = child.wait_with_output().map_err(broken)?;
    // A child that ended early has said why.
    let _ = writer.join();
    if !output.status.success() {
        return Err(refused(path, &output.stderr));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Error::Distrust("ssh-keygen gave no armoured signature".to_owned()))
}

fn refused(path: &Path, said: &[u8]) -> Error {
    let said = String::from_utf8_lossy(said);
    let said: String = said.trim().chars().take(MAX_MESSAGE).collect();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(" ({})", said.replace('\n', "; "))
    };
    Error::Usage(format!(
        "ssh-keygen did not sign with `{}`{said}: load the key with `ssh-add`, or use --out FILE and `claviger submit`",
        path.display()
    ))
}
