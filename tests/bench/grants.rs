//! What the number of grants costs: memory of the enclave, and a call.
//!
//! Grants are made by an owner's commands, one after the other as they must be, each signed, applied and stored; nothing is
//! put into a store by another way.

use crate::{
    asks,
    calls::{streams, through_host},
    child::Kept,
    clock::now,
    cpu,
    deployment::Deployment,
    load::{Load, floor, stream},
    run::Run,
};
use serde::Serialize;
use std::time::Duration;

/// Grants of a small deployment.
const FEW: usize = 100;
/// Agents with an open channel.
pub const WITH_CHANNELS: usize = 1000;

/// The enclave at a number of grants.
#[derive(Debug, Clone, Serialize)]
pub struct Grants {
    /// Grants.
    pub grants: usize,
    /// Channels open.
    pub channels: usize,
    /// The enclave's memory, proportional set size in KiB.
    pub enclave_kib: u64,
    /// Commands a second at which the last of them were made, one after the other; 0 where it was not looked at.
    pub made_per_s: f64,
    /// CPU of the enclave for one call of 8 x 16, in microseconds.
    pub enclave_us: f64,
}

/// Opens a channel for each of a thousand agents, then adds grants up to each of these numbers.
pub fn measure(run: &mut Run, numbers: &[usize]) -> anyhow::Result<()> {
    let mut deployment = Deployment::start(false, FEW)?;
    look(run, &deployment, FEW, 0, 0.0)?;
    deployment.agents(WITH_CHANNELS)?;
    let open = channels(&deployment)?;
    look(run, &deployment, WITH_CHANNELS, WITH_CHANNELS, 0.0)?;
    // One is the simulation's own.
    let mut grants = WITH_CHANNELS + 1;
    for number in numbers {
        let (start, first) = (now(), grants);
        while grants < *number {
            let agent = format!("bench-{}", grants % WITH_CHANNELS);
            deployment
                .owner
                .grant(&format!("gr_more_{grants}"), &agent)?;
            grants += 1;
        }
        let made = (grants - first) as f64 / start.elapsed().as_secs_f64();
        look(run, &deployment, grants, WITH_CHANNELS, made)?;
    }
    drop(open);
    Ok(())
}

/// A thousand channels, each used once. Their connections are kept, as those of agents are.
fn channels(deployment: &Deployment) -> anyhow::Result<Vec<Load>> {
    let mut open = Vec::new();
    for some in deployment.agents[..WITH_CHANNELS].chunks(50) {
        let lanes = some.iter().map(|agent| {
            let get = asks::sign(asks::get());
            stream::connect(&deployment.profile.api, &deployment.trusted, agent, get)
        });
        let mut load = Load::new(lanes.collect::<anyhow::Result<_>>()?, 1)?;
        load.run(Duration::from_millis(1))?;
        load.drain()?;
        open.push(load);
    }
    Ok(open)
}

fn look(
    run: &mut Run,
    deployment: &Deployment,
    grants: usize,
    channels: usize,
    made: f64,
) -> anyhow::Result<()> {
    let enclave_kib = cpu::pss_kib(deployment.pid("enclave")?);
    let what = format!("GET, {grants} grants");
    through_host(run, deployment, &what, (8, 16), &asks::sign(asks::get()))?;
    let found = Grants {
        grants,
        channels,
        enclave_kib,
        made_per_s: made,
        enclave_us: run.cells.last().map_or(0.0, |cell| cell.cpu("enclave")),
    };
    let mib = enclave_kib as f64 / 1024.0;
    println!("{grants} grants: enclave {mib:.1} MiB with {channels} channels");
    if made > 0.0 {
        println!("    the last of them made at {made:.0} commands/s");
    }
    run.grants.push(found);
    Ok(())
}

/// One budget that all draw on, beside as many as there are connections.
pub fn hot(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let get = asks::sign(asks::get());
    let separate = streams(deployment, 4, &get)?;
    crate::calls::plan(run, deployment, "GET, 4 budgets", 4)?.keep(run, separate)?;
    let first = &deployment.agents[0];
    let one = (0..4).map(|_| {
        stream::connect(
            &deployment.profile.api,
            &deployment.trusted,
            first,
            get.clone(),
        )
    });
    let one = one.collect::<anyhow::Result<_>>()?;
    crate::calls::plan(run, deployment, "GET, 1 budget", 4)?.keep(run, one)
}

/// More than may be under way: four connections, each with four times what its channel may have. Then the same beside one caller
/// of the floor server, who asks when they ask and is refused: what a refusal waits for there, whoever gives it.
pub fn overload(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let (callers, depth, get) = (4, 256, asks::sign(asks::get()));
    crate::calls::through_host(run, deployment, "overload", (callers, depth), &get)?;
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("floor");
    let server = Kept::own(&["floor", &socket.to_string_lossy()], &socket)?;
    let load = Load::new(streams(deployment, callers, &get)?, depth)?;
    let load = load.beside(floor::refused(&socket)?)?;
    let mut plan = crate::calls::plan(run, deployment, "overload beside the floor", depth)?;
    plan.pids.push(("floor", server.pid()));
    run.keep(plan.under(load, callers)?);
    Ok(())
}
