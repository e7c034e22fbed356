//! P1 in the whole memory of the machine, kernel and all: what is retired is gone from it.

use crate::{guest::Guest, own::Own};
use anyhow::{Context, ensure};
use claviger_tests::{
    memory::Wanted,
    vm::{Part, nitro},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn p1_a_retired_key_is_gone_from_the_machines_memory() -> anyhow::Result<()> {
    let (dir, outside) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
    let guest = Guest::of(dir, nitro.vm, &nitro.address).await?;
    let (ed25519, p256) = (Own::random("k_one"), Own::random("k_two"));
    ed25519.import(&guest.stage, outside.path(), false).await;
    p256.import(&guest.stage, outside.path(), true).await;
    // The emulator maps the machine's memory.
    let machine = guest.vm.pid(Part::Guest).context("no machine")?;
    let held = Wanted::default()
        .and(ed25519.name, &ed25519.secret)
        .and(p256.name, &p256.secret);
    let mut before = held.in_process(machine)?;
    before.dedup_by(|a, b| a.0 == b.0);
    ensure!(before.len() == 2, "both are in memory before: {before:?}");
    ed25519.retire(&guest.stage).await;
    p256.retire(&guest.stage).await;
    let wanted = ed25519.wanted(p256.wanted(Wanted::default(), true), false);
    let after = wanted.in_process(machine)?;
    ensure!(after.is_empty(), "{after:?}");
    ensure!(
        guest.vm.pid(Part::Guest) == Some(machine),
        "the same machine"
    );
    guest.stop().await
}
