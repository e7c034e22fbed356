//! `claviger-bench`: how fast a whole deployment answers, each process in its own, on this machine.
//!
//! It starts a simulation beside itself, makes agents of its own, and measures closed-loop callers through the host's stream
//! face: calls a second, the time one caller waits, and the CPU each process spends on a call. Figures go to standard output
//! and `target/bench.json`; nothing here decides whether they are good.

mod cell;
mod cpu;
mod deployment;
mod fair;
mod report;

use anyhow::{Context, ensure};
use cell::Cell;
use deployment::Deployment;
use fair::Fair;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Closed-loop callers of a cell.
const CALLERS: [usize; 3] = [1, 8, 64];
/// Agents that share the callers.
const AGENTS: usize = 8;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let usage = "usage: claviger-bench [SECONDS]";
    if let [verb, key, seconds] = &arguments[..] {
        ensure!(verb == "flood", usage);
        return runtime.block_on(fair::flood(Path::new(key), seconds.parse()?));
    }
    let seconds = arguments.first().map_or(Ok(5), |text| text.parse());
    let seconds = seconds.context(usage)?;
    let measured = runtime.block_on(run(Duration::from_secs(seconds)))?;
    report::print(&measured);
    report::write(&PathBuf::from("target/bench.json"), &measured)
}

/// Everything that one run measures.
#[derive(Debug, Default)]
struct Measured {
    cells: Vec<Cell>,
    fair: Vec<Fair>,
}

async fn run(length: Duration) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for volatile in [false, true] {
        let deployment = Deployment::start(volatile, AGENTS).await?;
        for callers in CALLERS {
            let cell = cell::measure(&deployment, callers, length).await?;
            measured.cells.push(cell);
        }
        measured
            .fair
            .push(fair::measure(&deployment, length).await?);
        deployment.stop().await?;
    }
    Ok(measured)
}
