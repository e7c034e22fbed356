//! `up`: KMS, enclave and host started together, the ceremony held on first use, everything kept in one directory.
//!
//! The three run as processes of their own and talk over real sockets. A child that dies is started again; what they keep
//! survives any kill. The directory holds an owner's keys in the clear: it is a laptop's deployment, never a real one.

pub mod first;
pub mod layout;
pub mod supervise;

use crate::nsm::{Pki, PkiError};
use first::Setup;
use layout::{Guest, Layout, Ports};
use serde_json::{Value, json};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use supervise::{Child, Supervisor};

/// How long the whole may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same where a virtual machine has to boot twice, perhaps an emulated one.
const PATIENCE_WITH_GUEST: Duration = Duration::from_secs(180);

/// What `up` is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// Port of the agents' face; the operators' is the next, KMS's the one after. Any free ones if none.
    pub port: Option<u16>,
    /// Answers do not wait for storage: sandbox grants and benchmarks only. Decided at first use.
    pub volatile: bool,
    /// Where the enclave is, unless `up` is to start it.
    pub guest: Option<Guest>,
}

/// Why `up` gave up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ceremony or the set-up failed.
    #[error("set-up: {0}")]
    Setup(#[from] claviger_cli::Error),
    /// A child died too often.
    #[error("{0} died too often: see its log in `{path}`", path = .1.display())]
    Dies(&'static str, PathBuf),
    /// A file failed.
    #[error("input or output: {0}")]
    Io(#[from] io::Error),
    /// It did not become ready.
    #[error("not ready in time: {0}")]
    Late(String),
    /// The mock NSM's PKI failed.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// Starts everything, writes `ready.json`, and keeps it running until `stop`.
///
/// # Errors
///
/// [`Error`]; every child is stopped then.
pub async fn up(options: Options, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
    let layout = Layout::make(&options.dir)?;
    layout.forget_ready()?;
    layout.forget_half_birth()?;
    let pki = Pki::load_or_generate(&layout.pki())?;
    let measurements = layout.measurements_or_make()?;
    let ports = layout.ports_or_choose(options.port)?;
    layout.make_callers()?;
    let children = children(&layout, ports, options.guest.as_ref())?;
    let supervisor = Supervisor::start(children, &layout)?;
    let setup = Setup {
        layout: &layout,
        ports,
        root_der: pki.root_der(),
        measurements: &measurements,
        volatile: options.volatile,
    };
    let patience = match options.guest {
        None => PATIENCE,
        Some(_) => PATIENCE_WITH_GUEST,
    };
    let ran = tokio::select! {
        () = stop => Ok(()),
        ended = supervisor.ended() => Err(Error::Dies(ended, layout.logs())),
        ready = serve(&setup, &supervisor, patience) => ready,
    };
    supervisor.stop().await;
    layout.forget_ready()?;
    ran
}

/// Brings the deployment into being where it is not yet, says that it is ready, and then waits for ever.
async fn serve(
    setup: &Setup<'_>,
    supervisor: &Arc<Supervisor>,
    patience: Duration,
) -> Result<(), Error> {
    let Setup { layout, ports, .. } = *setup;
    let ready = tokio::time::timeout(patience, setup.run());
    let grant = ready
        .await
        .map_err(|_| Error::Late("the deployment".to_owned()))??;
    loop {
        layout.write_ready(&ready_file(layout, ports, supervisor, &grant))?;
        supervisor.changed().await;
    }
}

fn ready_file(layout: &Layout, ports: Ports, supervisor: &Supervisor, grant: &str) -> Value {
    let pid = |child| supervisor.pid(child);
    json!({
        "api": ports.api_url(),
        "operator_api": ports.operator_url(),
        "kms": ports.kms_url(),
        "manifest": layout.manifests(),
        "owner_key": layout.owner_key(),
        "operator_key": layout.operator_key(),
        "agent_api_key_file": layout.agent_key(),
        "grant": grant,
        "log": layout.log_store(),
        "parties": first::parties(),
        "aws_profile": first::ADMIN_PROFILE,
        "aws_credentials_file": layout.shared_credentials(),
        "pids": { "kms": pid(Child::KMS), "enclave": pid(Child::ENCLAVE), "host": pid(Child::HOST) },
    })
}

fn children(layout: &Layout, ports: Ports, guest: Option<&Guest>) -> io::Result<Vec<Child>> {
    layout.write_host_config(ports, guest)?;
    let dir = layout.root().as_os_str();
    let kms = ports.kms_address().to_string();
    let config = layout.host_config();
    let mut children = vec![
        Child::new(
            Child::KMS,
            [
                &"kms".as_ref(),
                &"--dir".as_ref(),
                &dir,
                &"--listen".as_ref(),
                &kms.as_ref(),
            ],
        ),
        Child::new(
            Child::HOST,
            [&"host".as_ref(), &"--config".as_ref(), &config.as_os_str()],
        )
        // Paths and names alone; the secret is in the file.
        .with(
            "AWS_SHARED_CREDENTIALS_FILE",
            layout.shared_credentials().as_os_str(),
        )
        .with("AWS_PROFILE", "host".as_ref())
        .with("AWS_EC2_METADATA_DISABLED", "true".as_ref()),
    ];
    if guest.is_none() {
        let enclave = [&"enclave".as_ref(), &"--dir".as_ref(), &dir];
        // A function that is bound at its first call has the vector registers written to the stack, with whatever a copy of
        // a secret left in them. The production binary is static and binds nothing.
        let child = Child::new(Child::ENCLAVE, enclave).with("LD_BIND_NOW", "1".as_ref());
        children.push(child);
    }
    Ok(children)
}
