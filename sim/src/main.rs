//! `claviger-sim`: a whole deployment on one machine, with a mock NSM and a mock KMS.

use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Parser, Subcommand};
use claviger_sim::{
    process::{self, enclave::At, kms::Files, nsm::Wanted},
    up::{
        self, Options,
        layout::{Guest, Layout},
    },
};
use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing_subscriber::EnvFilter;

/// The enclave's own, so that a simulation costs what production does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The simulation of Claviger: real processes and sockets, a mock NSM and a mock KMS that sign and check for real.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Starts KMS, enclave and host, holds the ceremony on first use, and keeps them running until SIGTERM.
    Up {
        /// Where everything is kept; `ready.json` appears in it when agents can be served.
        #[arg(long)]
        dir: PathBuf,
        /// Port of the agents' face; the operators' face and KMS take the next two.
        #[arg(long)]
        port: Option<u16>,
        /// Answers do not wait for storage: sandbox grants and benchmarks only. Counts at first use.
        #[arg(long)]
        volatile: bool,
        /// The enclave is not started: it runs in a virtual machine whose monitor offers its vsock at this Unix socket.
        #[arg(long)]
        guest: Option<PathBuf>,
        /// The port that the enclave listens on there.
        #[arg(long, default_value_t = process::guest::PORT, requires = "guest")]
        guest_port: u32,
    },
    /// One enclave process on a mock NSM, as `up` starts it.
    Enclave {
        /// The directory of `up`.
        #[arg(long)]
        dir: PathBuf,
        /// Listen on this vsock port, not at the directory's Unix socket.
        #[arg(long)]
        vsock: Option<u32>,
        /// The context id whose connections are taken; any other's are closed.
        #[arg(long, default_value_t = process::guest::PARENT_CID, requires = "vsock")]
        parent_cid: u32,
        /// End when standard input ends.
        #[arg(long)]
        with_parent: bool,
    },
    /// The host, as `up` starts it.
    Host {
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
        /// End when standard input ends.
        #[arg(long)]
        with_parent: bool,
    },
    /// The mock KMS, alone or as `up` starts it. Prints how stock AWS clients use it; see sim/README.md.
    Kms {
        /// Its directory, made on first use with callers and an attestation root; or that of `up`.
        #[arg(long)]
        dir: PathBuf,
        /// A loopback address; port 0 for any.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// What attestation documents must chain to: `aws`, or a certificate file. Else the mock NSM's root in the directory.
        #[arg(long)]
        attestation_root: Option<String>,
        /// A region it answers for; more for replicas of multi-Region keys.
        #[arg(long = "region", default_values = ["us-east-1", "us-west-2", "eu-west-1"])]
        regions: Vec<String>,
        /// End when standard input ends.
        #[arg(long)]
        with_parent: bool,
    },
    /// The mock NSM.
    Nsm {
        #[command(subcommand)]
        verb: NsmVerb,
    },
}

#[derive(Debug, Subcommand)]
enum NsmVerb {
    /// One signed attestation document of an enclave just booted, in base64 unless it goes to a file.
    Document {
        /// The directory of `kms` or `up`, whose PKI signs; made on first use.
        #[arg(long)]
        dir: PathBuf,
        /// A public key to attest: a SubjectPublicKeyInfo, PEM or DER.
        #[arg(long)]
        public_key: Option<PathBuf>,
        /// A nonce, hexadecimal.
        #[arg(long)]
        nonce: Option<String>,
        /// User data, hexadecimal.
        #[arg(long)]
        user_data: Option<String>,
        /// What the image measures: JSON of pcr0, pcr1, pcr2, role_arn, instance_id. Else debug mode: zeros.
        #[arg(long)]
        measurements: Option<PathBuf>,
        /// INDEX=HEX: extends a register of 16 to 31 and locks it, so that the document shows it.
        #[arg(long)]
        extend: Vec<String>,
        /// Where the bytes go.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { verb } = Arguments::parse();
    // Every process of a simulation: the enclave holds keys, the mock KMS holds its own, `up` holds the owner's.
    claviger_host::harden().context("close this process to others")?;
    // Libraries below speak only of trouble: an SDK's own lines name access keys.
    let filter = EnvFilter::try_from_default_env();
    let filter =
        filter.unwrap_or_else(|_| EnvFilter::new("warn,claviger_sim=info,claviger_host=info"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    match verb {
        Verb::Up {
            dir,
            port,
            volatile,
            guest,
            guest_port: port_in_guest,
        } => {
            let guest = guest.map(|path| Guest {
                path,
                port: port_in_guest,
            });
            Runtime::new()?.block_on(async {
                up::up(
                    Options {
                        dir,
                        port,
                        volatile,
                        guest,
                    },
                    stopped(false)?,
                )
                .await
                .map_err(anyhow::Error::from)
            })?;
        }
        Verb::Enclave {
            dir,
            vsock,
            parent_cid: parent,
            with_parent,
        } => {
            let mut files = Layout::of_enclave(&dir)?.enclave();
            if let Some(port) = vsock {
                files.at = At::Vsock { port, parent };
            }
            return enclave(files, with_parent);
        }
        Verb::Host {
            config,
            with_parent,
        } => {
            let bytes =
                std::fs::read(&config).with_context(|| format!("read {}", config.display()))?;
            let config = claviger_host::Config::parse(&bytes)?;
            Runtime::new()?.block_on(async {
                claviger_host::run(config, stopped(with_parent)?)
                    .await
                    .map_err(anyhow::Error::from)
            })?;
        }
        Verb::Kms {
            dir,
            listen,
            attestation_root,
            regions,
            with_parent,
        } => {
            let files = Files::of(&std::path::absolute(dir)?);
            let root = attestation_root.as_deref();
            Runtime::new()?.block_on(kms(&files, root, &regions, listen, with_parent))?;
        }
        Verb::Nsm { verb } => nsm(verb)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Resolves at SIGTERM or SIGINT, or when the parent is gone.
fn stopped(with_parent: bool) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        let parent = async move {
            if with_parent {
                parent_gone().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = parent => {}
        }
    })
}

/// Resolves when standard input ends; nothing is ever written there.
async fn parent_gone() {
    let (gone, told) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        gone.send(())
    });
    let _ = told.await;
}

async fn kms(
    files: &Files,
    root: Option<&str>,
    regions: &[String],
    listen: SocketAddr,
    with_parent: bool,
) -> anyhow::Result<()> {
    let root = files.root(root).context("the attestation root")?;
    if !with_parent {
        files.make_callers_alone()?;
    }
    let running = process::kms::start(files, root, regions, listen).await?;
    if !with_parent {
        let usage = files.usage(&running.endpoint(), regions);
        std::io::stdout().write_all(usage.as_bytes())?;
    }
    stopped(with_parent)?.await;
    running.stop().await;
    Ok(())
}

fn nsm(verb: NsmVerb) -> anyhow::Result<()> {
    let NsmVerb::Document {
        dir,
        public_key,
        nonce,
        user_data,
        measurements,
        extend,
        out,
    } = verb;
    let wanted = Wanted {
        public_key,
        nonce,
        user_data,
        measurements,
        extend,
    };
    let document = process::nsm::document(&Files::of(&dir).pki, &wanted)?;
    match out {
        Some(file) => {
            std::fs::write(&file, document).with_context(|| format!("write {}", file.display()))?
        }
        None => writeln!(std::io::stdout(), "{}", STANDARD.encode(document))?,
    }
    Ok(())
}

fn enclave(files: process::enclave::Files, with_parent: bool) -> anyhow::Result<ExitCode> {
    let (ended, end) = std::sync::mpsc::channel();
    let serving = ended.clone();
    std::thread::spawn(move || {
        serving.send(process::enclave::run(&files, || ()).map_err(anyhow::Error::from))
    });
    if with_parent {
        std::thread::spawn(move || {
            let _ = std::io::stdin().read(&mut [0; 1]);
            ended.send(Ok((
                claviger_shared::wire::Phase::Stopped,
                "its parent is gone".to_owned(),
            )))
        });
    }
    let (phase, reason) = end.recv()??;
    tracing::info!(?phase, reason, "enclave ended");
    Ok(ExitCode::SUCCESS)
}
