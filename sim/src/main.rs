//! `claviger-sim`: a whole deployment on one machine, with a mock NSM and a mock KMS.

use anyhow::Context;
use clap::{Parser, Subcommand};
use claviger_sim::{
    nsm::Pki,
    process,
    up::{self, Options, layout::Layout},
};
use std::{
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing_subscriber::EnvFilter;

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
    },
    /// One enclave process on a mock NSM, as `up` starts it.
    Enclave {
        /// The directory of `up`.
        #[arg(long)]
        dir: PathBuf,
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
    /// The mock KMS, as `up` starts it.
    Kms {
        /// The directory of `up`.
        #[arg(long)]
        dir: PathBuf,
        /// A loopback address.
        #[arg(long)]
        listen: SocketAddr,
        /// End when standard input ends.
        #[arg(long)]
        with_parent: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { verb } = Arguments::parse();
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
        } => {
            Runtime::new()?.block_on(async {
                up::up(
                    Options {
                        dir,
                        port,
                        volatile,
                    },
                    stopped(false)?,
                )
                .await
                .map_err(anyhow::Error::from)
            })?;
        }
        Verb::Enclave { dir, with_parent } => return enclave(&dir, with_parent),
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
            with_parent,
        } => Runtime::new()?.block_on(kms(&dir, listen, with_parent))?,
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

async fn kms(dir: &Path, listen: SocketAddr, with_parent: bool) -> anyhow::Result<()> {
    let layout = Layout::make(dir)?;
    let root = Pki::load_or_generate(&layout.pki())?.root_der().to_vec();
    let running = process::kms::start(&layout.kms(), &layout.callers(), root, listen).await?;
    stopped(with_parent)?.await;
    running.stop().await;
    Ok(())
}

fn enclave(dir: &Path, with_parent: bool) -> anyhow::Result<ExitCode> {
    let files = Layout::make(dir)?.enclave();
    let (ended, end) = std::sync::mpsc::channel();
    let serving = ended.clone();
    std::thread::spawn(move || {
        serving.send(process::enclave::run(&files).map_err(anyhow::Error::from))
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
