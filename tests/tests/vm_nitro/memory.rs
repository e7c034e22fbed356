//! The least memory that the image starts with holds the largest load that it takes: calls are answered or refused, and nothing hangs.

use crate::{
    guest::Guest,
    job,
    stage::{answered, grant},
};
use anyhow::{Context, ensure};
use claviger_shared::call::{Ask, Reply};
use claviger_tests::vm::nitro;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// MiB that a machine must have for the image to start.
const LEAST: u32 = 128;
/// Agents, and the calls of each that are under way together: as many as a channel takes.
const AGENTS: usize = 4;
const AT_ONCE: usize = 64;
/// Calls of one caller.
const EACH: usize = 3;
/// Bytes of a body: nearly the largest.
const BODY: usize = 480 * 1024;
/// Far longer than all of it takes.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn the_least_memory_holds_the_largest_load() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nitro = nitro::start(dir.path(), LEAST)?;
    let guest = Guest::of(dir, nitro.vm, &nitro.address).await?;
    let mut desk = guest.stage.desk().await?;
    job::allow_notes(&guest, &mut desk).await?;
    let mut callers = Vec::new();
    for number in 0..AGENTS {
        let mut wanted = grant(100_000, 100_000, 1_000_000);
        wanted["permissions"]["write"] = json!(["charges", "notes", "tokens"]);
        let agent = guest
            .stage
            .agent_by(&mut desk, &format!("heavy-{number}"), &wanted)
            .await?;
        let agent = Arc::new(agent);
        for _ in 0..AT_ONCE {
            let agent = Arc::clone(&agent);
            callers.push(tokio::spawn(async move {
                let mut issued = 0_usize;
                for _ in 0..EACH {
                    // Refused for want of room is an answer.
                    if let Ok(Reply::Issued(_)) = answered(&agent, Ask::Sign(job::note(BODY))).await
                    {
                        issued += 1;
                    }
                }
                issued
            }));
        }
    }
    let all = async {
        let mut issued = 0;
        for caller in callers {
            issued += caller.await?;
        }
        anyhow::Ok(issued)
    };
    let issued = tokio::time::timeout(PATIENCE, all)
        .await
        .context("the calls hang")??;
    println!(
        "{issued} of {} bodies of 480 KiB signed, {} boots",
        AGENTS * AT_ONCE * EACH,
        guest.vm.boots()
    );
    ensure!(issued > 0, "nothing was signed");
    ensure!(
        guest.vm.boots() == 2,
        "the machine ended:\n{}",
        guest.vm.console()
    );
    guest.stop().await
}
