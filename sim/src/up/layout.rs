//! Where everything of a simulated deployment is kept.
//!
//! ```text
//! D/ready.json          there while the deployment is ready; also a --profile
//! D/measurements.json   what the mock image measures        D/ports.json   what was listened on last
//! D/nsm/ D/kms/         the mocks' own state                 D/enclave.sock
//! D/aws-credentials     callers of the mock KMS              D/logs/        one file per child
//! D/host/               config.json, manifests.json, bundle, log/
//! D/owner/              an owner's and an operator's SSH key D/agent.key    the first grant's agent key
//! ```

use crate::{
    files,
    nsm::Measurements,
    process::{self, kms::NewCaller},
};
use claviger_shared::owner::manifest::chain::Chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

/// Principal of the parent instance's role.
pub const HOST_PRINCIPAL: &str = "arn:aws:iam::000000000000:role/claviger-host";
/// Principal of whoever administers the key.
pub const ADMIN_PRINCIPAL: &str = "arn:aws:iam::000000000000:role/kms-admin";
/// What the administrator may do besides what key policies say: no key policy can allow making a key.
const CREATE_KEY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}]}"#;
/// Region of the simulation.
pub const REGION: &str = "us-east-1";

/// The directory.
#[derive(Debug, Clone)]
pub struct Layout(PathBuf);

/// What the three listen on, on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    api: u16,
    operator: u16,
    kms: u16,
}

/// An enclave that somebody else keeps running, in a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The monitor's Unix socket for its guest's ports.
    pub path: PathBuf,
    /// The port that the enclave listens on.
    pub port: u32,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Ports {
    fn following(port: u16) -> Self {
        Self {
            api: port,
            operator: port.saturating_add(1),
            kms: port.saturating_add(2),
        }
    }

    /// Free ones, chosen by the system.
    fn free() -> io::Result<Self> {
        // Held until all three are known, so that they differ.
        let held = (0..3)
            .map(|_| TcpListener::bind(loopback(0)))
            .collect::<io::Result<Vec<_>>>()?;
        let mut ports = held
            .iter()
            .map(|listener| listener.local_addr().map(|address| address.port()));
        let mut next = || {
            ports
                .next()
                .unwrap_or_else(|| Err(io::ErrorKind::AddrNotAvailable.into()))
        };
        Ok(Self {
            api: next()?,
            operator: next()?,
            kms: next()?,
        })
    }

    /// Where agents connect.
    #[must_use]
    pub fn api_url(self) -> String {
        format!("http://{}", loopback(self.api))
    }

    /// Where owners and operators connect.
    #[must_use]
    pub fn operator_url(self) -> String {
        format!("http://{}", loopback(self.operator))
    }

    /// Where KMS is.
    #[must_use]
    pub fn kms_url(self) -> String {
        format!("http://{}", loopback(self.kms))
    }

    /// Where KMS listens.
    #[must_use]
    pub fn kms_address(self) -> SocketAddr {
        loopback(self.kms)
    }
}

impl Layout {
    /// Makes the directory where it is not there.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn make(dir: &Path) -> io::Result<Self> {
        let layout = Self::of_enclave(dir)?;
        for inner in [layout.logs(), layout.host_dir(), layout.owner_dir()] {
            files::make_private_dir(&inner)?;
        }
        Ok(layout)
    }

    /// What an enclave alone needs of it: nothing of the host's or the owner's, which others may be moving just now.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn of_enclave(dir: &Path) -> io::Result<Self> {
        files::make_private_dir(dir)?;
        Ok(Self(dir.canonicalize()?))
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The mock NSM's PKI.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.0.join("nsm")
    }

    /// The mock KMS's keys.
    #[must_use]
    pub fn kms(&self) -> PathBuf {
        self.0.join("kms")
    }

    /// Who may call the mock KMS.
    #[must_use]
    pub fn callers(&self) -> PathBuf {
        self.0.join("kms-callers.json")
    }

    /// The same, as AWS SDKs read it.
    #[must_use]
    pub fn shared_credentials(&self) -> PathBuf {
        self.0.join("aws-credentials")
    }

    /// What the enclave process is given.
    #[must_use]
    pub fn enclave(&self) -> process::enclave::Files {
        process::enclave::Files {
            pki: self.pki(),
            measurements: self.measurements(),
            at: process::enclave::At::Unix(self.enclave_socket()),
        }
    }

    fn enclave_socket(&self) -> PathBuf {
        self.0.join("enclave.sock")
    }

    /// What the mock image measures, as JSON.
    #[must_use]
    pub fn measurements(&self) -> PathBuf {
        self.0.join("measurements.json")
    }

    /// The children's own output.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    fn host_dir(&self) -> PathBuf {
        self.0.join("host")
    }

    /// The host's configuration.
    #[must_use]
    pub fn host_config(&self) -> PathBuf {
        self.host_dir().join("config.json")
    }

    /// The manifest chain, as the host serves it.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.host_dir().join("manifests.json")
    }

    /// The stored log.
    #[must_use]
    pub fn log_store(&self) -> PathBuf {
        self.host_dir().join("log")
    }

    fn owner_dir(&self) -> PathBuf {
        self.0.join("owner")
    }

    /// The owner's SSH key.
    #[must_use]
    pub fn owner_key(&self) -> PathBuf {
        self.owner_dir().join("owner_ed25519")
    }

    /// The operator's SSH key.
    #[must_use]
    pub fn operator_key(&self) -> PathBuf {
        self.owner_dir().join("operator_ed25519")
    }

    /// The first grant's agent key.
    #[must_use]
    pub fn agent_key(&self) -> PathBuf {
        self.0.join("agent.key")
    }

    /// A document that first use writes for the reader.
    #[must_use]
    pub fn document(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Measurements of the mock image: random at first, kept from then on.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn measurements_or_make(&self) -> io::Result<Measurements> {
        let path = self.measurements();
        if let Ok(text) = fs::read(&path) {
            return serde_json::from_slice(&text).map_err(io::Error::other);
        }
        let mut pcrs = [[0_u8; 48]; 3];
        for pcr in &mut pcrs {
            aws_lc_rs::rand::fill(pcr).map_err(|_| io::Error::other("no randomness"))?;
        }
        let [pcr0, pcr1, pcr2] = pcrs;
        let (role_arn, instance_id) =
            (HOST_PRINCIPAL.to_owned(), "i-0simulation0000000".to_owned());
        let made = Measurements {
            pcr0,
            pcr1,
            pcr2,
            role_arn,
            instance_id,
        };
        files::write_atomically(&path, &serde_json::to_vec_pretty(&made)?)?;
        Ok(made)
    }

    /// The ports of last time, or those asked for, or free ones.
    ///
    /// # Errors
    ///
    /// Any failure of the file system, or no free port.
    pub fn ports_or_choose(&self, wanted: Option<u16>) -> io::Result<Ports> {
        let path = self.0.join("ports.json");
        let kept = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        let ports = match (wanted, kept) {
            (Some(port), _) => Ports::following(port),
            (None, Some(kept)) => kept,
            (None, None) => Ports::free()?,
        };
        files::write_atomically(&path, &serde_json::to_vec(&ports)?)?;
        Ok(ports)
    }

    /// Callers of the mock KMS: made once.
    ///
    /// # Errors
    ///
    /// Any failure of the file system, or no randomness.
    pub fn make_callers(&self) -> io::Result<()> {
        if self.callers().try_exists()? {
            return Ok(());
        }
        let host = NewCaller {
            profile: "host",
            principal: HOST_PRINCIPAL,
            identity_policy: None,
        };
        let admin = NewCaller {
            profile: "kms-admin",
            principal: ADMIN_PRINCIPAL,
            identity_policy: Some(CREATE_KEY),
        };
        let callers = [host, admin];
        process::kms::make_callers(&self.callers(), &self.shared_credentials(), &callers)
    }

    /// Whether the stored chain has g1: the ceremony is over.
    ///
    /// # Errors
    ///
    /// Any failure of the file system but that there is no chain yet.
    pub fn is_born(&self) -> io::Result<bool> {
        match fs::read(self.manifests()) {
            Ok(file) => Ok(Chain::parse_file(&file).is_ok_and(|links| links.len() > 1)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets what a ceremony left that was killed before g1: its document is gone, so nothing of it can be believed.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn forget_half_birth(&self) -> io::Result<()> {
        if self.is_born()? {
            return Ok(());
        }
        fs::remove_dir_all(self.host_dir())?;
        files::make_private_dir(&self.host_dir())
    }

    /// The host's configuration, as it listens this time.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn write_host_config(&self, ports: Ports, guest: Option<&Guest>) -> io::Result<()> {
        let enclave = match guest {
            None => json!({ "unix": self.enclave_socket() }),
            Some(Guest { path, port }) => json!({ "hybrid": { "path": path, "port": port } }),
        };
        let config = json!({
            "enclave": enclave,
            "agents": loopback(ports.api), "operators": loopback(ports.operator),
            "dir": self.host_dir(),
            "kms": { "region": REGION, "endpoint": ports.kms_url() },
        });
        files::write_atomically(&self.host_config(), &serde_json::to_vec_pretty(&config)?)
    }

    fn ready(&self) -> PathBuf {
        self.0.join("ready.json")
    }

    /// Says that the deployment is ready.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn write_ready(&self, ready: &Value) -> io::Result<()> {
        files::write_atomically(&self.ready(), &serde_json::to_vec_pretty(ready)?)
    }

    /// Takes that back.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn forget_ready(&self) -> io::Result<()> {
        match fs::remove_file(self.ready()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
