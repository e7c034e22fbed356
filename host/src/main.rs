//! `claviger-host`: the courier as a process.

use anyhow::Context;
use clap::Parser;
use claviger_host::{Config, heartbeat::Heartbeat};
use std::{path::PathBuf, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The courier of Claviger.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration in JSON.
    #[arg(long)]
    config: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    claviger_host::harden().context("close this process to others")?;
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        // Libraries below speak only of trouble: an SDK's own lines name access keys.
        .with_env_filter(
            EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| EnvFilter::new("warn,claviger_host=info")),
        )
        .init();
    let path = &arguments.config;
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let config = Config::parse(&bytes)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        if let Some(heart) = heartbeat(&config)? {
            tokio::spawn(heart.run());
        }
        let stop = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        Ok(claviger_host::run(config, stop).await?)
    })
}

/// For a service manager, where one started this process.
fn heartbeat(config: &Config) -> anyhow::Result<Option<Heartbeat>> {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(None);
    };
    let watchdog = std::env::var_os("WATCHDOG_USEC");
    let watchdog = watchdog.map(|text| text.to_string_lossy().parse().map(Duration::from_micros));
    let watchdog = watchdog.transpose().context("WATCHDOG_USEC")?;
    Heartbeat::connect(&socket, watchdog, config.operators)
        .context("NOTIFY_SOCKET")
        .map(Some)
}
