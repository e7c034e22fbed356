//! `claviger-bench`: how fast a whole deployment answers, each process in its own, on this machine.
//!
//! It starts a simulation beside itself, makes agents of its own, and measures closed-loop callers through the host's stream
//! face: calls a second, the time one caller waits, and the CPU each process spends on a call. Figures go to standard output
//! and `target/bench.json`; nothing here decides whether they are good.

mod cell;
mod cpu;
mod deployment;
mod report;

use anyhow::Context;
use cell::Cell;
use deployment::Deployment;
use std::{path::PathBuf, time::Duration};

/// Closed-loop callers of a cell.
const CALLERS: [usize; 3] = [1, 8, 64];
/// Agents that share the callers.
const AGENTS: usize = 8;

fn main() -> anyhow::Result<()> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(5), |text| text.parse())
        .context("usage: claviger-bench [SECONDS]")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let cells = runtime.block_on(run(Duration::from_secs(seconds)))?;
    report::print(&cells);
    report::write(&PathBuf::from("target/bench.json"), &cells)
}

async fn run(length: Duration) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for volatile in [false, true] {
        let deployment = Deployment::start(volatile, AGENTS).await?;
        for callers in CALLERS {
            cells.push(cell::measure(&deployment, callers, length).await?);
        }
        deployment.stop().await?;
    }
    Ok(cells)
}
