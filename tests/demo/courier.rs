//! A courier that lies: it drives an enclave process of its own, step by step, over the production wire.
//!
//! The enclave runs on a copy of what the mock platform keeps, so the real deployment goes on undisturbed. The courier has
//! everything a host has: the manifests, the bundle, and the AWS role that may call KMS.

use crate::stage::program;
use anyhow::{Context, bail, ensure};
use aws_sdk_kms::config::Credentials;
use claviger_cli::profile::Profile;
use claviger_host::{
    config::{EnclaveAddress, Kms as KmsConfig},
    kms::Kms,
    link::{decode, dial, encode, put, read_frame},
};
use claviger_shared::{
    bundle::Bundle,
    wire::{
        FrameType, Refused, Role,
        control::{Document, Measure, Measured, Signed, Unseal, Unsealed},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::Write,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A reply, or the word with which it was refused.
pub type Answer<T> = Result<T, String>;

/// An enclave process and the control connection to it.
pub struct Courier {
    stream: UnixStream,
    next: u64,
    child: Child,
}

impl Drop for Courier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Courier {
    /// Boots an enclave on a copy of the platform's state; `changed` makes it another build.
    pub fn boot(from: &Path, name: &str, changed: bool) -> anyhow::Result<Self> {
        let dir = from.join(name);
        copy(&from.join("nsm"), &dir.join("nsm"))?;
        let mut text = std::fs::read_to_string(from.join("measurements.json"))?;
        if changed {
            let mut measured: serde_json::Value = serde_json::from_str(&text)?;
            measured["pcr0"] = "5a".repeat(48).into();
            text = measured.to_string();
        }
        std::fs::write(dir.join("measurements.json"), text)?;
        let child = Command::new(program("claviger-sim")?)
            .args(["enclave", "--with-parent", "--dir"])
            .arg(&dir)
            .env("RUST_LOG", "error")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stream = connect(&dir.join("enclave.sock"))?;
        Ok(Self {
            stream,
            next: 1,
            child,
        })
    }

    fn ask<T: DeserializeOwned + Serialize>(
        &mut self,
        kind: FrameType,
        body: &impl Serialize,
    ) -> anyhow::Result<Answer<T>> {
        self.next += 1;
        let mut out = Vec::new();
        put(&mut out, kind.code(), self.next, &encode(body)?)?;
        self.stream.write_all(&out)?;
        loop {
            let mut reply = Vec::new();
            let head = read_frame(&mut self.stream, &mut reply)?;
            if head.id != self.next {
                continue;
            }
            if head.kind == FrameType::Refused.code() {
                let refused: Refused = decode(&reply)?;
                return Ok(Err(refused.reason));
            }
            ensure!(head.kind == kind.reply(), "another reply");
            return Ok(Ok(decode(&reply)?));
        }
    }

    /// Shows the enclave a manifest chain.
    pub fn measure(&mut self, manifests: &[Signed]) -> anyhow::Result<Answer<Measured>> {
        let manifests = manifests.to_vec();
        self.ask(FrameType::Measure, &Measure { manifests })
    }

    /// A document for KMS.
    pub fn document(&mut self) -> anyhow::Result<Answer<Vec<u8>>> {
        let made = self.ask::<Document>(FrameType::AttestKms, &())?;
        Ok(made.map(|made| made.document))
    }

    /// Hands over what is said to be KMS's reply and the bundle.
    pub fn unseal(
        &mut self,
        recipient: &str,
        reply: &[u8],
        bundle: &[u8],
    ) -> anyhow::Result<Answer<Unsealed>> {
        let unseal = Unseal {
            recipient: recipient.to_owned(),
            ciphertext: reply.to_vec(),
            bundle: bundle.to_vec(),
        };
        self.ask(FrameType::Unseal, &unseal)
    }
}

fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    let address = EnclaveAddress::Unix(socket.to_owned());
    for _ in 0..200 {
        if let Ok((stream, _)) = dial(&address, Role::Control) {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            return Ok(stream);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    bail!("an enclave of the courier's own does not listen")
}

/// Copies a directory of files and directories.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?;
        } else {
            std::fs::copy(item.path(), target)?;
        }
    }
    Ok(())
}

/// The host's role at KMS, and what is asked there.
pub struct HostRole {
    kms: Kms,
    /// The recipient's ARN.
    pub recipient: String,
    ephemeral: Vec<u8>,
    /// The sealed bundle.
    pub bundle: Vec<u8>,
}

impl HostRole {
    /// What a host has.
    pub async fn of(dir: &Path, profile: &Profile) -> anyhow::Result<Self> {
        let endpoint = profile.kms.clone();
        let config = KmsConfig {
            region: "us-east-1".to_owned(),
            endpoint,
        };
        let (id, secret) = credentials(&dir.join("aws-credentials"))?;
        let credentials = Credentials::new(id, secret, None, None, "the host's own");
        let kms = Kms::with_credentials(&config, credentials).await;
        let bundle = std::fs::read(find_bundle(dir)?)?;
        let parsed = Bundle::parse(&bundle).ok().context("no bundle")?;
        let recipient = parsed.head.recipients.first().context("no recipient")?;
        Ok(Self {
            kms,
            recipient: recipient.arn.clone(),
            ephemeral: parsed.head.ephemeral.clone(),
            bundle,
        })
    }

    /// Asks KMS with a document.
    pub async fn derive(&self, document: Vec<u8>) -> Answer<Vec<u8>> {
        let asked = self
            .kms
            .derive(&self.recipient, &self.ephemeral, document)
            .await;
        asked.map_err(|error| error.code)
    }
}

fn find_bundle(dir: &Path) -> anyhow::Result<PathBuf> {
    let host = dir.join("host");
    for item in std::fs::read_dir(&host)? {
        let path = item?.path();
        if path.to_string_lossy().contains("bundle") {
            return Ok(path);
        }
    }
    bail!("no bundle in {}", host.display())
}

/// The `[host]` profile of a shared credentials file.
fn credentials(file: &Path) -> anyhow::Result<(String, String)> {
    let text = std::fs::read_to_string(file)?;
    let host = text.split("[host]").nth(1).context("no profile `host`")?;
    let value = |name: &str| {
        host.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='))
            .map(|value| value.trim().to_owned())
            .context("no credentials")
    };
    Ok((value("aws_access_key_id")?, value("aws_secret_access_key")?))
}
