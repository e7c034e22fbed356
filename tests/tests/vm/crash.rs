//! Machine, device and host killed and stalled under load: nothing acknowledged is lost, nothing is overspent, what was revoked
//! stays revoked.

use crate::{
    acknowledged::{Given, caller, check_budgets, check_receipts, read, recorded},
    guest::{Guest, denied},
    stage::grant,
};
use anyhow::{Context, ensure};
use claviger_cli::owner::Desk;
use claviger_client::AgentKey;
use claviger_shared::denial::Code;
use claviger_tests::vm::Part;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const AGENTS: usize = 4;
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 60;
/// How long a part is stalled: less than an enclave waits for its storage.
const STALL: Duration = Duration::from_secs(3);
/// How long callers may take to be served again after a stall.
const RESUMES: Duration = Duration::from_secs(20);
/// Load between two blows.
const BETWEEN: Duration = Duration::from_millis(500);

/// What happens to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill(Part),
    KillHost,
    Stall(Part),
}

const BLOWS: [Blow; 6] = [
    Blow::Kill(Part::Guest),
    Blow::KillHost,
    Blow::Stall(Part::Guest),
    Blow::Kill(Part::Device),
    Blow::Stall(Part::Device),
    Blow::Kill(Part::Guest),
];

async fn strike(guest: &mut Guest, blow: Blow) -> anyhow::Result<()> {
    let boots = guest.vm.boots();
    match blow {
        Blow::Kill(part) => return guest.kill(part).await,
        Blow::KillHost => guest.stage.kill("host").await?,
        Blow::Stall(part) => guest.apart(move |vm| vm.stall(part, STALL)).await?,
    }
    ensure!(guest.vm.boots() == boots, "the guest did not go on serving");
    Ok(())
}

/// Waits until the callers are given more.
async fn resumes(given: &Given) -> anyhow::Result<()> {
    let count = || given.receipts.lock().unwrap().len();
    let before = count();
    tokio::time::timeout(RESUMES, async {
        while count() < before + AGENTS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .context("the calls do not resume")
}

/// Revokes a new grant, strikes, and asks again.
async fn round(guest: &mut Guest, desk: &mut Desk, place: usize, blow: Blow) -> anyhow::Result<()> {
    let wanted = grant(LARGE, 5000, 20_000);
    let name = format!("doomed-{place}");
    let doomed = guest.stage.agent_by(desk, &name, &wanted).await?;
    let AgentKey { grant, .. } = doomed.key();
    desk.revoke_grant(grant).await?;
    strike(guest, blow).await?;
    denied(&doomed, Code::GrantRevoked).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU: make vm-test"]
async fn nothing_is_lost_or_overspent_when_machine_device_or_host_die_or_stall()
-> anyhow::Result<()> {
    let mut guest = Guest::start().await?;
    let mut desk = guest.stage.desk().await?;
    let (given, mut callers) = (Arc::new(Given::default()), Vec::new());
    let mut budgets = BTreeMap::new();
    for number in 0..AGENTS {
        let calls = if number % 2 == 0 { LARGE } else { SMALL };
        let (name, wanted) = (format!("agent-{number}"), grant(calls, 5000, 20_000));
        let agent = guest.stage.agent_by(&mut desk, &name, &wanted).await?;
        budgets.insert(agent.key().grant.clone(), calls);
        let agent = Arc::new(agent);
        callers.extend((0..2).map(|_| caller(Arc::clone(&agent), Arc::clone(&given))));
    }
    for (place, blow) in BLOWS.into_iter().enumerate() {
        tokio::time::sleep(BETWEEN).await;
        println!(
            "{} credentials, then {blow:?}",
            given.receipts.lock().unwrap().len()
        );
        let after = || format!("after {blow:?}; the guest's console:");
        let went = round(&mut guest, &mut desk, place, blow).await;
        went.with_context(|| format!("{}\n{}", after(), guest.vm.console()))?;
        resumes(&given)
            .await
            .with_context(|| format!("{}\n{}", after(), guest.vm.console()))?;
    }
    given.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await?;
    }
    let entries = read(guest.dir.path())?;
    let issued = recorded(&guest.stage, &entries)?;
    let given = std::mem::take(&mut *given.receipts.lock().unwrap());
    let acknowledged = check_receipts(&guest.stage, &entries, &given)?;
    check_budgets(&budgets, &acknowledged, &issued)?;
    let receipts: Vec<_> = given.into_iter().map(|(_, receipt)| receipt).collect();
    guest.audit(&receipts).await?;
    guest.stop().await
}
