//! `claviger-demo`: a whole deployment on this machine, first used, then attacked.
//!
//! Every process is its own and every byte goes over a real socket; what an attacker would do is done with the product's
//! wire formats, not by asking the product to pretend. Each line says what was tried and what came back. A check that does
//! not hold makes the exit code 1.

mod agent;
mod audit;
mod command;
mod courier;
mod forger;
mod hijack;
mod host;
mod hostile;
mod leak;
mod liar;
mod owner;
mod profiles;
mod relying;
mod report;
mod restart;
#[expect(dead_code, reason = "what crash tests alone do to a deployment")]
mod stage;

use anyhow::Context;
use claviger_client::Agent;
use report::Report;
use stage::Stage;
use std::{path::Path, process::ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut report = Report::default();
    runtime.block_on(run(&mut report))?;
    Ok(if report.end() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = std::env::current_dir()?.join("demo/show");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context("cannot remove what an earlier run left");
        }
        Ok(()) | Err(_) => {}
    }
    std::fs::create_dir_all(&dir)?;
    let stage = Stage::start(&dir).await?;
    let agent = deployment(report, &stage).await?;
    let agent = agent::work(report, &stage, agent).await?;
    owner::work(report, &stage).await?;
    profiles::work(report, &stage).await?;
    hostile::attack(report, &stage).await?;
    leak::check(report, &stage).await?;
    let revoked = hijack::attack(report, &stage).await?;
    let mut stage = host::attack(report, stage, &agent).await?;
    restart::check(report, &mut stage, &agent, &revoked).await?;
    let profile = stage.profile()?;
    audit::whole(report, &stage.dir, &profile)?;
    let pids = stage.pids()?;
    let status = stage.stop().await?;
    let left = pids.iter().filter(|pid| stage::is_alive(**pid)).count();
    report.check(
        "SIGTERM: everything ends",
        status.success() && left == 0,
        format!(
            "exit code {}, {left} processes left",
            status.code().unwrap_or(-1)
        ),
    );
    Ok(())
}

/// What came up.
async fn deployment(report: &mut Report, stage: &Stage) -> anyhow::Result<Agent> {
    report
        .part("A deployment: KMS, enclave and host, each a process; keys born inside the enclave");
    let profile = stage.profile()?;
    let chain = profile.chain()?;
    let g0 = chain.bytes(0).context("no g0")?;
    let pcr16 = claviger_client::trust::extended_once(claviger_shared::label::PCR_DEPLOYMENT, g0);
    report.say("state is kept in", stage.dir.display());
    report.say("origin", &chain.newest().origin);
    report.say(
        "fingerprint: SHA-256 of the first manifest, pinned by agents",
        chain.fingerprint(),
    );
    report.say(
        "PCR16: the deployment, as the enclave measured it",
        format!("{}…", &pcr16.to_string()[..32]),
    );
    let key = claviger_client::AgentKey::parse(&std::fs::read_to_string(Path::new(
        &profile.agent_api_key_file.context("no agent key")?,
    ))?)?;
    let agent = Agent::connect(key).await?;
    let simulation = agent.is_simulation().await;
    report.check(
        "the agent verifies manifests and attestation, then opens a channel",
        simulation,
        if simulation {
            "attested; simulation, as it must say"
        } else {
            "attested, but does not say that it is a simulation"
        },
    );
    Ok(agent)
}
